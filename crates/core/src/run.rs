//! A run and its plan. The same seed and length or text give the same message `i` of a run, always.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use rand::RngExt;
use thiserror::Error;
use ulid::Ulid;

use crate::ParseError;
use crate::alert_text::AlertText;
use crate::message::{MAX_MESSAGES, Message, MessageId};
use crate::rng::{self, RngStream};

/// The longest message body, in characters: ten SMS of 160.
pub const MAX_LENGTH: u16 = 1_600;

/// The characters of a message body: ASCII letters, digits, space and `.,!?'-`.
pub const ALPHABET: &[u8; 69] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,!?'-";

/// The ID of a run: a ULID. IDs sort by the time of their creation, by the clocks of the machines that made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(Ulid);

impl RunId {
    /// Creates the ID of a run of this time (ms since the epoch); `random` separates runs of the same millisecond.
    pub fn from_parts(created_at: u64, random: u128) -> Self {
        Self(Ulid::from_parts(created_at, random))
    }

    /// Parses only upper case, as [`fmt::Display`] writes it: a table key has one spelling.
    pub(crate) fn parse_uppercase(text: &str) -> Option<Self> {
        let run: Self = text.parse().ok()?;
        (run.to_string() == text).then_some(run)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let expected = ParseError("expected a run ID: a ULID of 26 letters and digits");
        Ulid::from_string(text).map(Self).map_err(|_| expected)
    }
}

/// The parameters of a run. Two runs with the same seed and length have the same bodies and phone numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    run: RunId,
    seed: u64,
    total: u32,
    body: Body,
}

/// The message bodies of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    Random(BodyLength),
    Same(AlertText),
}

/// The length of the message bodies of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLength {
    /// The maximum length in characters, 1 to [`MAX_LENGTH`].
    pub max: u16,
    /// Makes every body exactly `max` characters long, instead of 1 to `max`.
    pub exact: bool,
}

/// A parameter of a plan that is out of range.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct InvalidPlan(String);

impl Plan {
    /// Creates a plan of `total` messages, 1 to [`MAX_MESSAGES`], with random texts.
    pub fn new(run: RunId, seed: u64, total: u32, length: BodyLength) -> Result<Self, InvalidPlan> {
        if !(1..=MAX_LENGTH).contains(&length.max) {
            return Err(InvalidPlan(format!("a length of {} is outside 1 to {MAX_LENGTH}", length.max)));
        }
        Self::with_body(run, seed, total, Body::Random(length))
    }

    /// Creates a plan of `total` messages, 1 to [`MAX_MESSAGES`], all with the same text.
    pub fn with_text(run: RunId, seed: u64, total: u32, text: AlertText) -> Result<Self, InvalidPlan> {
        Self::with_body(run, seed, total, Body::Same(text))
    }

    fn with_body(run: RunId, seed: u64, total: u32, body: Body) -> Result<Self, InvalidPlan> {
        if !(1..=MAX_MESSAGES).contains(&total) {
            return Err(InvalidPlan(format!("{total} messages are outside 1 to {MAX_MESSAGES}")));
        }
        Ok(Self { run, seed, total, body })
    }

    /// Returns the ID of the run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Returns the seed of the random generator.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the number of messages.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Returns the length of the message bodies.
    pub fn length(&self) -> BodyLength {
        match &self.body {
            Body::Random(length) => *length,
            Body::Same(text) => BodyLength { max: text.characters(), exact: true },
        }
    }

    /// Returns the text of all messages; `None` where each has a random one.
    pub fn text(&self) -> Option<&AlertText> {
        match &self.body {
            Body::Random(_) => None,
            Body::Same(text) => Some(text),
        }
    }

    /// Iterates over the message IDs of the indices that are within the plan.
    pub fn ids(&self, indices: Range<u32>) -> impl Iterator<Item = MessageId> + use<> {
        let run = self.run;
        (indices.start..indices.end.min(self.total)).filter_map(move |index| MessageId::new(run, index))
    }

    /// Iterates over the indices of all messages in chunks of up to `size` (at least 1).
    pub fn chunks(&self, size: usize) -> impl Iterator<Item = Range<u32>> + use<> {
        let total = self.total;
        let length = u32::try_from(size).unwrap_or(u32::MAX);
        (0..total).step_by(size.max(1)).map(move |first| first..first.saturating_add(length).min(total))
    }

    /// Generates the message with this ID, whose index is within the plan.
    pub fn message(&self, id: MessageId) -> Message {
        let mut rng = rng::for_message(RngStream::Message, self.seed, id.index(), 0);
        let phone = phone(&mut rng);
        let body = match &self.body {
            Body::Random(length) => random_body(*length, &mut rng),
            Body::Same(text) => text.to_string(),
        };
        Message { id, phone, body }
    }
}

fn random_body(length: BodyLength, rng: &mut impl rand::Rng) -> String {
    let length = if length.exact { length.max } else { rng.random_range(1..=length.max) };
    (0..length).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

/// Draws a valid number of the North American Numbering Plan: area code `[2-9][0-8]X`,
/// exchange `[2-9]XX`, neither ending in 11 (NANPA, "About the North American Numbering Plan").
fn phone(rng: &mut impl rand::Rng) -> String {
    let not_ending_in_11 = |number: u16| number % 100 != 11;
    let area = loop {
        let area = rng.random_range(2..=9) * 100 + rng.random_range(0..=8) * 10 + rng.random_range(0..=9);
        if not_ending_in_11(area) {
            break area;
        }
    };
    let exchange = loop {
        let exchange = rng.random_range(200..=999);
        if not_ending_in_11(exchange) {
            break exchange;
        }
    };
    format!("+1{area}{exchange}{:04}", rng.random_range(0..=9999))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn plan(random: u128, seed: u64, total: u32, max: u16, exact: bool) -> Plan {
        Plan::new(RunId::from_parts(1_700_000_000_000, random), seed, total, BodyLength { max, exact })
            .unwrap()
    }

    fn messages(plan: &Plan) -> Vec<Message> {
        plan.ids(0..plan.total()).map(|id| plan.message(id)).collect()
    }

    fn is_valid_nanp(phone: &str) -> bool {
        let digits: Vec<u8> = phone.bytes().skip(2).map(|byte| byte.wrapping_sub(b'0')).collect();
        phone.starts_with("+1")
            && digits.len() == 10
            && digits.iter().all(|digit| *digit <= 9)
            && digits[0] >= 2
            && digits[1] <= 8
            && digits[3] >= 2
            && digits[1..3] != [1, 1]
            && digits[4..6] != [1, 1]
    }

    #[test]
    fn bodies_use_every_character_of_the_alphabet() {
        let promised: HashSet<char> =
            ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(" .,!?'-".chars()).collect();
        let ours: HashSet<char> = ALPHABET.iter().map(|byte| char::from(*byte)).collect();
        assert_eq!(ours, promised);
        let used: HashSet<char> = messages(&plan(1, 2, 500, 100, false))
            .iter()
            .flat_map(|m| m.body.chars().collect::<Vec<_>>())
            .collect();
        assert_eq!(used, promised, "500 bodies contain every character and no other");
    }

    #[test]
    fn lengths_are_uniform_over_the_whole_range() {
        let mut seen = [0_u32; 101];
        for message in messages(&plan(1, 2, 20_000, 100, false)) {
            seen[message.body.len()] += 1;
        }
        assert_eq!(seen[0], 0);
        // 200 expected of each length, standard deviation 14.
        assert!(seen[1..].iter().all(|count| (120..280).contains(count)), "{seen:?}");
    }

    #[test]
    fn an_exact_length_applies_to_every_body() {
        assert!(messages(&plan(1, 2, 200, 37, true)).iter().all(|message| message.body.len() == 37));
    }

    #[test]
    fn a_text_is_the_body_of_every_message_and_leaves_the_phone_numbers_as_they_are() {
        let random = plan(1, 2, 50, 100, false);
        let text: AlertText = "Übung: Gebäude räumen".parse().unwrap();
        let same = Plan::with_text(random.run(), 2, 50, text.clone()).unwrap();
        assert_eq!((same.text(), same.length()), (Some(&text), BodyLength { max: 21, exact: true }));
        for (one, other) in messages(&same).into_iter().zip(messages(&random)) {
            assert_eq!((one.body.as_str(), one.phone), (text.as_str(), other.phone));
        }
        assert!(Plan::with_text(random.run(), 2, 0, text).is_err());
    }

    #[test]
    fn a_plan_out_of_range_is_rejected() {
        let run = RunId::from_parts(0, 0);
        for (total, max) in [(0, 100), (MAX_MESSAGES + 1, 100), (1, 0), (1, MAX_LENGTH + 1)] {
            assert!(Plan::new(run, 0, total, BodyLength { max, exact: false }).is_err(), "{total} {max}");
        }
    }

    #[test]
    fn chunks_cover_a_plan_without_gap_or_overlap() {
        for (total, chunks, last) in [(1, 1, 0..1), (100, 1, 0..100), (101, 2, 100..101)] {
            let plan = plan(1, 2, total, 100, false);
            assert_eq!((plan.chunks(100).count(), plan.chunks(100).last()), (chunks, Some(last)));
        }
        let plan = plan(1, 2, 10_000_000, 100, false);
        let mut end = 0;
        for chunk in plan.chunks(100) {
            assert_eq!((chunk.start, chunk.len()), (end, 100));
            end = chunk.end;
        }
        assert_eq!(end, 10_000_000);
        let last: Vec<String> = plan.ids(9_999_999..u32::MAX).map(|id| id.to_string()).collect();
        assert_eq!(last, [format!("{}#009999999", plan.run())]);
        assert_eq!(plan.message(MessageId::new(plan.run(), 9_999_999).unwrap()).phone.len(), 12);
    }

    #[test]
    fn a_later_run_has_the_greater_id() {
        assert!(RunId::from_parts(2, 0) > RunId::from_parts(1, u128::MAX >> 48));
        assert!(RunId::from_parts(2, 0).to_string() > RunId::from_parts(1, 7).to_string());
    }

    /// A resumed run must continue with the same messages, also in a later version.
    #[test]
    fn message_number_7_of_seed_42_never_changes() {
        let plan = plan(1, 42, 10, 30, false);
        let message = plan.message(MessageId::new(plan.run(), 7).unwrap());
        assert_eq!(
            (message.phone.as_str(), message.body.as_str()),
            ("+16229314657", "aFe0NyF8OuAtDP-gyp-U3Y")
        );
    }

    proptest! {
        #[test]
        fn a_message_depends_only_on_seed_and_index(random: u128, other: u128, seed: u64, index in 0..1_000_u32, max in 1..=MAX_LENGTH, exact: bool) {
            let (one, other) = (plan(random, seed, 1_000, max, exact), plan(other, seed, 1_000, max, exact));
            let of = |plan: &Plan| plan.message(MessageId::new(plan.run(), index).unwrap());
            let (one, other) = (of(&one), of(&other));
            prop_assert_eq!((one.phone, one.body), (other.phone, other.body));
        }

        #[test]
        fn every_message_has_a_valid_body_and_phone_number(seed: u64, index in 0..MAX_MESSAGES, max in 1..=MAX_LENGTH) {
            let plan = plan(1, seed, MAX_MESSAGES, max, false);
            let message = plan.message(MessageId::new(plan.run(), index).unwrap());
            prop_assert!((1..=usize::from(max)).contains(&message.body.len()));
            prop_assert!(message.body.bytes().all(|byte| ALPHABET.contains(&byte)));
            prop_assert!(is_valid_nanp(&message.phone), "{}", message.phone);
        }

        #[test]
        fn another_seed_or_index_gives_another_message(seed: u64, index in 0..1_000_u32) {
            let plan_of = |seed| plan(1, seed, 1_001, 100, true);
            let text = |plan: Plan, index| plan.message(MessageId::new(plan.run(), index).unwrap()).body;
            prop_assert_ne!(text(plan_of(seed), index), text(plan_of(seed), index + 1));
            prop_assert_ne!(text(plan_of(seed), index), text(plan_of(seed.wrapping_add(1)), index));
        }
    }
}
