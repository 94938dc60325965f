//! Durations of many messages: exact sum and count, and a histogram for the percentiles.

use hdrhistogram::Histogram;

/// The longest duration that is told apart, ms: 8 days, a day longer than an item lives.
const MAX_MS: u64 = 8 * 24 * 3_600 * 1_000;

/// Significant decimal digits of a percentile.
const DIGITS: u8 = 2;

/// Two digits take seven bits: from here on, a slot holds several durations, and there are so many slots to a doubling.
const SLOTS_A_DOUBLING: u64 = 128;

/// Durations in ms.
#[derive(Debug, Clone, PartialEq)]
pub struct Times {
    sum_ms: u64,
    histogram: Histogram<u64>,
}

/// Durations that are not told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The shortest of them, ms.
    pub from_ms: u64,
    /// What all of them are below, ms.
    pub to_ms: u64,
    /// How many there are.
    pub count: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            sum_ms: 0,
            histogram: Histogram::new_with_max(MAX_MS, DIGITS).expect("the bounds are valid constants"),
        }
    }
}

impl Times {
    pub(super) fn record(&mut self, ms: u64) {
        self.sum_ms = self.sum_ms.saturating_add(ms);
        self.histogram.saturating_record(ms);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
        self.histogram.add(&other.histogram).expect("all histograms have the same bounds");
    }

    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Their exact sum, ms.
    pub fn sum_ms(&self) -> u64 {
        self.sum_ms
    }

    /// Their exact mean, ms; `None` without any.
    pub fn mean_ms(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum_ms as f64 / self.count() as f64)
    }

    /// The duration, ms to two digits, that a share `quantile` (0 to 1) of them does not exceed.
    pub fn quantile_ms(&self, quantile: f64) -> Option<u64> {
        (self.count() > 0).then(|| self.histogram.value_at_quantile(quantile))
    }

    /// How they are spread, shortest first: each stretch of durations that are not told apart, and how many fall into it.
    pub fn spread(&self) -> impl Iterator<Item = Stretch> {
        self.histogram.iter_recorded().map(|step| {
            let ms = step.value_iterated_to();
            Stretch {
                from_ms: self.histogram.lowest_equivalent(ms),
                to_ms: self.histogram.highest_equivalent(ms).saturating_add(1),
                count: step.count_at_value(),
            }
        })
    }

    /// The longest, ms to two digits.
    pub fn max_ms(&self) -> Option<u64> {
        (self.count() > 0).then(|| self.histogram.max())
    }

    /// Every duration that is told apart, ms to two digits (the longest of its slot), and how many there are of it.
    pub fn recorded(&self) -> impl Iterator<Item = (u64, u64)> {
        self.histogram.iter_recorded().map(|slot| (slot.value_iterated_to(), slot.count_at_value()))
    }

    /// How many there are in each slot of the histogram, up to the last that has any.
    pub(super) fn slots(&self) -> Vec<u64> {
        let mut slots = Vec::new();
        for (ms, count) in self.recorded() {
            let slot = slot_of(ms);
            slots.resize(slot + 1, 0);
            slots[slot] = count;
        }
        slots
    }

    /// How many slots there are at most.
    pub(super) fn most_slots() -> usize {
        Self::default().histogram.distinct_values()
    }

    /// Those durations, of which there are so many in each slot, no more than [`Times::most_slots`].
    pub(super) fn of_slots(sum_ms: u64, slots: &[u64]) -> Self {
        let mut times = Self { sum_ms, ..Self::default() };
        for (slot, count) in slots.iter().enumerate().filter(|(_, count)| **count > 0) {
            times.histogram.saturating_record_n(shortest_in(slot), *count);
        }
        times
    }
}

/// The slot of the histogram that holds a duration: each ms has its own up to 255, and from there on there are
/// [`SLOTS_A_DOUBLING`].
fn slot_of(ms: u64) -> usize {
    let doublings = (ms / SLOTS_A_DOUBLING).checked_ilog2().unwrap_or(0);
    let slot = u64::from(doublings) * SLOTS_A_DOUBLING + (ms >> doublings);
    usize::try_from(slot).expect("there are a few thousand slots")
}

/// The shortest duration in a slot, ms.
fn shortest_in(slot: usize) -> u64 {
    let slot = slot as u64;
    let doublings = (slot / SLOTS_A_DOUBLING).saturating_sub(1);
    (slot - doublings * SLOTS_A_DOUBLING) << doublings
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(values: &[u64]) -> Times {
        let mut times = Times::default();
        for ms in values {
            times.record(*ms);
        }
        times
    }

    #[test]
    fn without_durations_nothing_is_known() {
        let none = Times::default();
        assert_eq!((none.mean_ms(), none.quantile_ms(0.5), none.max_ms()), (None, None, None));
    }

    #[test]
    fn slots_are_those_of_the_histogram() {
        let histogram = Times::default().histogram;
        for slot in 0..Times::most_slots() {
            let shortest = shortest_in(slot);
            assert_eq!((slot_of(shortest), histogram.lowest_equivalent(shortest)), (slot, shortest));
            assert_eq!(slot_of(histogram.highest_equivalent(shortest)), slot);
        }
    }

    #[test]
    fn slots_beyond_all_bounds_are_kept_as_the_histogram_keeps_them() {
        let longest = times(&[u64::MAX, MAX_MS]);
        assert!(longest.slots().len() <= Times::most_slots());
        assert_eq!(Times::of_slots(longest.sum_ms(), &longest.slots()), longest);
        let full = Times::of_slots(0, &[u64::MAX, u64::MAX]);
        assert_eq!(full.count(), u64::MAX);
    }

    proptest! {
        #[test]
        fn slots_have_all_of_it(values in prop::collection::vec(0..MAX_MS, 0..200)) {
            let times = times(&values);
            prop_assert_eq!(Times::of_slots(times.sum_ms(), &times.slots()), times);
        }

        #[test]
        fn percentiles_are_right_to_two_digits(values in prop::collection::vec(1..1_000_000_u64, 1..200)) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let times = times(&values);
            let exact = sorted[(sorted.len() - 1) / 2] as f64;
            let told = times.quantile_ms(0.5).unwrap() as f64;
            prop_assert!((told / exact - 1.0).abs() < 0.011 || (told - exact).abs() <= 1.0, "{told} {exact}");
            prop_assert_eq!(times.sum_ms(), values.iter().sum::<u64>());
        }

        #[test]
        fn the_spread_has_every_duration_once(values in prop::collection::vec(0..MAX_MS, 0..200)) {
            let spread: Vec<Stretch> = times(&values).spread().collect();
            prop_assert_eq!(spread.iter().map(|stretch| stretch.count).sum::<u64>(), values.len() as u64);
            for stretch in &spread {
                let within = values.iter().filter(|ms| (stretch.from_ms..stretch.to_ms).contains(*ms)).count();
                prop_assert_eq!(stretch.count, within as u64);
            }
        }
    }
}
