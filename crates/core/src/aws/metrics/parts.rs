//! All that the table has on a run, and the tally that ends all counting.

use serde::{Deserialize, Serialize};

use super::runs::{RunRecord, run_record};
use super::tallies::{BROKEN, SHARD, decode, shard_tally};
use super::usages::{USAGE, account};
use super::{Condition, Error, Item, MetricsTable, RUN, key, malformed, number, string};
use crate::aws::item::write_units;
use crate::run::RunId;
use crate::tally::{DamagedTally, RunTally, Tally, VERSION};
use crate::usage::Account;

/// The part that holds the tally counted from the table of messages.
const FINAL: &str = "final";

/// All that the table has on a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunParts {
    /// What the run is; `None` where no such run was begun.
    pub record: Option<RunRecord>,
    /// What its tallies come to; see [`RunTally::total`].
    pub tally: Tally,
    /// Tallies that cannot be kept or read, and are missing in it.
    pub broken: Vec<DamagedTally>,
    /// What the programs say they have spent on it.
    pub accounts: Vec<Account>,
    /// For each shard's tally, the write units that it takes to put it as it is now.
    pub tally_units: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    tally: Tally,
}

impl MetricsTable {
    /// All that the table has on a run, read at this moment.
    pub async fn run_parts(&self, run: RunId) -> Result<RunParts, Error> {
        let mut record = None;
        let mut tallies = RunTally::default();
        let (mut accounts, mut tally_units) = (Vec::new(), Vec::new());
        for item in self.query(&run.to_string()).await? {
            let part = string(&item, "part").unwrap_or_default().to_owned();
            if part == RUN {
                record = Some(run_record(run, item)?);
            } else if part == FINAL {
                tallies.set_final(decode(item).map(|stored: Stored| stored.tally));
            } else if let Some(shard) = part.strip_prefix(SHARD) {
                tally_units.push(write_units(&item));
                tallies.add_shard(shard, shard_tally(item));
            } else if let Some(shard) = part.strip_prefix(BROKEN) {
                tallies.add_damaged(shard, string(&item, "why").unwrap_or("no reason given").to_owned());
            } else if let Some(id) = part.strip_prefix(USAGE) {
                accounts.push(account(id, item));
            }
        }
        let (tally, broken) = tallies.total();
        Ok(RunParts { record, tally, broken, accounts, tally_units })
    }

    /// Writes the final tally, which replaces the tallies of all shards from then on. It overwrites an earlier final
    /// tally of this or an older version. A newer version is an [`Error::Malformed`] and stays as it is.
    pub async fn write_final_tally(&self, run: RunId, tally: &Tally) -> Result<(), Error> {
        const CALL: &str = "PutItem (final tally)";
        let run = run.to_string();
        let stored = Stored { version: VERSION, tally: tally.clone() };
        let mut item: Item = serde_dynamo::to_item(&stored).map_err(|e| malformed(&run, FINAL, &e))?;
        item.extend(key(&run, FINAL));
        let ours = Condition::That {
            expression: "attribute_not_exists(#run) OR #version <= :version",
            names: &["run", "version"],
            value: Some((":version", number(VERSION.into()))),
        };
        let written = self.put(CALL, &item, ours).await?;
        let other = || {
            malformed(
                &run,
                FINAL,
                &"it has a newer version and stays as it is; use that version, or remove the item and try again",
            )
        };
        written.then_some(()).ok_or_else(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::item::text;

    fn stored(version: u32) -> Item {
        let tally = Tally { sent: 7, failed: 3, ..Tally::default() };
        let mut item: Item = serde_dynamo::to_item(Stored { version, tally }).unwrap();
        item.extend(key("run", FINAL));
        item
    }

    #[test]
    fn a_final_tally_reads_back_and_one_of_another_version_or_shape_is_an_error() {
        let read = |item| decode(item).map(|stored: Stored| stored.tally.total());
        assert_eq!(read(stored(VERSION)), Ok(10));
        assert!(read(stored(VERSION - 1)).unwrap_err().contains("version 2"));
        let mut odd = stored(VERSION);
        odd.insert("tally".to_owned(), text("ten"));
        assert!(read(odd).is_err());
    }
}
