//! SQS's calls on the stack's two queues, in the JSON protocol.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::answer::{Answer, Refusal, read};
use super::queue::{Queue, Receipt, Settled, hex, md5};

/// The most entries of a batch (Amazon SQS API Reference, "`SendMessageBatch`").
const MOST: usize = 10;

/// The most bytes of a message, and of a batch.
const LARGEST: usize = 1_024 * 1_024;

/// Visibility timeout of the stack's queues unless set, and how long a receive waits that does not say.
const VISIBILITY: Duration = Duration::from_secs(60);
const LONG_POLL: u64 = 20;

/// The longest that a message can be hidden, seconds.
const LONGEST_VISIBILITY: u64 = 12 * 3_600;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Main,
    DeadLetters,
}

/// The queues, and the bits of their addresses.
#[derive(Debug)]
pub(super) struct Queues {
    pub(super) main: Queue,
    pub(super) dead_letters: Queue,
    /// In whole seconds.
    pub(super) visibility_timeout: Duration,
    main_name: String,
    dead_letters_name: String,
    /// What the queues' addresses begin with.
    base: String,
}

impl Queues {
    pub(super) fn new(main_name: String, dead_letters_name: String, endpoint: &str) -> Self {
        let base = format!("{endpoint}/000000000000/");
        Self {
            main: Queue::default(),
            dead_letters: Queue::default(),
            visibility_timeout: VISIBILITY,
            main_name,
            dead_letters_name,
            base,
        }
    }

    fn named(&self, name: &str) -> Result<Which, Refusal> {
        if name == self.main_name {
            Ok(Which::Main)
        } else if name == self.dead_letters_name {
            Ok(Which::DeadLetters)
        } else {
            Err(Refusal::new(NO_QUEUE, "The specified queue does not exist."))
        }
    }

    fn at(&self, url: &str) -> Result<Which, Refusal> {
        self.named(url.rsplit('/').next().unwrap_or_default())
    }

    fn get(&mut self, which: Which) -> &mut Queue {
        match which {
            Which::Main => &mut self.main,
            Which::DeadLetters => &mut self.dead_letters,
        }
    }
}

const NO_QUEUE: &str = "com.amazonaws.sqs#QueueDoesNotExist";

/// An answer of SQS, and what happened to the queues.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) answer: Answer,
    /// The queue that has messages to be seen, and how many.
    pub(super) visible: Option<(Which, usize)>,
    /// How many messages were taken out of the main queue for good.
    pub(super) deleted: usize,
}

impl Done {
    fn quietly(answer: Answer) -> Self {
        Self { answer, visible: None, deleted: 0 }
    }
}

/// Refuses a call, also in the words of the older protocol.
pub(super) fn refusal(operation: &'static str, refusal: &Refusal) -> Answer {
    let mut answer = Answer::refusal(operation, refusal);
    let code = match refusal.short_code() {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
        code => code,
    };
    answer.query_error = Some(format!("{code};Sender"));
    answer
}

/// Carries out a call other than a receive.
pub(super) fn call(queues: &mut Queues, operation: &str, body: &[u8], now: Instant) -> Done {
    let (operation, done) = match operation {
        "GetQueueUrl" => ("GetQueueUrl", url(queues, body)),
        "GetQueueAttributes" => ("GetQueueAttributes", attributes(queues, body, now)),
        "SendMessage" => ("SendMessage", send(queues, body)),
        "SendMessageBatch" => ("SendMessageBatch", send_batch(queues, body)),
        "DeleteMessage" => ("DeleteMessage", delete(queues, body)),
        "DeleteMessageBatch" => ("DeleteMessageBatch", delete_batch(queues, body)),
        "ChangeMessageVisibility" => ("ChangeMessageVisibility", change(queues, body, now)),
        "ChangeMessageVisibilityBatch" => ("ChangeMessageVisibilityBatch", change_batch(queues, body, now)),
        _ => ("unknown", Err(Refusal::new("com.amazonaws.sqs#UnsupportedOperation", "is not known here"))),
    };
    done.unwrap_or_else(|why| Done::quietly(refusal(operation, &why)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct GetUrl {
    queue_name: String,
}

fn url(queues: &Queues, body: &[u8]) -> Result<Done, Refusal> {
    let call: GetUrl = read(body)?;
    queues.named(&call.queue_name)?;
    let url = format!("{}{}", queues.base, call.queue_name);
    Ok(Done::quietly(Answer::of("GetQueueUrl", 1, &BTreeMap::from([("QueueUrl", url)]))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct GetAttributes {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

fn attributes(queues: &mut Queues, body: &[u8], now: Instant) -> Result<Done, Refusal> {
    let call: GetAttributes = read(body)?;
    let which = queues.at(&call.queue_url)?;
    let (visible, hidden) = queues.get(which).backlog(now);
    let known = [
        ("ApproximateNumberOfMessages", visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", hidden.to_string()),
        ("ApproximateNumberOfMessagesDelayed", "0".to_owned()),
        ("VisibilityTimeout", queues.visibility_timeout.as_secs().to_string()),
        ("ReceiveMessageWaitTimeSeconds", LONG_POLL.to_string()),
    ];
    let unknown = |name: &&String| *name != "All" && known.iter().all(|(own, _)| own != name);
    if let Some(name) = call.attribute_names.iter().find(unknown) {
        return Err(Refusal::new(
            "com.amazonaws.sqs#InvalidAttributeName",
            format!("Unknown Attribute {name}."),
        ));
    }
    let wanted = |own: &str| call.attribute_names.iter().any(|name| name == own || name == "All");
    let told: BTreeMap<_, _> = known.into_iter().filter(|(name, _)| wanted(name)).collect();
    Ok(Done::quietly(Answer::of("GetQueueAttributes", 1, &BTreeMap::from([("Attributes", told)]))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Send<'a> {
    #[serde(borrow)]
    queue_url: Cow<'a, str>,
    #[serde(borrow)]
    message_body: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Sent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    md5: String,
}

fn sent<'a>(queue: &mut Queue, id: Option<&'a str>, body: &str) -> Sent<'a> {
    let md5 = md5(body);
    Sent { id, message_id: message_id(queue.send(body, md5)), md5: hex(md5) }
}

/// Looks like SQS's: a UUID.
fn message_id(serial: u64) -> String {
    format!("00000000-0000-4000-8000-{serial:012x}")
}

fn send(queues: &mut Queues, body: &[u8]) -> Result<Done, Refusal> {
    let call: Send = read(body)?;
    let which = queues.at(&call.queue_url)?;
    if call.message_body.is_empty() || call.message_body.len() > LARGEST {
        return Err(Refusal::new("com.amazonaws.sqs#InvalidParameterValue", "a message has 1 byte to 1 MiB"));
    }
    let sent = sent(queues.get(which), None, &call.message_body);
    Ok(Done { answer: Answer::of("SendMessage", 1, &sent), visible: Some((which, 1)), deleted: 0 })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Batch<'a, E> {
    #[serde(borrow)]
    queue_url: Cow<'a, str>,
    entries: Vec<E>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct SendEntry<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    message_body: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchDone<'a, S> {
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
struct EntryDone<'a> {
    id: &'a str,
}

fn check_batch<'i>(ids: impl ExactSizeIterator<Item = &'i str>) -> Result<(), Refusal> {
    if ids.len() == 0 {
        return Err(Refusal::new("com.amazonaws.sqs#EmptyBatchRequest", "a batch has entries"));
    }
    if ids.len() > MOST {
        return Err(Refusal::new("com.amazonaws.sqs#TooManyEntriesInBatchRequest", "at most ten entries"));
    }
    let mut seen = HashSet::with_capacity(MOST);
    if ids.into_iter().all(|id| seen.insert(id)) {
        Ok(())
    } else {
        Err(Refusal::new("com.amazonaws.sqs#BatchEntryIdsNotDistinct", "ids of entries are distinct"))
    }
}

fn send_batch(queues: &mut Queues, body: &[u8]) -> Result<Done, Refusal> {
    let call: Batch<SendEntry> = read(body)?;
    let which = queues.at(&call.queue_url)?;
    check_batch(call.entries.iter().map(|entry| &*entry.id))?;
    if call.entries.iter().map(|entry| entry.message_body.len()).sum::<usize>() > LARGEST {
        return Err(Refusal::new("com.amazonaws.sqs#BatchRequestTooLong", "a batch has at most 1 MiB"));
    }
    if call.entries.iter().any(|entry| entry.message_body.is_empty()) {
        return Err(Refusal::new("com.amazonaws.sqs#InvalidParameterValue", "a message is not empty"));
    }
    let queue = queues.get(which);
    let successful: Vec<_> =
        call.entries.iter().map(|entry| sent(queue, Some(&entry.id), &entry.message_body)).collect();
    let count = successful.len();
    let answer = Answer::of("SendMessageBatch", count, &BatchDone { successful, failed: Vec::new() });
    Ok(Done { answer, visible: Some((which, count)), deleted: 0 })
}

/// The only attribute of a message that is told.
const COUNT: &str = "ApproximateReceiveCount";

/// What a receive asks.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) which: Which,
    max: usize,
    /// When it stops waiting.
    pub(super) until: Instant,
    visibility: Duration,
    /// It wants to know how often a message was received.
    count: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Receive<'a> {
    #[serde(borrow)]
    queue_url: Cow<'a, str>,
    max_number_of_messages: Option<usize>,
    wait_time_seconds: Option<u64>,
    visibility_timeout: Option<u64>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    attribute_names: Vec<String>,
    /// No message here has attributes of its own.
    #[serde(default, rename = "MessageAttributeNames")]
    _message_attribute_names: Vec<String>,
}

pub(super) fn wish(queues: &Queues, body: &[u8], now: Instant) -> Result<Wish, Refusal> {
    let call: Receive = read(body)?;
    let which = queues.at(&call.queue_url)?;
    let (max, wait) = (call.max_number_of_messages.unwrap_or(1), call.wait_time_seconds.unwrap_or(LONG_POLL));
    let visibility = call.visibility_timeout.unwrap_or(queues.visibility_timeout.as_secs());
    if !(1..=MOST).contains(&max) || wait > 20 || visibility > LONGEST_VISIBILITY {
        return Err(Refusal::new("com.amazonaws.sqs#InvalidParameterValue", "a number is out of its range"));
    }
    let names = call.message_system_attribute_names.iter().chain(&call.attribute_names);
    if let Some(name) = names.clone().find(|name| *name != COUNT) {
        let why = format!("the attribute {name} is not known here");
        return Err(Refusal::new("com.amazonaws.sqs#InvalidAttributeName", why));
    }
    let count = names.count() > 0;
    let until = now + Duration::from_secs(wait);
    Ok(Wish { which, max, until, visibility: Duration::from_secs(visibility), count })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    message_id: String,
    receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    md5: String,
    body: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<ReceiveCount>,
}

#[derive(Serialize)]
struct ReceiveCount {
    #[serde(rename = "ApproximateReceiveCount")]
    count: String,
}

/// What the queue has now.
pub(super) fn receive(queues: &mut Queues, wish: &Wish, now: Instant) -> Answer {
    let mut messages = Vec::new();
    let give = |message: super::queue::Received| {
        messages.push(Received {
            message_id: message_id(message.serial),
            receipt_handle: message.receipt.to_text(),
            md5: hex(message.md5),
            body: message.body.into(),
            attributes: wish.count.then(|| ReceiveCount { count: message.receives.to_string() }),
        });
    };
    match wish.which {
        Which::Main => {
            queues.main.receive(wish.max, now, wish.visibility, Some(&mut queues.dead_letters), give)
        }
        Which::DeadLetters => queues.dead_letters.receive(wish.max, now, wish.visibility, None, give),
    };
    if messages.is_empty() {
        return Answer::ok("ReceiveMessage", 0, b"{}".to_vec());
    }
    Answer::of("ReceiveMessage", messages.len(), &BTreeMap::from([("Messages", messages)]))
}

mod receipts;

use receipts::{change, change_batch, delete, delete_batch};
