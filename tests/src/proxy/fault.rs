//! The faults that AWS and the way to it have, and which calls each can strike.

use std::collections::BTreeMap;

use serde_json::Value;

/// A call of a program, as the proxy sees it.
#[derive(Debug, Clone)]
pub struct Call {
    /// What serves it.
    pub service: Service,
    /// Its name, such as `SendMessageBatch`.
    pub operation: String,
    /// What it asks.
    pub input: Value,
}

impl Call {
    /// The first statement of a `PartiQL` batch.
    pub fn statement(&self) -> Option<&str> {
        self.input["Statements"][0]["Statement"].as_str()
    }

    /// The table or queue that it is about.
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

/// Something that goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// HTTP 500 before the service saw the request.
    InternalError,
    /// HTTP 503 before the service saw the request.
    Unavailable,
    /// `DynamoDB`: the table's partition takes no more.
    ProvisionedThroughputExceeded,
    /// `DynamoDB`: the table's control takes no more.
    DynamoThrottling,
    /// `DynamoDB`: the account takes no more.
    RequestLimitExceeded,
    /// SQS: too many requests.
    RequestThrottled,
    /// SQS: too many requests, in the words of the JSON protocol.
    SqsThrottling,
    /// SQS: too many messages in flight.
    OverLimit,
    /// The credentials have expired, and are renewed in a moment.
    ExpiredToken,
    /// The connection is reset before the service saw the request.
    ResetBefore,
    /// The answer is lost after the service did the work: the connection is reset.
    AnswerLost,
    /// The service did the work, and answers 500.
    InternalErrorAfterwards,
    /// The connection stays open and no answer comes.
    Silence,
    /// The answer comes in small pieces over seconds.
    SlowDrip,
    /// The answer comes late.
    Latency,
    /// Connections are refused for seconds.
    Refused,
    /// Entries of an SQS batch that the service failed to carry out.
    EntryFailed,
    /// Entries of an SQS batch that were throttled, told as the sender's fault.
    EntryThrottled,
    /// Entries of an SQS batch that were carried out and are told as failed.
    EntryAnswerLost,
    /// Statements inside an HTTP 200 that were throttled.
    StatementThrottled,
    /// Statements inside an HTTP 200 that found the partition busy.
    StatementThroughputExceeded,
    /// Statements inside an HTTP 200 that found the account busy.
    StatementLimitExceeded,
    /// Statements inside an HTTP 200 that failed.
    StatementFailed,
    /// Statements inside an HTTP 200 that met another write.
    StatementConflict,
    /// Statements that were carried out and are told as failed inside an HTTP 200.
    StatementAnswerLost,
    /// A failed condition comes without the item that failed it.
    ItemNotReturned,
    /// Keys of a batch read that were not read.
    UnprocessedKeys,
    /// A message is delivered twice at once.
    DeliveredTwice,
    /// The queue's counts say 0 while messages wait.
    CountsTooLow,
    /// The queue's counts tell of messages that are gone.
    CountsTooHigh,
    /// A receipt handle is of no use any more.
    StaleReceipt,
}

use Fault as F;
use Service::{DynamoDb, Sqs};

impl Fault {
    /// All of them.
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

    /// Its name in reports.
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

    /// Whether it can strike this call.
    pub fn can_strike(self, call: &Call) -> bool {
        let is = |operations: &[&str]| operations.contains(&call.operation.as_str());
        match self {
            F::InternalError | F::Unavailable => true,
            // A program's first call is to find out whether anybody answers at all.
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

    /// How much more seldom it comes in a storm than the others: it takes seconds each time.
    fn rarity(self) -> f64 {
        match self {
            F::Silence => 40.0,
            F::Refused => 20.0,
            F::SlowDrip | F::Latency => 4.0,
            _ => 1.0,
        }
    }
}

/// How likely each fault strikes a call that it can strike.
#[derive(Debug, Clone, Default)]
pub struct Weather(BTreeMap<Fault, f64>);

impl Weather {
    /// Nothing goes wrong.
    pub fn calm() -> Self {
        Self::default()
    }

    /// Just this, with that likelihood, from 0 to 1.
    pub fn only(fault: Fault, likelihood: f64) -> Self {
        Self(BTreeMap::from([(fault, likelihood)]))
    }

    /// That too; of two that could strike a call, the one that [`Fault`] names first is tried first.
    pub fn and(mut self, fault: Fault, likelihood: f64) -> Self {
        self.0.insert(fault, likelihood);
        self
    }

    /// Everything, so that about that share of the calls is struck.
    pub fn storm(share: f64) -> Self {
        // A call can be struck by about half of the kinds.
        let each = share * 2.0 / Fault::ALL.len() as f64;
        Self(Fault::ALL.into_iter().map(|fault| (fault, each / fault.rarity())).collect())
    }

    /// The fault that strikes the call, where `chance` (from 0 to 1) says so.
    pub(crate) fn strike(&self, call: &Call, mut chance: f64) -> Option<Fault> {
        for (fault, likelihood) in self.0.iter().filter(|(fault, _)| fault.can_strike(call)) {
            if chance < *likelihood {
                return Some(*fault);
            }
            chance -= likelihood;
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
    fn a_fault_strikes_what_it_can_and_as_often_as_told() {
        let weather = Weather::only(Fault::OverLimit, 0.25);
        let receive = call(Sqs, "ReceiveMessage");
        assert_eq!(weather.strike(&receive, 0.24), Some(Fault::OverLimit));
        assert_eq!(weather.strike(&receive, 0.26), None);
        assert_eq!(weather.strike(&call(Sqs, "SendMessageBatch"), 0.0), None);
        let always = Weather::only(Fault::AnswerLost, 1.0);
        assert_eq!(always.strike(&receive, 0.999), Some(Fault::AnswerLost));
    }

    #[test]
    fn every_fault_can_strike_some_call_of_the_programs() {
        let calls = [
            call(Sqs, "ReceiveMessage"),
            call(Sqs, "DeleteMessageBatch"),
            call(Sqs, "GetQueueAttributes"),
            call(DynamoDb, "BatchExecuteStatement"),
            call(DynamoDb, "BatchGetItem"),
        ];
        for fault in Fault::ALL {
            assert!(calls.iter().any(|call| fault.can_strike(call)), "{fault:?}");
        }
        let names: std::collections::BTreeSet<_> = Fault::ALL.into_iter().map(Fault::name).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        assert!(names.contains("answer lost"));
    }
}
