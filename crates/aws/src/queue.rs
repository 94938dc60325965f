//! The queues: send, receive, delete, change visibility, depth.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};

use super::batch::{EntryFailure, EntryResults};
use super::boot_instant::BootInstant;
use super::error::{AttemptError, Error, attempt_error, classify_code};
use super::session::Session;
use crate::retry::PriorAttempt;
use stentor_core::message::QueueMessage;
use stentor_core::queue_depth::QueueDepth;

/// Entries in a batch, at most (Amazon SQS API Reference, "`SendMessageBatch`").
pub const BATCH: usize = 10;

/// One of the stack's queues.
#[derive(Debug, Clone)]
pub struct Queue {
    session: Arc<Session>,
    client: Client,
    name: String,
    url: String,
    requests_sent_at: bool,
}

/// The right to delete a received message or to change its visibility.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReceiptHandle(String);

impl From<String> for ReceiptHandle {
    fn from(handle: String) -> Self {
        Self(handle)
    }
}

/// A received message.
#[derive(Debug, Clone)]
pub struct ReceivedMessage {
    /// The body.
    pub body: String,
    /// The handle to delete or release it by.
    pub receipt: ReceiptHandle,
    /// How often it was received, this receive included.
    pub receive_count: u32,
    /// When it was sent to the queue, ms since the epoch; see [`Queue::with_sent_at`].
    pub sent_at: Option<u64>,
    /// When the request that returned it was sent. SQS starts the visibility timeout later, but a response can wait on
    /// this machine while the process is paused.
    pub requested_at: BootInstant,
}

impl Queue {
    /// Opens the queue that senders receive from.
    pub async fn open(session: &Arc<Session>) -> Result<Self, Error> {
        Self::named(session, session.stack().queue()).await
    }

    /// Opens the dead-letter queue.
    pub async fn open_dead_letters(session: &Arc<Session>) -> Result<Self, Error> {
        Self::named(session, session.stack().dead_letter_queue()).await
    }

    /// Opens the queue of the stream's discarded batches; `None` where the stack is older than that queue, or the caller may
    /// not read it.
    pub async fn open_stream_dead_letters(session: &Arc<Session>) -> Result<Option<Self>, Error> {
        match Self::named(session, session.stack().stream_dead_letter_queue()).await {
            Ok(queue) => Ok(Some(queue)),
            Err(error) if error.is_unavailable() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn named(session: &Arc<Session>, name: String) -> Result<Self, Error> {
        const CALL: &str = "GetQueueUrl";
        let client = session.queue_client();
        let url = session
            .call(CALL, &name, async || {
                let answer = client.get_queue_url().queue_name(&name).send().await;
                answer.map(|answer| answer.queue_url).map_err(|error| attempt_error(CALL, &error))
            })
            .await?
            .ok_or_else(|| session.not_deployed(&name))?;
        Ok(Self { session: Arc::clone(session), client, name, url, requests_sent_at: false })
    }

    /// Makes receives return when each message was sent.
    #[must_use]
    pub fn with_sent_at(self) -> Self {
        Self { requests_sent_at: true, ..self }
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends up to [`BATCH`] messages. An entry that may have been sent before is marked as possibly repeated.
    pub async fn send(&self, messages: &[QueueMessage]) -> Result<(), Error> {
        const CALL: &str = "SendMessageBatch";
        let send = async |open: &[&QueueMessage], repeated: PriorAttempt| {
            let entries = entries(open, |id, queued| {
                let body = queued.message.to_queue_json(queued.possibly_repeated || repeated.0);
                SendMessageBatchRequestEntry::builder().id(id).message_body(body).build()
            });
            let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
            let answer = request.send().await.map_err(|error| attempt_error(CALL, &error))?;
            entry_answers(CALL, open.len(), answer.successful.iter().map(|entry| &*entry.id), &answer.failed)
        };
        self.session
            .call_batch(CALL, &self.name, Some(self.session.send_limiter()), messages.iter().collect(), send)
            .await
            .map(drop)
    }

    /// Receives up to `max` (1 to [`BATCH`]) messages, waiting up to `wait` (whole seconds, at most 20) for the first.
    /// They stay invisible to other receivers for `visibility`.
    pub async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<ReceivedMessage>, Error> {
        const CALL: &str = "ReceiveMessage";
        self.session
            .call(CALL, &self.name, async || {
                let requested_at = BootInstant::now();
                let sent_at = self.requests_sent_at.then_some(MessageSystemAttributeName::SentTimestamp);
                let attributes =
                    [MessageSystemAttributeName::ApproximateReceiveCount].into_iter().chain(sent_at);
                let answer = self
                    .client
                    .receive_message()
                    .queue_url(&self.url)
                    .max_number_of_messages(i32::try_from(max.clamp(1, BATCH)).expect("at most ten"))
                    .wait_time_seconds(seconds(wait))
                    .visibility_timeout(seconds(visibility))
                    .set_message_system_attribute_names(Some(attributes.collect()))
                    .send()
                    .await
                    .map_err(|error| attempt_error(CALL, &error))?;
                let messages = answer.messages.unwrap_or_default().into_iter();
                Ok(messages.filter_map(|message| received(message, requested_at)).collect())
            })
            .await
    }

    /// Deletes up to [`BATCH`] messages; one that is already gone counts as deleted.
    pub async fn delete(&self, receipts: Vec<ReceiptHandle>) -> Result<(), Error> {
        const CALL: &str = "DeleteMessageBatch";
        let send = async |open: &[ReceiptHandle], _| {
            let entries = entries(open, |id, receipt| {
                DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(&receipt.0).build()
            });
            let request = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
            let answer = request.send().await.map_err(|error| attempt_error(CALL, &error))?;
            entry_answers(CALL, open.len(), answer.successful.iter().map(|entry| &*entry.id), &answer.failed)
        };
        self.session.call_batch(CALL, &self.name, None, receipts, send).await.map(drop)
    }

    /// Makes up to [`BATCH`] messages visible after the given time from now (0 s to 12 h): 0 releases a message, more
    /// keeps it invisible. Returns for each whether it was in flight by this handle; AWS does not always detect that.
    pub async fn change_visibility(
        &self,
        changes: Vec<(ReceiptHandle, Duration)>,
    ) -> Result<Vec<bool>, Error> {
        const CALL: &str = "ChangeMessageVisibilityBatch";
        let send = async |open: &[(ReceiptHandle, Duration)], _| {
            let entries = entries(open, |id, (receipt, visible_in)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id);
                entry.receipt_handle(&receipt.0).visibility_timeout(seconds(*visible_in)).build()
            });
            let request = self.client.change_message_visibility_batch().queue_url(&self.url);
            let answer = request.set_entries(Some(entries)).send().await;
            let answer = answer.map_err(|error| attempt_error(CALL, &error))?;
            entry_answers(CALL, open.len(), answer.successful.iter().map(|entry| &*entry.id), &answer.failed)
        };
        self.session.call_batch(CALL, &self.name, None, changes, send).await
    }

    /// Returns the queue's depth (approximate) and its visibility timeout.
    pub async fn attributes(&self) -> Result<(QueueDepth, Duration), Error> {
        const CALL: &str = "GetQueueAttributes";
        let wanted = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::VisibilityTimeout,
        ];
        let attributes = self
            .session
            .call(CALL, &self.name, async || {
                let request = self.client.get_queue_attributes().queue_url(&self.url);
                let answer = request.set_attribute_names(Some(wanted.to_vec())).send().await;
                Ok(answer.map_err(|error| attempt_error(CALL, &error))?.attributes.unwrap_or_default())
            })
            .await?;
        let number = |name: &QueueAttributeName| {
            attributes.get(name).and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| Error::InvalidData {
                what: format!("attribute {name} of queue {}", self.name),
                why: "it is missing or no number".to_owned(),
            })
        };
        let [visible, in_flight, delayed, visibility_timeout] = &wanted;
        let backlog = QueueDepth {
            visible: number(visible)?,
            in_flight: number(in_flight)?,
            delayed: number(delayed)?,
        };
        Ok((backlog, Duration::from_secs(number(visibility_timeout)?)))
    }
}

fn received(message: aws_sdk_sqs::types::Message, requested_at: BootInstant) -> Option<ReceivedMessage> {
    let attribute = |name| message.attributes.as_ref()?.get(&name)?.parse::<u64>().ok();
    let receive_count = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
    let sent_at = attribute(MessageSystemAttributeName::SentTimestamp);
    Some(ReceivedMessage {
        // Without a count, an earlier receive cannot be ruled out.
        receive_count: receive_count.and_then(|count| count.try_into().ok()).unwrap_or(2),
        sent_at,
        body: message.body.unwrap_or_default(),
        receipt: message.receipt_handle?.into(),
        requested_at,
    })
}

/// Builds the entries of a batch; the ID of each is its place.
fn entries<M, E>(messages: &[M], build: impl Fn(String, &M) -> Result<E, BuildError>) -> Vec<E> {
    let entries = messages.iter().enumerate().map(|(place, message)| build(place.to_string(), message));
    entries.collect::<Result<_, _>>().expect("every required field is given")
}

/// Maps each entry of a batch to whether its message was there, or to why it must be repeated.
fn entry_answers<'a>(
    call: &'static str,
    entries: usize,
    successful: impl Iterator<Item = &'a str>,
    failed: &[BatchResultErrorEntry],
) -> Result<EntryResults<bool>, AttemptError> {
    let mut answers = vec![Err(EntryFailure::Failed); entries];
    let place = |id: &str| id.parse::<usize>().ok().filter(|place| *place < entries);
    for id in successful {
        if let Some(place) = place(id) {
            answers[place] = Ok(true);
        }
    }
    for failure in failed {
        let Some(place) = place(&failure.id) else { continue };
        if is_gone(failure) {
            answers[place] = Ok(false);
            continue;
        }
        match classify_code(call, &failure.code, failure.message.as_deref().unwrap_or_default()) {
            AttemptError::Throttled(_) => answers[place] = Err(EntryFailure::Throttled),
            permanent @ AttemptError::Permanent(_) if failure.sender_fault => return Err(permanent),
            _ => {}
        }
    }
    Ok(answers)
}

/// Whether the receipt handle has expired: the message was deleted, received again, or in flight for the maximum of
/// twelve hours. AWS mostly answers success then, and sometimes with these codes.
fn is_gone(failure: &BatchResultErrorEntry) -> bool {
    let message = failure.message.as_deref().unwrap_or_default();
    // The code is InvalidParameterValue, InvalidParameterValueException, or either with a namespace before it.
    let code = failure.code.rsplit(['.', '#']).next().unwrap_or_default();
    match code.strip_suffix("Exception").unwrap_or(code) {
        "ReceiptHandleIsInvalid" | "MessageNotInflight" => true,
        "InvalidParameterValue" => [
            "receipt handle",
            "parameter ReceiptHandle is invalid",
            "not available for visibility timeout change",
            "beyond the limit",
        ]
        .iter()
        .any(|words| message.contains(words)),
        _ => false,
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(id: &str, code: &str, sender_fault: bool) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder().id(id).code(code).sender_fault(sender_fault).build().unwrap()
    }

    #[test]
    fn each_entry_has_a_separate_result() {
        let failed = [
            failure("1", "InternalError", false),
            failure("2", "ReceiptHandleIsInvalid", true),
            failure("3", "RequestThrottled", true),
            failure("77", "InternalError", false),
        ];
        let answers = entry_answers("Call", 5, ["0"].into_iter(), &failed).unwrap();
        let (failed, throttled) = (Err(EntryFailure::Failed), Err(EntryFailure::Throttled));
        assert_eq!(answers, [Ok(true), failed, Ok(false), throttled, failed]);
    }

    #[test]
    fn a_missing_message_is_recognised_by_the_text_of_each_service() {
        let message = "Value abc for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not \
                    available for visibility timeout change.";
        for code in [
            "InvalidParameterValue",
            "InvalidParameterValueException",
            "com.amazonaws.sqs#InvalidParameterValue",
        ] {
            let failed = failure("0", code, false);
            assert!(!is_gone(&failed), "{code} alone may be anything");
            let entry =
                BatchResultErrorEntry::builder().id("0").code(code).sender_fault(false).message(message);
            assert!(is_gone(&entry.build().unwrap()), "{code}");
        }
        for code in
            ["ReceiptHandleIsInvalid", "AWS.SimpleQueueService.MessageNotInflight", "MessageNotInflight"]
        {
            assert!(is_gone(&failure("0", code, true)), "{code}");
        }
        assert!(!is_gone(&failure("0", "InternalError", false)));
    }

    #[test]
    fn an_entry_at_fault_is_an_error() {
        let failed = [failure("0", "InvalidMessageContents", true)];
        assert!(matches!(entry_answers("Call", 1, [].into_iter(), &failed), Err(AttemptError::Permanent(_))));
    }
}
