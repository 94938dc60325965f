//! Outcomes over time, in a bounded number of buckets.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::delivery::Outcome;

/// The maximum number of buckets of a timeline. A timeline that needs more doubles their width.
pub const MAX_BUCKETS: usize = 240;

/// The initial width of a bucket, ms.
const NARROWEST_MS: u64 = 1_000;

/// The maximum number of doublings of the width: 240 buckets of 2^47 s cover every `u64` of ms.
const MAX_DOUBLINGS: u32 = 47;

/// Outcomes per time bucket. Buckets start at multiples of their width since the epoch, and all have the smallest
/// width with which they fit. The order of counting and merging therefore does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "RawTimeline")]
pub struct Timeline {
    /// How often the initial width was doubled.
    doublings: u32,
    /// The number of the first bucket, in widths since the epoch.
    first: u64,
    counts: Vec<BucketCounts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct BucketCounts {
    sent: u64,
    failed: u64,
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
        })
    }

    pub(super) fn count(&mut self, at: u64, outcome: Outcome) {
        let counts = self.bucket_for(at / NARROWEST_MS, 0);
        match outcome {
            Outcome::Sent => counts.sent = counts.sent.saturating_add(1),
            Outcome::Failed => counts.failed = counts.failed.saturating_add(1),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        while self.doublings < other.doublings {
            self.double();
        }
        for (number, more) in (other.first..).zip(&other.counts) {
            let counts = self.bucket_for(number, other.doublings);
            counts.sent = counts.sent.saturating_add(more.sent);
            counts.failed = counts.failed.saturating_add(more.failed);
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
            wider[place].sent = wider[place].sent.saturating_add(counts.sent);
            wider[place].failed = wider[place].failed.saturating_add(counts.failed);
        }
        self.doublings += 1;
        self.first = first;
        self.counts = wider;
    }
}

/// A deserialised timeline before its bounds are checked.
#[derive(Deserialize)]
struct RawTimeline {
    doublings: u32,
    first: u64,
    counts: Vec<BucketCounts>,
}

/// A serialised timeline with too many buckets or with buckets after the last possible time.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("timeline out of range")]
struct TimelineOutOfRange;

impl TryFrom<RawTimeline> for Timeline {
    type Error = TimelineOutOfRange;

    fn try_from(raw: RawTimeline) -> Result<Self, TimelineOutOfRange> {
        let RawTimeline { doublings, first, counts } = raw;
        let latest = (u64::MAX / NARROWEST_MS) >> doublings.min(MAX_DOUBLINGS);
        if counts.len() > MAX_BUCKETS || doublings > MAX_DOUBLINGS || first > latest {
            return Err(TimelineOutOfRange);
        }
        Ok(Self { doublings, first, counts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn timeline(times: &[u64]) -> Timeline {
        let mut timeline = Timeline::default();
        for at in times {
            timeline.count(*at, Outcome::Sent);
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
        let read = |doublings: u32, first: u64, buckets: usize| {
            Timeline::try_from(RawTimeline {
                doublings,
                first,
                counts: vec![BucketCounts::default(); buckets],
            })
        };
        assert!(read(0, 7, 240).is_ok());
        for (doublings, first, buckets) in [(0, 7, 241), (48, 7, 1), (u32::MAX, 7, 1), (0, u64::MAX, 1)] {
            assert_eq!(read(doublings, first, buckets), Err(TimelineOutOfRange));
        }
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
