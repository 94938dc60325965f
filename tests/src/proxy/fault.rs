//! The faults of AWS and of the network, and the calls that each can affect.

use std::collections::BTreeMap;

use serde_json::Value;

use super::http::Request;

/// A call of a program.
#[derive(Debug, Clone)]
pub struct Call {
    /// The service called.
    pub service: Service,
    /// The operation, such as `SendMessageBatch`.
    pub operation: String,
    /// The request body.
    pub input: Value,
}

impl Call {
    /// Reads the call of a request to a service; `None` for another request.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let (service, operation) = request.headers.get("x-amz-target")?.split_once('.')?;
        let service = match service {
            "AmazonSQS" => Service::Sqs,
            "DynamoDB_20120810" => Service::DynamoDb,
            _ => return None,
        };
        let input = serde_json::from_slice(&request.body).ok()?;
        Some(Self { service, operation: operation.to_owned(), input })
    }

    /// The first statement of a PartiQL batch.
    pub fn statement(&self) -> Option<&str> {
        self.input["Statements"][0]["Statement"].as_str()
    }

    /// The table or queue of the call.
    pub fn resource(&self) -> Option<&str> {
        let of_batch = || self.input["RequestItems"].as_object()?.keys().next().map(String::as_str);
        let of_queue = || self.input["QueueUrl"].as_str()?.rsplit('/').next();
        let of_statement = || self.statement()?.split('"').nth(1);
        let named = self.input["TableName"].as_str().or(self.input["QueueName"].as_str());
        named.or_else(of_batch).or_else(of_queue).or_else(of_statement)
    }
}

/// A service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Amazon SQS.
    Sqs,
    /// Amazon `DynamoDB`.
    DynamoDb,
}

/// A fault that the proxy injects into a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProxyFault {
    /// HTTP 500; the request is not forwarded.
    InternalError,
    /// HTTP 503; the request is not forwarded.
    Unavailable,
    /// DynamoDB: the partition is throttled.
    ProvisionedThroughputExceeded,
    /// DynamoDB: the table is throttled.
    DynamoThrottling,
    /// DynamoDB: the account is throttled.
    RequestLimitExceeded,
    /// SQS: too many requests.
    RequestThrottled,
    /// SQS: too many requests, with the code of the JSON protocol.
    SqsThrottling,
    /// SQS: too many messages in flight.
    OverLimit,
    /// The credentials have expired, and are renewed soon.
    ExpiredToken,
    /// The connection is reset; the request is not forwarded.
    ResetBefore,
    /// As the one before, of a program's first call; not in a mix.
    ResetAtStart,
    /// The connection is reset after the service carried out the call.
    AnswerLost,
    /// HTTP 500 after the service carried out the call.
    InternalErrorAfterwards,
    /// The connection stays open without a response.
    Silence,
    /// The response comes in small pieces over seconds.
    SlowDrip,
    /// The response comes seconds late.
    Latency,
    /// Connections are refused for seconds.
    Refused,
    /// Entries of an SQS batch that the service failed to carry out.
    EntryFailed,
    /// Entries of an SQS batch that were throttled, reported as a sender fault.
    EntryThrottled,
    /// Entries of an SQS batch that were carried out and are reported as failed.
    EntryAnswerLost,
    /// Throttled statements in a response with HTTP status 200.
    StatementThrottled,
    /// Failed statements in a response with status 200: the partition is throttled.
    StatementThroughputExceeded,
    /// Failed statements in a response with status 200: the account is throttled.
    StatementLimitExceeded,
    /// Failed statements in a response with status 200.
    StatementFailed,
    /// Failed statements in a response with status 200: they conflict with another write.
    StatementConflict,
    /// Statements that were carried out, and are reported as failed in a response with status 200.
    StatementAnswerLost,
    /// The response to a failed condition lacks the item.
    ItemNotReturned,
    /// Keys of a batch read that were not read.
    UnprocessedKeys,
    /// A message is received twice at the same time.
    DeliveredTwice,
    /// The queue's approximate counts are 0 while messages are visible.
    CountsTooLow,
    /// The queue's approximate counts include deleted messages.
    CountsTooHigh,
    /// A receipt handle has expired.
    StaleReceipt,
}

use ProxyFault as F;
use Service::{DynamoDb, Sqs};

impl ProxyFault {
    /// All faults.
    pub const ALL: [Self; 31] = [
        F::InternalError,
        F::Unavailable,
        F::ProvisionedThroughputExceeded,
        F::DynamoThrottling,
        F::RequestLimitExceeded,
        F::RequestThrottled,
        F::SqsThrottling,
        F::OverLimit,
        F::ExpiredToken,
        F::ResetBefore,
        F::AnswerLost,
        F::InternalErrorAfterwards,
        F::Silence,
        F::SlowDrip,
        F::Latency,
        F::Refused,
        F::EntryFailed,
        F::EntryThrottled,
        F::EntryAnswerLost,
        F::StatementThrottled,
        F::StatementThroughputExceeded,
        F::StatementLimitExceeded,
        F::StatementFailed,
        F::StatementConflict,
        F::StatementAnswerLost,
        F::ItemNotReturned,
        F::UnprocessedKeys,
        F::DeliveredTwice,
        F::CountsTooLow,
        F::CountsTooHigh,
        F::StaleReceipt,
    ];

    /// Returns the name for reports.
    pub fn name(self) -> String {
        let mut words = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_uppercase() && !words.is_empty() {
                words.push(' ');
            }
            words.push(letter.to_ascii_lowercase());
        }
        words
    }

    /// Whether it can affect this call.
    pub fn can_affect(self, call: &Call) -> bool {
        let is = |operations: &[&str]| operations.contains(&call.operation.as_str());
        match self {
            F::InternalError | F::Unavailable => true,
            F::ResetAtStart => is(&["GetQueueUrl"]),
            // A program's first call checks credentials and endpoint, and is repeated for a few seconds only.
            F::ExpiredToken
            | F::ResetBefore
            | F::AnswerLost
            | F::InternalErrorAfterwards
            | F::Silence
            | F::SlowDrip
            | F::Latency
            | F::Refused => !is(&["GetQueueUrl"]),
            F::ProvisionedThroughputExceeded | F::DynamoThrottling | F::RequestLimitExceeded => {
                call.service == DynamoDb
            }
            F::RequestThrottled | F::SqsThrottling => call.service == Sqs,
            F::OverLimit | F::DeliveredTwice => is(&["ReceiveMessage"]),
            F::EntryFailed | F::EntryThrottled | F::EntryAnswerLost => {
                is(&["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"])
            }
            F::StatementThrottled
            | F::StatementThroughputExceeded
            | F::StatementLimitExceeded
            | F::StatementFailed
            | F::StatementConflict
            | F::StatementAnswerLost
            | F::ItemNotReturned => is(&["BatchExecuteStatement"]),
            F::UnprocessedKeys => is(&["BatchGetItem"]),
            F::CountsTooLow | F::CountsTooHigh => is(&["GetQueueAttributes"]),
            F::StaleReceipt => is(&["DeleteMessageBatch", "ChangeMessageVisibilityBatch"]),
        }
    }

    /// Returns by what factor the fault is rarer in a mix, since each one takes seconds.
    fn rarity(self) -> f64 {
        match self {
            F::Silence => 40.0,
            F::Refused => 20.0,
            F::SlowDrip | F::Latency => 4.0,
            _ => 1.0,
        }
    }
}

/// The probability of each fault in the calls that it can affect.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan(BTreeMap<ProxyFault, f64>);

impl FaultPlan {
    /// No fault.
    pub fn none() -> Self {
        Self::default()
    }

    /// One fault with that probability, from 0 to 1.
    pub fn only(fault: ProxyFault, probability: f64) -> Self {
        Self(BTreeMap::from([(fault, probability)]))
    }

    /// Adds a fault. Of two that can affect a call, the earlier variant of [`ProxyFault`] is tried first.
    pub fn and(mut self, fault: ProxyFault, probability: f64) -> Self {
        self.0.insert(fault, probability);
        self
    }

    /// All faults, so that about that fraction of the calls fails.
    pub fn mix(share: f64) -> Self {
        // About half of the faults can affect any one call.
        let each = share * 2.0 / ProxyFault::ALL.len() as f64;
        Self(ProxyFault::ALL.into_iter().map(|fault| (fault, each / fault.rarity())).collect())
    }

    /// Chooses the fault of a call from a random number from 0 to 1.
    pub(crate) fn choose(&self, call: &Call, mut draw: f64) -> Option<ProxyFault> {
        for (fault, probability) in self.0.iter().filter(|(fault, _)| fault.can_affect(call)) {
            if draw < *probability {
                return Some(*fault);
            }
            draw -= probability;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(service: Service, operation: &str) -> Call {
        Call { service, operation: operation.to_owned(), input: Value::Null }
    }

    #[test]
    fn a_plan_chooses_faults_by_call_and_probability() {
        let plan = FaultPlan::only(ProxyFault::OverLimit, 0.25);
        let receive = call(Sqs, "ReceiveMessage");
        assert_eq!(plan.choose(&receive, 0.24), Some(ProxyFault::OverLimit));
        assert_eq!(plan.choose(&receive, 0.26), None);
        assert_eq!(plan.choose(&call(Sqs, "SendMessageBatch"), 0.0), None);
        let always = FaultPlan::only(ProxyFault::AnswerLost, 1.0);
        assert_eq!(always.choose(&receive, 0.999), Some(ProxyFault::AnswerLost));
    }

    #[test]
    fn every_fault_can_affect_some_call_of_the_programs() {
        let calls = [
            call(Sqs, "ReceiveMessage"),
            call(Sqs, "DeleteMessageBatch"),
            call(Sqs, "GetQueueAttributes"),
            call(DynamoDb, "BatchExecuteStatement"),
            call(DynamoDb, "BatchGetItem"),
        ];
        for fault in ProxyFault::ALL {
            assert!(calls.iter().any(|call| fault.can_affect(call)), "{fault:?}");
        }
        let names: std::collections::BTreeSet<_> =
            ProxyFault::ALL.into_iter().map(ProxyFault::name).collect();
        assert_eq!(names.len(), ProxyFault::ALL.len());
        assert!(names.contains("answer lost"));
    }
}
