//! Faults that tests inject into the calls of DynamoDB.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::response::{Response, ServiceError};

/// How long a silent fault delays the response: less than a client's timeout.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// How a call to DynamoDB fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It succeeds.
    None,
    /// It is throttled.
    Throttled,
    /// It fails with this HTTP status, 500 or 503, and is not carried out.
    Failed(u16),
    /// It is denied with an error that no retry can overcome.
    Refused,
    /// The connection is closed before the call is carried out.
    LostBefore,
    /// The call is carried out, and the connection is closed without a response.
    LostAfter,
    /// The connection is closed, and the call is carried out only when this many later calls have come, at least 1.
    Late(usize),
    /// The call is carried out, and its response comes after seconds.
    Silent,
    /// The caller's process is killed before the call is carried out.
    KillBefore,
    /// The call is carried out, and the caller's process is killed before the response.
    KillAfter,
}

/// Ends the process of a caller and waits for its end.
pub(crate) type Kill = Arc<dyn Fn() + Send + Sync>;

/// The faults of the next calls, and the calls that are to be carried out late.
#[derive(Default)]
pub(crate) struct FaultQueue {
    /// The faults of the next calls; those after them succeed.
    pub(crate) next: VecDeque<Fault>,
    late: Vec<LateCall>,
    /// By access key.
    pub(crate) callers: HashMap<String, Kill>,
}

/// A call that is carried out when `remaining` more calls have come.
#[derive(Debug)]
struct LateCall {
    remaining: usize,
    operation: String,
    body: Vec<u8>,
}

/// Operation and body of a call that is due.
pub(crate) type DueCall = (String, Vec<u8>);

impl FaultQueue {
    pub(crate) fn add_late(&mut self, calls: usize, operation: &str, body: &[u8]) {
        self.late.push(LateCall { remaining: calls, operation: operation.to_owned(), body: body.to_owned() });
    }

    /// Counts one call, and takes the late calls that are due with it.
    pub(crate) fn take_due(&mut self) -> Vec<DueCall> {
        for call in &mut self.late {
            call.remaining = call.remaining.saturating_sub(1);
        }
        let due = self.late.extract_if(.., |call| call.remaining == 0);
        due.map(|call| (call.operation, call.body)).collect()
    }

    /// Drops all faults, and takes all late calls.
    pub(crate) fn clear(&mut self) -> Vec<DueCall> {
        self.next.clear();
        self.late.drain(..).map(|call| (call.operation, call.body)).collect()
    }
}

impl fmt::Debug for FaultQueue {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("FaultQueue")
            .field("next", &self.next)
            .field("late", &self.late)
            .finish_non_exhaustive()
    }
}

pub(crate) fn throttled() -> Response {
    let message = "The level of configured provisioned throughput for the table was exceeded. Consider increasing \
                   your provisioning level with the UpdateTable API.";
    Response::error("throttled", &ServiceError::dynamodb("ProvisionedThroughputExceededException", message))
}

pub(crate) fn failed(status: u16) -> Response {
    let message = "The request processing has failed because of an unknown error, exception or failure.";
    let error = ServiceError { status, ..ServiceError::dynamodb("InternalServerError", message) };
    let mut response = Response::error("failed", &error);
    if status == 503 {
        response.body = b"<html><body>Service Unavailable</body></html>".to_vec();
    }
    response
}

pub(crate) fn denied() -> Response {
    let message = "User is not authorized to perform it";
    Response::error(
        "denied",
        &ServiceError::new("com.amazon.coral.service", "AccessDeniedException", message),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_call_is_due_after_that_many_calls() {
        let mut faults = FaultQueue::default();
        faults.add_late(2, "PutItem", b"{}");
        faults.add_late(1, "GetItem", b"");
        assert_eq!(faults.take_due(), [("GetItem".to_owned(), Vec::new())]);
        assert_eq!(faults.take_due(), [("PutItem".to_owned(), b"{}".to_vec())]);
        assert!(faults.take_due().is_empty() && faults.clear().is_empty());
    }
}
