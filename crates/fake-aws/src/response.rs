//! Responses of the services, and what the statistics record of them.

use serde::Serialize;
use serde_json::{Value, json};

use crate::stats::OutcomeLag;

/// Why an on-demand table throttles a write, in the words of DynamoDB.
pub(crate) const THROTTLED_TABLE: &str = "Throughput exceeds the current capacity of your table or index. DynamoDB is \
    automatically scaling your table or index so please try again shortly. If exceptions persist, check if you have a \
    hot key: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html";

/// The response to one call.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// The error code of SQS's older query protocol, which some SDKs read.
    pub(crate) query_error: Option<String>,
    /// The name that the statistics count the call under.
    pub(crate) operation: &'static str,
    pub(crate) entries: u64,
    pub(crate) failed: u64,
    /// Entries that were throttled.
    pub(crate) throttled: u64,
    pub(crate) write_units: f64,
    pub(crate) read_units: f64,
    pub(crate) outcome_lag: OutcomeLag,
    /// Why the call is invalid, where it is.
    pub(crate) violation: Option<String>,
}

/// Why a service did not carry out a call.
#[derive(Debug, PartialEq)]
pub(crate) struct ServiceError {
    pub(crate) status: u16,
    pub(crate) namespace: &'static str,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Write units that the failed call consumed.
    pub(crate) write_units: f64,
    /// The item on which a condition failed, where it was requested.
    pub(crate) item: Option<Value>,
}

impl ServiceError {
    pub(crate) fn new(namespace: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, namespace, code, message: message.into(), write_units: 0.0, item: None }
    }

    pub(crate) fn sqs(code: &'static str, message: impl Into<String>) -> Self {
        Self::new("com.amazonaws.sqs", code, message)
    }

    pub(crate) fn dynamodb(code: &'static str, message: impl Into<String>) -> Self {
        Self::new("com.amazonaws.dynamodb.v20120810", code, message)
    }

    /// The table is on demand and has no capacity left for the write.
    pub(crate) fn throttled_table() -> Self {
        Self::dynamodb("ThrottlingException", THROTTLED_TABLE)
    }

    /// The call is invalid, or the fake does not support it.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("com.amazon.coral.validate", "ValidationException", message)
    }

    /// The caller violates the service's interface, as opposed to a failed condition or throttling.
    fn is_violation(&self) -> bool {
        ["ValidationException", "UnknownOperationException", "ResourceNotFoundException"].contains(&self.code)
    }
}

impl Response {
    pub(crate) fn ok(operation: &'static str, entries: usize, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            body,
            query_error: None,
            operation,
            entries: entries as u64,
            failed: 0,
            throttled: 0,
            write_units: 0.0,
            read_units: 0.0,
            outcome_lag: OutcomeLag::default(),
            violation: None,
        }
    }

    /// A response with a serialised body.
    pub(crate) fn json(operation: &'static str, entries: usize, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("the keys of responses are strings");
        Self::ok(operation, entries, body)
    }

    pub(crate) fn error(operation: &'static str, error: &ServiceError) -> Self {
        let ServiceError { namespace, code, message, item, .. } = error;
        let mut body = json!({ "__type": format!("{namespace}#{code}"), "message": message });
        if let Some(item) = item {
            body["Item"] = item.clone();
        }
        Self {
            status: error.status,
            failed: 1,
            write_units: error.write_units,
            violation: error.is_violation().then(|| format!("{operation}: {}", error.message)),
            ..Self::ok(operation, 0, body.to_string().into_bytes())
        }
    }
}

/// Reads a call's input. An unknown field is an error, since it could change the meaning of the call.
pub(crate) fn read<'b, T: serde::Deserialize<'b>>(body: &'b [u8]) -> Result<T, ServiceError> {
    serde_json::from_slice(body).map_err(|error| ServiceError::validation(error.to_string()))
}
