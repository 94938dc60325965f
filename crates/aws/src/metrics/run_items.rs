//! Everything that the table holds of a run, and its final tally.

use serde::{Deserialize, Serialize};

use super::runs::{RunRecord, run_record};
use super::shard_tallies::{BROKEN, SHARD, decode, shard_tally};
use super::usage::{USAGE, usage_record};
use super::{Condition, Error, MetricsTable, RUN, invalid_data, item_of, number, string};
use crate::item::{Item, read_units, write_units};
use stentor_core::run::RunId;
use stentor_core::usage::UsageRecord;
use stentor_tally::{DamagedTally, RunTally, Tally, VERSION};

/// Sort key of the tally counted from the messages table.
const FINAL: &str = "final";

/// Everything that the table holds of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunItems {
    /// The run; `None` where there is no such run.
    pub record: Option<RunRecord>,
    /// Sum of the run's tallies; see [`RunTally::total`].
    pub tally: Tally,
    /// Tallies that cannot be stored or read, and are missing in the sum.
    pub broken: Vec<DamagedTally>,
    /// Usage records of the programs that worked on the run.
    pub accounts: Vec<UsageRecord>,
    /// Write units of each shard's tally at its present size.
    pub tally_units: Vec<u64>,
}

/// The record and the tallies of a run, which show whether it is complete.
#[derive(Debug, Clone, PartialEq)]
pub struct RunProgress {
    /// The run; `None` where there is no such run.
    pub record: Option<RunRecord>,
    /// Sum of the run's tallies; see [`RunTally::total`].
    pub tally: Tally,
    /// Read units that the read took.
    pub read_units: u64,
}

impl RunProgress {
    /// Returns whether every message is enqueued and has an outcome.
    pub fn is_complete(&self) -> bool {
        self.record.as_ref().is_some_and(|record| {
            let total = record.plan.total();
            record.enqueued == total && self.tally.total() >= u64::from(total)
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FinalTallyItem {
    version: u32,
    tally: Tally,
}

impl MetricsTable {
    /// Reads everything that the table holds of a run, consistently.
    pub async fn run_items(&self, run: RunId) -> Result<RunItems, Error> {
        RunItems::of(run, self.query(&run.to_string()).await?)
    }

    /// Reads whether a run is complete, consistently. It leaves out the usage records: there is one of each program, so that
    /// the reads of all senders together would grow with the square of their number.
    pub async fn run_progress(&self, run: RunId) -> Result<RunProgress, Error> {
        let items = self.query_before(&run.to_string(), USAGE).await?;
        let read_units = read_units(&items);
        let RunItems { record, tally, .. } = RunItems::of(run, items)?;
        Ok(RunProgress { record, tally, read_units })
    }

    /// Writes the final tally, which then counts instead of the shard tallies, and replaces an earlier one. A final tally
    /// of a newer version is never replaced: that is an [`Error::InvalidData`].
    pub async fn write_final_tally(&self, run: RunId, tally: &Tally) -> Result<(), Error> {
        const CALL: &str = "PutItem (final tally)";
        let run = run.to_string();
        let item = item_of(&run, FINAL, &FinalTallyItem { version: VERSION, tally: tally.clone() })?;
        let ours = Condition {
            expression: "attribute_not_exists(#run) OR #version <= :version",
            names: &["run", "version"],
            value: Some((":version", number(VERSION.into()))),
        };
        if self.put(CALL, &item, Some(&ours)).await? {
            return Ok(());
        }
        let why =
            "it has a newer version and stays unchanged; use that version, or remove the item and try again";
        Err(invalid_data(&run, FINAL, &why))
    }
}

impl RunItems {
    fn of(run: RunId, items: Vec<Item>) -> Result<Self, Error> {
        let mut record = None;
        let mut tallies = RunTally::default();
        let (mut accounts, mut tally_units) = (Vec::new(), Vec::new());
        for item in items {
            let part = string(&item, "part").unwrap_or_default().to_owned();
            if part == RUN {
                record = Some(run_record(run, item)?);
            } else if part == FINAL {
                tallies.set_final(decode(item).map(|stored: FinalTallyItem| stored.tally));
            } else if let Some(shard) = part.strip_prefix(SHARD) {
                tally_units.push(write_units(&item));
                tallies.add_shard(shard, shard_tally(item));
            } else if let Some(shard) = part.strip_prefix(BROKEN) {
                tallies.add_damaged(shard, string(&item, "why").unwrap_or("no reason given").to_owned());
            } else if let Some(id) = part.strip_prefix(USAGE) {
                accounts.push(usage_record(id, item));
            }
        }
        let (tally, broken) = tallies.total();
        Ok(RunItems { record, tally, broken, accounts, tally_units })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::text;

    fn stored(version: u32) -> Item {
        let tally = Tally { sent: 7, failed: 3, ..Tally::default() };
        item_of("run", FINAL, &FinalTallyItem { version, tally }).unwrap()
    }

    #[test]
    fn all_that_shows_progress_sorts_before_the_usage_records() {
        assert!([RUN, SHARD, BROKEN, FINAL].iter().all(|part| *part < USAGE));
    }

    #[test]
    fn a_final_tally_reads_back_and_one_of_another_version_or_shape_is_an_error() {
        let read = |item| decode(item).map(|stored: FinalTallyItem| stored.tally.total());
        assert_eq!(read(stored(VERSION)), Ok(10));
        assert!(read(stored(VERSION - 1)).unwrap_err().contains(&format!("version {}", VERSION - 1)));
        let mut odd = stored(VERSION);
        odd.insert("tally".to_owned(), text("ten"));
        assert!(read(odd).is_err());
    }
}
