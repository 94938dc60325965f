//! A view as text: a block for a terminal, a line for a pipe, JSON for a program.

use stentor_cli::format::{self, Zone};
use stentor_core::escape::escape_control;
use stentor_run_view::failures::FailuresOfCode;
use stentor_run_view::figures::{
    AVERAGE, BEHIND, DEAD_LETTERS, DELIVERY_TABLE, DISCARDED_BATCHES, ETA, FAILED, Figure, PENDING,
    PROVIDER_DOLLARS, PROVIDER_LIMIT_USED, QUEUE_DELAYED, QUEUE_IN_FLIGHT, QUEUE_VISIBLE, SENDERS_ALIVE,
    SENT, THROUGHPUT, TOTAL,
};
use stentor_run_view::provider::provider_line;
use stentor_run_view::snapshot::Snapshot;
use stentor_run_view::view::RunView;

/// How views are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    /// A few lines, for a person at a terminal.
    Block,
    /// One aligned line.
    Line,
    /// One JSON object.
    Json,
}

impl OutputFormat {
    pub(crate) fn render(self, view: &RunView) -> String {
        match self {
            Self::Block => block(view),
            Self::Line => line(view),
            Self::Json => format::json_line(&Snapshot::of(view)),
        }
    }
}

/// All lines of a run are as wide as its total needs.
fn line(view: &RunView) -> String {
    let count = TOTAL.text(view).len().max(7);
    let columns =
        [(&SENT, count), (&FAILED, count), (&PENDING, count), (&AVERAGE, 8), (&THROUGHPUT, 9), (&ETA, 0)];
    let columns = columns.map(|(figure, width)| format!("{} {:>width$}", figure.short(), figure.text(view)));
    format!("{}  {}{}{}", clock(view), columns.join("  "), provider_columns(view), warnings(view))
}

fn block(view: &RunView) -> String {
    let of_total =
        |figure: &Figure| format!("{} ({})", named(figure, view), figure.percentage_of_total(view));
    let percentiles = DELIVERY_TABLE[1..].iter().map(|figure| named(figure, view)).collect::<Vec<_>>();
    let rest =
        [&THROUGHPUT, &ETA, &SENDERS_ALIVE].map(|figure| format!("{} {}", figure.label, figure.text(view)));
    let queue = [&QUEUE_VISIBLE, &QUEUE_IN_FLIGHT, &QUEUE_DELAYED].map(|figure| named(figure, view));
    let lines = [
        format!("run {}  {}", view.run(), clock(view)),
        format!(
            "  {}   {}   {}   {}",
            of_total(&SENT),
            of_total(&FAILED),
            named(&PENDING, view),
            named(&TOTAL, view)
        ),
        format!("  {} {}   ({})", AVERAGE.label, AVERAGE.text(view), percentiles.join("  ")),
        format!("  {}", rest.join("   ")),
        format!("  queue: {}{}", queue.join(", "), warnings(view)),
    ];
    let others = view.reached_text().into_iter().chain(provider_line(view));
    let details = failure_lines(view).into_iter().chain(others).map(|line| format!("  {line}"));
    lines.into_iter().chain(details).collect::<Vec<_>>().join("\n")
}

/// The failures by code in lines that fit into 80 columns with their indentation; none where no failure has a code.
fn failure_lines(view: &RunView) -> Vec<String> {
    const WIDTH: usize = 78;
    let mut lines: Vec<String> = Vec::new();
    for failures in view.coded_failures() {
        let text = failures.text();
        match lines.last_mut() {
            None => lines.push(format!("failures: {text}")),
            Some(line) if line.len() + text.len() + ", ,".len() <= WIDTH => {
                line.push_str(", ");
                line.push_str(&text);
            }
            Some(line) => {
                line.push(',');
                lines.push(format!("  {text}"));
            }
        }
    }
    lines
}

/// Lines about the failures by code, and when which share of the messages was SENT; none before there is anything.
pub(crate) fn details(view: &RunView) -> Vec<String> {
    let failures: Vec<String> = view.coded_failures().iter().map(FailuresOfCode::text).collect();
    let failures = (!failures.is_empty()).then(|| format!("failures: {}", failures.join(", ")));
    failures.into_iter().chain(view.reached_text()).collect()
}

/// The use of the provider's limit and its bill, where a sender of the run has a provider.
fn provider_columns(view: &RunView) -> String {
    let known = [&PROVIDER_LIMIT_USED, &PROVIDER_DOLLARS].map(|figure| match figure.value(view) {
        Some(_) => format!("  {} {}", figure.label, figure.text(view)),
        None => String::new(),
    });
    known.concat()
}

fn named(figure: &Figure, view: &RunView) -> String {
    format!("{} {}", figure.short(), figure.text(view))
}

/// Counts of messages that are behind, dead letters, discarded batches and damaged tallies, which nobody must overlook.
fn warnings(view: &RunView) -> String {
    let alarming = [&BEHIND, &DEAD_LETTERS, &DISCARDED_BATCHES].into_iter();
    let alarming = alarming
        .filter(|figure| figure.value(view) > Some(0.0))
        .map(|figure| format!("  {} {}", figure.label, figure.text(view)));
    let damaged = view.reading.damaged.first().map(|damaged| {
        format!(
            "\n  counts are too low: the tally of shard {} is damaged ({}); once all is sent or failed: monitor repair --run {}",
            escape_control(&damaged.shard),
            escape_control(&damaged.why),
            view.run()
        )
    });
    alarming.chain(damaged).collect()
}

/// The line that ends a complete run.
pub(crate) fn completion_line(view: &RunView) -> String {
    let rate = THROUGHPUT.value(view).map(|rate| format!(", {}", THROUGHPUT.unit.format(rate)));
    format!(
        "complete: {}, {} sent, {} failed, {} each on average{}",
        format::counted(view.reading.total(), "message"),
        SENT.text(view),
        FAILED.text(view),
        AVERAGE.text(view),
        rate.unwrap_or_default(),
    )
}

/// The local time of day of a reading.
fn clock(view: &RunView) -> String {
    Zone::local().time(view.reading.at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use stentor_run_view::fixtures::{fail_with, reading, with_provider};
    use stentor_run_view::status::RunPhase;
    use stentor_tally::DamagedTally;

    /// 2,000 messages, 1,350 sent and 150 failed, at 100 a second.
    fn view() -> RunView {
        let mut view = RunView::first(reading(2_000, 1_500));
        view.reading.at_ms = 1_795_602_030_123;
        view.messages_per_second = Some(100.0);
        view
    }

    #[test]
    fn a_line_has_the_main_figures() {
        let line = OutputFormat::Line.render(&view());
        let (time, figures) = line.split_once("  ").unwrap();
        assert_eq!(time, Zone::local().time(1_795_602_030_123));
        assert_eq!(
            figures,
            "sent   1,350  failed     150  pending     500  average  0.100 s  rate     100/s  left 5.0 s"
        );
    }

    #[test]
    fn lines_of_a_large_run_are_aligned() {
        let mut view = RunView::first(reading(10_000_000, 1_500));
        let few = OutputFormat::Line.render(&view);
        let column = |line: &str| line.find("average").unwrap();
        (view.reading.tally.sent, view.reading.tally.failed) = (9_999_850, 150);
        assert_eq!(column(&OutputFormat::Line.render(&view)), column(&few));
    }

    #[test]
    fn a_block_has_more_figures() {
        let mut view = view();
        view.reading.queue.delayed = 3;
        let block = OutputFormat::Block.render(&view);
        for words in [
            "sent 1,350 (67.5%)",
            "failed 150 (7.5%)",
            "of 2,000",
            "delivery average 0.100 s",
            "time left 5.0 s",
            "queue: visible 0, in flight 0, delayed 3",
        ] {
            assert!(block.contains(words), "{block}");
        }
    }

    #[test]
    fn a_provider_is_shown_with_its_bill_and_the_use_of_its_limit_and_only_there() {
        let view = RunView::first(with_provider());
        let shown = "provider us-short-code: $56.55 (6,000 parts), 60/s of 100/s (60.1%)";
        let line = OutputFormat::Line.render(&view);
        assert!(line.ends_with("  limit used 60.1%  provider dollars $56.55"), "{line}");
        assert!(OutputFormat::Block.render(&view).ends_with(&format!("\n  {shown}")));
        let json: Value = serde_json::from_str(&OutputFormat::Json.render(&view)).unwrap();
        let keys: Vec<&String> = json["provider"].as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "dollars",
                "final",
                "forfeited",
                "limit_parts_per_second",
                "limit_used",
                "parts",
                "parts_per_second",
                "profile"
            ]
        );
        let mut open = with_provider();
        open.usage[0].has_ended = false;
        let line = OutputFormat::Line.render(&RunView::first(open));
        assert!(line.ends_with("  limit used at least 60.1%  provider dollars at least $56.55"), "{line}");
        let without = RunView::first(reading(10, 10));
        for text in [
            OutputFormat::Line.render(&without),
            OutputFormat::Block.render(&without),
            completion_line(&without),
        ] {
            assert!(!text.contains("provider"), "{text}");
        }
        let json: Value = serde_json::from_str(&OutputFormat::Json.render(&without)).unwrap();
        assert!(json["provider"].as_object().unwrap().values().all(Value::is_null), "{json}");
    }

    #[test]
    fn no_line_of_many_failure_codes_exceeds_80_columns() {
        let codes: Vec<String> =
            (0..16).map(|number| format!("CODE_{}{number:02}", "X".repeat(number))).collect();
        let failures: Vec<(&str, u32)> = codes.iter().map(|code| (code.as_str(), 7)).collect();
        let mut run = reading(2_000, 0);
        fail_with(&mut run, &failures);
        let view = RunView::first(run);
        let block = OutputFormat::Block.render(&view);
        let lines: Vec<&str> = block.lines().skip_while(|line| !line.starts_with("  failures: ")).collect();
        assert!(lines.len() > 3 && lines.iter().all(|line| line.len() <= 80), "{block}");
        let joined = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        assert!(joined.contains(&details(&view)[0]), "{joined}");
    }

    #[test]
    fn a_block_has_the_failures_by_code_and_when_shares_were_reached() {
        let mut run = reading(2_000, 1_500);
        fail_with(&mut run, &[("CARRIER_UNREACHABLE", 200)]);
        let block = OutputFormat::Block.render(&RunView::first(run));
        assert!(
            block.ends_with(
                "\n  failures: CARRIER_UNREACHABLE 200 (57.1%), UNKNOWN 150 (42.9%)\n  reached 50 % after 111 s"
            ),
            "{block}"
        );
        assert!(details(&RunView::first(reading(2_000, 0))).is_empty());
    }

    #[test]
    fn a_rate_and_a_time_left_from_too_little_data_are_not_shown() {
        let line = OutputFormat::Line.render(&RunView::first(reading(450, 1)));
        assert!(line.ends_with("rate         -  left -"), "{line}");
        let line = completion_line(&RunView::first(reading(1, 1)));
        assert_eq!(line, "complete: 1 message, 1 sent, 0 failed, 0.100 s each on average");
        let line = completion_line(&RunView::first(reading(2_000, 2_000)));
        assert!(
            line.starts_with("complete: 2,000 messages, ") && line.ends_with(" on average, 10/s"),
            "{line}"
        );
    }

    #[test]
    fn json_has_the_promised_names_and_null_for_unknown_values() {
        let json = OutputFormat::Json.render(&RunView::first(reading(10, 0)));
        let json: Value = serde_json::from_str(&json).unwrap();
        for name in "run at state behind discarded_batches total enqueued sent failed pending average_seconds average_latency_seconds delivery_seconds \
                     latency_seconds messages_per_second eta_seconds complete waiting queue dead_letters senders broken"
            .split(' ')
        {
            assert!(json.get(name).is_some(), "{name}");
        }
        assert!(json["average_seconds"].is_null() && json["delivery_seconds"]["p99"].is_null());
        assert_eq!(json["queue"], serde_json::json!({"visible": 0, "in_flight": 0, "delayed": 0}));
    }

    #[test]
    fn warnings_are_shown_and_cannot_attack_a_terminal() {
        let mut view = view();
        (view.reading.dead_letters, view.reading.discarded_batches) = (3, Some(2));
        view.phase = RunPhase::Lagging { behind: 500 };
        view.reading.damaged.push(DamagedTally { shard: "\u{1b}[2J".into(), why: "it is odd".into() });
        let line = OutputFormat::Line.render(&view);
        assert!(
            line.contains("  behind 500  dead letters (stack) 3  discarded batches (stack) 2")
                && line.contains("it is odd")
                && !line.contains('\u{1b}'),
            "{line}"
        );
        assert!(line.ends_with(&format!("monitor repair --run {}", view.run())), "{line}");
    }
}
