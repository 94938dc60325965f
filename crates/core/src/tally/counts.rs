//! Counts that stand in a row - of a histogram's slots, of a timeline's buckets - written in little room.
//!
//! A tally is written every second, and pays for each KB of it. HdrHistogram's own form of its counts (a variable-length
//! integer each, compressed) takes two bytes and more of a count in the thousands, whatever stands beside it, and passes
//! 4 KB for a million messages. But neighbours are alike: of a smooth distribution a count differs from those before
//! it by little more than chance does, which is the square root of it. So each count is told as its difference from
//! the mean of the last few, in steps of the usual difference; and how likely so many steps are is learned on the
//! way, so that an arithmetic code ([`bits`]) spends on them what they are worth. Empty places cost next to nothing.
//! That comes within about a tenth of the entropy.

mod bits;

use bits::{Chance, Reader, Teller, Writer};

/// Levels and differences are kept in fractions of this.
const UNIT: u64 = 256;

/// Counts beyond this count as this in what is expected of the next: sums stay within a `u64`.
const LARGEST_EXPECTED: u64 = 1 << 40;

/// How many counts a level is the mean of, about: few, for where a distribution rises or falls, older ones mislead.
const LEVEL_OF: u64 = 4;

/// How many differences the usual one is the mean of, about.
const DIFFERENCE_OF: u64 = 8;

/// Usual differences that are told apart, two to a doubling: of 2^40 units at most.
const KINDS: usize = 2 * 49 + 1;

/// So many steps are told one by one; where there are more, the rest is told as a number.
const STEPS: usize = 16;

/// What is to be expected of the next count of a row.
#[derive(Debug, Default)]
struct Expectation {
    /// The mean of the last few counts, in fractions.
    level: u64,
    /// By how much they differed from what was expected, in fractions.
    difference: u64,
    /// The last count was more than nothing.
    after_some: bool,
}

impl Expectation {
    fn count(&self) -> u64 {
        (self.level + UNIT / 2) / UNIT
    }

    /// Which kind of row this is: twice the logarithm of its usual difference.
    fn kind(&self) -> usize {
        match self.difference.checked_ilog2() {
            None => 0,
            Some(doublings) => {
                let upper_half = u32::from(doublings > 0 && (self.difference >> (doublings - 1)) & 1 == 1);
                (1 + 2 * doublings + upper_half) as usize
            }
        }
    }

    /// The power of two that steps are wide: the usual difference, roughly.
    fn step_bits(&self) -> u32 {
        (self.difference / UNIT).checked_ilog2().unwrap_or(0)
    }

    fn learn(&mut self, count: u64) {
        self.after_some = count > 0;
        let count = count.min(LARGEST_EXPECTED);
        let difference = count.abs_diff(self.count());
        self.level = follow(self.level, count, LEVEL_OF);
        self.difference = follow(self.difference, difference, DIFFERENCE_OF);
    }
}

/// A mean of about the last `of` values, with one more.
fn follow(mean: u64, value: u64, of: u64) -> u64 {
    (mean * (of - 1) + value * UNIT + of / 2) / of
}

/// What was learned about counts, of all rows together.
#[derive(Debug)]
struct Experience {
    /// Whether there is nothing, by whether there was nothing before, and the kind of row.
    nothing: [[Chance; KINDS]; 2],
    /// Whether there is one step more, by the kind of row and the steps so far.
    one_more: Vec<[Chance; STEPS]>,
    /// Whether the count is less than expected, by the kind of row.
    less: [Chance; KINDS],
    /// Whether the rest of the steps has one more bit.
    one_bit_more: [Chance; 64],
}

impl Experience {
    fn new() -> Self {
        Self {
            nothing: [[Chance::EVEN; KINDS]; 2],
            one_more: vec![[Chance::EVEN; STEPS]; KINDS],
            less: [Chance::EVEN; KINDS],
            one_bit_more: [Chance::EVEN; 64],
        }
    }

    /// Tells a count: `count` itself where `teller` writes. `None` where what is read is no count.
    fn tell(&mut self, teller: &mut impl Teller, expected: &Expectation, count: u64) -> Option<u64> {
        let (usual, kind, bits) = (expected.count(), expected.kind(), expected.step_bits());
        if teller.tell(&mut self.nothing[usize::from(expected.after_some)][kind], count == 0) {
            return Some(0);
        }
        let difference = count.abs_diff(usual);
        let steps = self.tell_steps(teller, kind, difference >> bits)?;
        if steps.leading_zeros() < bits {
            return None;
        }
        let difference = tell_bits(teller, steps, bits, difference);
        let may_be_less = difference > 0 && difference <= usual;
        if may_be_less && teller.tell(&mut self.less[kind], count < usual) {
            usual.checked_sub(difference)
        } else {
            usual.checked_add(difference)
        }
    }

    fn tell_steps(&mut self, teller: &mut impl Teller, kind: usize, steps: u64) -> Option<u64> {
        let mut told = 0;
        for one_more in &mut self.one_more[kind] {
            if !teller.tell(one_more, told < steps) {
                return Some(told);
            }
            told += 1;
        }
        // One more than the rest, so that its first bit is always 1; the length stands for it.
        let rest = steps.saturating_sub(told).saturating_add(1);
        let mut bits = 0;
        while bits < u64::BITS - 1 && teller.tell(&mut self.one_bit_more[bits as usize], bits < rest.ilog2())
        {
            bits += 1;
        }
        told.checked_add(tell_bits(teller, 1, bits, rest) - 1)
    }
}

/// Tells the lowest `bits` of a value; `upper` is what stands above them.
fn tell_bits(teller: &mut impl Teller, upper: u64, bits: u32, value: u64) -> u64 {
    (0..bits).rev().fold(upper, |so_far, bit| {
        let yes = teller.tell_bit((value >> bit) & 1 == 1);
        (so_far << 1) | u64::from(yes)
    })
}

/// Writes rows of counts. How many there are of each must be told beside.
pub(super) fn write(rows: &[&[u64]]) -> Vec<u8> {
    let (mut writer, mut experience) = (Writer::new(), Experience::new());
    for row in rows {
        let mut expected = Expectation::default();
        for count in *row {
            let told = experience.tell(&mut writer, &expected, *count);
            debug_assert_eq!(told, Some(*count), "what is written is told back");
            expected.learn(*count);
        }
    }
    writer.finish()
}

/// Reads rows of so many counts each. `None` where the bytes cannot be what [`write`] wrote; most other bytes read as
/// some other counts.
pub(super) fn read<const ROWS: usize>(bytes: &[u8], lengths: [usize; ROWS]) -> Option<[Vec<u64>; ROWS]> {
    let (mut reader, mut experience) = (Reader::new(bytes), Experience::new());
    let mut rows = lengths.map(Vec::with_capacity);
    for (row, length) in rows.iter_mut().zip(lengths) {
        let mut expected = Expectation::default();
        for _ in 0..length {
            let count = experience.tell(&mut reader, &expected, 0)?;
            expected.learn(count);
            row.push(count);
        }
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Counts of every size, in runs.
    fn row() -> impl Strategy<Value = Vec<u64>> {
        let count = prop_oneof![
            4 => Just(0),
            4 => 0..4_u64,
            4 => 0..5_000_u64,
            1 => any::<u64>(),
            1 => Just(u64::MAX),
        ];
        let runs = prop::collection::vec((count, 1..40_usize), 0..30);
        runs.prop_map(|runs| runs.into_iter().flat_map(|(count, times)| vec![count; times]).collect())
    }

    #[test]
    fn empty_places_cost_next_to_nothing() {
        assert_eq!(write(&[&[], &[]]), [0; 0]);
        let empty = write(&[&vec![0; 3_000]]);
        assert!(empty.len() <= 8, "{} bytes", empty.len());
        let mut one = vec![0; 3_000];
        one[1_500] = 1_000_000;
        let one = write(&[&one]);
        assert!(one.len() <= 24, "{} bytes", one.len());
    }

    #[test]
    fn counts_that_differ_by_chance_alone_take_little_more_than_that_is_worth() {
        // 400 to 599, every one as likely: 7.6 bits each.
        let counts: Vec<u64> =
            (0..2_000_u64).map(|place| 400 + place * place * 7_919 % 10_007 % 200).collect();
        let bits = write(&[&counts]).len() * 8;
        assert!(bits < counts.len() * 83 / 10, "{bits} bits");
    }

    #[test]
    fn what_is_more_than_any_count_reads_as_none() {
        /// Says that there is something, and yes to all else.
        struct Boundless(bool);
        impl Teller for Boundless {
            fn tell(&mut self, _: &mut Chance, _: bool) -> bool {
                std::mem::replace(&mut self.0, true)
            }
        }
        let told = Experience::new().tell(&mut Boundless(false), &Expectation::default(), 0);
        assert_eq!(told, None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(one in row(), other in row()) {
            let bytes = write(&[&one, &other]);
            prop_assert_eq!(read(&bytes, [one.len(), other.len()]), Some([one, other]));
        }

        #[test]
        fn any_bytes_read_as_something_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = read(&bytes, [3_000, 240]);
        }
    }
}
