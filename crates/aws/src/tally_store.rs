//! Counts batches of stream records into stored tallies, against any number of concurrent writers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stentor_core::run::RunId;
use stentor_tally::{ShardTally, StreamRecord};

/// Attempts at a compare-and-swap before the batch fails, and Lambda repeats it.
const MAX_ATTEMPTS: usize = 10;

/// Tallies that a warm function caches; a batch rarely has more than one run.
const CACHE_SIZE: usize = 64;

/// Result of replacing a stored tally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutResult {
    /// The tally is stored.
    Stored,
    /// Another writer changed the tally since it was read.
    Conflict,
    /// The table rejects the tally permanently; with the reason.
    Rejected(String),
}

/// Counts batches, and caches the tallies that it wrote.
#[derive(Debug, Default)]
pub struct TallyWriter {
    /// Tallies as last written, which saves a read; an entry is taken out while its write is not confirmed.
    cache: Mutex<HashMap<(RunId, String), ShardTally>>,
}

impl TallyWriter {
    /// Counts a run's records of one shard: reads the tally, folds the records in and replaces the stored tally, until no
    /// other writer interferes. The result is `Stored` once every record is in the tally, by this batch or an earlier one,
    /// and `Conflict` where other writers won every attempt.
    ///
    /// `read` returns the stored tally; `swap` replaces its first argument by its second on the condition that the first
    /// is unchanged. An error of either is returned, and the cache entry dropped, since the tally may have been written.
    pub async fn count<E>(
        &self,
        run: RunId,
        shard: &str,
        records: &[StreamRecord],
        read: impl AsyncFn() -> Result<ShardTally, E>,
        swap: impl AsyncFn(&ShardTally, &ShardTally) -> Result<PutResult, E>,
    ) -> Result<PutResult, E> {
        for _ in 0..MAX_ATTEMPTS {
            let before = match self.take_cached(run, shard) {
                Some(tally) => tally,
                None => read().await?,
            };
            let Some(after) = before.fold(records) else {
                self.put_cached(run, shard, before);
                return Ok(PutResult::Stored);
            };
            match swap(&before, &after).await? {
                PutResult::Conflict => {}
                PutResult::Stored => {
                    self.put_cached(run, shard, after);
                    return Ok(PutResult::Stored);
                }
                rejected @ PutResult::Rejected(_) => return Ok(rejected),
            }
        }
        Ok(PutResult::Conflict)
    }

    /// Takes the tally out of the cache, so that it returns only after a confirmed write.
    fn take_cached(&self, run: RunId, shard: &str) -> Option<ShardTally> {
        self.cache_entries().remove(&(run, shard.to_owned()))
    }

    fn put_cached(&self, run: RunId, shard: &str, tally: ShardTally) {
        let mut cache_entries = self.cache_entries();
        if cache_entries.len() >= CACHE_SIZE {
            cache_entries.clear();
        }
        cache_entries.insert((run, shard.to_owned()), tally);
    }

    fn cache_entries(&self) -> MutexGuard<'_, HashMap<(RunId, String), ShardTally>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// A table with one tally; an answer can be lost once.
    #[derive(Default)]
    struct Table {
        tally: RefCell<ShardTally>,
        reads: Cell<u32>,
        next_answer_is_lost: Cell<bool>,
    }

    impl Table {
        async fn count(
            &self,
            counter: &TallyWriter,
            records: &[StreamRecord],
        ) -> Result<PutResult, &'static str> {
            let read = async || {
                self.reads.update(|reads| reads + 1);
                Ok(self.tally.borrow().clone())
            };
            let swap = async |before: &ShardTally, after: &ShardTally| {
                if self.tally.borrow().checkpoint != before.checkpoint {
                    return Ok(PutResult::Conflict);
                }
                self.tally.replace(after.clone());
                if self.next_answer_is_lost.take() { Err("no answer") } else { Ok(PutResult::Stored) }
            };
            counter.count(run(), SHARD, records, read, swap).await
        }
    }

    #[tokio::test]
    async fn a_warm_counter_reads_once_and_again_only_after_it_lost_a_swap() {
        let (table, counter) = (Table::default(), TallyWriter::default());
        for (numbers, reads) in [(1..=3, 1), (2..=5, 1), (1..=5, 1)] {
            assert_eq!(table.count(&counter, &records(numbers)).await, Ok(PutResult::Stored));
            assert_eq!(table.reads.get(), reads);
        }
        table.tally.replace(tally_up_to(9));
        assert_eq!(table.count(&counter, &records(4..=12)).await, Ok(PutResult::Stored));
        assert_eq!((table.reads.get(), table.tally.take()), (2, tally_up_to(12)));
    }

    #[tokio::test]
    async fn what_was_perhaps_written_is_read_again() {
        let (table, counter) = (Table::default(), TallyWriter::default());
        table.next_answer_is_lost.set(true);
        assert_eq!(table.count(&counter, &records(1..=3)).await, Err("no answer"));
        assert_eq!(table.count(&counter, &records(1..=4)).await, Ok(PutResult::Stored));
        assert_eq!((table.reads.get(), table.tally.take()), (2, tally_up_to(4)));
    }

    #[tokio::test]
    async fn repeated_conflicts_are_reported_as_contention() {
        let read = async || Ok::<_, ()>(ShardTally::default());
        let swap = async |_: &ShardTally, _: &ShardTally| Ok(PutResult::Conflict);
        let counted = TallyWriter::default().count(run(), SHARD, &records(1..=1), read, swap).await;
        assert_eq!(counted, Ok(PutResult::Conflict));
    }
}
