//! Tallies of a run's stream shards, each replaced as a whole on the condition of its checkpoint.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Condition, Error, Item, MetricsTable, NOT_EXISTS, invalid_data, item_of, key, text};
use crate::error::AttemptError;
use crate::item::size;
use stentor_core::escape::one_line;
use stentor_core::run::RunId;
use stentor_tally::{ShardTally, Tally, VERSION};

use crate::tally_store::PutResult;

pub(super) const SHARD: &str = "shard#";
pub(super) const BROKEN: &str = "broken#";

/// Size of an item, bytes, at most (Amazon DynamoDB Developer Guide, "Quotas in Amazon DynamoDB").
const LARGEST_ITEM: usize = 400 * 1_024;

/// A stored shard tally. An item with other attributes is of another version and never overwritten.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShardTallyItem {
    version: u32,
    checkpoint: String,
    tally: Tally,
}

impl MetricsTable {
    /// Reads a run's tally of one shard, empty before the first record. An invalid one is an [`Error::InvalidData`].
    pub async fn shard_tally(&self, run: RunId, shard: &str) -> Result<ShardTally, Error> {
        let (run, part) = (run.to_string(), format!("{SHARD}{shard}"));
        let Some(item) = self.get(&run, &part).await? else { return Ok(ShardTally::default()) };
        shard_tally(item).map_err(|why| invalid_data(&run, &part, &why))
    }

    /// Replaces the tally whose checkpoint is that of `before`.
    pub async fn put_shard_tally(
        &self,
        run: RunId,
        shard: &str,
        before: &ShardTally,
        after: &ShardTally,
    ) -> Result<PutResult, Error> {
        const CALL: &str = "PutItem (tally)";
        let (run, part) = (run.to_string(), format!("{SHARD}{shard}"));
        let stored = ShardTallyItem {
            version: VERSION,
            checkpoint: after.checkpoint.as_ref().map(ToString::to_string).unwrap_or_default(),
            tally: after.tally.clone(),
        };
        let item = item_of(&run, &part, &stored)?;
        if let Some(why) = too_large(&item) {
            return Ok(PutResult::Rejected(why));
        }
        let unchanged = match &before.checkpoint {
            None => NOT_EXISTS,
            Some(checkpoint) => Condition {
                expression: "checkpoint = :before",
                names: &[],
                value: Some((":before", text(checkpoint))),
            },
        };
        self.session
            .call(CALL, &self.name, async || match self.try_put(CALL, &item, Some(&unchanged)).await {
                Ok(true) => Ok(PutResult::Stored),
                Ok(false) => Ok(PutResult::Conflict),
                Err(AttemptError::Permanent(Error::Rejected { code, message, .. }))
                    if code == "ValidationException" =>
                {
                    Ok(PutResult::Rejected(message))
                }
                Err(attempt_error) => Err(attempt_error),
            })
            .await
    }

    /// Marks a run's tally of one shard as damaged.
    pub async fn mark_damaged(&self, run: RunId, shard: &str, why: &str) -> Result<(), Error> {
        const CALL: &str = "PutItem (broken)";
        let mut item = key(&run.to_string(), &format!("{BROKEN}{shard}"));
        item.insert("why".to_owned(), text(why));
        self.put(CALL, &item, None).await.map(drop)
    }
}

pub(super) fn shard_tally(item: Item) -> Result<ShardTally, String> {
    let stored: ShardTallyItem = decode(item)?;
    let checkpoint = stored.checkpoint.parse().map_err(|e| format!("cannot read `checkpoint`: {e}"))?;
    Ok(ShardTally { checkpoint: Some(checkpoint), tally: stored.tally })
}

/// Decodes an item without its key, where it is of this version.
pub(super) fn decode<T: DeserializeOwned>(mut item: Item) -> Result<T, String> {
    let version = item.get("version").and_then(|value| value.as_n().ok());
    let version = version.ok_or_else(|| format!("tally has no version (expected {VERSION})"))?;
    if *version != VERSION.to_string() {
        return Err(format!("tally version {version} is not supported (expected {VERSION})"));
    }
    for name in ["run", "part"] {
        item.remove(name);
    }
    serde_dynamo::from_item(item).map_err(|error| one_line(&error.to_string()))
}

/// Returns why the item is too large for the table; `None` where it fits.
fn too_large(item: &Item) -> Option<String> {
    let size = size(item);
    (size > LARGEST_ITEM).then(|| format!("it would pass 400 KB, with {size} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::types::AttributeValue;
    use stentor_core::delivery::Outcome;
    use stentor_tally::OutcomeEvent;

    fn stored(version: u32, checkpoint: &str) -> Item {
        let mut tally = Tally::default();
        for ms in 0..1_000 {
            let at = 1_700_000_000_000 + ms * 300;
            tally.count(&OutcomeEvent {
                outcome: Outcome::Sent,
                created_at: Some(1_700_000_000_000),
                concluded_at: Some(at),
                delivery_ms: Some(ms),
                parts: None,
                reason: None,
            });
        }
        let stored = ShardTallyItem { version, checkpoint: checkpoint.to_owned(), tally };
        item_of("run", "shard#0", &stored).unwrap()
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
        for other in [VERSION - 1, VERSION + 1] {
            let why = shard_tally(stored(other, "1")).unwrap_err();
            assert_eq!(why, format!("tally version {other} is not supported (expected {VERSION})"));
        }
        assert!(shard_tally(stored(VERSION, "")).unwrap_err().contains("checkpoint"));
        let mut no_tally = stored(VERSION, "1");
        no_tally.remove("tally");
        assert!(shard_tally(no_tally).is_err());
        let mut wrong_type = stored(VERSION, "1");
        wrong_type.insert("tally".to_owned(), text("\u{1b}[2J"));
        assert!(!shard_tally(wrong_type).unwrap_err().contains(char::is_control));
        assert!(shard_tally(Item::new()).unwrap_err().contains("no version"));
    }

    #[test]
    fn a_tally_with_more_in_it_than_we_know_is_left_alone() {
        let mut padded = stored(VERSION, "1");
        padded.insert("notes".to_owned(), text(&"x".repeat(390 * 1_024)));
        assert!(shard_tally(padded).unwrap_err().contains("notes"));
        let mut nested = stored(VERSION, "1");
        let Some(AttributeValue::M(tally)) = nested.get_mut("tally") else { panic!("it is a map") };
        tally.insert("notes".to_owned(), text("x"));
        assert!(shard_tally(nested).unwrap_err().contains("notes"));
    }

    #[test]
    fn what_an_item_has_beside_its_times_is_less_than_250_bytes() {
        let checkpoint = "1".repeat(40);
        let tally = Tally { sent: 1_000_000, failed: 1_000_000, ..Tally::default() };
        let (run, part) = ("01JDD0QYJ8000000000000000A", "shard#shardId-00000001764002431842-6a1d7b3f");
        let mut item = item_of(run, part, &ShardTallyItem { version: VERSION, checkpoint, tally }).unwrap();
        let Some(AttributeValue::M(tally)) = item.get_mut("tally") else { panic!("it is a map") };
        tally.insert("times".to_owned(), AttributeValue::B(Vec::new().into()));
        assert!(size(&item) < 250, "{}", size(&item));
    }

    #[test]
    fn a_small_tally_is_within_1_kb_and_one_of_more_than_400_would_be_refused() {
        let item = stored(VERSION, "100000000000000000000000000000000000007");
        assert!(size(&item) < 1_024, "{}", size(&item));
        assert_eq!(too_large(&item), None);
        let mut large = item;
        large.insert("x".to_owned(), text(&"x".repeat(LARGEST_ITEM - size(&large) - 1)));
        assert_eq!((size(&large), too_large(&large)), (LARGEST_ITEM, None));
        large.insert("y".to_owned(), text(""));
        assert_eq!(too_large(&large).unwrap(), "it would pass 400 KB, with 409601 bytes");
    }
}
