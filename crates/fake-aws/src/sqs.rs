//! The calls of SQS, in the JSON protocol.

mod receipts;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::capacity::CallRates;
use crate::queue::{Queue, ReceivedMessage, hex, md5};
use crate::response::{Response, ServiceError, read};
use receipts::{change_batch, delete, delete_batch};

/// Maximum entries of a batch and messages of a receive (Amazon SQS API Reference, "`SendMessageBatch`").
const MAX_ENTRIES: usize = 10;

/// Maximum size of a message and of a batch, bytes.
const MAX_SIZE: usize = 1_024 * 1_024;

/// Default visibility timeout, and default wait time of a receive in seconds, as in the stack's template.
const VISIBILITY: Duration = Duration::from_secs(60);
const LONG_POLL: u64 = 20;

/// Maximum visibility timeout, seconds.
const MAX_VISIBILITY: u64 = 12 * 3_600;

/// One of the two queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueKind {
    Main,
    DeadLetters,
}

/// The queues and their names.
#[derive(Debug)]
pub(crate) struct Queues {
    /// The main queue and the dead letters, as in [`QueueKind`]; the same for the names.
    by_kind: [Queue; 2],
    names: [String; 2],
    /// In whole seconds.
    pub(crate) visibility_timeout: Duration,
    /// Prefix of the queues' URLs.
    base: String,
    /// What they accept; `None` for everything.
    pub(crate) call_rates: Option<CallRates>,
}

impl Queues {
    pub(crate) fn new(main_name: String, dead_letters_name: String, endpoint: &str) -> Self {
        let base = format!("{endpoint}/000000000000/");
        Self {
            by_kind: [Queue::default(), Queue::default()],
            names: [main_name, dead_letters_name],
            visibility_timeout: VISIBILITY,
            base,
            call_rates: None,
        }
    }

    fn by_name(&self, name: &str) -> Result<QueueKind, ServiceError> {
        let kinds = [QueueKind::Main, QueueKind::DeadLetters];
        kinds
            .into_iter()
            .find(|kind| self.names[*kind as usize] == name)
            .ok_or_else(|| ServiceError::sqs("QueueDoesNotExist", "The specified queue does not exist."))
    }

    fn by_url(&self, url: &str) -> Result<QueueKind, ServiceError> {
        self.by_name(url.rsplit('/').next().unwrap_or_default())
    }

    /// Counts a call against the rate of its operation. Returns `false` if the call is throttled.
    pub(crate) fn admits(&mut self, operation: &str) -> bool {
        self.call_rates.as_mut().is_none_or(|rates| rates.try_call(operation))
    }

    pub(crate) fn get(&mut self, kind: QueueKind) -> &mut Queue {
        &mut self.by_kind[kind as usize]
    }
}

/// A response of SQS, and its effect on the queues.
#[derive(Debug)]
pub(crate) struct CallResult {
    pub(crate) response: Response,
    /// The queue where messages became visible, and how many.
    pub(crate) visible: Option<(QueueKind, usize)>,
    /// Number of messages deleted from the main queue.
    pub(crate) deleted: usize,
}

impl CallResult {
    fn of(response: Response) -> Self {
        Self { response, visible: None, deleted: 0 }
    }
}

/// An error response, with the code of the older query protocol in a header.
pub(crate) fn error(operation: &'static str, error: &ServiceError) -> Response {
    let code = match error.code {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
        code => code,
    };
    Response { query_error: Some(format!("{code};Sender")), ..Response::error(operation, error) }
}

pub(crate) fn throttled() -> Response {
    let throttled = ServiceError::sqs("RequestThrottled", "Rate exceeded");
    error("throttled", &ServiceError { status: 403, ..throttled })
}

/// A call beyond the rate of its operation. All entries of a batch are throttled.
pub(crate) fn rate_exceeded(operation: &str, body: &[u8]) -> Response {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct AnyInput {
        #[serde(default)]
        entries: Vec<serde::de::IgnoredAny>,
    }
    let entries = serde_json::from_slice(body).map_or(0, |input: AnyInput| input.entries.len()).max(1) as u64;
    let name = if operation == "SendMessageBatch" { "SendMessageBatch" } else { "throttled" };
    Response { operation: name, entries, throttled: entries, ..throttled() }
}

/// Carries out a call other than `ReceiveMessage`.
pub(crate) fn call(queues: &mut Queues, operation: &str, body: &[u8], now: Instant) -> CallResult {
    let (operation, result) = match operation {
        "GetQueueUrl" => ("GetQueueUrl", url(queues, body)),
        "GetQueueAttributes" => ("GetQueueAttributes", attributes(queues, body, now)),
        "SendMessage" => ("SendMessage", send(queues, body)),
        "SendMessageBatch" => ("SendMessageBatch", send_batch(queues, body)),
        "DeleteMessage" => ("DeleteMessage", delete(queues, body)),
        "DeleteMessageBatch" => ("DeleteMessageBatch", delete_batch(queues, body)),
        "ChangeMessageVisibilityBatch" => ("ChangeMessageVisibilityBatch", change_batch(queues, body, now)),
        _ => ("unknown", Err(ServiceError::sqs("UnsupportedOperation", "is not supported"))),
    };
    result.unwrap_or_else(|why| CallResult::of(error(operation, &why)))
}

// In the inputs, URLs, names, IDs and receipt handles have no characters that JSON escapes.

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct GetQueueUrlInput<'a> {
    queue_name: &'a str,
}

fn url(queues: &Queues, body: &[u8]) -> Result<CallResult, ServiceError> {
    let call: GetQueueUrlInput = read(body)?;
    queues.by_name(call.queue_name)?;
    let url = format!("{}{}", queues.base, call.queue_name);
    Ok(CallResult::of(Response::json("GetQueueUrl", 1, &BTreeMap::from([("QueueUrl", url)]))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct GetQueueAttributesInput<'a> {
    queue_url: &'a str,
    #[serde(default)]
    attribute_names: Vec<String>,
}

fn attributes(queues: &mut Queues, body: &[u8], now: Instant) -> Result<CallResult, ServiceError> {
    let call: GetQueueAttributesInput = read(body)?;
    let kind = queues.by_url(call.queue_url)?;
    let (visible, hidden) = queues.get(kind).backlog(now);
    let known = [
        ("ApproximateNumberOfMessages", visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", hidden.to_string()),
        ("ApproximateNumberOfMessagesDelayed", "0".to_owned()),
        ("VisibilityTimeout", queues.visibility_timeout.as_secs().to_string()),
        ("ReceiveMessageWaitTimeSeconds", LONG_POLL.to_string()),
    ];
    let unknown = |name: &&String| *name != "All" && known.iter().all(|(own, _)| own != name);
    if let Some(name) = call.attribute_names.iter().find(unknown) {
        return Err(ServiceError::sqs("InvalidAttributeName", format!("Unknown Attribute {name}.")));
    }
    let wanted = |own: &str| call.attribute_names.iter().any(|name| name == own || name == "All");
    let attributes: BTreeMap<_, _> = known.into_iter().filter(|(name, _)| wanted(name)).collect();
    Ok(CallResult::of(Response::json("GetQueueAttributes", 1, &BTreeMap::from([("Attributes", attributes)]))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct SendMessageInput<'a> {
    queue_url: &'a str,
    #[serde(borrow)]
    message_body: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessageOutput<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    md5: String,
}

fn send_one<'a>(queue: &mut Queue, id: Option<&'a str>, body: &str) -> SendMessageOutput<'a> {
    let md5 = md5(body);
    SendMessageOutput { id, message_id: message_id(queue.send(body, md5)), md5: hex(md5) }
}

/// Formats a message ID as a UUID, as SQS does.
fn message_id(serial: u64) -> String {
    format!("00000000-0000-4000-8000-{serial:012x}")
}

fn send(queues: &mut Queues, body: &[u8]) -> Result<CallResult, ServiceError> {
    let call: SendMessageInput = read(body)?;
    let kind = queues.by_url(call.queue_url)?;
    if call.message_body.is_empty() || call.message_body.len() > MAX_SIZE {
        return Err(ServiceError::sqs("InvalidParameterValue", "a message has 1 byte to 1 MiB"));
    }
    let sent = send_one(queues.get(kind), None, &call.message_body);
    Ok(CallResult { visible: Some((kind, 1)), ..CallResult::of(Response::json("SendMessage", 1, &sent)) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct BatchInput<'a, E> {
    queue_url: &'a str,
    entries: Vec<E>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct SendMessageBatchEntry<'a> {
    id: &'a str,
    #[serde(borrow)]
    message_body: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchOutput<'a, S> {
    successful: Vec<S>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<FailedEntry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FailedEntry<'a> {
    id: &'a str,
    code: &'static str,
    message: &'static str,
    sender_fault: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SuccessfulEntry<'a> {
    id: &'a str,
}

fn check_batch<'i>(ids: impl ExactSizeIterator<Item = &'i str>) -> Result<(), ServiceError> {
    if ids.len() == 0 {
        return Err(ServiceError::sqs("EmptyBatchRequest", "a batch has 1 to 10 entries"));
    }
    if ids.len() > MAX_ENTRIES {
        return Err(ServiceError::sqs("TooManyEntriesInBatchRequest", "a batch has 1 to 10 entries"));
    }
    let mut seen = HashSet::with_capacity(MAX_ENTRIES);
    if ids.into_iter().all(|id| seen.insert(id)) {
        Ok(())
    } else {
        Err(ServiceError::sqs("BatchEntryIdsNotDistinct", "the IDs of entries are distinct"))
    }
}

fn send_batch(queues: &mut Queues, body: &[u8]) -> Result<CallResult, ServiceError> {
    let call: BatchInput<SendMessageBatchEntry> = read(body)?;
    let kind = queues.by_url(call.queue_url)?;
    check_batch(call.entries.iter().map(|entry| entry.id))?;
    if call.entries.iter().map(|entry| entry.message_body.len()).sum::<usize>() > MAX_SIZE {
        return Err(ServiceError::sqs("BatchRequestTooLong", "a batch has at most 1 MiB"));
    }
    if call.entries.iter().any(|entry| entry.message_body.is_empty()) {
        return Err(ServiceError::sqs("InvalidParameterValue", "a message is not empty"));
    }
    let queue = queues.get(kind);
    let successful: Vec<_> =
        call.entries.iter().map(|entry| send_one(queue, Some(entry.id), &entry.message_body)).collect();
    let count = successful.len();
    let response = Response::json("SendMessageBatch", count, &BatchOutput { successful, failed: Vec::new() });
    Ok(CallResult { visible: Some((kind, count)), ..CallResult::of(response) })
}

/// The only supported attribute of a message.
const RECEIVE_COUNT: &str = "ApproximateReceiveCount";

/// A validated call of `ReceiveMessage`.
#[derive(Debug)]
pub(crate) struct ReceiveRequest {
    pub(crate) queue: QueueKind,
    max: usize,
    /// When its wait time ends.
    pub(crate) until: Instant,
    visibility: Duration,
    /// Return the receive count of each message.
    receive_count: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ReceiveMessageInput<'a> {
    queue_url: &'a str,
    max_number_of_messages: Option<usize>,
    wait_time_seconds: Option<u64>,
    visibility_timeout: Option<u64>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    attribute_names: Vec<String>,
    /// Ignored: no message has user-defined attributes.
    #[serde(default, rename = "MessageAttributeNames")]
    _message_attribute_names: Vec<String>,
}

pub(crate) fn receive_request(
    queues: &Queues,
    body: &[u8],
    now: Instant,
) -> Result<ReceiveRequest, ServiceError> {
    let call: ReceiveMessageInput = read(body)?;
    let kind = queues.by_url(call.queue_url)?;
    let (max, wait) = (call.max_number_of_messages.unwrap_or(1), call.wait_time_seconds.unwrap_or(LONG_POLL));
    let visibility = call.visibility_timeout.unwrap_or(queues.visibility_timeout.as_secs());
    if !(1..=MAX_ENTRIES).contains(&max) || wait > 20 || visibility > MAX_VISIBILITY {
        return Err(ServiceError::sqs("InvalidParameterValue", "a number is out of range"));
    }
    let names = call.message_system_attribute_names.iter().chain(&call.attribute_names);
    if let Some(name) = names.clone().find(|name| *name != RECEIVE_COUNT) {
        let why = format!("the attribute {name} is not supported");
        return Err(ServiceError::sqs("InvalidAttributeName", why));
    }
    let receive_count = names.count() > 0;
    let until = now + Duration::from_secs(wait);
    Ok(ReceiveRequest { queue: kind, max, until, visibility: Duration::from_secs(visibility), receive_count })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MessageOutput {
    message_id: String,
    receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    md5: String,
    body: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<MessageAttributes>,
}

#[derive(Serialize)]
struct MessageAttributes {
    #[serde(rename = "ApproximateReceiveCount")]
    count: String,
}

/// Receives the messages that are visible now.
pub(crate) fn receive(queues: &mut Queues, request: &ReceiveRequest, now: Instant) -> Response {
    let mut messages = Vec::new();
    let add = |message: ReceivedMessage| {
        messages.push(MessageOutput {
            message_id: message_id(message.serial),
            receipt_handle: message.receipt.to_text(),
            md5: hex(message.md5),
            body: message.body.into(),
            attributes: request
                .receive_count
                .then(|| MessageAttributes { count: message.receives.to_string() }),
        });
    };
    let [main, dead_letters] = &mut queues.by_kind;
    let (queue, dead_letters) = match request.queue {
        QueueKind::Main => (main, Some(dead_letters)),
        QueueKind::DeadLetters => (dead_letters, None),
    };
    queue.receive(request.max, now, request.visibility, dead_letters, add);
    if messages.is_empty() {
        return Response::ok("ReceiveMessage", 0, b"{}".to_vec());
    }
    Response::json("ReceiveMessage", messages.len(), &BTreeMap::from([("Messages", messages)]))
}
