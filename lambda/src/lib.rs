//! The aggregator: a Lambda function on the messages table's stream. It folds each batch of records into the tallies of
//! their runs, so that every outcome counts exactly once.
//!
//! `event → records by run → fold above the checkpoint → compare-and-swap`. The fold is in [`stentor_tally`], the
//! compare-and-swap in [`stentor_aws::tally_store`].

mod event;

use stentor_aws::tally_store::{PutResult, TallyWriter};
use stentor_aws::{Error as AwsError, MetricsTable};
use stentor_core::run::RunId;
use stentor_tally::{ShardTally, StreamRecord};
use thiserror::Error;

pub use event::{EventResponse, StreamEvent};

/// The shard ID for a stream with one shard, whose events have none.
const SINGLE_SHARD: &str = "single";

/// Why a batch was not counted; Lambda repeats it.
#[derive(Debug, Error)]
pub enum Error {
    /// The event has no shard ID.
    #[error(
        "the event has no shardId: give the event source mapping a tumbling window, or, where the stream has one shard, set STENTOR_SINGLE_SHARD=true"
    )]
    NoShard,
    /// Other writers changed the tally before each attempt.
    #[error("other writers changed the tally of run {0} before each attempt")]
    Contended(RunId),
    /// A call to the metrics table failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

/// Counts batches into the metrics table; caches tallies from one batch to the next.
#[derive(Debug)]
pub struct Aggregator {
    metrics: MetricsTable,
    single_shard: bool,
    tally_writer: TallyWriter,
}

impl Aggregator {
    /// Creates an aggregator for a metrics table. `single_shard` allows events without a shard ID.
    pub fn new(metrics: MetricsTable, single_shard: bool) -> Self {
        Self { metrics, single_shard, tally_writer: TallyWriter::default() }
    }

    /// Counts a batch. A failure in one run fails the batch after the other runs are counted. Lambda then repeats the
    /// batch, and what is counted lies below its checkpoint.
    pub async fn handle(&self, event: StreamEvent) -> Result<EventResponse, Error> {
        let shard = event.shard_id.clone();
        let runs = event.into_records();
        if runs.is_empty() {
            return Ok(EventResponse::default());
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
        failure.map_or_else(|| Ok(EventResponse::default()), Err)
    }

    /// Counts a run's records of a batch.
    async fn count(&self, run: RunId, shard: &str, records: &[StreamRecord]) -> Result<(), Error> {
        let read = async || self.metrics.shard_tally(run, shard).await;
        let swap = async |before: &ShardTally, after: &ShardTally| {
            self.metrics.put_shard_tally(run, shard, before, after).await
        };
        match self.tally_writer.count(run, shard, records, read, swap).await {
            Ok(PutResult::Stored) => Ok(()),
            Ok(PutResult::Conflict) => Err(Error::Contended(run)),
            Ok(PutResult::Rejected(why)) => {
                self.mark_damaged(run, shard, &format!("its tally is rejected: {why}")).await
            }
            Err(AwsError::InvalidData { what, why }) => {
                self.mark_damaged(run, shard, &format!("cannot read {what}: {why}")).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Leaves a damaged tally unchanged and marks its run, so that the other runs continue.
    async fn mark_damaged(&self, run: RunId, shard: &str, why: &str) -> Result<(), Error> {
        tracing::error!(%run, shard, why, "this run can no longer be counted; when it is finished, restore it with: monitor repair --run {run}");
        Ok(self.metrics.mark_damaged(run, shard, why).await?)
    }
}
