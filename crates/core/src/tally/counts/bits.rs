//! Yes and no as a binary arithmetic code, in which an answer takes the less room the more it was to be expected.
//!
//! The bytes are one long number between 0 and 1. Each answer narrows the range in which it lies, to the part that
//! stands for yes or to that for no, and the parts are as wide as the answers are likely (Witten, Neal and Cleary,
//! "Arithmetic coding for data compression", Communications of the ACM, 1987).

/// How likely a yes is, learned from the answers so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    /// In 65,536ths.
    yes: u16,
    /// How many answers there were, up to [`SETTLED`].
    answers: u8,
}

/// A chance begins as the mean of its answers; after so many, it follows the later ones.
const SETTLED: u8 = 60;

/// Nothing is ever certain, 65,536ths.
const LEAST: u16 = 64;

impl Chance {
    /// Nothing is known.
    pub(super) const EVEN: Self = Self { yes: 1 << 15, answers: 0 };

    fn learn(&mut self, yes: bool) {
        let share = u16::from(self.answers) + 2;
        let moved = if yes { self.yes + (u16::MAX - self.yes) / share } else { self.yes - self.yes / share };
        self.yes = moved.clamp(LEAST, u16::MAX - LEAST);
        self.answers = (self.answers + 1).min(SETTLED);
    }

    /// The part of a range that stands for yes: never nothing, and never all.
    fn part_of(self, range: u32) -> u32 {
        (range >> 16) * u32::from(self.yes)
    }
}

/// Writes, or reads. Whoever tells the same questions in the same order to both gets from the one what the other was
/// given, so that a single description of what follows what serves writing and reading.
pub(super) trait Teller {
    /// The answer: `yes` where this writes, and what was written where it reads.
    fn tell(&mut self, chance: &mut Chance, yes: bool) -> bool;

    /// An answer of which nothing is known and nothing to be learned.
    fn tell_bit(&mut self, yes: bool) -> bool {
        self.tell(&mut Chance::EVEN.clone(), yes)
    }
}

/// A range that is narrower than this is told a byte further.
const NARROW: u32 = 1 << 24;

/// Writes answers.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// Where the range begins, in units of 2^-32 of the last byte; what passes that is carried into the bytes.
    begins: u64,
    range: u32,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), begins: 0, range: u32::MAX }
    }

    fn push_byte(&mut self) {
        if self.begins > u64::from(u32::MAX) {
            for byte in self.bytes.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
        }
        self.bytes.push(self.begins.to_be_bytes()[4]);
        self.begins = (self.begins << 8) & u64::from(u32::MAX);
    }

    /// The bytes. Whoever reads on behind them reads zeros, so that zeros at their end are left out.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let last = self.begins + u64::from(self.range) - 1;
        let roundest = [32, 24, 16, 8, 0].map(|bits| (last >> bits) << bits);
        self.begins = roundest.into_iter().find(|number| *number >= self.begins).unwrap_or(last);
        (0..4).for_each(|_| self.push_byte());
        while self.bytes.last() == Some(&0) {
            self.bytes.pop();
        }
        self.bytes
    }
}

impl Teller for Writer {
    fn tell(&mut self, chance: &mut Chance, yes: bool) -> bool {
        let part = chance.part_of(self.range);
        if yes {
            self.range = part;
        } else {
            self.begins += u64::from(part);
            self.range -= part;
        }
        chance.learn(yes);
        while self.range < NARROW {
            self.range <<= 8;
            self.push_byte();
        }
        yes
    }
}

/// Reads what a [`Writer`] wrote. Of other bytes it makes other answers; it never fails.
#[derive(Debug)]
pub(super) struct Reader<'b> {
    bytes: std::slice::Iter<'b, u8>,
    /// How far into the range the number lies.
    place: u32,
    range: u32,
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        let mut reader = Self { bytes: bytes.iter(), place: 0, range: u32::MAX };
        (0..4).for_each(|_| reader.take_byte());
        reader
    }

    fn take_byte(&mut self) {
        self.place = (self.place << 8) | u32::from(self.bytes.next().copied().unwrap_or(0));
    }
}

impl Teller for Reader<'_> {
    fn tell(&mut self, chance: &mut Chance, _: bool) -> bool {
        let part = chance.part_of(self.range);
        let yes = self.place < part;
        if yes {
            self.range = part;
        } else {
            // Bytes that nobody wrote may lie beyond the range.
            self.place -= part;
            self.range -= part;
        }
        chance.learn(yes);
        while self.range < NARROW {
            self.range <<= 8;
            self.take_byte();
        }
        yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(answers: &[bool]) -> Vec<u8> {
        let (mut writer, mut chance) = (Writer::new(), Chance::EVEN);
        for yes in answers {
            writer.tell(&mut chance, *yes);
        }
        writer.finish()
    }

    #[test]
    fn what_is_to_be_expected_takes_almost_no_room() {
        assert_eq!(written(&[]), [0; 0]);
        for same in [true, false] {
            let bytes = written(&[same; 10_000]);
            assert!(bytes.len() < 20, "{} bytes", bytes.len());
        }
    }

    proptest! {
        #[test]
        fn answers_read_as_they_were_written(answers in prop::collection::vec(prop::bool::weighted(0.03), 0..3_000), even in prop::collection::vec(any::<bool>(), 0..300)) {
            let (mut writer, mut chance) = (Writer::new(), Chance::EVEN);
            for yes in answers.iter().chain(&even) {
                writer.tell(&mut chance, *yes);
            }
            for yes in &even {
                writer.tell_bit(*yes);
            }
            let bytes = writer.finish();
            let (mut reader, mut chance) = (Reader::new(&bytes), Chance::EVEN);
            for yes in answers.iter().chain(&even) {
                prop_assert_eq!(reader.tell(&mut chance, false), *yes);
            }
            for yes in &even {
                prop_assert_eq!(reader.tell_bit(false), *yes);
            }
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (mut reader, mut chance) = (Reader::new(&bytes), Chance::EVEN);
            let yes = (0..10_000).filter(|_| reader.tell(&mut chance, false)).count();
            prop_assert!(yes <= 10_000);
        }
    }
}
