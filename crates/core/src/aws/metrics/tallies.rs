//! The tallies of a run's stream shards, each swapped as a whole from one checkpoint to the next.

use serde::{Deserialize, Serialize};

use super::{Error, Item, MetricsTable, RUN, key, malformed, string, text};
use crate::aws::error::{Setback, setback};
use crate::aws::metrics::runs::{RunRecord, run_record};
use crate::run::RunId;
use crate::tally::{ShardTally, Swap, Tally};

const SHARD: &str = "shard#";
const BROKEN: &str = "broken#";

/// The version of a stored tally that this code reads and writes.
const VERSION: u32 = 1;

/// A mark that a tally of the run cannot be kept any more, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The shard whose tally it is.
    pub shard: String,
    /// What is wrong.
    pub why: String,
}

/// All that the table has on a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunParts {
    /// What the run is; `None` where no such run was begun.
    pub record: Option<RunRecord>,
    /// What its shards come to, added up.
    pub tally: Tally,
    /// Tallies that cannot be kept or read.
    pub broken: Vec<Broken>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    checkpoint: String,
    tally: Tally,
}

impl MetricsTable {
    /// A run's tally of that shard; an empty one before the first record. One that cannot be read is an
    /// [`Error::Malformed`].
    pub async fn shard_tally(&self, run: RunId, shard: &str) -> Result<ShardTally, Error> {
        let (run, part) = (run.to_string(), format!("{SHARD}{shard}"));
        let Some(item) = self.get(&run, &part).await? else { return Ok(ShardTally::default()) };
        shard_tally(item).map_err(|why| malformed(&run, &part, &why))
    }

    /// Writes a tally in the place of the one that was read, which had the checkpoint of `before`.
    pub async fn swap_shard_tally(
        &self,
        run: RunId,
        shard: &str,
        before: &ShardTally,
        after: &ShardTally,
    ) -> Result<Swap, Error> {
        const CALL: &str = "PutItem (tally)";
        let (run, part) = (run.to_string(), format!("{SHARD}{shard}"));
        let stored = Stored {
            version: VERSION,
            checkpoint: after.checkpoint.as_ref().map(ToString::to_string).unwrap_or_default(),
            tally: after.tally.clone(),
        };
        let mut item: Item = serde_dynamo::to_item(&stored).map_err(|e| malformed(&run, &part, &e))?;
        item.extend(key(&run, &part));
        self.session
            .ask_once_answered(CALL, &self.name, async || {
                let request = self.client.put_item().table_name(&self.name).set_item(Some(item.clone()));
                let request = match &before.checkpoint {
                    None => request
                        .condition_expression("attribute_not_exists(#run)")
                        .expression_attribute_names("#run", "run"),
                    Some(checkpoint) => request
                        .condition_expression("checkpoint = :before")
                        .expression_attribute_values(":before", text(checkpoint)),
                };
                match request.send().await.map_err(|error| setback(CALL, &error)) {
                    Ok(_) => Ok(Swap::Written),
                    Err(Setback::ConditionFailed) => Ok(Swap::Lost),
                    Err(Setback::Final(Error::Refused { code, message, .. }))
                        if code == "ValidationException" =>
                    {
                        Ok(Swap::Refused(message))
                    }
                    Err(setback) => Err(setback),
                }
            })
            .await
    }

    /// Marks a run's tally of that shard as one that cannot be kept.
    pub async fn mark_broken(&self, run: RunId, shard: &str, why: &str) -> Result<(), Error> {
        const CALL: &str = "PutItem (broken)";
        let mut item = key(&run.to_string(), &format!("{BROKEN}{shard}"));
        item.insert("why".to_owned(), text(why));
        self.session
            .ask_once_answered(CALL, &self.name, async || {
                let request = self.client.put_item().table_name(&self.name).set_item(Some(item.clone()));
                request.send().await.map(drop).map_err(|error| setback(CALL, &error))
            })
            .await
    }

    /// All that the table has on a run, read at this moment.
    pub async fn run_parts(&self, run: RunId) -> Result<RunParts, Error> {
        let mut parts = RunParts { record: None, tally: Tally::default(), broken: Vec::new() };
        for item in self.query(&run.to_string()).await? {
            let part = string(&item, "part").unwrap_or_default().to_owned();
            if part == RUN {
                parts.record = Some(run_record(run, item)?);
            } else if let Some(shard) = part.strip_prefix(SHARD) {
                match shard_tally(item) {
                    Ok(read) => parts.tally.merge(&read.tally),
                    Err(why) => parts.broken.push(Broken { shard: shard.to_owned(), why }),
                }
            } else if let Some(shard) = part.strip_prefix(BROKEN) {
                let why = string(&item, "why").unwrap_or("no reason given").to_owned();
                parts.broken.push(Broken { shard: shard.to_owned(), why });
            }
        }
        // The mark of the aggregator and our own finding are one thing.
        parts.broken.sort_by(|one, other| one.shard.cmp(&other.shard));
        parts.broken.dedup_by(|one, other| one.shard == other.shard);
        Ok(parts)
    }
}

fn shard_tally(item: Item) -> Result<ShardTally, String> {
    let version = item.get("version").and_then(|value| value.as_n().ok());
    if version.is_none_or(|version| *version != VERSION.to_string()) {
        return Err(format!("it is of version {}, not {VERSION}", version.map_or("none", String::as_str)));
    }
    let stored: Stored = serde_dynamo::from_item(item).map_err(|error| error.to_string())?;
    let checkpoint = stored.checkpoint.parse().map_err(|e| format!("its checkpoint {e}"))?;
    Ok(ShardTally { checkpoint: Some(checkpoint), tally: stored.tally })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Outcome;
    use crate::tally::Conclusion;

    fn stored(version: u32, checkpoint: &str) -> Item {
        let mut tally = Tally::default();
        for ms in 0..1_000 {
            let at = 1_700_000_000_000 + ms * 300;
            tally.count(&Conclusion {
                outcome: Outcome::Sent,
                created_at: Some(1_700_000_000_000),
                concluded_at: Some(at),
                delivery_ms: Some(ms),
            });
        }
        let mut item: Item =
            serde_dynamo::to_item(Stored { version, checkpoint: checkpoint.to_owned(), tally }).unwrap();
        item.extend(key("run", "shard#0"));
        item
    }

    #[test]
    fn a_stored_tally_reads_back() {
        let read = shard_tally(stored(VERSION, "100000000000000000000000000000000000007")).unwrap();
        assert_eq!(read.tally.sent, 1_000);
        assert_eq!(read.tally.delivery.sum_ms(), 499_500);
        assert_eq!(read.checkpoint, Some("100000000000000000000000000000000000007".parse().unwrap()));
    }

    #[test]
    fn a_tally_of_another_version_or_shape_is_an_error() {
        assert!(shard_tally(stored(2, "1")).unwrap_err().contains("version 2"));
        assert!(shard_tally(stored(VERSION, "")).unwrap_err().contains("checkpoint"));
        let mut no_tally = stored(VERSION, "1");
        no_tally.remove("tally");
        assert!(shard_tally(no_tally).is_err());
        assert!(shard_tally(Item::new()).unwrap_err().contains("version none"));
    }
}
