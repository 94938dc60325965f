//! Counting batches into tallies that stand in a table, where others write too.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{ShardTally, StreamRecord};
use crate::run::RunId;

/// How often a tally is read again after another writer was faster, before the batch fails and comes again.
const SWAPS: usize = 10;

/// How many tallies a warm function remembers; a batch seldom has more than one run.
const REMEMBERED: usize = 64;

/// What came of writing a tally in the place of the one that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// It stands.
    Written,
    /// Another writer was there since it was read.
    Lost,
    /// The table refuses it as it is, now and for ever; with the reason.
    Refused(String),
}

/// What came of counting a run's records of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    /// Every one of them is in the tally, by this batch or an earlier one.
    Kept,
    /// The table refuses the tally, now and for ever; with the reason.
    Refused(String),
    /// Other writers were faster every time.
    Contended,
}

/// Counts batches, and remembers from one to the next what the tallies have come to.
#[derive(Debug, Default)]
pub struct Counter {
    /// The tallies as last written, which saves reading them; emptied of what may have changed.
    remembered: Mutex<HashMap<(RunId, String), ShardTally>>,
}

impl Counter {
    /// Counts a run's records of a shard: reads the tally, folds them in, and swaps it, until no other writer
    /// comes between.
    ///
    /// `read` returns the tally as it stands; `swap` puts the second in the place of the first, on the
    /// condition that the first still stands. An error of either is returned, and the tally forgotten,
    /// for it may have been written.
    pub async fn count<E>(
        &self,
        run: RunId,
        shard: &str,
        records: &[StreamRecord],
        read: impl AsyncFn() -> Result<ShardTally, E>,
        swap: impl AsyncFn(&ShardTally, &ShardTally) -> Result<Swap, E>,
    ) -> Result<Counted, E> {
        for _ in 0..SWAPS {
            let before = match self.recall(run, shard) {
                Some(tally) => tally,
                None => read().await?,
            };
            let Some(after) = before.fold(records) else {
                self.remember(run, shard, before);
                return Ok(Counted::Kept);
            };
            match swap(&before, &after).await? {
                Swap::Written => {
                    self.remember(run, shard, after);
                    return Ok(Counted::Kept);
                }
                Swap::Lost => {}
                Swap::Refused(why) => return Ok(Counted::Refused(why)),
            }
        }
        Ok(Counted::Contended)
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

    fn memory(&self) -> MutexGuard<'_, HashMap<(RunId, String), ShardTally>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    const SHARD: &str = "shard";

    fn run() -> RunId {
        RunId::from_parts(1_700_000_000_000, 42)
    }

    fn records(numbers: std::ops::RangeInclusive<u32>) -> Vec<StreamRecord> {
        let record =
            |number: u32| StreamRecord { sequence: number.to_string().parse().unwrap(), event: None };
        numbers.map(record).collect()
    }

    fn tally_up_to(number: u32) -> ShardTally {
        ShardTally::default().fold(&records(1..=number)).unwrap()
    }

    /// A table of one tally, which answers well or, once, as told.
    #[derive(Default)]
    struct Table {
        tally: RefCell<ShardTally>,
        reads: Cell<u32>,
        next_answer_is_lost: Cell<bool>,
    }

    impl Table {
        async fn count(&self, counter: &Counter, records: &[StreamRecord]) -> Result<Counted, &'static str> {
            let read = async || {
                self.reads.update(|reads| reads + 1);
                Ok(self.tally.borrow().clone())
            };
            let swap = async |before: &ShardTally, after: &ShardTally| {
                if self.tally.borrow().checkpoint != before.checkpoint {
                    return Ok(Swap::Lost);
                }
                self.tally.replace(after.clone());
                if self.next_answer_is_lost.take() { Err("no answer") } else { Ok(Swap::Written) }
            };
            counter.count(run(), SHARD, records, read, swap).await
        }
    }

    #[tokio::test]
    async fn a_warm_counter_reads_once_and_again_only_after_it_lost_a_swap() {
        let (table, counter) = (Table::default(), Counter::default());
        for (numbers, reads) in [(1..=3, 1), (2..=5, 1), (1..=5, 1)] {
            assert_eq!(table.count(&counter, &records(numbers)).await, Ok(Counted::Kept));
            assert_eq!(table.reads.get(), reads);
        }
        table.tally.replace(tally_up_to(9));
        assert_eq!(table.count(&counter, &records(4..=12)).await, Ok(Counted::Kept));
        assert_eq!((table.reads.get(), table.tally.take()), (2, tally_up_to(12)));
    }

    #[tokio::test]
    async fn what_was_perhaps_written_is_read_again() {
        let (table, counter) = (Table::default(), Counter::default());
        table.next_answer_is_lost.set(true);
        assert_eq!(table.count(&counter, &records(1..=3)).await, Err("no answer"));
        assert_eq!(table.count(&counter, &records(1..=4)).await, Ok(Counted::Kept));
        assert_eq!((table.reads.get(), table.tally.take()), (2, tally_up_to(4)));
    }

    #[tokio::test]
    async fn a_counter_that_always_loses_says_so() {
        let read = async || Ok::<_, ()>(ShardTally::default());
        let swap = async |_: &ShardTally, _: &ShardTally| Ok(Swap::Lost);
        let counted = Counter::default().count(run(), SHARD, &records(1..=1), read, swap).await;
        assert_eq!(counted, Ok(Counted::Contended));
    }
}
