//! The metrics of the registry of figures, which the monitor's page serves.

use std::collections::BTreeMap;

use stentor_run_view::figures::{FIGURES, Figure, SENDER_FIGURES};
use stentor_run_view::metric::{DATA_AGE, FAILURES, Metric, RUN_INFO, Scope, UP};

use super::markdown::code;

/// The metrics of the page itself with their labels. A test compares all metrics with what the page serves.
const OF_THE_PAGE: [(Metric, &str); 4] =
    [(UP, ""), (RUN_INFO, "`run`, `stack`, `region`"), (DATA_AGE, "`run`"), (FAILURES, "`run`, `code`")];

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
