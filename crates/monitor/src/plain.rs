//! The views of a snapshot: a block for a terminal, a line for a pipe, JSON for a program.

use stentor_cli::format::{self, percent_of, seconds};
use stentor_core::escape;

use stentor_run_view::snapshot::{Percentiles, Snapshot};

/// How snapshots are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// A few lines, for a person at a terminal.
    Block,
    /// One aligned line.
    Line,
    /// One JSON object.
    Json,
}

impl View {
    pub(crate) fn render(self, snapshot: &Snapshot) -> String {
        match self {
            Self::Block => block(snapshot),
            Self::Line => line(snapshot),
            Self::Json => format::json_line(snapshot),
        }
    }
}

/// All lines of a run are as wide as its total needs.
fn line(now: &Snapshot) -> String {
    let width = format::thousands(now.total).len().max(7);
    format!(
        "{}  sent {:>width$}  failed {:>width$}  pending {:>width$}  average {:>8}  rate {:>7}/s  left {}",
        clock_of(&now.at),
        format::thousands(now.sent),
        format::thousands(now.failed),
        format::thousands(now.pending),
        seconds(now.average_seconds),
        now.messages_per_second.map_or("-".to_owned(), format::rate),
        now.eta_seconds.map_or("-".to_owned(), format::duration),
    ) + &trouble(now)
}

fn block(now: &Snapshot) -> String {
    let of_total = |count: u64| percent_of(count, now.total);
    [
        format!("run {}  {}", now.run, clock_of(&now.at)),
        format!(
            "  sent {} ({})   failed {} ({})   pending {}   of {}",
            format::thousands(now.sent),
            of_total(now.sent),
            format::thousands(now.failed),
            of_total(now.failed),
            format::thousands(now.pending),
            format::thousands(now.total),
        ),
        format!(
            "  average time per message {}   ({})",
            seconds(now.average_seconds),
            percentiles(&now.delivery_seconds)
        ),
        format!(
            "  rate {} a second   time left {}   senders {}   queue {} waiting, {} in flight",
            now.messages_per_second.map_or("-".to_owned(), format::rate),
            now.eta_seconds.map_or("-".to_owned(), format::duration),
            now.senders.len(),
            format::thousands(now.queue.visible + now.queue.delayed),
            format::thousands(now.queue.in_flight),
        ) + &trouble(now),
    ]
    .join("\n")
}

/// What a person must not miss: dead letters, and tallies that are not whole.
fn trouble(now: &Snapshot) -> String {
    let dead =
        (now.dead_letters > 0).then(|| format!("  dead letters {}", format::thousands(now.dead_letters)));
    let damaged = now.broken.first().map(|broken| {
        format!(
            "\n  counts are too low: the tally of shard {} is damaged ({}); once all is sent or failed: monitor repair --run {}",
            broken.shard(),
            escape::escape_control(&broken.why),
            now.run
        )
    });
    [dead, damaged].into_iter().flatten().collect()
}

/// The line that ends a complete run.
pub(crate) fn completion(now: &Snapshot) -> String {
    format!(
        "complete: {} messages, {} sent, {} failed, {} each on average, {} a second",
        format::thousands(now.total),
        format::thousands(now.sent),
        format::thousands(now.failed),
        seconds(now.average_seconds),
        now.messages_per_second.map_or("-".to_owned(), format::rate),
    )
}

fn percentiles(of: &Percentiles) -> String {
    format!(
        "p50 {}  p90 {}  p99 {}  max {}",
        seconds(of.p50),
        seconds(of.p90),
        seconds(of.p99),
        seconds(of.max)
    )
}

/// The time of day in an RFC 3339 time.
fn clock_of(at: &str) -> &str {
    at.get(11..19).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_run_view::fixtures::reading;
    use stentor_run_view::snapshot::Earlier;

    fn now() -> Snapshot {
        reading(2_000, 1_500)
            .snapshot(Some(Earlier { concluded: 1_000, at_ms: 95_000 }), "2026-11-24T10:20:30.123Z".into())
    }

    #[test]
    fn a_line_tells_what_matters() {
        assert_eq!(
            View::Line.render(&now()),
            "10:20:30  sent   1,350  failed     150  pending     500  average  0.100 s  rate     100/s  left 5.0 s"
        );
    }

    #[test]
    fn lines_of_a_large_run_are_aligned() {
        let mut now = now();
        now.total = 10_000_000;
        let few = View::Line.render(&now).len();
        (now.sent, now.pending) = (9_999_850, 0);
        assert_eq!(View::Line.render(&now).len(), few);
    }

    #[test]
    fn a_block_tells_more() {
        let block = View::Block.render(&now());
        for words in [
            "sent 1,350 (67.5%)",
            "failed 150 (7.5%)",
            "of 2,000",
            "average time per message 0.100 s",
            "time left 5.0 s",
        ] {
            assert!(block.contains(words), "{block}");
        }
    }

    #[test]
    fn json_has_the_promised_names_and_nulls_for_the_unknown() {
        let json: serde_json::Value =
            serde_json::from_str(&View::Json.render(&reading(10, 0).snapshot(None, "t".into()))).unwrap();
        for name in [
            "run",
            "at",
            "total",
            "enqueued",
            "sent",
            "failed",
            "pending",
            "average_seconds",
            "average_latency_seconds",
            "delivery_seconds",
            "latency_seconds",
            "messages_per_second",
            "eta_seconds",
            "complete",
            "queue",
            "dead_letters",
            "senders",
        ] {
            assert!(json.get(name).is_some(), "{name}");
        }
        assert!(json["average_seconds"].is_null() && json["delivery_seconds"]["p99"].is_null());
        assert_eq!(json["queue"], serde_json::json!({"visible": 0, "in_flight": 0, "delayed": 0}));
    }

    #[test]
    fn trouble_is_told_and_cannot_attack_a_terminal() {
        let mut now = now();
        now.dead_letters = 3;
        now.broken.push(stentor_run_view::snapshot::BrokenTally {
            shard: "\u{1b}[2J".into(),
            why: "it is odd".into(),
        });
        let line = View::Line.render(&now);
        assert!(
            line.contains("dead letters 3") && line.contains("it is odd") && !line.contains('\u{1b}'),
            "{line}"
        );
        assert!(line.ends_with(&format!("monitor repair --run {}", now.run)), "{line}");
    }
}
