//! Heartbeats of senders.

use serde::{Deserialize, Serialize};

use stentor_core::usage::ProviderUsage;

use super::{Error, Item, MetricsTable, item_of, number};

const SENDERS: &str = "senders";

/// How long the table keeps a heartbeat, seconds: a day.
const LIFETIME: u64 = 24 * 3_600;

/// A sender's heartbeat: its settings, and its counts since its start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// ID of the sender.
    pub sender: String,
    /// When the sender started, ms since the epoch.
    pub started_at: u64,
    /// When it wrote this heartbeat, ms since the epoch.
    pub seen_at: u64,
    /// When it ended, ms since the epoch; `None` while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
    /// Its mean wait, seconds.
    pub wait: f64,
    /// Its failure rate, 0 to 1.
    pub failure_rate: f64,
    /// Its maximum of concurrent deliveries.
    pub concurrency: u32,
    /// Outcomes SENT that it recorded.
    pub sent: u64,
    /// Outcomes FAILED that it recorded.
    pub failed: u64,
    /// Messages that already had an outcome of another sender.
    pub duplicates: u64,
    /// Messages that it released.
    pub released: u64,
    /// Leases that expired while it had the message. 0 in an item of an older version, as below.
    #[serde(default)]
    pub leases_expired: u64,
    /// Messages with a body that is not Stentor's, if it was the first to receive them.
    #[serde(default)]
    pub invalid: u64,
    /// The beginning of such a body, escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_example: Option<String>,
    /// Its usage of its provider, all runs together; `None` without a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderUsage>,
}

impl MetricsTable {
    /// Replaces the sender's heartbeat.
    pub async fn put_heartbeat(&self, beat: &Heartbeat) -> Result<(), Error> {
        const CALL: &str = "PutItem (sender)";
        let mut item = item_of(SENDERS, &beat.sender, beat)?;
        item.insert("expires_at".to_owned(), number(beat.seen_at / 1_000 + LIFETIME));
        self.put(CALL, &item, None).await.map(drop)
    }

    /// Returns all stored heartbeats, old ones too. An invalid one is skipped: heartbeats are only displayed.
    pub async fn list_heartbeats(&self) -> Result<Vec<Heartbeat>, Error> {
        Ok(self.query(SENDERS).await?.into_iter().filter_map(sender_beat).collect())
    }
}

fn sender_beat(item: Item) -> Option<Heartbeat> {
    let beat: Heartbeat = serde_dynamo::from_item(item).ok()?;
    (beat.wait >= 0.0 && (0.0..=1.0).contains(&beat.failure_rate)).then_some(beat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::text;
    use aws_sdk_dynamodb::types::AttributeValue;

    #[test]
    fn a_heartbeat_round_trips_and_an_invalid_one_is_skipped() {
        let beat = Heartbeat {
            sender: "\u{1b}[2J".into(),
            started_at: 1,
            seen_at: 2,
            ended_at: None,
            wait: 0.5,
            failure_rate: 0.1,
            concurrency: 1,
            sent: 3,
            failed: 4,
            duplicates: 5,
            released: 6,
            leases_expired: 7,
            invalid: 8,
            invalid_example: Some("{}".into()),
            provider: Some(ProviderUsage {
                profile: "us-short-code".into(),
                parts: [("OTHER".into(), 9)].into(),
                forfeited: 1,
            }),
        };
        let item: Item = serde_dynamo::to_item(&beat).unwrap();
        let mut older = item.clone();
        for name in ["leases_expired", "invalid", "invalid_example", "provider"] {
            older.remove(name);
        }
        let without = Heartbeat {
            leases_expired: 0,
            invalid: 0,
            invalid_example: None,
            provider: None,
            ..beat.clone()
        };
        assert_eq!(sender_beat(older), Some(without));
        assert_eq!(sender_beat(item.clone()), Some(beat));
        let n = |digits: &str| AttributeValue::N(digits.to_owned());
        for (name, odd) in [
            ("wait", n("-1")),
            ("wait", text("long")),
            ("failure_rate", n("1.5")),
            ("seen_at", n("-5")),
            ("sent", n("0.5")),
            ("sender", n("7")),
        ] {
            let mut item = item.clone();
            item.insert(name.to_owned(), odd);
            assert_eq!(sender_beat(item), None, "{name}");
        }
        assert_eq!(sender_beat(Item::new()), None);
    }
}
