//! Failed messages by code, of a bounded number of codes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use stentor_core::provider::code::FailureCode;

/// The maximum number of codes beside the built-in ones: as many as a provider profile can have.
const MAX_NAMED: usize = 16;

const BUILT_IN: [FailureCode; 5] = FailureCode::BUILT_IN;

/// Failed messages by code. Of the codes that are not built in, the first 16 in alphabetical order are counted
/// separately and all others as `OTHER`, whatever the order of counting and merging: a code among the first 16 of the
/// sum is among the first 16 of each part.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "RawCounts")]
pub struct FailureCounts {
    /// The counts of [`FailureCode::BUILT_IN`].
    built_in: [u64; BUILT_IN.len()],
    named: BTreeMap<FailureCode, u64>,
}

impl FailureCounts {
    /// The codes of at least one message, each with its count.
    pub fn iter(&self) -> impl Iterator<Item = (FailureCode, u64)> {
        let named = self.named.iter().map(|(code, count)| (*code, *count));
        BUILT_IN.into_iter().zip(self.built_in).chain(named).filter(|(_, count)| *count > 0)
    }

    pub(crate) fn add(&mut self, code: FailureCode, messages: u64) {
        let built_in = BUILT_IN.iter().position(|built_in| *built_in == code);
        let count = match built_in {
            Some(place) => &mut self.built_in[place],
            None => self.named.entry(code).or_default(),
        };
        *count = count.saturating_add(messages);
        if self.named.len() > MAX_NAMED
            && let Some((_, excess)) = self.named.pop_last()
        {
            self.add(FailureCode::OTHER, excess);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (code, messages) in other.iter() {
            self.add(code, messages);
        }
    }
}

/// Deserialised counts before they are checked.
#[derive(Deserialize)]
struct RawCounts {
    built_in: [u64; BUILT_IN.len()],
    named: BTreeMap<FailureCode, u64>,
}

/// Serialised counts with too many codes, or with a built-in code among the others.
#[derive(Debug, Error)]
#[error("invalid failure codes")]
struct InvalidCodes;

impl TryFrom<RawCounts> for FailureCounts {
    type Error = InvalidCodes;

    fn try_from(raw: RawCounts) -> Result<Self, InvalidCodes> {
        let RawCounts { built_in, named } = raw;
        if named.len() > MAX_NAMED || BUILT_IN.iter().any(|code| named.contains_key(code)) {
            return Err(InvalidCodes);
        }
        Ok(Self { built_in, named })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(codes: &[FailureCode]) -> FailureCounts {
        let mut counts = FailureCounts::default();
        for code in codes {
            counts.add(*code, 1);
        }
        counts
    }

    fn named(number: usize) -> FailureCode {
        format!("CODE_{number:02}").parse().unwrap()
    }

    fn read(raw: &serde_json::Value) -> Option<FailureCounts> {
        serde_json::from_value(raw.clone()).ok()
    }

    #[test]
    fn the_first_16_codes_of_the_alphabet_count_separately_and_the_rest_as_other() {
        let all: Vec<FailureCode> = (0..20).rev().map(named).chain([FailureCode::UNKNOWN]).collect();
        let found: Vec<(FailureCode, u64)> = counts(&all).iter().collect();
        let first = (0..16).map(|number| (named(number), 1));
        let built_in = [(FailureCode::UNKNOWN, 1), (FailureCode::OTHER, 4)];
        assert_eq!(found, built_in.into_iter().chain(first).collect::<Vec<_>>());
    }

    #[test]
    fn counts_saturate() {
        let mut full = FailureCounts::default();
        full.add(named(1), u64::MAX);
        full.merge(&full.clone());
        assert_eq!(full.iter().collect::<Vec<_>>(), [(named(1), u64::MAX)]);
    }

    #[test]
    fn serialised_counts_with_invalid_codes_are_an_error() {
        let raw =
            |named: serde_json::Value| serde_json::json!({ "built_in": [0, 0, 0, 7, 0], "named": named });
        let codes = |count: usize| {
            let codes = (0..count).map(|number| (named(number).to_string(), 1.into()));
            serde_json::Value::Object(codes.collect())
        };
        assert!(read(&raw(codes(16))).is_some());
        assert!(read(&raw(codes(17))).is_none());
        assert!(read(&raw(serde_json::json!({ "UNKNOWN": 1 }))).is_none());
        assert!(read(&raw(serde_json::json!({ "lower": 1 }))).is_none());
    }

    proptest! {
        #[test]
        fn codes_beyond_the_limit_are_the_same_in_every_order(codes in prop::collection::vec(0..30_usize, 0..80), cuts in prop::array::uniform2(any::<prop::sample::Index>())) {
            let codes: Vec<FailureCode> =
                codes.into_iter().map(|code| if code < 5 { BUILT_IN[code] } else { named(code) }).collect();
            let all = counts(&codes);
            let mut reversed = codes.clone();
            reversed.reverse();
            prop_assert_eq!(&counts(&reversed), &all);
            let [one, other] = cuts.map(|cut| cut.index(codes.len() + 1));
            let (a, rest) = codes.split_at(one.min(other));
            let (b, c) = rest.split_at(one.max(other) - one.min(other));
            let mut left = counts(a);
            left.merge(&counts(b));
            left.merge(&counts(c));
            let mut right = counts(c);
            right.merge(&counts(b));
            let mut sum = counts(a);
            sum.merge(&right);
            prop_assert_eq!(&left, &all);
            prop_assert_eq!(&sum, &all);
            prop_assert_eq!(all.iter().map(|(_, count)| count).sum::<u64>(), codes.len() as u64);
            prop_assert_eq!(read(&serde_json::to_value(&all).unwrap()), Some(all));
        }
    }
}
