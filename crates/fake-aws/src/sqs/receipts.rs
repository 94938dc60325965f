//! The calls that take receipt handles.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{
    BatchInput, BatchOutput, CallResult, FailedEntry, MAX_VISIBILITY, QueueKind, Queues, SuccessfulEntry,
    check_batch,
};
use crate::queue::{Queue, ReceiptHandle, ReceiptState};
use crate::response::{Response, ServiceError, read};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DeleteMessageInput<'a> {
    #[serde(borrow)]
    queue_url: Cow<'a, str>,
    #[serde(borrow)]
    receipt_handle: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DeleteMessageBatchEntry<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    receipt_handle: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ChangeMessageVisibilityInput<'a> {
    #[serde(borrow)]
    queue_url: Cow<'a, str>,
    #[serde(borrow)]
    receipt_handle: Cow<'a, str>,
    visibility_timeout: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ChangeMessageVisibilityBatchEntry<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    receipt_handle: Cow<'a, str>,
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

type EntryResult = Result<ReceiptState, EntryError>;

/// Deletes a message. As in SQS, a stale receipt handle is not an error.
fn delete_one(queue: &mut Queue, handle: &str) -> EntryResult {
    ReceiptHandle::parse(handle).map(|handle| queue.delete(handle)).ok_or(INVALID_HANDLE)
}

fn change_one(queue: &mut Queue, handle: &str, seconds: u64, now: Instant) -> EntryResult {
    let handle = ReceiptHandle::parse(handle).ok_or(INVALID_HANDLE)?;
    if seconds > MAX_VISIBILITY {
        return Err(OUT_OF_RANGE);
    }
    match queue.change_visibility(handle, now, Duration::from_secs(seconds)) {
        ReceiptState::Valid => Ok(ReceiptState::Valid),
        ReceiptState::Stale => Err(NOT_IN_FLIGHT),
    }
}

/// The error of a call without a batch.
fn call_error((code, message): EntryError) -> ServiceError {
    let code = match code {
        "ReceiptHandleIsInvalid" => "com.amazonaws.sqs#ReceiptHandleIsInvalid",
        _ => "com.amazonaws.sqs#InvalidParameterValue",
    };
    ServiceError::new(code, message)
}

pub(super) fn delete(queues: &mut Queues, body: &[u8]) -> Result<CallResult, ServiceError> {
    let call: DeleteMessageInput = read(body)?;
    let kind = queues.by_url(&call.queue_url)?;
    let state = delete_one(queues.get(kind), &call.receipt_handle).map_err(call_error)?;
    let deleted = usize::from(state == ReceiptState::Valid && kind == QueueKind::Main);
    Ok(CallResult { response: Response::ok("DeleteMessage", 1, b"{}".to_vec()), visible: None, deleted })
}

pub(super) fn change(queues: &mut Queues, body: &[u8], now: Instant) -> Result<CallResult, ServiceError> {
    let call: ChangeMessageVisibilityInput = read(body)?;
    let kind = queues.by_url(&call.queue_url)?;
    change_one(queues.get(kind), &call.receipt_handle, call.visibility_timeout, now).map_err(call_error)?;
    let visible = (call.visibility_timeout == 0).then_some((kind, 1));
    let response = Response::ok("ChangeMessageVisibility", 1, b"{}".to_vec());
    Ok(CallResult { response, visible, deleted: 0 })
}

pub(super) fn delete_batch(queues: &mut Queues, body: &[u8]) -> Result<CallResult, ServiceError> {
    let call: BatchInput<DeleteMessageBatchEntry> = read(body)?;
    let kind = queues.by_url(&call.queue_url)?;
    check_batch(call.entries.iter().map(|entry| &*entry.id))?;
    let queue = queues.get(kind);
    let results: Vec<_> =
        call.entries.iter().map(|entry| (&*entry.id, delete_one(queue, &entry.receipt_handle))).collect();
    let deleted = results.iter().filter(|(_, result)| *result == Ok(ReceiptState::Valid)).count();
    let deleted = if kind == QueueKind::Main { deleted } else { 0 };
    Ok(CallResult { response: batch_response("DeleteMessageBatch", results), visible: None, deleted })
}

pub(super) fn change_batch(
    queues: &mut Queues,
    body: &[u8],
    now: Instant,
) -> Result<CallResult, ServiceError> {
    let call: BatchInput<ChangeMessageVisibilityBatchEntry> = read(body)?;
    let kind = queues.by_url(&call.queue_url)?;
    check_batch(call.entries.iter().map(|entry| &*entry.id))?;
    let queue = queues.get(kind);
    let mut visible = 0;
    let mut results = Vec::with_capacity(call.entries.len());
    for entry in &call.entries {
        let result = change_one(queue, &entry.receipt_handle, entry.visibility_timeout, now);
        visible += usize::from(entry.visibility_timeout == 0 && result.is_ok());
        results.push((&*entry.id, result));
    }
    let response = batch_response("ChangeMessageVisibilityBatch", results);
    Ok(CallResult { response, visible: (visible > 0).then_some((kind, visible)), deleted: 0 })
}

fn batch_response(operation: &'static str, results: Vec<(&str, EntryResult)>) -> Response {
    let count = results.len();
    let mut output = BatchOutput { successful: Vec::with_capacity(count), failed: Vec::new() };
    for (id, result) in results {
        match result {
            Ok(_) => output.successful.push(SuccessfulEntry { id }),
            Err((code, message)) => output.failed.push(FailedEntry { id, code, message, sender_fault: true }),
        }
    }
    let mut response = Response::json(operation, count, &output);
    response.failed = output.failed.len() as u64;
    response
}
