//! Failure codes: why a message is FAILED.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ParseError;

/// The longest failure code, in characters.
const MAX_LENGTH: usize = 32;

/// A failure code: 1 to 32 of `A` to `Z`, digits and `_`. The named ones are Stentor's; a provider profile adds others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FailureCode {
    /// Padded with zeros.
    bytes: [u8; MAX_LENGTH],
}

impl FailureCode {
    /// The daily cap of the message's carrier was reached.
    pub const CARRIER_DAILY_CAP: Self = Self::of("CARRIER_DAILY_CAP");
    /// The monthly spend limit was reached.
    pub const SPEND_LIMIT: Self = Self::of("SPEND_LIMIT");
    /// The message was older than its time to live.
    pub const TTL_EXPIRED: Self = Self::of("TTL_EXPIRED");
    /// A failure without a code.
    pub const UNKNOWN: Self = Self::of("UNKNOWN");
    /// Stands for all codes beyond those that a tally can distinguish.
    pub const OTHER: Self = Self::of("OTHER");

    /// The codes that Stentor itself uses.
    pub const BUILT_IN: [Self; 5] =
        [Self::CARRIER_DAILY_CAP, Self::SPEND_LIMIT, Self::TTL_EXPIRED, Self::UNKNOWN, Self::OTHER];

    const fn of(text: &str) -> Self {
        let (text, mut bytes, mut index) = (text.as_bytes(), [0; MAX_LENGTH], 0);
        while index < text.len() {
            bytes[index] = text[index];
            index += 1;
        }
        Self { bytes }
    }

    /// Returns the code as text.
    pub fn as_str(&self) -> &str {
        let length = self.bytes.iter().position(|byte| *byte == 0).unwrap_or(MAX_LENGTH);
        std::str::from_utf8(&self.bytes[..length]).unwrap_or_default()
    }
}

impl FromStr for FailureCode {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let is_valid = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=MAX_LENGTH).contains(&text.len()) || !text.bytes().all(is_valid) {
            return Err(ParseError("expected a failure code: 1 to 32 of A to Z, 0 to 9 and _"));
        }
        Ok(Self::of(text))
    }
}

impl TryFrom<String> for FailureCode {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<FailureCode> for String {
    fn from(code: FailureCode) -> Self {
        code.as_str().to_owned()
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_1_to_32_upper_case_letters_digits_and_underscores() {
        let longest = "A".repeat(32);
        for valid in ["A", "7", "_", "CARRIER_UNREACHABLE", &longest] {
            assert_eq!(valid.parse::<FailureCode>().unwrap().as_str(), valid);
        }
        for invalid in ["", "lower", "A B", "A-B", "Ä", "A\0", &"A".repeat(33)] {
            assert!(invalid.parse::<FailureCode>().is_err(), "{invalid:?}");
        }
        assert!(FailureCode::BUILT_IN.iter().all(|code| code.as_str().parse() == Ok(*code)));
    }
}
