//! `monitor runs`: the runs of the stack.

use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use stentor_aws::metrics::{RunItems, RunRecord};
use stentor_aws::{Error, MetricsTable};
use stentor_cli::format::{self, Zone};

use crate::columns::{self, Align::Left, Align::Right};

/// Maximum number of runs that are read concurrently.
const CONCURRENCY: usize = 16;

/// A row of the list; its JSON is a line of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct RunRow {
    run: String,
    /// When the producer created it, RFC 3339 in UTC.
    started: Option<String>,
    /// The same, ms since the epoch.
    #[serde(skip)]
    created_at: u64,
    total: u64,
    sent: u64,
    failed: u64,
    /// Progress according to the tables. Detecting a stall takes more than one reading.
    state: &'static str,
}

/// Reads the newest runs, `limit` at most, newest first.
pub(crate) async fn list(metrics: &MetricsTable, limit: u32) -> Result<Vec<RunRow>, Error> {
    let newest = metrics.runs().await?.into_iter().take(limit as usize);
    let rows = stream::iter(newest).map(async |record| {
        let items = metrics.run_items(record.plan.run()).await?;
        // The list is not read consistently; this is.
        Ok(RunRow::new(items.record.as_ref().unwrap_or(&record), &items))
    });
    rows.buffered(CONCURRENCY).try_collect().await
}

/// Formats the rows as aligned columns with a header.
pub(crate) fn table(rows: &[RunRow]) -> String {
    let header = ["RUN", "STARTED", "TOTAL", "SENT", "FAILED", "STATE"].map(str::to_owned);
    let cells: Vec<[String; 6]> = std::iter::once(header).chain(rows.iter().map(RunRow::cells)).collect();
    columns::lines(&cells, [Left, Left, Right, Right, Right, Left])
}

impl RunRow {
    fn new(record: &RunRecord, items: &RunItems) -> Self {
        let (plan, tally) = (&record.plan, &items.tally);
        let total = u64::from(plan.total());
        let state = if !items.broken.is_empty() {
            // The counts are too low.
            "damaged"
        } else if record.enqueued < plan.total() {
            "enqueuing"
        } else if tally.total() < total {
            "running"
        } else {
            "complete"
        };
        Self {
            run: plan.run().to_string(),
            started: format::try_rfc3339(record.created_at),
            created_at: record.created_at,
            total,
            sent: tally.sent,
            failed: tally.failed,
            state,
        }
    }

    fn cells(&self) -> [String; 6] {
        let [total, sent, failed] = [self.total, self.sent, self.failed].map(format::thousands);
        let started = Zone::local().date_and_time(self.created_at);
        [self.run.clone(), started, total, sent, failed, self.state.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_core::tally::DamagedTally;
    use stentor_run_view::fixtures::reading;

    /// A run of 2,000 messages.
    fn row(enqueued: u32, concluded: u32, broken: Vec<DamagedTally>) -> RunRow {
        let mut reading = reading(2_000, concluded);
        reading.record.enqueued = enqueued;
        let items =
            RunItems { record: None, tally: reading.tally, broken, accounts: vec![], tally_units: vec![] };
        RunRow::new(&reading.record, &items)
    }

    #[test]
    fn the_state_follows_from_counts_and_damage() {
        let state = |enqueued, concluded| row(enqueued, concluded, vec![]).state;
        assert_eq!(state(1_999, 1_500), "enqueuing");
        assert_eq!(state(2_000, 1_500), "running");
        assert_eq!(state(2_000, 2_000), "complete");
        let broken = DamagedTally { shard: "1".into(), why: "odd".into() };
        assert_eq!(row(2_000, 2_000, vec![broken]).state, "damaged");
    }

    #[test]
    fn columns_are_aligned_below_their_header() {
        let table = table(&[row(2_000, 1_500, vec![]), row(2_000, 0, vec![])]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[0],
            "RUN                         STARTED                    TOTAL   SENT  FAILED  STATE"
        );
        assert!(lines[1].ends_with("  2,000  1,350     150  running"), "{table}");
        assert!(lines[2].ends_with("  2,000      0       0  running"), "{table}");
    }

    #[test]
    fn json_has_the_promised_names() {
        let json: serde_json::Value =
            serde_json::from_str(&format::json_line(&row(2_000, 1_500, vec![]))).unwrap();
        assert_eq!(
            (&json["sent"], &json["failed"], &json["total"]),
            (&1_350.into(), &150.into(), &2_000.into())
        );
        assert_eq!(json["state"], "running");
        assert!(json["run"].is_string() && json["started"].is_string(), "{json}");
    }
}
