//! Sequence numbers of a shard: growing, of 1 to 40 digits, some with leading zeros.

use proptest::collection::vec;
use proptest::prelude::*;

/// The most digits a sequence number has.
const DIGITS: usize = 40;

/// The most digits of a step from one number to the next: a shard's worth of them stays within 40 digits.
const STEP_DIGITS: usize = 36;

/// A decimal number, its last digit first.
#[derive(Debug, Clone)]
struct Decimal([u8; DIGITS]);

impl Decimal {
    /// `digit` followed by `zeros` zeros.
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

    /// The number with at least `width` digits, by leading zeros.
    fn text(&self, width: usize) -> String {
        let length = self.0.iter().rposition(|digit| *digit != 0).map_or(1, |place| place + 1).max(width);
        self.0[..length].iter().rev().map(|digit| char::from(b'0' + digit)).collect()
    }
}

/// `count` numbers that grow, as texts.
pub(super) fn sequences(count: usize) -> impl Strategy<Value = Vec<String>> {
    let begin = (0..=8_u8, 0..DIGITS);
    // Mostly near each other, as in a real shard; now and then a digit longer or by many.
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
