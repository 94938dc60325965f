//! An instance of the function that is advanced step by step.

use std::collections::BTreeMap;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use stentor_aws::tally_store::{PutResult, TallyWriter};
use stentor_core::run::RunId;
use stentor_tally::{ShardTally, StreamRecord};

use crate::table::Table;

/// The records of a batch, by run.
pub type Runs = BTreeMap<RunId, Vec<StreamRecord>>;

/// Position of a delivery: the shard, and the range of its changes.
pub type Delivery = (usize, Range<usize>);

/// The counting of a batch; resolves to whether all of it was counted.
type Work = Pin<Box<dyn Future<Output = bool>>>;

/// A warm function with its current batch.
#[derive(Default)]
pub struct Instance {
    counter: Rc<TallyWriter>,
    work: Option<(Delivery, Work)>,
}

impl Instance {
    pub fn is_busy(&self) -> bool {
        self.work.is_some()
    }

    /// Starts a batch.
    pub fn begin(&mut self, table: &Rc<Table>, delivery: Delivery, shard: String, runs: Runs) {
        let work = count(Rc::clone(&self.counter), Rc::clone(table), shard, runs);
        self.work = Some((delivery, Box::pin(work)));
    }

    /// Continues to the next call to the table. Returns the delivery that was processed without an error.
    pub fn go_on(&mut self, table: &Table) -> Option<Delivery> {
        let (delivery, mut work) = self.work.take()?;
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(counted) => counted.then_some(delivery),
            Poll::Pending => {
                self.work = Some((delivery, work));
                if table.take_kill() {
                    self.kill();
                }
                None
            }
        }
    }

    /// Kills the instance at its current call and replaces it by a new one without state.
    pub fn kill(&mut self) {
        *self = Self::default();
    }
}

/// Counts a batch as the function does: a failure in one run leaves the others counted, and fails the batch.
async fn count(counter: Rc<TallyWriter>, table: Rc<Table>, shard: String, runs: Runs) -> bool {
    let mut all = true;
    for (run, records) in runs {
        let name = (run, shard.clone());
        let read = async || table.read(&name).await;
        let swap = async |before: &ShardTally, after: &ShardTally| table.swap(&name, before, after).await;
        all &= counter.count(run, &shard, &records, read, swap).await == Ok(PutResult::Stored);
    }
    all
}
