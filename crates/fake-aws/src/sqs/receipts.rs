//! The calls that take receipt handles.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{
    BatchInput, BatchOutput, CallResult, FailedEntry, MAX_VISIBILITY, QueueKind, Queues, SuccessfulEntry,
    check_batch,
};
use crate::queue::{Queue, ReceiptHandle};
use crate::response::{Response, ServiceError, read};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DeleteMessageInput<'a> {
    queue_url: &'a str,
    receipt_handle: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DeleteMessageBatchEntry<'a> {
    id: &'a str,
    receipt_handle: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ChangeMessageVisibilityBatchEntry<'a> {
    id: &'a str,
    receipt_handle: &'a str,
    visibility_timeout: u64,
}

/// Code and message of a failed entry.
type EntryError = (&'static str, &'static str);

const INVALID_HANDLE: EntryError = ("ReceiptHandleIsInvalid", "The input receipt handle is invalid.");
const OUT_OF_RANGE: EntryError = ("InvalidParameterValue", "VisibilityTimeout is 0 to 43200 seconds.");
const NOT_IN_FLIGHT: EntryError = (
    "InvalidParameterValue",
    "Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility \
     timeout change.",
);

/// Deletes a message. As in SQS, a stale receipt handle is no error; it returns `false`.
fn delete_one(queue: &mut Queue, handle: &str) -> Result<bool, EntryError> {
    ReceiptHandle::parse(handle).map(|handle| queue.delete(handle)).ok_or(INVALID_HANDLE)
}

fn change_one(queue: &mut Queue, handle: &str, seconds: u64, now: Instant) -> Result<(), EntryError> {
    let handle = ReceiptHandle::parse(handle).ok_or(INVALID_HANDLE)?;
    if seconds > MAX_VISIBILITY {
        return Err(OUT_OF_RANGE);
    }
    let is_changed = queue.change_visibility(handle, now, Duration::from_secs(seconds));
    is_changed.then_some(()).ok_or(NOT_IN_FLIGHT)
}

pub(super) fn delete(queues: &mut Queues, body: &[u8]) -> Result<CallResult, ServiceError> {
    let call: DeleteMessageInput = read(body)?;
    let kind = queues.by_url(call.queue_url)?;
    let deleted = delete_one(queues.get(kind), call.receipt_handle);
    let is_deleted = deleted.map_err(|(code, message)| ServiceError::sqs(code, message))?;
    let deleted = usize::from(is_deleted && kind == QueueKind::Main);
    Ok(CallResult { deleted, ..CallResult::of(Response::ok("DeleteMessage", 1, b"{}".to_vec())) })
}

pub(super) fn delete_batch(queues: &mut Queues, body: &[u8]) -> Result<CallResult, ServiceError> {
    let call: BatchInput<DeleteMessageBatchEntry> = read(body)?;
    let kind = queues.by_url(call.queue_url)?;
    check_batch(call.entries.iter().map(|entry| entry.id))?;
    let queue = queues.get(kind);
    let results: Vec<_> =
        call.entries.iter().map(|entry| (entry.id, delete_one(queue, entry.receipt_handle))).collect();
    let deleted = results.iter().filter(|(_, result)| *result == Ok(true) && kind == QueueKind::Main).count();
    Ok(CallResult { deleted, ..CallResult::of(batch_response("DeleteMessageBatch", results)) })
}

pub(super) fn change_batch(
    queues: &mut Queues,
    body: &[u8],
    now: Instant,
) -> Result<CallResult, ServiceError> {
    let call: BatchInput<ChangeMessageVisibilityBatchEntry> = read(body)?;
    let kind = queues.by_url(call.queue_url)?;
    check_batch(call.entries.iter().map(|entry| entry.id))?;
    let queue = queues.get(kind);
    let mut visible = 0;
    let mut results = Vec::with_capacity(call.entries.len());
    for entry in &call.entries {
        let result = change_one(queue, entry.receipt_handle, entry.visibility_timeout, now);
        visible += usize::from(entry.visibility_timeout == 0 && result.is_ok());
        results.push((entry.id, result));
    }
    let visible = (visible > 0).then_some((kind, visible));
    Ok(CallResult { visible, ..CallResult::of(batch_response("ChangeMessageVisibilityBatch", results)) })
}

fn batch_response<T>(operation: &'static str, results: Vec<(&str, Result<T, EntryError>)>) -> Response {
    let count = results.len();
    let mut output = BatchOutput { successful: Vec::with_capacity(count), failed: Vec::new() };
    for (id, result) in results {
        match result {
            Ok(_) => output.successful.push(SuccessfulEntry { id }),
            Err((code, message)) => output.failed.push(FailedEntry { id, code, message, sender_fault: true }),
        }
    }
    let failed = output.failed.len() as u64;
    Response { failed, ..Response::json(operation, count, &output) }
}
