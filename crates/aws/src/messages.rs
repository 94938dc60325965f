//! The messages table: one item a message, created once, concluded once.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementError, BatchStatementErrorCodeEnum, BatchStatementRequest,
    BatchStatementResponse, KeysAndAttributes, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
};

use super::error::{AttemptError, Error, attempt_error, classify_code};
use super::item::{Item, number, string, text};
use super::session::Session;
use stentor_core::delivery::{Outcome, Status};
use stentor_core::message::{Message, MessageId, MessageRecord};

/// The most statements of a batch (Amazon DynamoDB API Reference, "`BatchExecuteStatement`").
pub const STATEMENTS: usize = 25;

/// The most keys of a batch read (Amazon DynamoDB API Reference, "`BatchGetItem`").
pub const KEYS: usize = 100;

/// How long a message stays in the table, seconds: seven days.
const LIFETIME: u64 = 7 * 24 * 3_600;

/// The table of all messages.
#[derive(Debug, Clone)]
pub struct MessagesTable {
    session: Arc<Session>,
    client: Client,
    name: String,
}

/// What came of creating a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertResult {
    /// It is there now.
    Inserted,
    /// It was there before, and stays as it was.
    AlreadyExists,
}

/// The end of a message, as a sender writes it.
#[derive(Debug, Clone)]
pub struct OutcomeUpdate {
    /// Which message.
    pub id: MessageId,
    /// How it ended.
    pub outcome: Outcome,
    /// When, ms since the epoch.
    pub concluded_at: u64,
    /// How long the delivery took, ms.
    pub delivery_ms: u64,
    /// Who delivered it.
    pub sender: String,
    /// What tells this delivery from any other: a sender knows its own success by it.
    pub attempt: String,
}

/// What came of concluding a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateResult {
    /// The conclusion stands; it may have been written by an earlier try.
    Recorded,
    /// Another conclusion stands.
    Duplicate,
    /// There is no such item, or one that cannot be concluded.
    NotFound,
}

impl MessagesTable {
    /// The stack's table of messages.
    pub fn new(session: &Arc<Session>) -> Self {
        Self {
            session: Arc::clone(session),
            client: session.table_client(),
            name: session.stack().messages_table(),
        }
    }

    /// Creates up to [`STATEMENTS`] messages, PENDING, at `created_at` (ms since the epoch). One that is there
    /// already is never touched.
    pub async fn insert_pending(
        &self,
        messages: &[Message],
        created_at: u64,
    ) -> Result<Vec<InsertResult>, Error> {
        const CALL: &str = "BatchExecuteStatement (INSERT)";
        let insert = format!(
            "INSERT INTO \"{}\" VALUE {{'id': ?, 'run': ?, 'phone': ?, 'body': ?, 'status': ?, 'created_at': ?, 'expires_at': ?}}",
            self.name
        );
        let judge = |error: &BatchStatementError| match error.code {
            Some(BatchStatementErrorCodeEnum::DuplicateItem) => Ok(Some(InsertResult::AlreadyExists)),
            _ => again_or_final(CALL, error),
        };
        let send = async |open: &[&Message], _| {
            let statements = open.iter().map(|message| {
                statement(
                    &insert,
                    [
                        text(&message.id),
                        text(&message.id.run()),
                        text(&message.phone),
                        text(&message.body),
                        text(Status::Pending.as_str()),
                        number(created_at),
                        number(created_at / 1_000 + LIFETIME),
                    ],
                )
                .build()
                .expect("a statement is given")
            });
            let responses = self.execute(CALL, statements.collect()).await?;
            responses
                .iter()
                .map(|response| response.error().map_or(Ok(Some(InsertResult::Inserted)), judge))
                .collect()
        };
        self.session.call_batch(CALL, &self.name, messages.iter().collect(), send).await
    }

    /// Writes up to [`STATEMENTS`] conclusions of different messages, each on the condition that its message is
    /// still PENDING.
    pub async fn record_outcomes(&self, conclusions: &[OutcomeUpdate]) -> Result<Vec<UpdateResult>, Error> {
        const CALL: &str = "BatchExecuteStatement (UPDATE)";
        let update = format!(
            "UPDATE \"{}\" SET \"status\"=? SET concluded_at=? SET delivery_ms=? SET sender=? SET attempt=? WHERE id=? AND \"status\"=?",
            self.name
        );
        let send = async |open: &[&OutcomeUpdate], _| {
            let statements = open.iter().map(|conclusion| {
                statement(
                    &update,
                    [
                        text(conclusion.outcome.status().as_str()),
                        number(conclusion.concluded_at),
                        number(conclusion.delivery_ms),
                        text(&conclusion.sender),
                        text(&conclusion.attempt),
                        text(&conclusion.id),
                        text(Status::Pending.as_str()),
                    ],
                )
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .build()
                .expect("a statement is given")
            });
            let responses = self.execute(CALL, statements.collect()).await?;
            let mut verdicts = Vec::with_capacity(open.len());
            let mut unseen = Vec::new();
            for (place, (conclusion, response)) in open.iter().zip(responses).enumerate() {
                verdicts.push(match response.error {
                    None => Some(UpdateResult::Recorded),
                    Some(BatchStatementError {
                        code: Some(BatchStatementErrorCodeEnum::ConditionalCheckFailed),
                        item,
                        ..
                    }) => {
                        let item = item.filter(|item| !item.is_empty());
                        if item.is_none() {
                            unseen.push(place);
                        }
                        item.and_then(|item| verdict(conclusion, &item))
                    }
                    Some(error) => again_or_final(CALL, &error)?,
                });
            }
            if !unseen.is_empty() {
                self.judge_unseen(open, &unseen, &mut verdicts).await?;
            }
            Ok(verdicts)
        };
        self.session.call_batch(CALL, &self.name, conclusions.iter().collect(), send).await
    }

    async fn execute(
        &self,
        call: &'static str,
        statements: Vec<BatchStatementRequest>,
    ) -> Result<Vec<BatchStatementResponse>, AttemptError> {
        let request = self.client.batch_execute_statement().set_statements(Some(statements));
        let request = request.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let answer = request.send().await.map_err(|error| attempt_error(call, &error))?;
        self.session.meter().add_write_units(answer.consumed_capacity());
        Ok(answer.responses.unwrap_or_default())
    }

    /// Reads the items that failed a condition and did not come along. Where that fails, those stay open; the
    /// verdicts on the others stand.
    async fn judge_unseen(
        &self,
        conclusions: &[&OutcomeUpdate],
        unseen: &[usize],
        verdicts: &mut [Option<UpdateResult>],
    ) -> Result<(), AttemptError> {
        let ids: Vec<MessageId> = unseen.iter().map(|place| conclusions[*place].id).collect();
        let found = match self.read(&ids, "id, #status, attempt").await {
            Ok(found) => found,
            Err(attempt_error @ (AttemptError::Permanent(_) | AttemptError::NotFound)) => {
                return Err(attempt_error);
            }
            Err(_) => return Ok(()),
        };
        for (place, item) in unseen.iter().zip(found) {
            verdicts[*place] = match item {
                LookupResult::Item(item) => verdict(conclusions[*place], &item),
                LookupResult::NotFound => Some(UpdateResult::NotFound),
                LookupResult::Unprocessed => None,
            };
        }
        Ok(())
    }

    /// What the table says, at this moment, of up to [`KEYS`] different messages; `None` for one it does not have.
    pub async fn get_messages(&self, ids: &[MessageId]) -> Result<Vec<Option<MessageRecord>>, Error> {
        let send = async |open: &[MessageId], _| {
            let found = self.read(open, "id, #status, created_at, concluded_at, delivery_ms").await?;
            Ok(found
                .into_iter()
                .map(|found| match found {
                    LookupResult::Item(item) => Some(Some(message_record(&item))),
                    LookupResult::NotFound => Some(None),
                    LookupResult::Unprocessed => None,
                })
                .collect())
        };
        self.session.call_batch(READ, &self.name, ids.to_vec(), send).await
    }

    /// Reads up to [`KEYS`] items consistently, in one request; the answers are in the order of the ids.
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

/// What a read says of one key.
enum LookupResult {
    Item(Item),
    NotFound,
    /// The service did not get to it.
    Unprocessed,
}

/// What the item says that failed the condition of a conclusion; `None` where that is to be tried again.
fn verdict(conclusion: &OutcomeUpdate, item: &Item) -> Option<UpdateResult> {
    match message_record(item).status {
        Some(Status::Pending) => None,
        Some(_) if string(item, "attempt") == Some(&conclusion.attempt) => Some(UpdateResult::Recorded),
        Some(_) => Some(UpdateResult::Duplicate),
        None => Some(UpdateResult::NotFound),
    }
}

fn statement<const N: usize>(
    statement: &str,
    parameters: [AttributeValue; N],
) -> aws_sdk_dynamodb::types::builders::BatchStatementRequestBuilder {
    BatchStatementRequest::builder().statement(statement).set_parameters(Some(parameters.into()))
}

/// An error of one statement inside an answer of 200: what passes is asked again, never taken for an answer.
fn again_or_final<A>(call: &'static str, error: &BatchStatementError) -> Result<Option<A>, AttemptError> {
    use BatchStatementErrorCodeEnum as Code;
    let code = error.code.as_ref().map_or("no code", Code::as_str);
    if let Some(
        Code::AccessDenied
        | Code::ResourceNotFound
        | Code::ValidationError
        | Code::ItemCollectionSizeLimitExceeded,
    ) = error.code
    {
        // ResourceNotFound stands for the table here, as its exception does for a whole call.
        let code = if code == "ResourceNotFound" { "ResourceNotFoundException" } else { code };
        return Err(classify_code(call, code, error.message().unwrap_or("no message")));
    }
    tracing::debug!(call, code, "a statement was not carried out");
    Ok(None)
}

fn message_record(item: &Item) -> MessageRecord {
    let number = |attribute| item.get(attribute).and_then(|value| value.as_n().ok()?.parse().ok());
    MessageRecord {
        status: string(item, "status").and_then(Status::from_table),
        created_at: number("created_at"),
        concluded_at: number("concluded_at"),
        delivery_ms: number("delivery_ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_pass_is_final() {
        use BatchStatementErrorCodeEnum as Code;
        let of =
            |code: Code| again_or_final::<()>("Call", &BatchStatementError::builder().code(code).build());
        for passing in [
            Code::ThrottlingError,
            Code::ProvisionedThroughputExceeded,
            Code::RequestLimitExceeded,
            Code::InternalServerError,
            Code::TransactionConflict,
            Code::from("NotYetInvented"),
        ] {
            assert!(matches!(of(passing), Ok(None)));
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
        ]);
        let whole = MessageRecord {
            status: Some(Status::Sent),
            created_at: Some(1_000),
            concluded_at: Some(3_000),
            delivery_ms: Some(500),
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
        let nothing = MessageRecord { status: None, created_at: None, concluded_at: None, delivery_ms: None };
        assert_eq!(message_record(&Item::new()), nothing);
    }
}
