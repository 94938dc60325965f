//! Sequence numbers of a shard: increasing, with 1 to 40 digits, some with leading zeros.

use proptest::collection::vec;
use proptest::prelude::*;

/// Maximum number of digits of a sequence number.
const DIGITS: usize = 40;

/// Maximum number of digits of the difference between two numbers, so that a shard's numbers fit in 40 digits.
const STEP_DIGITS: usize = 36;

/// A decimal number, least significant digit first.
#[derive(Debug, Clone)]
struct Decimal([u8; DIGITS]);

impl Decimal {
    /// Returns `digit` followed by `zeros` zeros.
    fn round(digit: u8, zeros: usize) -> Self {
        let mut digits = [0; DIGITS];
        digits[zeros] = digit;
        Self(digits)
    }

    fn add(&mut self, other: &Self) {
        let mut carry = 0;
        for (digit, more) in self.0.iter_mut().zip(other.0) {
            let sum = *digit + more + carry;
            *digit = sum % 10;
            carry = sum / 10;
        }
        assert_eq!(carry, 0, "the number has more than {DIGITS} digits");
    }

    /// Formats the number with at least `width` digits, padded with zeros.
    fn text(&self, width: usize) -> String {
        let length = self.0.iter().rposition(|digit| *digit != 0).map_or(1, |place| place + 1).max(width);
        self.0[..length].iter().rev().map(|digit| char::from(b'0' + digit)).collect()
    }
}

/// Generates `count` increasing numbers as strings.
pub(super) fn sequences(count: usize) -> impl Strategy<Value = Vec<String>> {
    let begin = (0..=8_u8, 0..DIGITS);
    // Mostly small differences, as in a real shard; sometimes one digit more, or many.
    let step = (1..=9_u8, prop_oneof![6 => 0..2_usize, 1 => 0..=STEP_DIGITS]);
    let width = prop_oneof![5 => Just(1), 1 => 1..=DIGITS];
    (begin, vec((step, width), count)).prop_map(|((digit, zeros), steps)| {
        let mut number = Decimal::round(digit, zeros);
        let mut texts = Vec::with_capacity(steps.len());
        for ((digit, zeros), width) in steps {
            texts.push(number.text(width));
            number.add(&Decimal::round(digit, zeros));
        }
        texts
    })
}
