//! Conclusions over time, in a bounded number of buckets.

use crate::delivery::Outcome;

/// The most buckets a timeline has; where more would be needed they double in width.
pub const MAX_BUCKETS: usize = 240;

/// The narrowest bucket, ms.
const NARROWEST_MS: u64 = 1_000;

/// How often the width may double: 240 buckets of 2^47 s hold every time that a `u64` of ms can tell.
const MAX_DOUBLINGS: u32 = 47;

/// Conclusions per bucket of time. Buckets lie on multiples of their width since the epoch, and the
/// width is the least that fits all of them, so that it does not matter in which order
/// conclusions are counted or timelines are merged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    doublings: u32,
    /// The number of the first bucket, in widths since the epoch.
    first: u64,
    counts: Vec<Counts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    sent: u64,
    failed: u64,
}

/// What happened in one bucket of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// When it begins, ms since the epoch.
    pub starts_at: u64,
    /// How long it is, ms.
    pub width_ms: u64,
    /// Messages that ended SENT in it.
    pub sent: u64,
    /// Messages that ended FAILED in it.
    pub failed: u64,
}

impl Timeline {
    /// The width of each bucket, ms.
    pub fn width_ms(&self) -> u64 {
        NARROWEST_MS << self.doublings
    }

    /// The buckets from the first conclusion to the last, empty ones between them included.
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

    /// The bucket that holds bucket `number` of a timeline doubled `doublings` times, no more than this one.
    fn bucket_for(&mut self, number: u64, doublings: u32) -> &mut Counts {
        if self.counts.is_empty() {
            self.first = number >> (self.doublings - doublings);
        }
        while !self.fits(number >> (self.doublings - doublings)) {
            self.double();
        }
        let number = number >> (self.doublings - doublings);
        if number < self.first {
            let missing = self.first - number;
            self.counts.splice(0..0, (0..missing).map(|_| Counts::default()));
            self.first = number;
        }
        let place = usize::try_from(number - self.first).expect("fits() bounds it");
        if place >= self.counts.len() {
            self.counts.resize(place + 1, Counts::default());
        }
        &mut self.counts[place]
    }

    fn fits(&self, number: u64) -> bool {
        let end = (self.first + self.counts.len() as u64).max(number + 1);
        end - self.first.min(number) <= MAX_BUCKETS as u64
    }

    fn double(&mut self) {
        let first = self.first / 2;
        let mut wider: Vec<Counts> = Vec::with_capacity(self.counts.len() / 2 + 1);
        for (number, counts) in (self.first..).zip(&self.counts) {
            let place = usize::try_from(number / 2 - first).expect("no more than there were");
            if place == wider.len() {
                wider.push(Counts::default());
            }
            wider[place].sent = wider[place].sent.saturating_add(counts.sent);
            wider[place].failed = wider[place].failed.saturating_add(counts.failed);
        }
        self.doublings += 1;
        self.first = first;
        self.counts = wider;
    }
}

/// What a timeline is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    /// How often the narrowest width was doubled.
    pub(super) doublings: u32,
    /// The number of the first bucket, in widths since the epoch.
    pub(super) first: u64,
    /// Messages that ended in each bucket.
    pub(super) ended: Vec<u64>,
    /// How many of them ended FAILED.
    pub(super) failed: Vec<u64>,
}

impl Timeline {
    pub(super) fn parts(&self) -> Parts {
        Parts {
            doublings: self.doublings,
            first: self.first,
            // Counts that were capped wrap around here, and back again.
            ended: self.counts.iter().map(|counts| counts.sent.wrapping_add(counts.failed)).collect(),
            failed: self.counts.iter().map(|counts| counts.failed).collect(),
        }
    }

    /// The timeline of those parts; `None` where they are out of its bounds.
    pub(super) fn of_parts(parts: &Parts) -> Option<Self> {
        let latest = (u64::MAX / NARROWEST_MS) >> parts.doublings.min(MAX_DOUBLINGS);
        let fits = parts.ended.len() <= MAX_BUCKETS && parts.ended.len() == parts.failed.len();
        if !fits || parts.doublings > MAX_DOUBLINGS || parts.first > latest {
            return None;
        }
        let counts = parts.ended.iter().zip(&parts.failed);
        let counts =
            counts.map(|(ended, failed)| Counts { sent: ended.wrapping_sub(*failed), failed: *failed });
        Some(Self { doublings: parts.doublings, first: parts.first, counts: counts.collect() })
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
    fn parts_out_of_bounds_make_no_timeline() {
        let of_parts = |doublings: u32, first: u64, buckets: usize, failed: usize| {
            Timeline::of_parts(&Parts { doublings, first, ended: vec![2; buckets], failed: vec![1; failed] })
        };
        assert!(of_parts(0, 7, 240, 240).is_some());
        assert_eq!(of_parts(0, 7, 241, 241), None);
        assert_eq!(of_parts(0, 7, 240, 239), None);
        assert_eq!(of_parts(48, 7, 1, 1), None);
        assert_eq!(of_parts(0, u64::MAX, 1, 1), None);
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
            prop_assert_eq!(Timeline::of_parts(&counted.parts()), Some(counted));
        }
    }
}
