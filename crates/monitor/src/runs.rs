//! `monitor runs`: the runs of the stack.

use futures::stream::{self, StreamExt, TryStreamExt};
use schemars::JsonSchema;
use serde::Serialize;
use stentor_aws::Error;
use stentor_cli::columns::{self, Align::Left, Align::Right};
use stentor_cli::format::{self, Zone};
use stentor_run_view::reading::RunReader;
use stentor_run_view::status::RunCondition;
use stentor_run_view::view::RunView;

/// Maximum number of runs that are read concurrently.
const CONCURRENCY: usize = 16;

/// A row of the list; its JSON is a line of `--json`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunRow {
    /// ID of the run.
    run: String,
    /// When the producer created it, RFC 3339 in UTC.
    started: Option<String>,
    /// The same, ms since the epoch.
    #[serde(skip)]
    created_at: u64,
    /// Messages of the run's plan.
    total: u64,
    /// Messages with the outcome SENT.
    sent: u64,
    /// Messages with the outcome FAILED.
    failed: u64,
    /// State of the run, as `monitor --once` shows it. After one reading it is never `lagging_or_stalled`, and `stalled` only
    /// where no sender is alive.
    state: RunCondition,
}

/// Reads the newest runs, `limit` at most, newest first.
pub(crate) async fn list(reader: &RunReader, limit: u32) -> Result<Vec<RunRow>, Error> {
    let (runs, stack) = tokio::try_join!(reader.metrics.runs(), reader.read_stack())?;
    let stack = &stack;
    let rows = stream::iter(runs.into_iter().take(limit as usize)).map(async |record| {
        let items = reader.metrics.run_items(record.plan.run()).await?;
        // The list is not read consistently; this is.
        let record = items.record.clone().unwrap_or(record);
        Ok(RunRow::of(&RunView::first(reader.join(record, items, stack.clone()))))
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
    fn of(view: &RunView) -> Self {
        let created_at = view.reading.record.created_at;
        Self {
            run: view.run(),
            started: format::try_rfc3339(created_at),
            created_at,
            total: view.reading.total(),
            sent: view.reading.tally.sent,
            failed: view.reading.tally.failed,
            state: RunCondition::of(view),
        }
    }

    fn cells(&self) -> [String; 6] {
        let [total, sent, failed] = [self.total, self.sent, self.failed].map(format::thousands);
        let started = Zone::local().date_and_time(self.created_at);
        [self.run.clone(), started, total, sent, failed, self.state.word().to_lowercase()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_run_view::fixtures::{heartbeat, outcomes_of_sender, reading};
    use stentor_run_view::reading::RunReading;
    use stentor_tally::DamagedTally;

    /// A run of 2,000 messages.
    fn row(outcomes: u32, change: impl FnOnce(&mut RunReading)) -> RunRow {
        let mut reading = reading(2_000, outcomes);
        change(&mut reading);
        RunRow::of(&RunView::first(reading))
    }

    #[test]
    fn the_state_follows_from_a_single_reading() {
        let state = |outcomes, change: fn(&mut RunReading)| row(outcomes, change).cells()[5].clone();
        assert_eq!(state(0, |_| {}), "waiting");
        assert_eq!(state(500, |run| run.heartbeats = vec![heartbeat("a", 1_000, 99_000, 1)]), "running");
        assert_eq!(state(500, |_| {}), "stalled", "no sender is alive");
        assert_eq!(state(0, |run| run.usage = vec![outcomes_of_sender("a", 10)]), "lagging");
        assert_eq!(state(2_000, |_| {}), "complete");
        let damage = |run: &mut RunReading| {
            run.damaged = vec![DamagedTally { shard: "1".into(), why: "odd".into() }];
        };
        assert_eq!(state(2_000, damage), "damaged");
    }

    #[test]
    fn a_run_lags_where_senders_recorded_more_than_is_counted_for_longer_than_a_stream_takes() {
        let state = |outcomes, recorded, heartbeats| {
            let lagging = row(outcomes, |run| {
                run.at_ms = 162_000;
                run.usage = vec![outcomes_of_sender("a", recorded)];
                run.heartbeats = heartbeats;
                // Those of another run.
                run.queue.visible = 1_000;
            });
            lagging.state
        };
        let alive = || vec![heartbeat("a", 1_000, 161_000, 1)];
        for heartbeats in [vec![], alive()] {
            assert_eq!(state(0, 10, heartbeats.clone()), RunCondition::Lagging, "nothing is counted");
            assert_eq!(state(1_500, 1_501, heartbeats.clone()), RunCondition::Lagging, "11.1 s old");
            assert_eq!(state(1_502, 1_503, heartbeats), RunCondition::Running, "10.9 s old");
        }
        assert_eq!(state(0, 0, alive()), RunCondition::Running, "a sender was seen");
        assert_eq!(state(1_500, 1_500, alive()), RunCondition::Running);
        assert_eq!(state(2_000, 2_000, alive()), RunCondition::Complete);
    }

    #[test]
    fn columns_are_aligned_below_their_header() {
        let table = table(&[row(2_000, |_| {}), row(0, |_| {})]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[0],
            "RUN                         STARTED                    TOTAL   SENT  FAILED  STATE"
        );
        assert!(lines[1].ends_with("  2,000  1,800     200  complete"), "{table}");
        assert!(lines[2].ends_with("  2,000      0       0  waiting"), "{table}");
    }

    #[test]
    fn json_has_the_promised_names() {
        let json: serde_json::Value = serde_json::from_str(&format::json_line(&row(2_000, |_| {}))).unwrap();
        assert_eq!(
            (&json["sent"], &json["failed"], &json["total"]),
            (&1_800.into(), &200.into(), &2_000.into())
        );
        assert_eq!(json["state"], "complete");
        assert!(json["run"].is_string() && json["started"].is_string(), "{json}");
        let schema = crate::json_schema("monitor-runs").unwrap();
        let schema = jsonschema::validator_for(schema.as_value()).unwrap();
        let untimed = serde_json::to_value(row(0, |run| run.record.created_at = u64::MAX)).unwrap();
        assert_eq!(untimed["started"], serde_json::Value::Null);
        for valid in [&json, &untimed] {
            assert!(schema.is_valid(valid), "{valid}");
        }
        let negative = serde_json::json!({"total": -1});
        assert!(!schema.is_valid(&negative), "the schema accepts an invalid row");
    }
}
