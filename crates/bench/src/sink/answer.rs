//! What the sink answers a call.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::counts::Lags;

/// An answer, and what the counts are told of it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// The code in the words of SQS's older protocol, which some SDKs go by.
    pub(super) query_error: Option<String>,
    /// What the call is counted as.
    pub(super) operation: &'static str,
    pub(super) entries: u64,
    pub(super) refused: u64,
    pub(super) write_units: f64,
    pub(super) read_units: f64,
    pub(super) lags: Lags,
}

/// Why a call was not carried out.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// The item that failed the condition, as JSON, where it was asked for.
    pub(super) item: Option<String>,
    /// What the try took all the same.
    pub(super) write_units: f64,
}

impl Refusal {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into(), item: None, write_units: 0.0 }
    }

    /// The call is not as it should be, or the sink does not know it.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("com.amazon.coral.validate#ValidationException", message)
    }

    /// The code without its namespace.
    pub(super) fn short_code(&self) -> &'static str {
        self.code.rsplit('#').next().unwrap_or(self.code)
    }
}

impl Answer {
    pub(super) fn ok(operation: &'static str, entries: usize, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            body,
            query_error: None,
            operation,
            entries: entries as u64,
            refused: 0,
            write_units: 0.0,
            read_units: 0.0,
            lags: Lags::default(),
        }
    }

    /// An answer that serde writes.
    pub(super) fn of(operation: &'static str, entries: usize, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("answers have texts for keys");
        Self::ok(operation, entries, body)
    }

    pub(super) fn refusal(operation: &'static str, refusal: &Refusal) -> Self {
        let message = serde_json::to_string(&refusal.message).expect("a text is JSON");
        let item = refusal.item.as_ref().map_or(String::new(), |item| format!(",\"Item\":{item}"));
        let body = format!(r#"{{"__type":"{}","message":{message}{item}}}"#, refusal.code);
        let mut answer = Self::ok(operation, 0, body.into_bytes());
        answer.status = refusal.status;
        answer.refused = 1;
        answer.write_units = refusal.write_units;
        answer
    }
}

/// Reads a call's input. A field that the sink does not know is an error: it could change what is meant.
pub(super) fn read<'b, T: serde::Deserialize<'b>>(body: &'b [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::validation(error.to_string()))
}

/// A field that may be left out or null; both mean its default.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + DeserializeOwned,
{
    <Option<T> as serde::Deserialize>::deserialize(deserializer).map(Option::unwrap_or_default)
}
