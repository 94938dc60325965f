//! `monitor runs`: the runs of the stack.

use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use stentor_aws::Error;
use stentor_aws::metrics::{Heartbeat, RunItems, RunRecord};
use stentor_cli::columns::{self, Align::Left, Align::Right};
use stentor_cli::format::{self, Zone};

use stentor_core::usage::UsageRecord;
use stentor_run_view::reading::RunReader;
use stentor_run_view::senders::had_sender;

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

/// What the states of all runs are determined by.
struct Context {
    heartbeats: Vec<Heartbeat>,
    /// Now, ms since the epoch.
    at_ms: u64,
    /// How long the tallies may lag, ms.
    lag_ms: u128,
}

/// Reads the newest runs, `limit` at most, newest first.
pub(crate) async fn list(reader: &RunReader, limit: u32) -> Result<Vec<RunRow>, Error> {
    let metrics = &reader.metrics;
    let (runs, heartbeats) = tokio::try_join!(metrics.runs(), metrics.list_heartbeats())?;
    let context =
        Context { heartbeats, at_ms: reader.now_ms(), lag_ms: reader.deployment.stream_lag().as_millis() };
    let context = &context;
    let rows = stream::iter(runs.into_iter().take(limit as usize)).map(async |record| {
        let items = metrics.run_items(record.plan.run()).await?;
        // The list is not read consistently; this is.
        Ok(RunRow::new(items.record.as_ref().unwrap_or(&record), &items, context))
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
    fn new(record: &RunRecord, items: &RunItems, context: &Context) -> Self {
        let (plan, tally) = (&record.plan, &items.tally);
        let total = u64::from(plan.total());
        Self {
            run: plan.run().to_string(),
            started: format::try_rfc3339(record.created_at),
            created_at: record.created_at,
            total,
            sent: tally.sent,
            failed: tally.failed,
            state: state(record, items, context),
        }
    }

    fn cells(&self) -> [String; 6] {
        let [total, sent, failed] = [self.total, self.sent, self.failed].map(format::thousands);
        let started = Zone::local().date_and_time(self.created_at);
        [self.run.clone(), started, total, sent, failed, self.state.to_owned()]
    }
}

fn state(record: &RunRecord, items: &RunItems, context: &Context) -> &'static str {
    let (total, counted) = (record.plan.total(), items.tally.total());
    let idle_ms = context.at_ms.saturating_sub(items.tally.last_concluded_at.unwrap_or(record.created_at));
    if !items.broken.is_empty() {
        // The counts are too low.
        "damaged"
    } else if record.enqueued < total {
        "enqueuing"
    } else if counted >= u64::from(total) {
        "complete"
    } else if counted == 0
        && !had_sender(record.created_at, &items.accounts, &context.heartbeats, context.at_ms)
    {
        "waiting"
    } else if UsageRecord::total_outcomes(&items.accounts) > counted && u128::from(idle_ms) > context.lag_ms {
        "lagging"
    } else {
        "running"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_run_view::fixtures::{heartbeat, outcomes_of_sender, reading};
    use stentor_tally::DamagedTally;

    /// A run of 2,000 messages.
    fn row(enqueued: u32, concluded: u32, broken: Vec<DamagedTally>) -> RunRow {
        row_of(enqueued, concluded, broken, vec![], vec![])
    }

    fn row_of(
        enqueued: u32,
        concluded: u32,
        broken: Vec<DamagedTally>,
        accounts: Vec<UsageRecord>,
        heartbeats: Vec<Heartbeat>,
    ) -> RunRow {
        let mut reading = reading(2_000, concluded);
        reading.record.enqueued = enqueued;
        let items = RunItems { record: None, tally: reading.tally, broken, accounts, tally_units: vec![] };
        RunRow::new(&reading.record, &items, &Context { heartbeats, at_ms: 162_000, lag_ms: 11_000 })
    }

    #[test]
    fn a_run_waits_for_its_first_sender_and_lags_where_senders_recorded_more_than_is_counted() {
        let state = |concluded, sent: Option<u64>, heartbeats| {
            let accounts = sent.map(|sent| outcomes_of_sender("a", sent)).into_iter().collect();
            row_of(2_000, concluded, vec![], accounts, heartbeats).state
        };
        assert_eq!(state(0, None, vec![]), "waiting");
        assert_eq!(state(0, None, vec![heartbeat("a", 900, 1_500, 0)]), "running");
        assert_eq!(state(0, Some(0), vec![]), "running");
        assert_eq!(state(0, Some(10), vec![]), "lagging");
        assert_eq!(state(1_500, Some(1_501), vec![]), "lagging", "its last outcome is 11.1 s old");
        assert_eq!(state(1_502, Some(1_503), vec![]), "running", "its last outcome is 10.9 s old");
        assert_eq!(state(1_500, Some(1_500), vec![]), "running");
        assert_eq!(state(2_000, Some(2_000), vec![]), "complete");
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
        assert!(lines[2].ends_with("  2,000      0       0  waiting"), "{table}");
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
