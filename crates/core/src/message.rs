//! A message, its ID, and its JSON on the queue.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ParseError;
use crate::delivery::Status;
use crate::escape::excerpt;
use crate::provider::code::FailureCode;
use crate::provider::parts::parts;
use crate::run::RunId;

/// The maximum number of messages of a run: an index has nine digits.
pub const MAX_MESSAGES: u32 = 1_000_000_000;

/// The ID of a message: its run and its index in the run, written `<run>#<index, 9 digits>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId {
    run: RunId,
    index: u32,
}

const INVALID_ID: ParseError = ParseError("invalid message ID: expected <run>#<index, 9 digits>");

impl MessageId {
    /// Creates the ID of message `index` of `run`, or `None` if the index has more than nine digits.
    pub fn new(run: RunId, index: u32) -> Option<Self> {
        (index < MAX_MESSAGES).then_some(Self { run, index })
    }

    /// Returns the ID of the message's run.
    pub fn run(self) -> RunId {
        self.run
    }

    /// Returns the index in the run's plan, from 0.
    pub fn index(self) -> u32 {
        self.index
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:09}", self.run, self.index)
    }
}

impl FromStr for MessageId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (run, index) = text.split_once('#').ok_or(INVALID_ID)?;
        if index.len() != 9 || !index.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(INVALID_ID);
        }
        Ok(Self {
            run: RunId::parse_uppercase(run).ok_or(INVALID_ID)?,
            index: index.parse().map_err(|_| INVALID_ID)?,
        })
    }
}

/// One alert: recipient and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The ID, unique in the stack.
    pub id: MessageId,
    /// The recipient's phone number, E.164.
    pub phone: String,
    /// The text, 1 to 1,600 characters.
    pub body: String,
}

impl Message {
    /// Returns the number of parts in which a provider sends the text, at least 1.
    pub fn parts(&self) -> u32 {
        parts(&self.body)
    }

    /// Serialises to the JSON object of a [`QueueMessage`].
    pub fn to_queue_json(&self, possibly_repeated: bool) -> String {
        let fields = JsonFields {
            id: self.id.to_string().into(),
            phone: self.phone.as_str().into(),
            body: self.body.as_str().into(),
            repeated: possibly_repeated,
        };
        serde_json::to_string(&fields).expect("strings and a flag are always JSON")
    }
}

/// The state of a message in the messages table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRecord {
    /// The status, or `None` if this version does not support it.
    pub status: Option<Status>,
    /// Time of creation, ms since the epoch. `None` if the item lacks a valid number, here and below.
    pub created_at: Option<u64>,
    /// Time of the outcome, ms since the epoch.
    pub concluded_at: Option<u64>,
    /// Duration of the last delivery attempt, ms.
    pub delivery_ms: Option<u64>,
    /// Parts of the text.
    pub parts: Option<u32>,
    /// Why the message is FAILED; `None` if the item has no valid failure code.
    pub reason: Option<FailureCode>,
}

/// The body of a queue message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// The message to deliver.
    pub message: Message,
    /// The producer may have sent this message before. A sender checks the table before it delivers the message.
    pub possibly_repeated: bool,
}

/// The longest reason of an invalid body, in characters. The parser quotes a value of the wrong type, of any length.
const MAX_REASON: usize = 160;

/// A text that is not the body of a queue message.
#[derive(Debug, Error)]
#[error("invalid message body: {}", excerpt(.0, MAX_REASON))]
pub struct ParseQueueMessageError(String);

/// The fields of the JSON object.
#[derive(Serialize, Deserialize)]
struct JsonFields<'a> {
    id: std::borrow::Cow<'a, str>,
    phone: std::borrow::Cow<'a, str>,
    body: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

impl QueueMessage {
    /// Parses the JSON object that [`Message::to_queue_json`] writes.
    pub fn from_json(text: &str) -> Result<Self, ParseQueueMessageError> {
        let fields: JsonFields =
            serde_json::from_str(text).map_err(|e| ParseQueueMessageError(e.to_string()))?;
        let id = fields.id.parse().map_err(|e: ParseError| ParseQueueMessageError(e.to_string()))?;
        Ok(Self {
            message: Message { id, phone: fields.phone.into_owned(), body: fields.body.into_owned() },
            possibly_repeated: fields.repeated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(index: u32) -> MessageId {
        MessageId::new(RunId::from_parts(1_700_000_000_000, 42), index).unwrap()
    }

    #[test]
    fn an_id_round_trips_and_has_nine_digits() {
        let id = id(7);
        assert!(id.to_string().ends_with("#000000007"));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(MessageId::new(id.run(), MAX_MESSAGES), None);
    }

    #[test]
    fn an_invalid_id_is_rejected() {
        let good = id(7).to_string();
        for bad in [
            "",
            "#",
            "x#000000001",
            &good[1..],
            &good[..good.len() - 1],
            &good.to_lowercase(),
            &format!("{good}0"),
        ] {
            assert_eq!(bad.parse::<MessageId>(), Err(INVALID_ID), "{bad:?}");
        }
    }

    #[test]
    fn ids_up_to_the_largest_index_round_trip() {
        for (index, end) in [(0, "#000000000"), (9_999_999, "#009999999"), (MAX_MESSAGES - 1, "#999999999")] {
            assert!(id(index).to_string().ends_with(end));
            assert_eq!(id(index).to_string().parse(), Ok(id(index)));
        }
    }

    #[test]
    fn parse_errors_are_short_and_contain_no_control_characters() {
        for body in [
            "\u{1b}[2J",
            r#"{"id":"\u001b[2J","phone":"","body":""}"#,
            r#"{"id":"x","phone":"","body":"","repeated":"\u001b[2J\u009b"}"#,
            r#"{"\u001b[2J":1}"#,
        ] {
            let error = QueueMessage::from_json(body).unwrap_err().to_string();
            assert!(!error.contains(char::is_control), "{error:?}");
        }
        let long = format!("\"{}\"", "x".repeat(250_000));
        let error = QueueMessage::from_json(&long).unwrap_err().to_string();
        assert!(error.len() < 200, "{} bytes", error.len());
        assert_eq!(ParseQueueMessageError("\u{1b}\n".into()).to_string(), "invalid message body: \\u{1b}\\n");
    }

    #[test]
    fn only_a_repeated_message_has_the_field_repeated() {
        let message = Message { id: id(1), phone: "+12125550100".into(), body: "Hi".into() };
        assert!(!message.to_queue_json(false).contains("repeated"));
        assert!(message.to_queue_json(true).contains("\"repeated\":true"));
    }

    proptest! {
        #[test]
        fn the_json_round_trips(index in 0..MAX_MESSAGES, phone in ".*", body in ".*", possibly_repeated: bool) {
            let queued = QueueMessage { message: Message { id: id(index), phone, body }, possibly_repeated };
            let json = queued.message.to_queue_json(possibly_repeated);
            prop_assert_eq!(QueueMessage::from_json(&json).unwrap(), queued);
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = QueueMessage::from_json(&text);
        }
    }
}
