//! The messages table: one item a message, created once, with one outcome.

mod outcome_update;

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementError, BatchStatementErrorCodeEnum as Code, BatchStatementRequest,
    BatchStatementResponse, KeysAndAttributes, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
};

use super::batch::EntryFailure;
use super::error::{AttemptError, Error, attempt_error, classify_code};
use super::item::{Item, number, string, text};
use super::session::Session;
use stentor_core::delivery::Status;
use stentor_core::message::{Message, MessageId, MessageRecord};

pub use outcome_update::OutcomeUpdate;

/// Statements in a batch, at most (Amazon DynamoDB API Reference, "`BatchExecuteStatement`").
pub const STATEMENTS: usize = 25;

/// Keys in a batch read, at most (Amazon DynamoDB API Reference, "`BatchGetItem`").
pub const KEYS: usize = 100;

/// How long the table keeps a message, seconds: seven days.
const LIFETIME: u64 = 7 * 24 * 3_600;

/// The stack's messages table.
#[derive(Debug, Clone)]
pub struct MessagesTable {
    session: Arc<Session>,
    client: Client,
    name: String,
}

/// Result of inserting a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertResult {
    /// The message was inserted.
    Inserted,
    /// The message existed, and is unchanged.
    AlreadyExists,
}

/// Result of recording an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateResult {
    /// The outcome is recorded, perhaps by an earlier attempt.
    Recorded,
    /// Another outcome was recorded first.
    Duplicate,
    /// The item is missing, or has no known status.
    NotFound,
}

impl MessagesTable {
    /// Returns the stack's messages table.
    pub fn new(session: &Arc<Session>) -> Self {
        Self {
            session: Arc::clone(session),
            client: session.table_client(),
            name: session.stack().messages_table(),
        }
    }

    /// Inserts up to [`STATEMENTS`] messages as PENDING, created at `created_at` (ms since the epoch). Existing messages
    /// stay unchanged.
    pub async fn insert_pending(
        &self,
        messages: &[Message],
        created_at: u64,
    ) -> Result<Vec<InsertResult>, Error> {
        const CALL: &str = "BatchExecuteStatement (INSERT)";
        let template = format!(
            "INSERT INTO \"{}\" VALUE {{'id': ?, 'run': ?, 'phone': ?, 'body': ?, 'parts': ?, 'status': ?, 'created_at': ?, 'expires_at': ?}}",
            self.name
        );
        let send = async |open: &[&Message], _| {
            let parameters = |message: &&Message| {
                vec![
                    text(&message.id),
                    text(&message.id.run()),
                    text(&message.phone),
                    text(&message.body),
                    number(message.parts().into()),
                    text(Status::Pending.as_str()),
                    number(created_at),
                    number(created_at / 1_000 + LIFETIME),
                ]
            };
            let statements = open.iter().map(|message| (template.clone(), parameters(message)));
            let responses = self.execute(CALL, statements, None).await?;
            let results = responses.into_iter().map(|response| match response.error {
                None => Ok(Ok(InsertResult::Inserted)),
                Some(error) if error.code == Some(Code::DuplicateItem) => Ok(Ok(InsertResult::AlreadyExists)),
                Some(error) => Ok(Err(transient_or_error(CALL, &error)?)),
            });
            results.collect()
        };
        let limiter = Some(self.session.write_limiter());
        self.session.call_batch(CALL, &self.name, limiter, messages.iter().collect(), send).await
    }

    /// Records up to [`STATEMENTS`] outcomes of different messages, each on the condition that its message is PENDING.
    pub async fn record_outcomes(&self, updates: &[OutcomeUpdate]) -> Result<Vec<UpdateResult>, Error> {
        const CALL: &str = "BatchExecuteStatement (UPDATE)";
        let send = async |open: &[&OutcomeUpdate], _| {
            let statements = open.iter().map(|update| update.statement(&self.name));
            let on_failure = Some(ReturnValuesOnConditionCheckFailure::AllOld);
            let responses = self.execute(CALL, statements, on_failure).await?;
            let mut results = Vec::with_capacity(open.len());
            let mut unreturned = Vec::new();
            for (place, (update, response)) in open.iter().zip(responses).enumerate() {
                results.push(match response.error {
                    None => Ok(UpdateResult::Recorded),
                    Some(error) if error.code == Some(Code::ConditionalCheckFailed) => {
                        let item = error.item.filter(|item| !item.is_empty());
                        if item.is_none() {
                            unreturned.push(place);
                        }
                        item.and_then(|item| judge(update, &item)).ok_or(EntryFailure::Failed)
                    }
                    Some(error) => Err(transient_or_error(CALL, &error)?),
                });
            }
            if !unreturned.is_empty() {
                self.read_unreturned(open, &unreturned, &mut results).await?;
            }
            Ok(results)
        };
        let limiter = Some(self.session.write_limiter());
        self.session.call_batch(CALL, &self.name, limiter, updates.iter().collect(), send).await
    }

    /// Executes the statements, each with its parameters; the responses are in their order.
    async fn execute(
        &self,
        call: &'static str,
        statements: impl Iterator<Item = (String, Vec<AttributeValue>)>,
        on_condition_failure: Option<ReturnValuesOnConditionCheckFailure>,
    ) -> Result<Vec<BatchStatementResponse>, AttemptError> {
        let statements = statements.map(|(statement, parameters)| {
            let request =
                BatchStatementRequest::builder().statement(statement).set_parameters(Some(parameters));
            let request = request.set_return_values_on_condition_check_failure(on_condition_failure.clone());
            request.build().expect("a statement is given")
        });
        let request = self.client.batch_execute_statement().set_statements(Some(statements.collect()));
        let request = request.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let answer = request.send().await.map_err(|error| attempt_error(call, &error))?;
        self.session.meter().add_write_units(answer.consumed_capacity());
        Ok(answer.responses.unwrap_or_default())
    }

    /// Reads the items that failed the condition and were not returned. Where the read fails, their entries stay open;
    /// the results of the others are kept.
    async fn read_unreturned(
        &self,
        updates: &[&OutcomeUpdate],
        unreturned: &[usize],
        results: &mut [Result<UpdateResult, EntryFailure>],
    ) -> Result<(), AttemptError> {
        let ids: Vec<MessageId> = unreturned.iter().map(|place| updates[*place].id).collect();
        let found = match self.read(&ids, "id, #status, attempt").await {
            Ok(found) => found,
            Err(attempt_error @ (AttemptError::Permanent(_) | AttemptError::NotFound)) => {
                return Err(attempt_error);
            }
            Err(_) => return Ok(()),
        };
        for (place, item) in unreturned.iter().zip(found) {
            results[*place] = match item {
                LookupResult::Item(item) => judge(updates[*place], &item).ok_or(EntryFailure::Failed),
                LookupResult::NotFound => Ok(UpdateResult::NotFound),
                LookupResult::Unprocessed => Err(EntryFailure::Failed),
            };
        }
        Ok(())
    }

    /// Reads up to [`KEYS`] different messages consistently; `None` for a missing one.
    pub async fn get_messages(&self, ids: &[MessageId]) -> Result<Vec<Option<MessageRecord>>, Error> {
        let send = async |open: &[MessageId], _| {
            let attributes = "id, #status, created_at, concluded_at, delivery_ms, parts, reason";
            let found = self.read(open, attributes).await?;
            Ok(found
                .into_iter()
                .map(|found| match found {
                    LookupResult::Item(item) => Ok(Some(message_record(&item))),
                    LookupResult::NotFound => Ok(None),
                    LookupResult::Unprocessed => Err(EntryFailure::Failed),
                })
                .collect())
        };
        self.session.call_batch(READ, &self.name, None, ids.to_vec(), send).await
    }

    /// Reads up to [`KEYS`] items consistently, in one request; the results are in the order of the IDs.
    async fn read(&self, ids: &[MessageId], attributes: &str) -> Result<Vec<LookupResult>, AttemptError> {
        let keys = ids.iter().map(|id| HashMap::from([("id".to_owned(), text(id))]));
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .projection_expression(attributes)
            .expression_attribute_names("#status", "status")
            .consistent_read(true)
            .build()
            .expect("keys are given");
        let request = self.client.batch_get_item().request_items(&self.name, wanted);
        let request = request.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let mut answer = request.send().await.map_err(|error| attempt_error(READ, &error))?;
        self.session.meter().add_read_units(answer.consumed_capacity());
        let found = answer.responses.as_mut().and_then(|tables| tables.remove(&self.name));
        let mut found: HashMap<String, Item> = found
            .into_iter()
            .flatten()
            .filter_map(|item| Some((string(&item, "id")?.to_owned(), item)))
            .collect();
        let unread = answer.unprocessed_keys.unwrap_or_default();
        let unread: Vec<&str> = unread
            .get(&self.name)
            .into_iter()
            .flat_map(KeysAndAttributes::keys)
            .filter_map(|key| string(key, "id"))
            .collect();
        let take = |id: &MessageId| {
            let id = id.to_string();
            if unread.contains(&id.as_str()) {
                return LookupResult::Unprocessed;
            }
            found.remove(&id).map_or(LookupResult::NotFound, LookupResult::Item)
        };
        Ok(ids.iter().map(take).collect())
    }
}

const READ: &str = "BatchGetItem";

/// Result of reading one key.
enum LookupResult {
    Item(Item),
    NotFound,
    /// DynamoDB left this key unprocessed.
    Unprocessed,
}

/// Judges the item that failed the condition of an update; `None` where the update must be repeated.
fn judge(update: &OutcomeUpdate, item: &Item) -> Option<UpdateResult> {
    match message_record(item).status {
        Some(Status::Pending) => None,
        Some(_) if string(item, "attempt") == Some(&update.attempt) => Some(UpdateResult::Recorded),
        Some(_) => Some(UpdateResult::Duplicate),
        None => Some(UpdateResult::NotFound),
    }
}

/// Handles an error of one statement inside an answer of 200: a transient one leaves the statement without an answer.
fn transient_or_error(call: &'static str, error: &BatchStatementError) -> Result<EntryFailure, AttemptError> {
    let code = error.code.as_ref().map_or("no code", Code::as_str);
    if let Some(
        Code::AccessDenied
        | Code::ResourceNotFound
        | Code::ValidationError
        | Code::ItemCollectionSizeLimitExceeded,
    ) = error.code
    {
        // ResourceNotFound means the table here, as its exception does for a whole call.
        let code = if code == "ResourceNotFound" { "ResourceNotFoundException" } else { code };
        return Err(classify_code(call, code, error.message().unwrap_or("no message")));
    }
    tracing::debug!(call, code, "a statement was not carried out");
    Ok(match error.code {
        Some(Code::ThrottlingError | Code::ProvisionedThroughputExceeded | Code::RequestLimitExceeded) => {
            EntryFailure::Throttled
        }
        _ => EntryFailure::Failed,
    })
}

fn message_record(item: &Item) -> MessageRecord {
    let text = |attribute| item.get(attribute).and_then(|value| value.as_n().ok());
    let number = |attribute| text(attribute)?.parse().ok();
    MessageRecord {
        status: string(item, "status").and_then(Status::from_table),
        created_at: number("created_at"),
        concluded_at: number("concluded_at"),
        delivery_ms: number("delivery_ms"),
        parts: text("parts").and_then(|parts| parts.parse().ok()),
        reason: string(item, "reason").and_then(|code| code.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_core::provider::code::FailureCode;

    #[test]
    fn only_what_cannot_pass_is_final() {
        let of = |code: Code| transient_or_error("Call", &BatchStatementError::builder().code(code).build());
        for throttled in
            [Code::ThrottlingError, Code::ProvisionedThroughputExceeded, Code::RequestLimitExceeded]
        {
            assert!(matches!(of(throttled), Ok(EntryFailure::Throttled)));
        }
        for passing in [Code::InternalServerError, Code::TransactionConflict, Code::from("NotYetInvented")] {
            assert!(matches!(of(passing), Ok(EntryFailure::Failed)));
        }
        assert!(matches!(of(Code::ValidationError), Err(AttemptError::Permanent(_))));
        assert!(matches!(of(Code::ResourceNotFound), Err(AttemptError::NotFound)));
    }

    #[test]
    fn an_item_is_read_as_far_as_its_attributes_are_what_they_should_be() {
        let item: Item = HashMap::from([
            ("status".to_owned(), text("SENT")),
            ("created_at".to_owned(), number(1_000)),
            ("concluded_at".to_owned(), number(3_000)),
            ("delivery_ms".to_owned(), number(500)),
            ("parts".to_owned(), number(2)),
            ("reason".to_owned(), text("TTL_EXPIRED")),
        ]);
        let whole = MessageRecord {
            status: Some(Status::Sent),
            created_at: Some(1_000),
            concluded_at: Some(3_000),
            delivery_ms: Some(500),
            parts: Some(2),
            reason: Some(FailureCode::TTL_EXPIRED),
        };
        assert_eq!(message_record(&item), whole);
        let n = |digits: &str| AttributeValue::N(digits.to_owned());
        for odd in [text("soon"), text("5"), n("-5"), n("0.5"), n("1E40"), AttributeValue::Null(true)] {
            let mut item = item.clone();
            item.insert("delivery_ms".to_owned(), odd.clone());
            assert_eq!(message_record(&item), MessageRecord { delivery_ms: None, ..whole }, "{odd:?}");
        }
        for odd in [text("CANCELLED"), text(""), number(1), AttributeValue::L(vec![])] {
            let mut item = item.clone();
            item.insert("status".to_owned(), odd.clone());
            assert_eq!(message_record(&item), MessageRecord { status: None, ..whole }, "{odd:?}");
        }
        for odd in [text("no code"), text(""), number(1)] {
            let mut item = item.clone();
            item.insert("reason".to_owned(), odd.clone());
            assert_eq!(message_record(&item), MessageRecord { reason: None, ..whole }, "{odd:?}");
        }
        let nothing = MessageRecord {
            status: None,
            created_at: None,
            concluded_at: None,
            delivery_ms: None,
            parts: None,
            reason: None,
        };
        assert_eq!(message_record(&Item::new()), nothing);
    }
}
