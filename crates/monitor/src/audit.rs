//! Counts a run's messages in the table, one by one, and compares them with the tallies.

use std::pin::pin;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use serde::Serialize;
use stentor_core::aws::messages::{KEYS, Standing};
use stentor_core::aws::metrics::RunRecord;
use stentor_core::aws::{Error, MessagesTable, MetricsTable};
use stentor_core::delivery::Status;
use stentor_core::message::MessageId;
use stentor_core::run::Plan;
use stentor_core::show;
use stentor_core::tally::Tally;
use tokio::time::{Instant, sleep};

/// How long the stream may lag behind the table before a difference is one.
const LAG: Duration = Duration::from_secs(10);

/// Batch reads under way at once.
const AT_ONCE: usize = 16;

/// What one side counts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Side {
    pub sent: u64,
    pub failed: u64,
    pub delivery_ms: u64,
}

/// The table's count of a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct TableCount {
    #[serde(flatten)]
    pub concluded: Side,
    /// Created, not concluded.
    pub pending: u64,
    /// Indices of the plan that the table does not have.
    pub missing: u64,
    /// Items of an unknown status.
    pub unreadable: u64,
}

/// Table and tallies side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Audit {
    pub run: String,
    pub total: u64,
    pub agrees: bool,
    pub table: TableCount,
    pub tallies: Side,
}

impl TableCount {
    fn add(&mut self, standing: Option<Standing>) {
        match standing {
            None => self.missing += 1,
            Some(Standing { status: None, .. }) => self.unreadable += 1,
            Some(Standing { status: Some(Status::Pending), .. }) => self.pending += 1,
            Some(Standing { status: Some(status), delivery_ms }) => {
                let sent = status == Status::Sent;
                self.concluded.sent += u64::from(sent);
                self.concluded.failed += u64::from(!sent);
                self.concluded.delivery_ms += delivery_ms.unwrap_or(0);
            }
        }
    }
}

impl Side {
    fn of(tally: &Tally) -> Self {
        Self { sent: tally.sent, failed: tally.failed, delivery_ms: tally.delivery.sum_ms() }
    }
}

/// Counts the table, and gives the tallies some time to come up to it. While messages are still being
/// concluded both sides move, so both are read again each time.
pub(crate) async fn audit(
    record: &RunRecord,
    messages: &MessagesTable,
    metrics: &MetricsTable,
) -> Result<Audit, Error> {
    let mut table = count_table(&record.plan, messages).await?;
    let counted = Instant::now();
    loop {
        let tallies = Side::of(&metrics.run_parts(record.plan.run()).await?.tally);
        let agrees = table.concluded == tallies && table.unreadable == 0;
        if agrees || counted.elapsed() >= LAG {
            let run = record.plan.run().to_string();
            return Ok(Audit { run, total: record.plan.total().into(), agrees, table, tallies });
        }
        sleep(Duration::from_millis(500)).await;
        if table.pending > 0 {
            table = count_table(&record.plan, messages).await?;
        }
    }
}

async fn count_table(plan: &Plan, messages: &MessagesTable) -> Result<TableCount, Error> {
    let keys = u32::try_from(KEYS).expect("a hundred");
    let mut batches = pin!(
        stream::iter((0..plan.total()).step_by(KEYS))
            .map(async |first| {
                let ids: Vec<MessageId> = plan.ids(first, first.saturating_add(keys)).collect();
                messages.look_up(&ids).await
            })
            .buffer_unordered(AT_ONCE)
    );
    let mut count = TableCount::default();
    while let Some(standings) = batches.next().await {
        standings?.into_iter().for_each(|standing| count.add(standing));
    }
    Ok(count)
}

impl Audit {
    pub(crate) fn json(&self) -> String {
        show::json(self)
    }

    /// The verdict in a line; above it both sides in a table where they differ.
    pub(crate) fn lines(&self) -> String {
        let verdict = format!("{}{}", self.verdict(), self.rest());
        if self.agrees { verdict } else { format!("{}\n{verdict}", self.sides()) }
    }

    fn sides(&self) -> String {
        let row = |name: &str, side: &Side| {
            format!(
                "  {name:<8} {:>12} {:>12} {:>12}",
                show::count(side.sent),
                show::count(side.failed),
                average(side)
            )
        };
        [
            format!("run {}: {} messages", self.run, show::count(self.total)),
            format!("  {:<8} {:>12} {:>12} {:>12}", "", "sent", "failed", "average"),
            row("table", &self.table.concluded),
            row("tallies", &self.tallies),
        ]
        .join("\n")
    }

    fn verdict(&self) -> String {
        let (table, tallies) = (&self.table.concluded, &self.tallies);
        if self.agrees {
            return format!(
                "the audit agrees: table {} sent, {} failed, average {}; tallies {} sent, {} failed, average {}",
                show::count(table.sent),
                show::count(table.failed),
                average(table),
                show::count(tallies.sent),
                show::count(tallies.failed),
                average(tallies),
            );
        }
        let differences: Vec<String> = [
            ("sent", table.sent, tallies.sent),
            ("failed", table.failed, tallies.failed),
            ("milliseconds of delivery", table.delivery_ms, tallies.delivery_ms),
            ("unreadable items", self.table.unreadable, 0),
        ]
        .into_iter()
        .filter(|(_, table, tallies)| table != tallies)
        .map(|(what, table, tallies)| {
            format!("{what} {} in the table, {} in the tallies", show::count(table), show::count(tallies))
        })
        .collect();
        format!("the audit differs: {}", differences.join("; "))
    }

    /// What is not concluded; it makes no difference.
    fn rest(&self) -> String {
        [(self.table.pending, "pending"), (self.table.missing, "not in the table")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("; {} {what}", show::count(count)))
            .collect::<Vec<_>>()
            .concat()
    }
}

fn average(side: &Side) -> String {
    let concluded = side.sent + side.failed;
    if concluded == 0 {
        "-".to_owned()
    } else {
        format!("{:.3} s", side.delivery_ms as f64 / 1_000.0 / concluded as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(table: TableCount, tallies: Side) -> Audit {
        Audit { run: "R".into(), total: 10, agrees: table.concluded == tallies, table, tallies }
    }

    #[test]
    fn a_difference_is_named() {
        let table = TableCount {
            concluded: Side { sent: 1_000, failed: 7, delivery_ms: 50 },
            ..TableCount::default()
        };
        let differs = audit(table, Side { sent: 999, failed: 7, delivery_ms: 50 });
        assert!(differs.lines().ends_with("the audit differs: sent 1,000 in the table, 999 in the tallies"));
        let pending = TableCount { pending: 3, ..table };
        assert_eq!(
            audit(pending, table.concluded).lines(),
            "the audit agrees: table 1,000 sent, 7 failed, average 0.000 s; \
             tallies 1,000 sent, 7 failed, average 0.000 s; 3 pending"
        );
    }

    #[test]
    fn every_standing_is_counted() {
        let mut count = TableCount::default();
        let standing = |status| Some(Standing { status, delivery_ms: Some(5) });
        for standing in [
            None,
            standing(None),
            standing(Some(Status::Pending)),
            standing(Some(Status::Sent)),
            standing(Some(Status::Failed)),
        ] {
            count.add(standing);
        }
        assert_eq!(
            count,
            TableCount {
                concluded: Side { sent: 1, failed: 1, delivery_ms: 10 },
                pending: 1,
                missing: 1,
                unreadable: 1
            }
        );
    }
}
