//! Exactly-once counts of a run's outcomes from a DynamoDB stream that repeats records.
//!
//! Each (run, shard of the messages table's stream) has one [`ShardTally`]. Lambda delivers stream records at least
//! once. A record counts only if its sequence number is above the tally's checkpoint, and one conditional put writes
//! the checkpoint together with the counts. So no record counts twice. [`RunTally`] adds up the
//! shards of a run.

mod encoding;
mod failures;
mod histogram;
mod run_total;
mod sequence;
mod table_count;
mod timeline;

pub use encoding::VERSION;
pub use failures::FailureCounts;
pub use histogram::{Bin, DurationHistogram};
pub use run_total::{DamagedTally, RunTally};
pub use sequence::SequenceNumber;
pub use table_count::TableCount;
pub use timeline::{Bucket, Timeline};

use stentor_core::delivery::Outcome;
use stentor_core::provider::code::FailureCode;

/// Counts, durations and times of messages that are SENT or FAILED. Merging is associative and commutative; counts
/// saturate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Messages that became SENT.
    pub sent: u64,
    /// Messages that became FAILED.
    pub failed: u64,
    /// Messages that became FAILED, by code; a failure without a code counts as `UNKNOWN`.
    pub failures: FailureCounts,
    /// Parts of the messages that were delivered, successfully or not.
    pub parts: u64,
    /// Durations of the deliveries.
    pub delivery: DurationHistogram,
    /// End-to-end latencies: from the creation of a message to its outcome.
    pub latency: DurationHistogram,
    /// Time of the first outcome, ms since the epoch.
    pub first_concluded_at: Option<u64>,
    /// Time of the last outcome, ms since the epoch.
    pub last_concluded_at: Option<u64>,
    /// Outcomes over time.
    pub timeline: Timeline,
}

/// The outcome of one message, from an item of the messages table. Attributes that the item lacks are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeEvent {
    /// Whether the message became SENT or FAILED.
    pub outcome: Outcome,
    /// Creation time of the message, ms since the epoch.
    pub created_at: Option<u64>,
    /// Time of the outcome, ms since the epoch.
    pub concluded_at: Option<u64>,
    /// Duration of the delivery, ms; `None` where nothing was delivered.
    pub delivery_ms: Option<u64>,
    /// Parts of the text; `None` in an item of an older version.
    pub parts: Option<u32>,
    /// Why the message is FAILED.
    pub reason: Option<FailureCode>,
}

impl OutcomeEvent {
    /// The parts that were delivered: none where nothing was, and 1 where the item has no number of parts.
    fn delivered_parts(&self) -> u64 {
        self.delivery_ms.map_or(0, |_| self.parts.unwrap_or(1).into())
    }
}

impl Tally {
    /// The number of messages with an outcome, SENT or FAILED.
    pub fn total(&self) -> u64 {
        self.sent.saturating_add(self.failed)
    }

    /// Counts one message.
    pub fn count(&mut self, event: &OutcomeEvent) {
        match event.outcome {
            Outcome::Sent => self.sent = self.sent.saturating_add(1),
            Outcome::Failed => {
                self.failed = self.failed.saturating_add(1);
                self.failures.add(event.reason.unwrap_or(FailureCode::UNKNOWN), 1);
            }
        }
        let parts = event.delivered_parts();
        self.parts = self.parts.saturating_add(parts);
        if let Some(delivery) = event.delivery_ms {
            self.delivery.record(delivery);
        }
        if let Some(at) = event.concluded_at {
            self.first_concluded_at = Some(self.first_concluded_at.map_or(at, |first| first.min(at)));
            self.last_concluded_at = self.last_concluded_at.max(Some(at));
            self.timeline.count(at, event.outcome, parts);
            if let Some(created_at) = event.created_at {
                // The clocks of two machines differ; a latency is never negative.
                self.latency.record(at.saturating_sub(created_at));
            }
        }
    }

    /// Adds another tally of the same run.
    pub fn merge(&mut self, other: &Self) {
        self.sent = self.sent.saturating_add(other.sent);
        self.failed = self.failed.saturating_add(other.failed);
        self.failures.merge(&other.failures);
        self.parts = self.parts.saturating_add(other.parts);
        self.delivery.merge(&other.delivery);
        self.latency.merge(&other.latency);
        self.first_concluded_at =
            [self.first_concluded_at, other.first_concluded_at].into_iter().flatten().min();
        self.last_concluded_at = self.last_concluded_at.max(other.last_concluded_at);
        self.timeline.merge(&other.timeline);
    }
}

/// A record of the messages table's stream that belongs to one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRecord {
    /// The position in the shard.
    pub sequence: SequenceNumber,
    /// The outcome, if the record is a change from PENDING to SENT or FAILED. Other records count nothing.
    pub event: Option<OutcomeEvent>,
}

/// The tally of one run and one stream shard.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShardTally {
    /// The sequence number of the last record in the tally; `None` before the first.
    pub checkpoint: Option<SequenceNumber>,
    /// The counts of all records up to the checkpoint.
    pub tally: Tally,
}

impl ShardTally {
    /// Returns the tally with the records above the checkpoint added, and the checkpoint at the last of them. Returns
    /// `None` if no record is above the checkpoint. The order of the records and repeated records do not matter.
    #[must_use]
    pub fn fold(&self, records: &[StreamRecord]) -> Option<Self> {
        let mut new: Vec<&StreamRecord> =
            records.iter().filter(|record| Some(&record.sequence) > self.checkpoint.as_ref()).collect();
        new.sort_by(|one, other| one.sequence.cmp(&other.sequence));
        new.dedup_by(|one, other| one.sequence == other.sequence);
        let checkpoint = Some(new.last()?.sequence.clone());
        let mut tally = self.tally.clone();
        new.iter().filter_map(|record| record.event.as_ref()).for_each(|event| tally.count(event));
        Some(Self { checkpoint, tally })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event() -> impl Strategy<Value = OutcomeEvent> {
        let time = 1_700_000_000_000..1_700_003_600_000_u64;
        (
            any::<bool>(),
            time.clone(),
            proptest::option::weighted(0.95, time),
            proptest::option::weighted(0.95, 0..90_000_u64),
            proptest::option::of(1..4_u32),
            proptest::option::of("[A-C]{2,3}"),
        )
            .prop_map(|(sent, created_at, concluded_at, delivery_ms, parts, reason)| OutcomeEvent {
                outcome: if sent { Outcome::Sent } else { Outcome::Failed },
                created_at: Some(created_at),
                concluded_at,
                delivery_ms,
                parts,
                reason: reason.filter(|_| !sent).map(|code| code.parse().unwrap()),
            })
    }

    fn tally_of(events: &[OutcomeEvent]) -> Tally {
        let mut tally = Tally::default();
        for event in events {
            tally.count(event);
        }
        tally
    }

    fn merged(one: &Tally, other: &Tally) -> Tally {
        let mut sum = one.clone();
        sum.merge(other);
        sum
    }

    /// A shard's records with sequence numbers that grow from 6 to 40 digits.
    fn records(events: &[OutcomeEvent]) -> Vec<StreamRecord> {
        (0..)
            .zip(events)
            .map(|(i, event)| {
                let sequence = format!("{}{i:06}", "1".repeat((i / 3).min(34)));
                StreamRecord { sequence: sequence.parse().unwrap(), event: Some(*event) }
            })
            .collect()
    }

    #[test]
    fn ten_seconds_999_times_and_one_second_once_average_9_991() {
        let one = |delivery_ms| OutcomeEvent {
            outcome: Outcome::Sent,
            created_at: Some(0),
            concluded_at: Some(10_000),
            delivery_ms: Some(delivery_ms),
            parts: None,
            reason: None,
        };
        let mut tally = Tally::default();
        (0..999).for_each(|_| tally.count(&one(10_000)));
        tally.count(&one(1_000));
        assert_eq!(tally.delivery.mean_ms(), Some(9_991.0));
    }

    #[test]
    fn a_clock_that_runs_behind_gives_no_negative_latency() {
        let tally = tally_of(&[OutcomeEvent {
            outcome: Outcome::Sent,
            created_at: Some(200_000),
            concluded_at: Some(100_000),
            delivery_ms: Some(5),
            parts: None,
            reason: None,
        }]);
        assert_eq!(tally.latency.mean_ms(), Some(0.0));
    }

    #[test]
    fn a_failure_counts_by_its_code_and_parts_count_where_something_was_delivered() {
        let sent = OutcomeEvent {
            outcome: Outcome::Sent,
            created_at: Some(0),
            concluded_at: Some(10_000),
            delivery_ms: Some(5),
            parts: Some(3),
            reason: None,
        };
        let older = OutcomeEvent { parts: None, outcome: Outcome::Failed, ..sent };
        let expired = OutcomeEvent {
            delivery_ms: None,
            reason: Some(FailureCode::TTL_EXPIRED),
            parts: Some(3),
            ..older
        };
        let tally = tally_of(&[sent, older, expired]);
        assert_eq!(
            tally.failures.iter().collect::<Vec<_>>(),
            [(FailureCode::TTL_EXPIRED, 1), (FailureCode::UNKNOWN, 1)]
        );
        assert_eq!((tally.parts, tally.timeline.buckets().next().unwrap().parts), (4, 4));
    }

    #[test]
    fn a_record_without_an_outcome_only_moves_the_checkpoint() {
        let records = [StreamRecord { sequence: "5".parse().unwrap(), event: None }];
        let shard = ShardTally::default().fold(&records).unwrap();
        assert_eq!((shard.tally.total(), shard.checkpoint), (0, Some("5".parse().unwrap())));
    }

    #[test]
    fn hostile_numbers_do_not_panic() {
        let worst = OutcomeEvent {
            outcome: Outcome::Failed,
            created_at: Some(0),
            concluded_at: Some(u64::MAX),
            delivery_ms: Some(u64::MAX),
            parts: Some(u32::MAX),
            reason: None,
        };
        let least = OutcomeEvent { concluded_at: Some(0), ..worst };
        let mut tally = tally_of(&[worst, least, worst]);
        tally.merge(&tally.clone());
        assert_eq!(tally.failed, 6);
    }

    proptest! {
        #[test]
        fn merge_is_associative_and_commutative(a in prop::collection::vec(event(), 0..40), b in prop::collection::vec(event(), 0..40), c in prop::collection::vec(event(), 0..40)) {
            let (ta, tb, tc) = (tally_of(&a), tally_of(&b), tally_of(&c));
            prop_assert_eq!(merged(&merged(&ta, &tb), &tc), merged(&ta, &merged(&tb, &tc)));
            prop_assert_eq!(merged(&ta, &tb), merged(&tb, &ta));
            prop_assert_eq!(merged(&ta, &tb), tally_of(&[a, b].concat()));
            prop_assert_eq!(merged(&ta, &Tally::default()), ta);
        }

        /// Batches as Lambda may deliver them: on first delivery in order, then any of them again,
        /// from any earlier start to any end already seen, or a little further.
        #[test]
        fn each_record_counts_once_however_batches_repeat(events in prop::collection::vec(event(), 1..120), cuts in prop::collection::vec((any::<prop::sample::Index>(), 1..30_usize), 0..40)) {
            let records = records(&events);
            let mut shard = ShardTally::default();
            let mut seen = 0;
            for (start, length) in cuts {
                let start = start.index(seen + 1);
                let end = (start + length).min(records.len());
                shard = shard.fold(&records[start..end]).unwrap_or(shard);
                seen = seen.max(end);
                prop_assert_eq!(&shard.tally, &tally_of(&events[..seen]));
            }
            shard = shard.fold(&records).unwrap_or(shard);
            prop_assert_eq!(&shard.tally, &tally_of(&events));
            prop_assert_eq!(shard.fold(&records), None);
        }

        #[test]
        fn a_batch_in_disorder_or_with_repeats_counts_the_same(events in prop::collection::vec(event(), 1..60)) {
            let records = records(&events);
            let mut mixed = [records.clone(), records].concat();
            mixed.reverse();
            let shard = ShardTally::default().fold(&mixed).unwrap();
            prop_assert_eq!(&shard.tally, &tally_of(&events));
        }
    }
}
