//! The sender's calls: receives of ten, conditional UPDATEs of 25 messages, deletes of ten.

use std::time::Duration;

use anyhow::Context;
use futures::future::try_join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use stentor_aws::clock::now_ms;
use stentor_aws::messages::STATEMENTS;
use stentor_aws::names::StackName;
use stentor_aws::queue;
use stentor_core::message::{MessageId, QueueMessage};
use tokio::time::{Instant, sleep};

use super::request::Call;
use super::{Connection, Endpoint, Lane, Load, done, queue_url};

/// A lane ends when nothing came for that long.
const IDLE: Duration = Duration::from_secs(1);

/// How long a lane rests where a receive came back empty before its time.
const REST: Duration = Duration::from_millis(20);

/// What every lane needs to know.
struct Work<'a> {
    endpoint: &'a Endpoint,
    queue_url: String,
    receive: Vec<u8>,
    update: String,
}

/// A received message.
struct Held {
    id: MessageId,
    receipt: String,
}

/// Concludes all messages on the queue as SENT, in so many lanes, until the queue has been empty for a second.
pub async fn send(endpoint: &Endpoint, stack: &StackName, concurrency: usize) -> anyhow::Result<Load> {
    let queue_url = queue_url(endpoint, stack).await?;
    let receive = json!({
        "QueueUrl": queue_url,
        "MaxNumberOfMessages": queue::BATCH,
        "WaitTimeSeconds": IDLE.as_secs(),
        "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
    });
    let update = format!(
        "UPDATE \"{}\" SET \"status\"=? SET concluded_at=? SET delivery_ms=? SET sender=? SET attempt=? WHERE id=? AND \"status\"=?",
        stack.messages_table()
    );
    let receive = Call::ReceiveMessage.request(endpoint, &receive.to_string());
    let work = Work { endpoint, queue_url, receive, update };
    let start = Instant::now();
    let lanes = try_join_all((0..concurrency).map(|_| work.lane())).await?;
    Ok(Load::of(None, start, &lanes))
}

impl Work<'_> {
    async fn lane(&self) -> anyhow::Result<Lane> {
        let mut connection = Connection::to(self.endpoint);
        let mut received: Vec<Held> = Vec::new();
        let mut concluded: Vec<Held> = Vec::new();
        let mut messages = 0;
        let mut last = None;
        let mut idle_since = Instant::now();
        loop {
            let some = self.receive(&mut connection).await?;
            // Batches are filled while there is enough to fill them with; a lane that waits holds nothing.
            let all = some.len() < queue::BATCH;
            let came = !some.is_empty();
            received.extend(some);
            while received.len() >= STATEMENTS || all && !received.is_empty() {
                let batch: Vec<Held> = received.drain(..received.len().min(STATEMENTS)).collect();
                let request = self.conclusions(&batch);
                done(&mut connection, Call::BatchExecuteStatement, &request).await?;
                concluded.extend(batch);
            }
            while concluded.len() >= queue::BATCH || all && !concluded.is_empty() {
                let batch: Vec<Held> = concluded.drain(..concluded.len().min(queue::BATCH)).collect();
                done(&mut connection, Call::DeleteMessageBatch, &self.deletes(&batch)).await?;
                messages += batch.len() as u64;
                last = Some(Instant::now());
            }
            if came {
                idle_since = Instant::now();
            } else if idle_since.elapsed() >= IDLE {
                return Ok(Lane { messages, requests: connection.requests(), last });
            } else {
                sleep(REST).await;
            }
        }
    }

    async fn receive(&self, connection: &mut Connection) -> anyhow::Result<Vec<Held>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            #[serde(default)]
            messages: Vec<Message>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Message {
            body: String,
            receipt_handle: String,
        }
        let answer = connection.call(&self.receive).await?;
        let answer: Answer = serde_json::from_slice(&answer).context("ReceiveMessage answers no messages")?;
        let held = |message: Message| {
            let envelope = QueueMessage::from_json(&message.body)?;
            Ok(Held { id: envelope.message.id, receipt: message.receipt_handle })
        };
        answer.messages.into_iter().map(held).collect()
    }

    fn conclusions(&self, batch: &[Held]) -> Vec<u8> {
        let concluded_at = now_ms().to_string();
        let statement = |held: &Held| {
            json!({
                "Statement": self.update,
                "Parameters": [
                    {"S": "SENT"},
                    {"N": concluded_at},
                    {"N": "0"},
                    {"S": "raw-loader"},
                    {"S": "1"},
                    {"S": held.id.to_string()},
                    {"S": "PENDING"},
                ],
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            })
        };
        let statements: Vec<Value> = batch.iter().map(statement).collect();
        let body = json!({"Statements": statements}).to_string();
        Call::BatchExecuteStatement.request(self.endpoint, &body)
    }

    fn deletes(&self, batch: &[Held]) -> Vec<u8> {
        let entry =
            |(place, held): (usize, &Held)| json!({"Id": place.to_string(), "ReceiptHandle": held.receipt});
        let entries: Vec<Value> = batch.iter().enumerate().map(entry).collect();
        let body = json!({"QueueUrl": self.queue_url, "Entries": entries}).to_string();
        Call::DeleteMessageBatch.request(self.endpoint, &body)
    }
}
