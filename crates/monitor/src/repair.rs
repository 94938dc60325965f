//! Counts a finished run from the table if its tallies are damaged. Later readers use that count instead of the tallies.

use schemars::JsonSchema;
use serde::Serialize;
use stentor_aws::metrics::RunRecord;
use stentor_aws::{Error, MessagesTable, MetricsTable};
use stentor_cli::{ConnectionFlags, format};
use stentor_tally::TableCount;

use crate::audit::CountedTable;
use crate::table::count_table;

/// The result of a repair.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Repair {
    /// ID of the run.
    pub run: String,
    /// Messages of the run's plan.
    pub total: u64,
    /// Whether the table's count was written, and replaces the tallies.
    pub repaired: bool,
    /// Count of the table.
    pub table: CountedTable,
    /// Why it cannot be repaired now, and what to do about it.
    #[serde(skip)]
    pub refusal: Option<String>,
    /// The command that completes the run, where every message is stored but not all are marked as enqueued.
    #[serde(skip)]
    completion: Option<String>,
}

/// Counts the table, and where every message has an outcome writes that as the run's final tally.
pub(crate) async fn repair(
    record: &RunRecord,
    messages: &MessagesTable,
    metrics: &MetricsTable,
    connection: &ConnectionFlags,
) -> Result<Repair, Error> {
    let table_count = count_table(&record.plan, messages).await?;
    if let Some(tally) = table_count.complete_tally() {
        metrics.write_final_tally(record.plan.run(), tally).await?;
    }
    Ok(Repair::of(record, &table_count, connection))
}

impl Repair {
    fn of(record: &RunRecord, table_count: &TableCount, connection: &ConnectionFlags) -> Self {
        let repaired = table_count.complete_tally().is_some();
        Self {
            run: record.plan.run().to_string(),
            total: record.plan.total().into(),
            repaired,
            table: CountedTable::of(table_count),
            refusal: (!repaired).then(|| refusal(record, table_count, connection)),
            completion: (record.enqueued < record.plan.total())
                .then(|| connection.command(&format!("producer resume {}", record.plan.run()))),
        }
    }

    pub(crate) fn line(&self) -> String {
        let counted = &self.table.counted;
        let completion = self.completion.as_ref();
        let completion = completion.map(|command| format!("\nTo complete the run: {command}"));
        format!(
            "repaired: run {} is counted from the table, {} sent, {} failed; this count replaces the tallies{}",
            self.run,
            format::thousands(counted.sent),
            format::thousands(counted.failed),
            completion.unwrap_or_default(),
        )
    }
}

/// Formats why the run cannot be repaired, and what to do.
fn refusal(record: &RunRecord, table_count: &TableCount, connection: &ConnectionFlags) -> String {
    let run = record.plan.run();
    let [resume, requeue] =
        ["resume", "requeue"].map(|subcommand| connection.command(&format!("producer {subcommand} {run}")));
    let missing = if record.enqueued == record.plan.total() {
        "Some messages have expired (the table keeps them for 7 days), so the run cannot be repaired"
            .to_owned()
    } else {
        format!("Enqueue the rest: {resume}")
    };
    let pending = format!("Let senders finish what is pending, and if the queue is empty: {requeue}");
    let unreadable = "Unreadable items are of another version or damaged: repair the run with that version";
    let (counts, remedies): (Vec<String>, Vec<&str>) = [
        (table_count.pending, "pending", pending.as_str()),
        (table_count.missing, "not in the table", missing.as_str()),
        (table_count.unreadable, "unreadable", unreadable),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, what, remedy)| (format!("{} {what}", format::thousands(count)), remedy))
    .unzip();
    let example = table_count.unreadable_example.map_or_else(String::new, |id| format!(" (such as {id})"));
    format!(
        "run {run} cannot be repaired: of its {} {}{example}\n{}",
        format::counted(record.plan.total().into(), "message"),
        counts.join(", "),
        remedies.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_run_view::fixtures::reading;
    use stentor_sign_in::{Destination, Endpoint};

    fn drill() -> ConnectionFlags {
        let (stack, endpoint) = ("drill".parse().unwrap(), Endpoint::Local(4566));
        ConnectionFlags::of(&Destination { stack, endpoint, region: None, profile: None })
    }

    fn refused(table_count: &TableCount, enqueued: u32) -> String {
        let mut record = reading(10, 0).record;
        record.enqueued = enqueued;
        Repair::of(&record, table_count, &drill()).refusal.expect("it is incomplete")
    }

    #[test]
    fn a_refusal_names_how_many_in_which_way_and_what_to_do() {
        let pending = refused(&TableCount { pending: 3, missing: 1, ..TableCount::default() }, 9);
        let (first, rest) = pending.split_once('\n').unwrap();
        assert!(first.ends_with("of its 10 messages 3 pending, 1 not in the table"), "{first}");
        for command in ["producer requeue", "producer resume"] {
            let command = format!("{command} {} --stack drill --local", reading(10, 0).record.plan.run());
            assert!(rest.contains(&command), "{rest}");
        }
        let gone = refused(&TableCount { missing: 1, ..TableCount::default() }, 10);
        assert!(gone.contains("7 days") && !gone.contains("resume"), "{gone}");
        let id = reading(10, 0).record.plan.ids(4..5).next();
        let odd = refused(&TableCount { unreadable: 2, unreadable_example: id, ..TableCount::default() }, 10);
        assert!(odd.contains("2 unreadable (such as") && odd.contains("#000000004)"), "{odd}");
    }

    #[test]
    fn a_whole_run_is_repaired() {
        let table_count = TableCount { tally: reading(10, 10).tally, ..TableCount::default() };
        let repair = Repair::of(&reading(10, 10).record, &table_count, &drill());
        assert_eq!((repair.repaired, repair.refusal.as_deref()), (true, None));
        assert!(
            repair.line().contains("9 sent, 1 failed") && !repair.line().contains('\n'),
            "{}",
            repair.line()
        );
        let mut unmarked = reading(10, 10).record;
        unmarked.enqueued = 9;
        let line = Repair::of(&unmarked, &table_count, &drill()).line();
        let resume = format!("producer resume {} --stack drill --local", repair.run);
        assert!(line.ends_with(&format!("\nTo complete the run: {resume}")), "{line}");
        let json: serde_json::Value = serde_json::from_str(&format::json_line(&repair)).unwrap();
        assert_eq!((json["repaired"].as_bool(), json["table"]["sent"].as_u64()), (Some(true), Some(9)));
    }
}
