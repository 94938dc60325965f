//! A message, its name, and its form on the queue: what travels from the producer to a sender.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::delivery::Status;
use crate::escape::escape_control;
use crate::run::RunId;

/// The most messages a run may have: an index has nine digits.
pub const MAX_MESSAGES: u32 = 1_000_000_000;

/// What names a message everywhere: its run and its index in it, written `<run>#<index, 9 digits>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId {
    run: RunId,
    index: u32,
}

/// Why a text names no message.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("is no message id of the form <run>#<index, 9 digits>")]
pub struct ParseMessageIdError;

impl MessageId {
    /// Message `index` of `run`; `None` where the index has more than nine digits.
    pub fn new(run: RunId, index: u32) -> Option<Self> {
        (index < MAX_MESSAGES).then_some(Self { run, index })
    }

    /// The run it belongs to.
    pub fn run(self) -> RunId {
        self.run
    }

    /// Its place in the run's plan, from 0.
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
    type Err = ParseMessageIdError;

    fn from_str(text: &str) -> Result<Self, ParseMessageIdError> {
        let (run, index) = text.split_once('#').ok_or(ParseMessageIdError)?;
        if index.len() != 9 || !index.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseMessageIdError);
        }
        Ok(Self {
            run: RunId::canonical(run).ok_or(ParseMessageIdError)?,
            index: index.parse().map_err(|_| ParseMessageIdError)?,
        })
    }
}

/// One alert: to whom, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub id: MessageId,
    /// The receiver's number, E.164.
    pub phone: String,
    /// The text, 1 to 1,600 ASCII characters.
    pub body: String,
}

/// What the messages table says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRecord {
    /// Where it stands; `None` for a status this version does not know.
    pub status: Option<Status>,
    /// When it was created, ms since the epoch; this and the rest are `None` where the item does not say.
    pub created_at: Option<u64>,
    /// When it was concluded, ms since the epoch.
    pub concluded_at: Option<u64>,
    /// How long its delivery took, ms.
    pub delivery_ms: Option<u64>,
}

/// A message as it travels on the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// What travels.
    pub message: Message,
    /// The producer may have queued this message before: whoever receives it looks it up in the
    /// table before delivering it.
    pub possibly_repeated: bool,
}

/// Why a queue's body is no Stentor message.
#[derive(Debug, Error)]
#[error("is no Stentor message: {}", escape_control(.0))]
pub struct ParseQueueMessageError(String);

/// The JSON on the queue.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    id: std::borrow::Cow<'a, str>,
    phone: std::borrow::Cow<'a, str>,
    body: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

impl QueueMessage {
    /// The queue's form: a JSON object.
    pub fn to_json(&self) -> String {
        let wire = Wire {
            id: self.message.id.to_string().into(),
            phone: self.message.phone.as_str().into(),
            body: self.message.body.as_str().into(),
            repeated: self.possibly_repeated,
        };
        serde_json::to_string(&wire).expect("strings and a flag are always JSON")
    }

    /// Reads the queue's form; any other text is an error, never a panic.
    pub fn from_json(text: &str) -> Result<Self, ParseQueueMessageError> {
        let wire: Wire = serde_json::from_str(text).map_err(|e| ParseQueueMessageError(e.to_string()))?;
        let id = wire
            .id
            .parse()
            .map_err(|e: ParseMessageIdError| ParseQueueMessageError(format!("its id {e}")))?;
        Ok(Self {
            message: Message { id, phone: wire.phone.into_owned(), body: wire.body.into_owned() },
            possibly_repeated: wire.repeated,
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
    fn an_id_reads_back_and_has_nine_digits() {
        let id = id(7);
        assert!(id.to_string().ends_with("#000000007"));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(MessageId::new(id.run(), MAX_MESSAGES), None);
    }

    #[test]
    fn what_is_no_id_is_refused() {
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
            assert_eq!(bad.parse::<MessageId>(), Err(ParseMessageIdError), "{bad:?}");
        }
    }

    #[test]
    fn the_first_and_the_ten_millionth_id_read_back() {
        for (index, end) in [(0, "#000000000"), (9_999_999, "#009999999"), (MAX_MESSAGES - 1, "#999999999")] {
            assert!(id(index).to_string().ends_with(end));
            assert_eq!(id(index).to_string().parse(), Ok(id(index)));
        }
    }

    #[test]
    fn what_is_no_envelope_is_told_without_a_control_character() {
        for body in [
            "\u{1b}[2J",
            r#"{"id":"\u001b[2J","phone":"","body":""}"#,
            r#"{"id":"x","phone":"","body":"","repeated":"\u001b[2J\u009b"}"#,
            r#"{"\u001b[2J":1}"#,
        ] {
            let told = QueueMessage::from_json(body).unwrap_err().to_string();
            assert!(!told.contains(char::is_control), "{told:?}");
        }
        assert_eq!(
            ParseQueueMessageError("\u{1b}\n".into()).to_string(),
            "is no Stentor message: \\u{1b}\\n"
        );
    }

    #[test]
    fn an_unmarked_envelope_carries_no_mark() {
        let message = Message { id: id(1), phone: "+12125550100".into(), body: "Hi".into() };
        let mut envelope = QueueMessage { message, possibly_repeated: false };
        assert!(!envelope.to_json().contains("repeated"));
        envelope.possibly_repeated = true;
        assert!(envelope.to_json().contains("\"repeated\":true"));
    }

    proptest! {
        #[test]
        fn the_wire_form_reads_back(index in 0..MAX_MESSAGES, phone in ".*", body in ".*", possibly_repeated: bool) {
            let envelope = QueueMessage { message: Message { id: id(index), phone, body }, possibly_repeated };
            prop_assert_eq!(QueueMessage::from_json(&envelope.to_json()).unwrap(), envelope);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = QueueMessage::from_json(&text);
        }
    }
}
