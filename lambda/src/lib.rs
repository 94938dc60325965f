//! The function on the messages table's stream: it folds each batch of records into the tallies of the
//! runs they belong to, so that every conclusion counts exactly once.
//!
//! `event → records by run → fold above the checkpoint → swap`. The fold and its reasons are in
//! [`stentor_core::tally`]; here it is joined to the metrics table.

mod event;

use std::collections::HashMap;
use std::sync::Mutex;

use stentor_core::aws::metrics::Swap;
use stentor_core::aws::{Error as AwsError, MetricsTable};
use stentor_core::run::RunId;
use stentor_core::tally::{Record, ShardTally};
use thiserror::Error;

pub use event::{Answer, StreamEvent};

/// The shard's name where the stream has only one and does not tell it.
const SINGLE_SHARD: &str = "single";

/// How often a tally is read again after another writer was faster, before the batch fails and comes again.
const SWAPS: usize = 10;

/// How many tallies a warm function remembers; a batch seldom has more than one run.
const REMEMBERED: usize = 64;

/// Why a batch was not counted; Lambda brings it again.
#[derive(Debug, Error)]
pub enum Error {
    /// The event does not tell its shard.
    #[error(
        "the event has no shardId: give the event source mapping a tumbling window, or, where the stream has one shard, set STENTOR_SINGLE_SHARD=true"
    )]
    NoShard,
    /// Other writers were faster every time.
    #[error("the tally of run {0} was changed by others {SWAPS} times in a row")]
    Contended(RunId),
    /// The metrics table could not be asked.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

/// The function's work, and what it remembers from one batch to the next.
#[derive(Debug)]
pub struct Aggregator {
    metrics: MetricsTable,
    single_shard: bool,
    /// The tallies as last written, which saves reading them; emptied of what may have changed.
    remembered: Mutex<HashMap<(RunId, String), ShardTally>>,
}

impl Aggregator {
    /// An aggregator of that table. `single_shard` allows events that do not tell their shard.
    pub fn new(metrics: MetricsTable, single_shard: bool) -> Self {
        Self { metrics, single_shard, remembered: Mutex::default() }
    }

    /// Counts a batch. A failure in one run leaves the others counted, and fails the batch, so that all of
    /// it comes again; what is counted lies below its checkpoint then.
    pub async fn handle(&self, event: StreamEvent) -> Result<Answer, Error> {
        let shard = event.shard_id.clone();
        let runs = event.into_records();
        if runs.is_empty() {
            return Ok(Answer::default());
        }
        let shard = match shard {
            Some(shard) => shard,
            None if self.single_shard => SINGLE_SHARD.to_owned(),
            None => return Err(Error::NoShard),
        };
        let mut failure = None;
        for (run, records) in runs {
            if let Err(error) = self.count(run, &shard, &records).await {
                failure.get_or_insert(error);
            }
        }
        failure.map_or_else(|| Ok(Answer::default()), Err)
    }

    /// Counts a run's records of a batch.
    async fn count(&self, run: RunId, shard: &str, records: &[Record]) -> Result<(), Error> {
        for _ in 0..SWAPS {
            let before = match self.recall(run, shard) {
                Some(tally) => tally,
                None => match self.metrics.shard_tally(run, shard).await {
                    Ok(tally) => tally,
                    Err(AwsError::Malformed { what, why }) => {
                        return self.give_up(run, shard, &format!("{what} cannot be read: {why}")).await;
                    }
                    Err(error) => return Err(error.into()),
                },
            };
            let mut after = before.clone();
            if !after.fold(records) {
                self.remember(run, shard, before);
                return Ok(());
            }
            match self.metrics.swap_shard_tally(run, shard, &before, &after).await? {
                Swap::Written => {
                    self.remember(run, shard, after);
                    return Ok(());
                }
                Swap::Lost => {}
                Swap::Refused(why) => {
                    return self.give_up(run, shard, &format!("its tally is refused: {why}")).await;
                }
            }
        }
        Err(Error::Contended(run))
    }

    /// A tally that cannot be kept is left as it is, and its run marked, so that the other runs go on.
    async fn give_up(&self, run: RunId, shard: &str, why: &str) -> Result<(), Error> {
        tracing::error!(%run, shard, why, "this run cannot be counted any more");
        Ok(self.metrics.mark_broken(run, shard, why).await?)
    }

    /// Takes the tally out, so that it is forgotten unless its writing is known to have succeeded.
    fn recall(&self, run: RunId, shard: &str) -> Option<ShardTally> {
        self.memory().remove(&(run, shard.to_owned()))
    }

    fn remember(&self, run: RunId, shard: &str, tally: ShardTally) {
        let mut memory = self.memory();
        if memory.len() >= REMEMBERED {
            memory.clear();
        }
        memory.insert((run, shard.to_owned()), tally);
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, HashMap<(RunId, String), ShardTally>> {
        self.remembered.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
