//! A histogram of durations: exact count and sum, percentiles within 2 %.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest duration with a separate bin, ms: 8 days, one day more than the lifetime of an item. Longer
/// durations count in the last bin.
const MAX_MS: u64 = 8 * 24 * 3_600 * 1_000;

/// The number of bins from 0 ms to [`MAX_MS`].
const BINS: usize = {
    let (mut bins, mut start) = (0, 0);
    while start <= MAX_MS {
        (bins, start) = (bins + 1, end_ms(start));
    }
    bins
};

/// The shortest duration of each bin, ms, and the end of the last bin. Each bin extends by [`half_width`] to both
/// sides of its middle, so that the middle is within 2 % of every duration in the bin.
static BOUNDS: [u64; BINS + 1] = bounds();

const fn bounds() -> [u64; BINS + 1] {
    let mut bounds = [0; BINS + 1];
    let mut bin = 1;
    while bin <= BINS {
        bounds[bin] = end_ms(bounds[bin - 1]);
        bin += 1;
    }
    bounds
}

/// The end of the bin that starts at `from_ms`, ms, exclusive.
const fn end_ms(from_ms: u64) -> u64 {
    from_ms + 2 * half_width(from_ms) + 1
}

/// The distance from the shortest duration in a bin to its middle, ms: 2 % of that duration, rounded down.
const fn half_width(from_ms: u64) -> u64 {
    from_ms / 50
}

/// A histogram of durations in ms.
///
/// The bins have fixed bounds and nearly equal width on a logarithmic scale, as in `DDSketch` (Masson, Rim and Lee,
/// "`DDSketch`: A Fast and Fully-Mergeable Quantile Sketch", 2019). The bounds are integers, so that every platform
/// puts a duration in the same bin. Counts and the sum saturate at `u64::MAX`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawHistogram", into = "RawHistogram")]
pub struct DurationHistogram {
    sum_ms: u64,
    /// The count of each bin; always [`BINS`] of them.
    counts: Vec<u64>,
}

/// The durations that one bin counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bin {
    /// The shortest duration of the bin, ms.
    pub from_ms: u64,
    /// The end of the bin, ms, exclusive. The last bin also counts all longer durations.
    pub to_ms: u64,
    /// The number of durations in the bin.
    pub count: u64,
}

impl Bin {
    fn middle_ms(&self) -> u64 {
        self.from_ms + half_width(self.from_ms)
    }
}

impl fmt::Debug for DurationHistogram {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let bins: Vec<Bin> = self.bins().collect();
        f.debug_struct("DurationHistogram")
            .field("sum_ms", &self.sum_ms)
            .field("bins", &bins)
            .finish_non_exhaustive()
    }
}

impl Default for DurationHistogram {
    fn default() -> Self {
        Self { sum_ms: 0, counts: vec![0; BINS] }
    }
}

impl DurationHistogram {
    pub(crate) fn record(&mut self, ms: u64) {
        self.sum_ms = self.sum_ms.saturating_add(ms);
        let bin = BOUNDS.partition_point(|from_ms| *from_ms <= ms).clamp(1, BINS) - 1;
        self.counts[bin] = self.counts[bin].saturating_add(1);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// The exact number of durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The exact sum of the durations, ms.
    pub fn sum_ms(&self) -> u64 {
        self.sum_ms
    }

    /// The exact mean, ms; `None` for an empty histogram.
    pub fn mean_ms(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum_ms as f64 / self.count() as f64)
    }

    /// The smallest duration, ms, that is at least as long as a share `quantile` (0 to 1) of all durations; within
    /// 2 %. `None` for an empty histogram.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float-to-int cast saturates"
    )]
    pub fn quantile_ms(&self, quantile: f64) -> Option<u64> {
        let rank = ((quantile * self.count() as f64).ceil() as u64).max(1);
        let mut below = 0_u64;
        let reaches_rank = |bin: &Bin| {
            below = below.saturating_add(bin.count);
            below >= rank
        };
        self.bins().find(reaches_rank).map_or_else(|| self.max_ms(), |bin| Some(bin.middle_ms()))
    }

    /// The longest duration, ms, within 2 %; `None` for an empty histogram. A duration above 8 days counts as 8 days.
    pub fn max_ms(&self) -> Option<u64> {
        self.bins().last().map(|bin| bin.middle_ms())
    }

    /// The bins that are not empty, shortest durations first.
    pub fn bins(&self) -> impl Iterator<Item = Bin> {
        let bins = BOUNDS.windows(2).zip(&self.counts);
        bins.filter(|(_, count)| **count > 0).map(|(bounds, count)| Bin {
            from_ms: bounds[0],
            to_ms: bounds[1],
            count: *count,
        })
    }
}

/// A histogram as it is serialised, without the empty bins at both ends.
#[derive(Serialize, Deserialize)]
struct RawHistogram {
    sum_ms: u64,
    /// The index of the first bin in `counts`.
    first_bin: u16,
    counts: Vec<u64>,
}

/// A serialised histogram that has more bins than [`DurationHistogram`].
#[derive(Debug, Error)]
#[error("histogram bin out of range")]
struct BinOutOfRange;

impl From<DurationHistogram> for RawHistogram {
    fn from(histogram: DurationHistogram) -> Self {
        let DurationHistogram { sum_ms, mut counts } = histogram;
        counts.truncate(counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1));
        let first = counts.iter().position(|count| *count > 0).unwrap_or(0);
        counts.drain(..first);
        Self { sum_ms, first_bin: u16::try_from(first).expect("there are fewer than 2^16 bins"), counts }
    }
}

impl TryFrom<RawHistogram> for DurationHistogram {
    type Error = BinOutOfRange;

    fn try_from(raw: RawHistogram) -> Result<Self, BinOutOfRange> {
        let mut histogram = Self { sum_ms: raw.sum_ms, ..Self::default() };
        let bins = histogram.counts.get_mut(usize::from(raw.first_bin)..).ok_or(BinOutOfRange)?;
        bins.get_mut(..raw.counts.len()).ok_or(BinOutOfRange)?.copy_from_slice(&raw.counts);
        Ok(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(values: &[u64]) -> DurationHistogram {
        let mut histogram = DurationHistogram::default();
        for ms in values {
            histogram.record(*ms);
        }
        histogram
    }

    #[test]
    fn an_empty_histogram_has_no_mean_or_percentile() {
        let empty = DurationHistogram::default();
        assert_eq!((empty.mean_ms(), empty.quantile_ms(0.5), empty.max_ms()), (None, None, None));
    }

    #[test]
    fn the_middle_of_each_bin_is_within_2_percent_of_both_ends() {
        for bounds in BOUNDS.windows(2) {
            let bin = Bin { from_ms: bounds[0], to_ms: bounds[1], count: 1 };
            for ms in [bin.from_ms, bin.to_ms - 1] {
                let error = bin.middle_ms().abs_diff(ms);
                assert!(error * 100 <= ms * 2, "{bin:?}: {} for {ms}", bin.middle_ms());
            }
        }
    }

    #[test]
    fn longer_durations_count_in_the_last_bin_and_saturate_the_sum() {
        let longest = histogram(&[u64::MAX, MAX_MS, MAX_MS + 1]);
        assert_eq!(longest.bins().map(|bin| bin.count).collect::<Vec<_>>(), [3]);
        assert_eq!((longest.count(), longest.sum_ms()), (3, u64::MAX));
    }

    #[test]
    fn counts_saturate() {
        let mut full = DurationHistogram { sum_ms: 0, counts: vec![u64::MAX; BINS] };
        full.record(7);
        full.merge(&full.clone());
        assert_eq!(full.bins().filter(|bin| bin.count == u64::MAX).count(), BINS);
        assert_eq!((full.count(), full.quantile_ms(0.5), full.sum_ms()), (u64::MAX, Some(0), 14));
    }

    #[test]
    fn a_serialised_histogram_with_too_many_bins_is_an_error() {
        let raw = |first_bin, bins| RawHistogram { sum_ms: 0, first_bin, counts: vec![1; bins] };
        assert!(DurationHistogram::try_from(raw(0, BINS)).is_ok());
        assert!(DurationHistogram::try_from(raw(1, BINS)).is_err());
        assert!(DurationHistogram::try_from(raw(u16::MAX, 0)).is_err());
    }

    proptest! {
        #[test]
        fn a_serialised_histogram_reads_back(values in prop::collection::vec(0..2 * MAX_MS, 0..200)) {
            let histogram = histogram(&values);
            let raw = RawHistogram::from(histogram.clone());
            prop_assert_eq!(DurationHistogram::try_from(raw).unwrap(), histogram);
        }

        #[test]
        fn percentiles_are_within_2_percent(mut values in prop::collection::vec(prop_oneof![0..100_u64, 0..MAX_MS], 1..200)) {
            let histogram = histogram(&values);
            values.sort_unstable();
            for (rank, exact) in values.iter().enumerate() {
                // Half a rank below the share, so that rounding cannot select the next rank.
                let estimate = histogram.quantile_ms((rank as f64 + 0.5) / values.len() as f64).unwrap();
                prop_assert!(estimate.abs_diff(*exact) * 100 <= exact * 2, "{} for {}", estimate, exact);
            }
            let (max, longest) = (histogram.max_ms().unwrap(), *values.last().unwrap());
            prop_assert!(max.abs_diff(longest) * 100 <= longest * 2, "{} for {}", max, longest);
            prop_assert_eq!(histogram.sum_ms(), values.iter().sum::<u64>());
            prop_assert_eq!(histogram.count(), values.len() as u64);
        }

        #[test]
        fn bins_count_every_duration_once(values in prop::collection::vec(0..MAX_MS, 0..200)) {
            let bins: Vec<Bin> = histogram(&values).bins().collect();
            prop_assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), values.len() as u64);
            for bin in &bins {
                let within = values.iter().filter(|ms| (bin.from_ms..bin.to_ms).contains(*ms)).count();
                prop_assert_eq!(bin.count, within as u64);
            }
        }
    }
}
