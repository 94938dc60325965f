//! What the registry of figures has: the fields of the monitor's JSON, and the metrics of its page.

use std::collections::BTreeMap;

use serde_json::Value;
use stentor_run_view::figures::{FIGURES, Figure, SENDER_FIGURES};
use stentor_run_view::metric::{DATA_AGE, FAILURES, Metric, RUN_INFO, Scope, UP};
use stentor_run_view::snapshot::{self, CLOCK_OFFSET, PROFILE};

use super::markdown::code;
use super::schema::kind;

/// The metrics of the page itself with their labels. A test compares all metrics with what the page serves.
const OF_THE_PAGE: [(Metric, &str); 4] =
    [(UP, ""), (RUN_INFO, "`run`, `stack`, `region`"), (DATA_AGE, "`run`"), (FAILURES, "`run`, `code`")];

/// Returns the fields that the monitor prints with `--json`, in its order.
pub(super) fn fields() -> Vec<[String; 3]> {
    let row = |name: &str, kind: &str, help: &str| [name.to_owned(), kind.to_owned(), help.to_owned()];
    let mut rows = vec![
        row("run", "text", "ID of the run."),
        row("at", "text", "Time of the reading, RFC 3339 in UTC."),
        row(
            "state",
            "text",
            "State of the run: `waiting`, `running`, `lagging`, `lagging_or_stalled`, `stalled`, `damaged` or `complete`.",
        ),
        row("clock_offset_seconds", "number or null", CLOCK_OFFSET),
    ];
    rows.extend(below("snapshot", "", FIGURES));
    let provider = rows.iter().position(|[name, ..]| name.starts_with("provider.")).unwrap_or(rows.len());
    rows.insert(provider, row("provider.profile", "text or null", PROFILE));
    rows.push(row("failures[]", "list of objects", snapshot::FAILURES));
    rows.push(row("failures[].code", "text", "The failure code; `UNKNOWN` for failures without one."));
    rows.push(row("failures[].count", "number", "Failed messages with this code."));
    rows.push(row("failures[].share", "number", "The fraction of all failed messages, from 0 to 1."));
    rows.push(row(
        "senders[]",
        "list of objects",
        "The senders alive: those with a heartbeat in the last 15 seconds.",
    ));
    rows.push(row("senders[].sender", "text", "Name of the sender."));
    rows.extend(below("sender", "senders[].", SENDER_FIGURES));
    rows.push(row(
        "senders[].invalid_example",
        "text or null",
        "The beginning of an invalid body, escaped; null without one.",
    ));
    rows.push(row(
        "broken[]",
        "list of objects",
        "Tallies that cannot be decoded; with one, the counts are too low.",
    ));
    rows.push(row("broken[].shard", "text", "ID of the shard."));
    rows.push(row("broken[].why", "text", "What is wrong with the tally."));
    rows
}

/// Returns the fields of the figures below `parent`, whose names begin with `prefix`.
fn below<S>(parent: &str, prefix: &str, figures: &[&Figure<S>]) -> Vec<[String; 3]> {
    let row = |figure: &&Figure<S>| {
        let key = figure.key_below(parent)?;
        let schema = Value::from(figure.unit.schema(figure.help, figure.optional));
        Some([format!("{prefix}{key}"), kind(&schema, &Value::Null), figure.help.to_owned()])
    };
    figures.iter().filter_map(row).collect()
}

/// Returns the metric families with their labels and meanings.
pub(super) fn metrics() -> Vec<[String; 3]> {
    let own = OF_THE_PAGE.map(|(metric, labels)| {
        let help = metric.help.unwrap_or_default().trim_end_matches('.');
        [code(metric.family), labels.to_owned(), help.to_owned()]
    });
    own.into_iter().chain(families(FIGURES)).chain(families(SENDER_FIGURES)).collect()
}

fn families<S>(figures: &[&Figure<S>]) -> Vec<[String; 3]> {
    let mut families: Vec<(Metric, &str)> = Vec::new();
    let mut values: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (figure, metric) in figures.iter().filter_map(|figure| Some((*figure, figure.metric?))) {
        if !families.iter().any(|(known, _)| known.family == metric.family) {
            families.push((metric, metric.help.unwrap_or(figure.help)));
        }
        values.entry(metric.family).or_default().extend(metric.label.map(|(_, value)| code(value)));
    }
    families
        .into_iter()
        .map(|(metric, help)| {
            let subject = match metric.scope {
                Scope::Stack => None,
                Scope::Run => Some(code("run")),
                Scope::Sender => Some(code("sender")),
            };
            let label = metric
                .label
                .map(|(label, _)| format!("{}: {}", code(label), values[metric.family].join(", ")));
            let labels: Vec<String> = subject.into_iter().chain(label).collect();
            let summary =
                if metric.kind == "summary" { " (a summary, with `_sum` and `_count`)" } else { "" };
            [code(metric.family), labels.join("; "), format!("{}{summary}", help.trim_end_matches('.'))]
        })
        .collect()
}
