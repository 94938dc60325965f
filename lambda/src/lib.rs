//! The function on the messages table's stream: it folds each batch of records into the tallies of the
//! runs they belong to, so that every conclusion counts exactly once.
//!
//! `event → records by run → fold above the checkpoint → swap`. The fold, the swap and their reasons are
//! in [`stentor_core::tally`]; here they are joined to the metrics table.

mod event;

use stentor_aws::tally_store::{CountOutcome, TallyWriter};
use stentor_aws::{Error as AwsError, MetricsTable};
use stentor_core::run::RunId;
use stentor_core::tally::{Record, ShardTally};
use thiserror::Error;

pub use event::{Answer, StreamEvent};

/// The shard's name where the stream has only one and does not tell it.
const SINGLE_SHARD: &str = "single";

/// Why a batch was not counted; Lambda brings it again.
#[derive(Debug, Error)]
pub enum Error {
    /// The event does not tell its shard.
    #[error(
        "the event has no shardId: give the event source mapping a tumbling window, or, where the stream has one shard, set STENTOR_SINGLE_SHARD=true"
    )]
    NoShard,
    /// Other writers were faster every time.
    #[error("others changed the tally of run {0} each time it was read")]
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
    tally_writer: TallyWriter,
}

impl Aggregator {
    /// An aggregator of that table. `single_shard` allows events that do not tell their shard.
    pub fn new(metrics: MetricsTable, single_shard: bool) -> Self {
        Self { metrics, single_shard, tally_writer: TallyWriter::default() }
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
        let read = async || self.metrics.shard_tally(run, shard).await;
        let swap = async |before: &ShardTally, after: &ShardTally| {
            self.metrics.put_shard_tally(run, shard, before, after).await
        };
        match self.tally_writer.count(run, shard, records, read, swap).await {
            Ok(CountOutcome::Counted) => Ok(()),
            Ok(CountOutcome::Contended) => Err(Error::Contended(run)),
            Ok(CountOutcome::Rejected(why)) => {
                self.give_up(run, shard, &format!("its tally is refused: {why}")).await
            }
            Err(AwsError::InvalidData { what, why }) => {
                self.give_up(run, shard, &format!("{what} cannot be read: {why}")).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A tally that cannot be kept is left as it is, and its run marked, so that the other runs go on.
    async fn give_up(&self, run: RunId, shard: &str, why: &str) -> Result<(), Error> {
        tracing::error!(%run, shard, why, "this run cannot be counted any more; once it is over: monitor repair --run {run}");
        Ok(self.metrics.mark_damaged(run, shard, why).await?)
    }
}
