//! Reads all that a snapshot needs, with five requests at most.

use std::sync::Arc;

use stentor_aws::clock::now_ms;
use stentor_aws::{Error, MetricsTable, Queue, Session};
use stentor_core::run::RunId;

use crate::snapshot::Reading;

/// Where the numbers are read.
#[derive(Debug)]
pub struct Sources {
    pub metrics: MetricsTable,
    pub queue: Queue,
    pub dead_letters: Queue,
}

impl Sources {
    pub async fn open(session: &Arc<Session>) -> Result<Self, Error> {
        Ok(Self {
            metrics: MetricsTable::new(session),
            queue: Queue::open(session).await?,
            dead_letters: Queue::open_dead_letters(session).await?,
        })
    }

    /// What there is to know of a run now; `None` where there is no such run.
    pub async fn read(&self, run: RunId) -> Result<Option<Reading>, Error> {
        let (parts, beats, (queue, visibility), (dead_letters, _)) = tokio::try_join!(
            self.metrics.run_items(run),
            self.metrics.list_heartbeats(),
            self.queue.attributes(),
            self.dead_letters.attributes(),
        )?;
        Ok(parts.record.map(|record| Reading {
            record,
            tally: parts.tally,
            broken: parts.broken,
            queue,
            visibility,
            dead_letters: dead_letters.visible,
            beats,
            accounts: parts.accounts,
            tally_units: parts.tally_units,
            at_ms: now_ms(),
        }))
    }
}
