//! Random look-ups of a run's messages, which show whether those without a counted outcome are pending.

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

/// The fewest and the most messages that are looked up.
const MIN_MESSAGES: u64 = 100;
const MAX_MESSAGES: u64 = 100_000;

/// With this many look-ups for each expected hit, all of them miss with a probability of at most e^-7, one in a thousand.
const CONFIDENCE: u64 = 7;

/// How many messages of a run are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupSample {
    /// Number of messages, at most that of the run.
    pub size: u32,
    /// Whether the sample is large enough: if all uncounted messages were pending, it would almost certainly contain one.
    pub is_conclusive: bool,
}

impl LookupSample {
    /// The sample of a run of `total` messages, at least 1, of which `missing` have no counted outcome.
    pub fn of(total: u32, missing: u64) -> Self {
        let needed = (CONFIDENCE * u64::from(total)).div_ceil(missing.max(1)).max(MIN_MESSAGES);
        let size = u32::try_from(needed.min(MAX_MESSAGES)).unwrap_or(u32::MAX).min(total);
        Self { size, is_conclusive: size == total || needed <= MAX_MESSAGES }
    }

    /// Draws the indices of the messages: different ones, in random order.
    pub fn draw(&self, total: u32, seed: u64) -> Vec<u32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let indices = index::sample(&mut rng, total as usize, self.size as usize);
        indices.into_iter().filter_map(|index| u32::try_from(index).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MAX_MESSAGES as LONGEST_RUN;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// The probability that none of `size` different messages is among the `pending` ones of `total`.
    fn probability_of_no_hit(total: u32, pending: u32, size: u32) -> f64 {
        if u64::from(size) + u64::from(pending) > u64::from(total) {
            return 0.0;
        }
        // The i-th look-up misses with (total - pending - i) / (total - i); both counts can change places.
        let (few, many) = (size.min(pending), size.max(pending));
        (0..few).map(|i| f64::from(total - many - i) / f64::from(total - i)).product()
    }

    #[test]
    fn sample_size_grows_as_fewer_messages_are_uncounted() {
        let of = |total, missing| {
            let LookupSample { size, is_conclusive } = LookupSample::of(total, missing);
            (size, is_conclusive)
        };
        assert_eq!(of(5, 5), (5, true));
        assert_eq!(of(1_000, 1_000), (100, true));
        assert_eq!(of(1_000_000, 1_000), (7_000, true));
        assert_eq!(of(1_000_000, 70), (100_000, true));
        assert_eq!(of(1_000_000, 69), (100_000, false));
        assert_eq!(of(100_000, 1), (100_000, true), "all of them");
        assert_eq!(of(LONGEST_RUN, u64::MAX), (100, true));
    }

    proptest! {
        #[test]
        fn a_conclusive_sample_almost_never_misses_pending_messages(total in 1..=LONGEST_RUN, shift in 0..30_u32) {
            let pending = (total >> shift).max(1);
            let sample = LookupSample::of(total, pending.into());
            prop_assert!((1..=total.min(100_000)).contains(&sample.size));
            let is_enough = sample.size == total || u64::from(total) * 7 <= 100_000 * u64::from(pending);
            prop_assert_eq!(sample.is_conclusive, is_enough);
            let missed = probability_of_no_hit(total, pending, sample.size);
            prop_assert!(!sample.is_conclusive || missed <= 0.000_92, "{} of {}: {}", pending, total, missed);
        }

        #[test]
        fn messages_are_drawn_once_each_and_from_the_whole_run(total in 1..=200_000_u32, missing in 1..=200_000_u64, seed in any::<u64>()) {
            let sample = LookupSample::of(total, missing);
            let drawn = sample.draw(total, seed);
            prop_assert_eq!(drawn.len(), sample.size as usize);
            prop_assert!(drawn.iter().all(|index| *index < total));
            prop_assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
        }
    }

    #[test]
    fn every_message_is_drawn_equally_often() {
        let mut drawn = [0_u32; 1_000];
        for seed in 0..1_000 {
            LookupSample::of(1_000, 1_000)
                .draw(1_000, seed)
                .iter()
                .for_each(|index| drawn[*index as usize] += 1);
        }
        // 100 expected of each, standard deviation 9.5.
        assert!(drawn.iter().all(|count| (50..150).contains(count)), "{drawn:?}");
    }
}
