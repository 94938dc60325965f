//! Outcomes over time, in a bounded number of buckets.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use stentor_core::delivery::Outcome;

/// The maximum number of buckets of a timeline. A timeline that needs more doubles their width.
pub const MAX_BUCKETS: usize = 240;

/// The initial width of a bucket, ms.
const NARROWEST_MS: u64 = 1_000;

/// The maximum number of doublings of the width: 240 buckets of 2^47 s cover every `u64` of ms.
const MAX_DOUBLINGS: u32 = 47;

/// Outcomes per time bucket. Buckets start at multiples of their width since the epoch, and all have the smallest
/// width with which they fit. The order of counting and merging therefore does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "RawTimeline", into = "RawTimeline")]
pub struct Timeline {
    /// How often the initial width was doubled.
    doublings: u32,
    /// The number of the first bucket, in widths since the epoch.
    first: u64,
    counts: Vec<BucketCounts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct BucketCounts {
    sent: u64,
    failed: u64,
    parts: u64,
}

impl BucketCounts {
    fn add(&mut self, more: &Self) {
        self.sent = self.sent.saturating_add(more.sent);
        self.failed = self.failed.saturating_add(more.failed);
        self.parts = self.parts.saturating_add(more.parts);
    }
}

/// The outcomes in one time bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Start of the bucket, ms since the epoch.
    pub starts_at: u64,
    /// Width of the bucket, ms.
    pub width_ms: u64,
    /// Messages that became SENT in the bucket.
    pub sent: u64,
    /// Messages that became FAILED in the bucket.
    pub failed: u64,
    /// Parts of the messages that were delivered, successfully or not.
    pub parts: u64,
}

impl Timeline {
    /// The width of each bucket, ms.
    pub fn width_ms(&self) -> u64 {
        NARROWEST_MS << self.doublings
    }

    /// The buckets from the first outcome to the last, with the empty buckets between them.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> {
        let width_ms = self.width_ms();
        (self.first..).zip(&self.counts).map(move |(number, counts)| Bucket {
            starts_at: number.saturating_mul(width_ms),
            width_ms,
            sent: counts.sent,
            failed: counts.failed,
            parts: counts.parts,
        })
    }

    pub(crate) fn count(&mut self, at: u64, outcome: Outcome, parts: u64) {
        let (sent, failed) = match outcome {
            Outcome::Sent => (1, 0),
            Outcome::Failed => (0, 1),
        };
        self.bucket_for(at / NARROWEST_MS, 0).add(&BucketCounts { sent, failed, parts });
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        while self.doublings < other.doublings {
            self.double();
        }
        for (number, more) in (other.first..).zip(&other.counts) {
            self.bucket_for(number, other.doublings).add(more);
        }
    }

    /// Returns the bucket that contains bucket `number` of a timeline with `doublings` doublings, at most as many as
    /// this one has. Doubles the width until that bucket fits.
    fn bucket_for(&mut self, number: u64, doublings: u32) -> &mut BucketCounts {
        if self.counts.is_empty() {
            self.first = number >> (self.doublings - doublings);
        }
        while !self.fits(number >> (self.doublings - doublings)) {
            self.double();
        }
        let number = number >> (self.doublings - doublings);
        if number < self.first {
            let missing = self.first - number;
            self.counts.splice(0..0, (0..missing).map(|_| BucketCounts::default()));
            self.first = number;
        }
        let place = usize::try_from(number - self.first).expect("fits() bounds it");
        if place >= self.counts.len() {
            self.counts.resize(place + 1, BucketCounts::default());
        }
        &mut self.counts[place]
    }

    fn fits(&self, number: u64) -> bool {
        let end = (self.first + self.counts.len() as u64).max(number + 1);
        end - self.first.min(number) <= MAX_BUCKETS as u64
    }

    fn double(&mut self) {
        let first = self.first / 2;
        let mut wider: Vec<BucketCounts> = Vec::with_capacity(self.counts.len() / 2 + 1);
        for (number, counts) in (self.first..).zip(&self.counts) {
            let place = usize::try_from(number / 2 - first).expect("no more than there were");
            if place == wider.len() {
                wider.push(BucketCounts::default());
            }
            wider[place].add(counts);
        }
        self.doublings += 1;
        self.first = first;
        self.counts = wider;
    }
}

/// A timeline as it is serialised. Its bounds are checked afterwards.
#[derive(Serialize, Deserialize)]
struct RawTimeline {
    doublings: u32,
    first: u64,
    /// SENT and FAILED of each bucket.
    counts: Vec<(u64, u64)>,
    parts: RawParts,
}

/// The parts of each bucket.
#[derive(Serialize, Deserialize)]
enum RawParts {
    /// The same number for each message with an outcome.
    PerMessage(u64),
    /// Messages differ in parts, or some were not delivered.
    PerBucket(Vec<u64>),
}

/// A serialised timeline with too many buckets or with buckets after the last possible time.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("timeline out of range")]
struct TimelineOutOfRange;

impl From<Timeline> for RawTimeline {
    fn from(timeline: Timeline) -> Self {
        let Timeline { doublings, first, counts } = timeline;
        // The first bucket has an outcome, unless there is none at all.
        let per_message =
            counts.first().map_or(1, |counts| counts.parts / total(counts.sent, counts.failed).max(1));
        let is_uniform = |counts: &BucketCounts| {
            let messages = counts.sent.checked_add(counts.failed);
            messages.and_then(|messages| messages.checked_mul(per_message)) == Some(counts.parts)
        };
        let parts = if counts.iter().all(is_uniform) {
            RawParts::PerMessage(per_message)
        } else {
            RawParts::PerBucket(counts.iter().map(|counts| counts.parts).collect())
        };
        let counts = counts.iter().map(|counts| (counts.sent, counts.failed)).collect();
        Self { doublings, first, counts, parts }
    }
}

impl TryFrom<RawTimeline> for Timeline {
    type Error = TimelineOutOfRange;

    fn try_from(raw: RawTimeline) -> Result<Self, TimelineOutOfRange> {
        let RawTimeline { doublings, first, counts, parts } = raw;
        let latest = (u64::MAX / NARROWEST_MS) >> doublings.min(MAX_DOUBLINGS);
        if counts.len() > MAX_BUCKETS || doublings > MAX_DOUBLINGS || first > latest {
            return Err(TimelineOutOfRange);
        }
        let parts = match parts {
            RawParts::PerMessage(parts) => {
                counts.iter().map(|(sent, failed)| total(*sent, *failed).saturating_mul(parts)).collect()
            }
            RawParts::PerBucket(parts) if parts.len() == counts.len() => parts,
            RawParts::PerBucket(_) => return Err(TimelineOutOfRange),
        };
        let counts = counts.into_iter().zip(parts);
        let counts = counts.map(|((sent, failed), parts)| BucketCounts { sent, failed, parts }).collect();
        Ok(Self { doublings, first, counts })
    }
}

fn total(sent: u64, failed: u64) -> u64 {
    sent.saturating_add(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn timeline(times: &[u64]) -> Timeline {
        let mut timeline = Timeline::default();
        for at in times {
            timeline.count(*at, Outcome::Sent, 2);
        }
        timeline
    }

    #[test]
    fn four_minutes_fit_in_seconds_and_one_more_doubles_them() {
        let minute_4: Vec<u64> = (0..240_000).step_by(1_000).collect();
        assert_eq!(timeline(&minute_4).width_ms(), 1_000);
        let doubled = timeline(&[minute_4, vec![240_000]].concat());
        assert_eq!(doubled.width_ms(), 2_000);
        assert_eq!(
            doubled.buckets().map(|bucket| bucket.sent).collect::<Vec<_>>(),
            [vec![2; 120], vec![1]].concat()
        );
    }

    #[test]
    fn the_whole_range_of_times_fits() {
        let timeline = timeline(&[0, u64::MAX]);
        assert!(timeline.buckets().count() <= MAX_BUCKETS);
        assert!(timeline.doublings <= MAX_DOUBLINGS);
    }

    #[test]
    fn a_serialised_timeline_out_of_range_is_an_error() {
        let raw = |doublings: u32, first: u64, buckets: usize, parts: RawParts| {
            Timeline::try_from(RawTimeline { doublings, first, counts: vec![(1, 0); buckets], parts })
        };
        let read = |doublings, first, buckets| raw(doublings, first, buckets, RawParts::PerMessage(1));
        assert!(read(0, 7, 240).is_ok());
        for (doublings, first, buckets) in [(0, 7, 241), (48, 7, 1), (u32::MAX, 7, 1), (0, u64::MAX, 1)] {
            assert_eq!(read(doublings, first, buckets), Err(TimelineOutOfRange));
        }
        assert!(raw(0, 7, 2, RawParts::PerBucket(vec![3; 2])).is_ok());
        assert_eq!(raw(0, 7, 2, RawParts::PerBucket(vec![3; 3])), Err(TimelineOutOfRange));
        assert!(raw(0, 7, 2, RawParts::PerMessage(u64::MAX)).is_ok());
    }

    #[test]
    fn parts_are_stored_by_bucket_only_where_messages_differ() {
        let mut timeline = timeline(&[0, 0, 5_000]);
        let parts = |timeline: &Timeline| RawTimeline::from(timeline.clone()).parts;
        assert!(matches!(parts(&timeline), RawParts::PerMessage(2)));
        for (at, more) in [(5_000, 0), (9_000, 3)] {
            timeline.count(at, Outcome::Failed, more);
            assert!(matches!(parts(&timeline), RawParts::PerBucket(_)));
            assert_eq!(Timeline::try_from(RawTimeline::from(timeline.clone())).as_ref(), Ok(&timeline));
        }
        let stored: Vec<u64> =
            timeline.buckets().map(|bucket| bucket.parts).filter(|parts| *parts > 0).collect();
        assert_eq!(stored, [4, 2, 3]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_order_does_not_matter(times in prop::collection::vec(0..100_000_000_u64, 0..300)) {
            let counted = timeline(&times);
            let mut backwards = times.clone();
            backwards.reverse();
            prop_assert_eq!(&counted, &timeline(&backwards));
            prop_assert_eq!(counted.buckets().map(|bucket| bucket.sent).sum::<u64>(), times.len() as u64);
            prop_assert!(counted.buckets().count() <= MAX_BUCKETS);
        }
    }
}
