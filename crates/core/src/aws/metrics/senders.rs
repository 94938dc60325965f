//! The signs of life that senders leave.

use serde::{Deserialize, Serialize};

use super::{Error, Item, MetricsTable, malformed};
use crate::aws::error::setback;

const SENDERS: &str = "senders";

/// How long a sign of life stays in the table, seconds: a day.
const LIFETIME: u64 = 24 * 3_600;

/// A sender's sign of life, with what it has done so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SenderBeat {
    /// Its name.
    pub sender: String,
    /// When it started, ms since the epoch.
    pub started_at: u64,
    /// When it wrote this, ms since the epoch.
    pub seen_at: u64,
    /// When it ended, ms since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
    /// Its mean wait, seconds.
    pub wait: f64,
    /// The share of its deliveries that fail, 0 to 1.
    pub failure_rate: f64,
    /// How many deliveries it plays at once.
    pub concurrency: u32,
    /// Messages it concluded SENT.
    pub sent: u64,
    /// Messages it concluded FAILED.
    pub failed: u64,
    /// Messages that it found concluded by another.
    pub duplicates: u64,
    /// Messages it gave back.
    pub released: u64,
}

impl MetricsTable {
    /// Leaves a sign of life in the place of the last.
    pub async fn beat(&self, beat: &SenderBeat) -> Result<(), Error> {
        const CALL: &str = "PutItem (sender)";
        let mut item: Item = serde_dynamo::to_item(beat).map_err(|e| malformed(SENDERS, &beat.sender, &e))?;
        item.extend(super::key(SENDERS, &beat.sender));
        item.insert("expires_at".to_owned(), super::number(beat.seen_at / 1_000 + LIFETIME));
        self.session
            .ask_once_answered(CALL, &self.name, async || {
                let request = self.client.put_item().table_name(&self.name).set_item(Some(item.clone()));
                request.send().await.map(drop).map_err(|error| setback(CALL, &error))
            })
            .await
    }

    /// The signs of life in the table, old ones too. One that cannot be read is passed over: it is for show.
    pub async fn beats(&self) -> Result<Vec<SenderBeat>, Error> {
        let items = self.query(SENDERS).await?;
        Ok(items.into_iter().filter_map(|item| serde_dynamo::from_item(item).ok()).collect())
    }
}
