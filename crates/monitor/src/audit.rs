//! Compares a run's messages in the table, counted one by one, with the tallies.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use stentor_aws::Error;
use stentor_aws::metrics::{RunItems, RunRecord};
use stentor_cli::{ConnectionFlags, format};
use stentor_tally::{TableCount, Tally};
use tokio::time::{Instant, sleep};

use crate::table::count_table;
use stentor_cli::format::rfc3339;
use stentor_core::escape::escape_control;
use stentor_run_view::reading::RunReader;
use stentor_run_view::snapshot::DamagedShard;
use stentor_run_view::status::discard_warning;

/// The sums of one side.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Counted {
    /// Messages with the outcome SENT.
    pub sent: u64,
    /// Messages with the outcome FAILED.
    pub failed: u64,
    /// Sum of the delivery times, ms.
    pub delivery_ms: u64,
    /// Sum of the times from creation to outcome, ms.
    pub latency_ms: u64,
    /// Time of the first outcome, ms since 1970.
    pub first_concluded_at: Option<u64>,
    /// Time of the last outcome, ms since 1970.
    pub last_concluded_at: Option<u64>,
}

/// The table's count of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct CountedTable {
    #[serde(flatten)]
    pub counted: Counted,
    /// Messages without an outcome.
    pub pending: u64,
    /// Messages of the plan without an item in the table.
    pub missing: u64,
    /// Items that cannot be decoded.
    pub unreadable: u64,
    /// ID of one of them.
    pub unreadable_example: Option<String>,
}

/// Table and tallies side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Audit {
    /// ID of the run.
    pub run: String,
    /// Messages of the run's plan.
    pub total: u64,
    /// Whether tallies and table agree.
    pub agrees: bool,
    /// Count of the table.
    pub table: CountedTable,
    /// Sum of the tallies.
    pub tallies: Counted,
    /// One sentence for each figure that differs.
    pub differences: Vec<String>,
    /// Tallies that cannot be decoded.
    pub broken: Vec<DamagedShard>,
    /// Batches of the stack's stream that were discarded, of all runs; null if unknown.
    pub discarded_batches: Option<u64>,
    /// For the commands that its text suggests.
    #[serde(skip)]
    pub connection: ConnectionFlags,
}

impl Counted {
    fn of(tally: &Tally) -> Self {
        Self {
            sent: tally.sent,
            failed: tally.failed,
            delivery_ms: tally.delivery.sum_ms(),
            latency_ms: tally.latency.sum_ms(),
            first_concluded_at: tally.first_concluded_at,
            last_concluded_at: tally.last_concluded_at,
        }
    }

    /// Messages sent and failed, and the average of a delivery.
    fn texts(&self) -> [String; 3] {
        let outcomes = self.sent.saturating_add(self.failed);
        let average = (outcomes > 0).then(|| self.delivery_ms as f64 / 1_000.0 / outcomes as f64);
        [format::thousands(self.sent), format::thousands(self.failed), format::seconds(average)]
    }
}

impl CountedTable {
    pub(crate) fn of(table_count: &TableCount) -> Self {
        Self {
            counted: Counted::of(&table_count.tally),
            pending: table_count.pending,
            missing: table_count.missing,
            unreadable: table_count.unreadable,
            unreadable_example: table_count.unreadable_example.map(|id| id.to_string()),
        }
    }
}

/// Counts the table, and waits for the tallies to catch up, as long as a working stream of this deployment may lag.
/// While outcomes are still being recorded both sides move, so both are read again each time.
pub(crate) async fn audit(
    record: &RunRecord,
    reader: &RunReader,
    connection: &ConnectionFlags,
) -> Result<Audit, Error> {
    let RunReader { messages, metrics, deployment, .. } = reader;
    let mut table_count = count_table(&record.plan, messages).await?;
    let counted = Instant::now();
    loop {
        let items = metrics.run_items(record.plan.run()).await?;
        if table_count.tally == items.tally || counted.elapsed() >= deployment.stream_lag() {
            let discarded_batches = reader.discarded_batches().await?;
            return Ok(Audit::of(record, &table_count, &items, discarded_batches, connection));
        }
        sleep(Duration::from_millis(500)).await;
        // Missing messages may be stored by now, and pending ones have an outcome.
        if table_count.pending + table_count.missing > 0 {
            table_count = count_table(&record.plan, messages).await?;
        }
    }
}

impl Audit {
    fn of(
        record: &RunRecord,
        table_count: &TableCount,
        items: &RunItems,
        discarded_batches: Option<u64>,
        connection: &ConnectionFlags,
    ) -> Self {
        let differences = differences(table_count, &items.tally);
        Self {
            run: record.plan.run().to_string(),
            total: record.plan.total().into(),
            agrees: differences.is_empty(),
            table: CountedTable::of(table_count),
            tallies: Counted::of(&items.tally),
            differences,
            broken: items.broken.iter().map(DamagedShard::from).collect(),
            discarded_batches,
            connection: connection.clone(),
        }
    }

    /// The result in a line; above it both sides in a table where they differ.
    pub(crate) fn lines(&self) -> String {
        let (table, tallies) = (self.table.counted.texts(), self.tallies.texts());
        let rest = self.rest();
        if self.agrees {
            let side = |[sent, failed, average]: [String; 3]| {
                format!("{sent} sent, {failed} failed, average {average}")
            };
            return format!("the audit agrees: table {}; tallies {}{rest}", side(table), side(tallies));
        }
        let row = |name: &str, [sent, failed, average]: [String; 3]| {
            format!("  {name:<8} {sent:>12} {failed:>12} {average:>12}")
        };
        [
            format!("run {}: {}", self.run, format::counted(self.total, "message")),
            row("", ["sent", "failed", "average"].map(str::to_owned)),
            row("table", table),
            row("tallies", tallies),
            format!("the audit differs: {}{rest}", self.differences.join("; ")),
        ]
        .join("\n")
    }

    /// Messages without an outcome, which make no difference; and why tallies are or may be too low.
    fn rest(&self) -> String {
        let open = [(self.table.pending, "pending"), (self.table.missing, "not in the table")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("; {} {what}", format::thousands(count)));
        let broken = self.broken.first().map(|broken| {
            let repair = self.connection.command(&format!("monitor repair --run {}", self.run));
            format!("; the tally of shard {} is damaged: {repair}", escape_control(&broken.shard))
        });
        let discarded = discard_warning(self.discarded_batches, &self.run, &self.connection);
        open.chain(broken).chain(discarded.map(|warning| format!("; {warning}"))).collect()
    }
}

/// What differs, figure by figure, and where all sums are the same, how they are spread.
fn differences(table_count: &TableCount, tallies: &Tally) -> Vec<String> {
    let table = &table_count.tally;
    let (table_sums, tally_sums) = (Counted::of(table), Counted::of(tallies));
    let differ = |what: &str, text: &dyn Fn(&Counted) -> String| {
        let (table, tallies) = (text(&table_sums), text(&tally_sums));
        (table != tallies).then(|| format!("{what} {table} in the table, {tallies} in the tallies"))
    };
    let time = |at: Option<u64>| at.map_or_else(|| "never".to_owned(), rfc3339);
    let distribution = |what: &str, same_sums: bool, same: bool| {
        (same_sums && !same).then(|| format!("{what} the same sum on both sides, spread differently"))
    };
    let unreadable = table_count.unreadable_example.map(|id| {
        let count = format::thousands(table_count.unreadable);
        format!("unreadable items {count} in the table, such as {id}")
    });
    [
        differ("sent", &|side| format::thousands(side.sent)),
        differ("failed", &|side| format::thousands(side.failed)),
        differ("milliseconds of delivery", &|side| format::thousands(side.delivery_ms)),
        differ("milliseconds of latency", &|side| format::thousands(side.latency_ms)),
        differ("first outcome", &|side| time(side.first_concluded_at)),
        differ("last outcome", &|side| time(side.last_concluded_at)),
        distribution(
            "delivery has",
            table_sums.delivery_ms == tally_sums.delivery_ms,
            table.delivery == tallies.delivery,
        ),
        distribution(
            "latency has",
            table_sums.latency_ms == tally_sums.latency_ms,
            table.latency == tallies.latency,
        ),
        distribution(
            "the failure codes have",
            table.failed == tallies.failed,
            table.failures == tallies.failures,
        ),
        (table.parts != tallies.parts).then(|| {
            let [table, tallies] = [table.parts, tallies.parts].map(format::thousands);
            format!("parts {table} in the table, {tallies} in the tallies")
        }),
        distribution(
            "the timeline has",
            table.total() == tallies.total(),
            table.timeline == tallies.timeline,
        ),
        unreadable,
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_run_view::fixtures::reading;
    use stentor_tally::{DamagedTally, FailureCounts};

    /// The audit of a run of 2,000 messages, of which 1,500 have an outcome.
    fn audit_of(table_count: &TableCount, tallies: &Tally, broken: &[DamagedTally]) -> Audit {
        let (record, broken) = (reading(2_000, 1_500).record, broken.to_vec());
        let items =
            RunItems { record: None, tally: tallies.clone(), broken, accounts: vec![], tally_units: vec![] };
        Audit::of(&record, table_count, &items, None, &ConnectionFlags::default())
    }

    fn table_count() -> TableCount {
        TableCount { tally: reading(2_000, 1_500).tally, ..TableCount::default() }
    }

    #[test]
    fn a_run_of_equal_counts_agrees_whatever_is_pending() {
        let (tallies, table_count) = (table_count().tally, TableCount { pending: 3, ..table_count() });
        assert_eq!(
            audit_of(&table_count, &tallies, &[]).lines(),
            "the audit agrees: table 1,350 sent, 150 failed, average 0.100 s; \
             tallies 1,350 sent, 150 failed, average 0.100 s; 3 pending"
        );
    }

    #[test]
    fn each_differing_figure_is_named() {
        let table_count = table_count();
        let differs = |change: fn(&mut Tally)| {
            let mut tallies = table_count.tally.clone();
            change(&mut tallies);
            let audit = audit_of(&table_count, &tallies, &[]);
            assert!(!audit.agrees);
            audit.lines().lines().last().unwrap().to_owned()
        };
        let message = |words: &str| format!("the audit differs: {words}");
        assert_eq!(
            differs(|tally| tally.sent -= 1),
            message("sent 1,350 in the table, 1,349 in the tallies")
        );
        assert_eq!(
            differs(|tally| tally.first_concluded_at = None),
            message("first outcome 1970-01-01T00:00:01.000Z in the table, never in the tallies")
        );
        let other = reading(2_000, 1_499).tally;
        let all = audit_of(&table_count, &other, &[]).differences;
        let named: Vec<&str> = all.iter().filter_map(|text| text.split(char::is_numeric).next()).collect();
        assert_eq!(
            named,
            ["failed ", "milliseconds of delivery ", "milliseconds of latency ", "last outcome ", "parts "]
        );
        assert_eq!(
            differs(|tally| tally.parts += 1),
            message("parts 1,500 in the table, 1,501 in the tallies")
        );
        assert_eq!(
            differs(|tally| tally.failures = FailureCounts::default()),
            message("the failure codes have the same sum on both sides, spread differently")
        );
        assert_eq!(
            differs(|tally| tally.timeline = reading(2_000, 10).tally.timeline),
            message("the timeline has the same sum on both sides, spread differently")
        );
    }

    #[test]
    fn unreadable_items_are_a_difference_with_an_example() {
        let id = reading(1, 0).record.plan.ids(0..1).next().unwrap();
        let table_count = TableCount { unreadable: 2, unreadable_example: Some(id), ..table_count() };
        let audit = audit_of(&table_count, &table_count.tally, &[]);
        assert!(!audit.agrees);
        assert!(audit.lines().ends_with(&format!("unreadable items 2 in the table, such as {id}")));
    }

    #[test]
    fn discarded_batches_are_reported_whether_or_not_the_counts_agree() {
        for tallies in [table_count().tally, Tally::default()] {
            let audit = Audit { discarded_batches: Some(2), ..audit_of(&table_count(), &tallies, &[]) };
            let remedy = format!("`monitor repair --run {}` can restore them", audit.run);
            let expected =
                format!("; 2 batches of the stream were discarded; the tallies may be too low; {remedy}");
            assert!(audit.lines().ends_with(&expected), "{}", audit.lines());
        }
        let none =
            Audit { discarded_batches: Some(0), ..audit_of(&table_count(), &table_count().tally, &[]) };
        assert!(!none.lines().contains("discarded"));
    }

    #[test]
    fn a_damaged_tally_is_reported_with_the_remedy() {
        let broken = [DamagedTally { shard: "\u{1b}[2J".into(), why: "odd".into() }];
        let audit = audit_of(&table_count(), &Tally::default(), &broken);
        let lines = audit.lines();
        assert!(lines.contains("the tally of shard \\u{1b}[2J is damaged"), "{lines}");
        assert!(lines.ends_with(&format!("monitor repair --run {}", audit.run)), "{lines}");
    }
}
