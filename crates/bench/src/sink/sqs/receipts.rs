//! The calls that a receipt gives the right to.

use super::{
    Answer, Batch, BatchDone, Cow, Deserialize, Done, Duration, EntryDone, FailedEntry, Instant,
    LONGEST_VISIBILITY, Queue, Queues, Receipt, Refusal, Settled, Which, check_batch, read,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Delete<'a> {
    #[serde(borrow)]
    queue_url: Cow<'a, str>,
    #[serde(borrow)]
    receipt_handle: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DeleteEntry<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    receipt_handle: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Change<'a> {
    #[serde(borrow)]
    queue_url: Cow<'a, str>,
    #[serde(borrow)]
    receipt_handle: Cow<'a, str>,
    visibility_timeout: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ChangeEntry<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    receipt_handle: Cow<'a, str>,
    visibility_timeout: u64,
}

const NO_RECEIPT: (&str, &str) = ("ReceiptHandleIsInvalid", "The input receipt handle is invalid.");
const OUT_OF_RANGE: (&str, &str) = ("InvalidParameterValue", "VisibilityTimeout is 0 to 43200 seconds.");
const NOT_HELD: (&str, &str) = (
    "InvalidParameterValue",
    "Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility \
     timeout change.",
);

type Outcome = Result<Settled, (&'static str, &'static str)>;

fn delete_one(queue: &mut Queue, receipt: &str) -> Outcome {
    // As AWS has it, one that is gone is deleted, and a superseded receipt is no error.
    Receipt::parse(receipt).map(|receipt| queue.delete(receipt)).ok_or(NO_RECEIPT)
}

fn change_one(queue: &mut Queue, receipt: &str, seconds: u64, now: Instant) -> Outcome {
    let receipt = Receipt::parse(receipt).ok_or(NO_RECEIPT)?;
    if seconds > LONGEST_VISIBILITY {
        return Err(OUT_OF_RANGE);
    }
    match queue.change_visibility(receipt, now, Duration::from_secs(seconds)) {
        Settled::Done => Ok(Settled::Done),
        Settled::Gone => Err(NOT_HELD),
    }
}

fn whole((code, message): (&'static str, &'static str)) -> Refusal {
    let code = match code {
        "ReceiptHandleIsInvalid" => "com.amazonaws.sqs#ReceiptHandleIsInvalid",
        _ => "com.amazonaws.sqs#InvalidParameterValue",
    };
    Refusal::new(code, message)
}

pub(super) fn delete(queues: &mut Queues, body: &[u8]) -> Result<Done, Refusal> {
    let call: Delete = read(body)?;
    let which = queues.at(&call.queue_url)?;
    let settled = delete_one(queues.get(which), &call.receipt_handle).map_err(whole)?;
    let deleted = usize::from(settled == Settled::Done && which == Which::Main);
    Ok(Done { answer: Answer::ok("DeleteMessage", 1, b"{}".to_vec()), visible: None, deleted })
}

pub(super) fn change(queues: &mut Queues, body: &[u8], now: Instant) -> Result<Done, Refusal> {
    let call: Change = read(body)?;
    let which = queues.at(&call.queue_url)?;
    change_one(queues.get(which), &call.receipt_handle, call.visibility_timeout, now).map_err(whole)?;
    let visible = (call.visibility_timeout == 0).then_some((which, 1));
    Ok(Done { answer: Answer::ok("ChangeMessageVisibility", 1, b"{}".to_vec()), visible, deleted: 0 })
}

pub(super) fn delete_batch(queues: &mut Queues, body: &[u8]) -> Result<Done, Refusal> {
    let call: Batch<DeleteEntry> = read(body)?;
    let which = queues.at(&call.queue_url)?;
    check_batch(call.entries.iter().map(|entry| &*entry.id))?;
    let queue = queues.get(which);
    let outcomes: Vec<_> =
        call.entries.iter().map(|entry| (&*entry.id, delete_one(queue, &entry.receipt_handle))).collect();
    let done = outcomes.iter().filter(|(_, outcome)| *outcome == Ok(Settled::Done)).count();
    let deleted = if which == Which::Main { done } else { 0 };
    Ok(Done { answer: entries("DeleteMessageBatch", outcomes), visible: None, deleted })
}

pub(super) fn change_batch(queues: &mut Queues, body: &[u8], now: Instant) -> Result<Done, Refusal> {
    let call: Batch<ChangeEntry> = read(body)?;
    let which = queues.at(&call.queue_url)?;
    check_batch(call.entries.iter().map(|entry| &*entry.id))?;
    let queue = queues.get(which);
    let mut shown = 0;
    let mut outcomes = Vec::with_capacity(call.entries.len());
    for entry in &call.entries {
        let outcome = change_one(queue, &entry.receipt_handle, entry.visibility_timeout, now);
        shown += usize::from(entry.visibility_timeout == 0 && outcome.is_ok());
        outcomes.push((&*entry.id, outcome));
    }
    let answer = entries("ChangeMessageVisibilityBatch", outcomes);
    Ok(Done { answer, visible: (shown > 0).then_some((which, shown)), deleted: 0 })
}

fn entries(operation: &'static str, outcomes: Vec<(&str, Outcome)>) -> Answer {
    let count = outcomes.len();
    let mut done = BatchDone { successful: Vec::with_capacity(count), failed: Vec::new() };
    for (id, outcome) in outcomes {
        match outcome {
            Ok(_) => done.successful.push(EntryDone { id }),
            Err((code, message)) => done.failed.push(FailedEntry { id, code, message, sender_fault: true }),
        }
    }
    let mut answer = Answer::of(operation, count, &done);
    answer.refused = done.failed.len() as u64;
    answer
}
