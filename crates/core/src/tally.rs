//! What a run has come to, and the fold that keeps it right under repeated stream records.
//!
//! Each shard of the messages table's stream has one [`ShardTally`] a run. Lambda delivers stream
//! records at least once; a record counts only if its sequence number lies above the tally's
//! checkpoint, and the checkpoint is written together with the counts, so that no record ever
//! counts twice. [`RunTallies`] adds the shards up,
//! and says which of a run's tallies count.

mod counts;
mod parts;
mod sequence;
mod stored;
mod timeline;
mod times;

pub use parts::{Broken, RunTallies};
pub use sequence::{NotASequenceNumber, SequenceNumber};
pub use stored::VERSION;
pub use timeline::{Bucket, Timeline};
pub use times::{Stretch, Times};

use crate::delivery::Outcome;

/// Counts and times of concluded messages. Merging is associative and commutative.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Messages that ended SENT.
    pub sent: u64,
    /// Messages that ended FAILED.
    pub failed: u64,
    /// How long their deliveries took.
    pub delivery: Times,
    /// From the message's creation to its conclusion.
    pub latency: Times,
    /// When the first message was concluded, ms since the epoch.
    pub first_concluded_at: Option<u64>,
    /// When the last message was concluded, ms since the epoch.
    pub last_concluded_at: Option<u64>,
    /// Conclusions over time.
    pub timeline: Timeline,
}

/// One message's end, as the messages table tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conclusion {
    /// How it ended.
    pub outcome: Outcome,
    /// When it was created, ms since the epoch; `None` where the item does not say.
    pub created_at: Option<u64>,
    /// When it was concluded, ms since the epoch; `None` where the item does not say.
    pub concluded_at: Option<u64>,
    /// How long the delivery took, ms; `None` where the item does not say.
    pub delivery_ms: Option<u64>,
}

impl Tally {
    /// Messages concluded, one way or the other.
    pub fn concluded(&self) -> u64 {
        self.sent.saturating_add(self.failed)
    }

    /// Counts one message.
    pub fn count(&mut self, conclusion: &Conclusion) {
        match conclusion.outcome {
            Outcome::Sent => self.sent = self.sent.saturating_add(1),
            Outcome::Failed => self.failed = self.failed.saturating_add(1),
        }
        if let Some(delivery) = conclusion.delivery_ms {
            self.delivery.record(delivery);
        }
        if let Some(at) = conclusion.concluded_at {
            self.first_concluded_at = Some(self.first_concluded_at.map_or(at, |first| first.min(at)));
            self.last_concluded_at = self.last_concluded_at.max(Some(at));
            self.timeline.count(at, conclusion.outcome);
            if let Some(created_at) = conclusion.created_at {
                // Clocks of two machines differ; a message is never concluded before it was made.
                self.latency.record(at.saturating_sub(created_at));
            }
        }
    }

    /// Adds another tally of the same run.
    pub fn merge(&mut self, other: &Self) {
        self.sent = self.sent.saturating_add(other.sent);
        self.failed = self.failed.saturating_add(other.failed);
        self.delivery.merge(&other.delivery);
        self.latency.merge(&other.latency);
        self.first_concluded_at =
            [self.first_concluded_at, other.first_concluded_at].into_iter().flatten().min();
        self.last_concluded_at = self.last_concluded_at.max(other.last_concluded_at);
        self.timeline.merge(&other.timeline);
    }
}

/// A record of the messages table's stream, as far as it concerns one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the shard.
    pub sequence: SequenceNumber,
    /// The conclusion it tells of: a change from PENDING to SENT or FAILED. Any other record counts nothing.
    pub conclusion: Option<Conclusion>,
}

/// A run's tally of one stream shard, with the place in the shard up to which it counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShardTally {
    /// The sequence number of the last record in the tally; `None` before the first.
    pub checkpoint: Option<SequenceNumber>,
    /// What the records up to there come to.
    pub tally: Tally,
}

impl ShardTally {
    /// Folds in the records above the checkpoint, in the order of their sequence numbers, and moves the
    /// checkpoint to the last of them. Says whether there were any.
    pub fn fold(&mut self, records: &[Record]) -> bool {
        let mut new: Vec<&Record> =
            records.iter().filter(|record| Some(&record.sequence) > self.checkpoint.as_ref()).collect();
        new.sort_by(|one, other| one.sequence.cmp(&other.sequence));
        new.dedup_by(|one, other| one.sequence == other.sequence);
        for conclusion in new.iter().filter_map(|record| record.conclusion.as_ref()) {
            self.tally.count(conclusion);
        }
        let Some(last) = new.last() else { return false };
        self.checkpoint = Some(last.sequence.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn conclusion() -> impl Strategy<Value = Conclusion> {
        let time = 1_700_000_000_000..1_700_003_600_000_u64;
        (
            any::<bool>(),
            time.clone(),
            proptest::option::weighted(0.95, time),
            proptest::option::weighted(0.95, 0..90_000_u64),
        )
            .prop_map(|(sent, created_at, concluded_at, delivery_ms)| Conclusion {
                outcome: if sent { Outcome::Sent } else { Outcome::Failed },
                created_at: Some(created_at),
                concluded_at,
                delivery_ms,
            })
    }

    fn tally_of(conclusions: &[Conclusion]) -> Tally {
        let mut tally = Tally::default();
        for conclusion in conclusions {
            tally.count(conclusion);
        }
        tally
    }

    fn merged(one: &Tally, other: &Tally) -> Tally {
        let mut sum = one.clone();
        sum.merge(other);
        sum
    }

    /// A shard's records with sequence numbers that grow from 6 to 40 digits.
    fn records(conclusions: &[Conclusion]) -> Vec<Record> {
        (0..)
            .zip(conclusions)
            .map(|(i, conclusion)| {
                let sequence = format!("{}{i:06}", "1".repeat((i / 3).min(34)));
                Record { sequence: sequence.parse().unwrap(), conclusion: Some(*conclusion) }
            })
            .collect()
    }

    #[test]
    fn ten_seconds_999_times_and_one_second_once_average_9_991() {
        let one = |delivery_ms| Conclusion {
            outcome: Outcome::Sent,
            created_at: Some(0),
            concluded_at: Some(10_000),
            delivery_ms: Some(delivery_ms),
        };
        let mut tally = Tally::default();
        (0..999).for_each(|_| tally.count(&one(10_000)));
        tally.count(&one(1_000));
        assert_eq!(tally.delivery.mean_ms(), Some(9_991.0));
    }

    #[test]
    fn a_clock_that_runs_behind_gives_no_negative_latency() {
        let tally = tally_of(&[Conclusion {
            outcome: Outcome::Sent,
            created_at: Some(200_000),
            concluded_at: Some(100_000),
            delivery_ms: Some(5),
        }]);
        assert_eq!(tally.latency.mean_ms(), Some(0.0));
    }

    #[test]
    fn a_record_that_concludes_nothing_moves_the_checkpoint_alone() {
        let mut shard = ShardTally::default();
        assert!(shard.fold(&[Record { sequence: "5".parse().unwrap(), conclusion: None }]));
        assert_eq!((shard.tally.concluded(), shard.checkpoint), (0, Some("5".parse().unwrap())));
    }

    #[test]
    fn hostile_numbers_do_not_panic() {
        let worst = Conclusion {
            outcome: Outcome::Failed,
            created_at: Some(0),
            concluded_at: Some(u64::MAX),
            delivery_ms: Some(u64::MAX),
        };
        let least = Conclusion { concluded_at: Some(0), ..worst };
        let mut tally = tally_of(&[worst, least, worst]);
        tally.merge(&tally.clone());
        assert_eq!(tally.failed, 6);
    }

    proptest! {
        #[test]
        fn merge_is_associative_and_commutative(a in prop::collection::vec(conclusion(), 0..40), b in prop::collection::vec(conclusion(), 0..40), c in prop::collection::vec(conclusion(), 0..40)) {
            let (ta, tb, tc) = (tally_of(&a), tally_of(&b), tally_of(&c));
            prop_assert_eq!(merged(&merged(&ta, &tb), &tc), merged(&ta, &merged(&tb, &tc)));
            prop_assert_eq!(merged(&ta, &tb), merged(&tb, &ta));
            prop_assert_eq!(merged(&ta, &tb), tally_of(&[a, b].concat()));
            prop_assert_eq!(merged(&ta, &Tally::default()), ta);
        }

        /// Batches as Lambda may deliver them: on first delivery in order, then any of them again,
        /// from any earlier start to any end already seen, or a little further.
        #[test]
        fn each_record_counts_once_however_batches_repeat(conclusions in prop::collection::vec(conclusion(), 1..120), cuts in prop::collection::vec((any::<prop::sample::Index>(), 1..30_usize), 0..40)) {
            let records = records(&conclusions);
            let mut shard = ShardTally::default();
            let mut seen = 0;
            for (start, length) in cuts {
                let start = start.index(seen + 1);
                let end = (start + length).min(records.len());
                shard.fold(&records[start..end]);
                seen = seen.max(end);
                prop_assert_eq!(&shard.tally, &tally_of(&conclusions[..seen]));
            }
            shard.fold(&records);
            prop_assert_eq!(&shard.tally, &tally_of(&conclusions));
            prop_assert!(!shard.fold(&records));
        }

        #[test]
        fn a_batch_in_disorder_or_with_repeats_counts_the_same(conclusions in prop::collection::vec(conclusion(), 1..60)) {
            let records = records(&conclusions);
            let mut mixed = [records.clone(), records].concat();
            mixed.reverse();
            let mut shard = ShardTally::default();
            shard.fold(&mixed);
            prop_assert_eq!(&shard.tally, &tally_of(&conclusions));
        }
    }
}
