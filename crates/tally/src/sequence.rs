//! The position of a record in its stream shard.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use stentor_core::ParseError;

/// A stream record's sequence number: a decimal number of any length (21 to 40 digits in DynamoDB,
/// "`StreamRecord`", Amazon DynamoDB API Reference), compared as a number. Leading zeros do not matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SequenceNumber(String);

const INVALID: ParseError = ParseError("invalid sequence number: expected decimal digits");

impl FromStr for SequenceNumber {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(INVALID);
        }
        Ok(Self(text.trim_start_matches('0').to_owned()))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "0" } else { &self.0 })
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> SequenceNumber {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_compare_as_numbers_of_any_length() {
        assert!(number("9") < number("10"));
        assert!(number("99999999999999999999") < number("100000000000000000000"));
        assert_eq!(number("007"), number("7"));
        assert_eq!(number("000"), number("0"));
        assert_eq!(number("000").to_string(), "0");
        assert!(number("0") < number("1"));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-1", "1.0", "0x1", " 1", "١"] {
            assert_eq!(text.parse::<SequenceNumber>(), Err(INVALID), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn order_is_that_of_the_integers(a: u128, b: u128, zeros in 0..5_usize) {
            let padded = format!("{}{b}", "0".repeat(zeros));
            prop_assert_eq!(number(&a.to_string()).cmp(&number(&padded)), a.cmp(&b));
            prop_assert_eq!(number(&padded).to_string(), b.to_string());
        }
    }
}
