//! Conclusions over time, in a bounded number of buckets.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_bytes::ByteBuf;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    doublings: u32,
    first: u64,
    /// Pairs of sent and failed as variable-length integers: most are one byte.
    counts: ByteBuf,
}

impl Serialize for Timeline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = postcard::to_stdvec(&self.counts).map_err(ser::Error::custom)?;
        Stored { doublings: self.doublings, first: self.first, counts: ByteBuf::from(counts) }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Timeline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let counts: Vec<Counts> = postcard::from_bytes(&stored.counts)
            .map_err(|error| de::Error::custom(format!("the timeline does not decode: {error}")))?;
        let latest = (u64::MAX / NARROWEST_MS) >> stored.doublings.min(MAX_DOUBLINGS);
        if counts.len() > MAX_BUCKETS || stored.doublings > MAX_DOUBLINGS || stored.first > latest {
            return Err(de::Error::custom("the timeline is out of its bounds"));
        }
        Ok(Self { doublings: stored.doublings, first: stored.first, counts })
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
    fn a_stored_timeline_out_of_bounds_is_an_error() {
        let stored = |doublings: u32, first: u64, buckets: usize| {
            let counts = postcard::to_stdvec(&vec![Counts::default(); buckets]).unwrap();
            serde_json::from_value::<Timeline>(
                serde_json::json!({"doublings": doublings, "first": first, "counts": counts}),
            )
        };
        assert!(stored(0, 7, 240).is_ok());
        assert!(stored(0, 7, 241).is_err());
        assert!(stored(48, 7, 1).is_err());
        assert!(stored(0, u64::MAX, 1).is_err());
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
            let json = serde_json::to_string(&counted).unwrap();
            prop_assert_eq!(serde_json::from_str::<Timeline>(&json).unwrap(), counted);
        }
    }
}
