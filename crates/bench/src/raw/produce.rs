//! The producer's calls: INSERTs of 25 messages, then sends of ten, a batch of 50 after the other in each lane.

use std::cell::RefCell;

use futures::future::try_join_all;
use serde_json::{Value, json};
use stentor_aws::clock::now_ms;
use stentor_aws::messages::STATEMENTS;
use stentor_aws::names::StackName;
use stentor_aws::queue;
use stentor_core::message::{Message, QueueMessage};
use stentor_core::run::{BodyLength, Plan, RunId};
use tokio::time::Instant;

use super::request::Call;
use super::{Connection, Endpoint, Lane, Load, done, queue_url};

/// As many messages as fill both kinds of batches.
const BATCH: usize = 50;

/// How long a message stays in the table, seconds, as the producer has it.
const LIFETIME: u64 = 7 * 24 * 3_600;

/// What is to be produced.
#[derive(Debug, Clone, Copy)]
pub struct Production {
    /// How many messages.
    pub messages: u32,
    /// Their longest text, characters.
    pub length: u16,
    /// How many lanes.
    pub concurrency: usize,
}

/// The requests of a batch, in their order.
type Requests = Vec<(Call, Vec<u8>)>;

/// Makes messages and enqueues them. All requests are written before the first is made: the messages take about
/// 1 KB of memory each.
pub async fn produce(
    endpoint: &Endpoint,
    stack: &StackName,
    production: &Production,
) -> anyhow::Result<Load> {
    let queue_url = queue_url(endpoint, stack).await?;
    let run = RunId::from_parts(now_ms(), rand::random());
    let length = BodyLength { max: production.length, exact: false };
    let plan = Plan::new(run, rand::random(), production.messages, length)?;
    let batches = plan.chunks(BATCH).map(|indices| {
        let messages: Vec<Message> = plan.ids(indices).map(|id| plan.message(id)).collect();
        (messages.len() as u64, requests(endpoint, stack, &queue_url, messages))
    });
    let mut batches: Vec<(u64, Requests)> = batches.collect();
    // Lanes take from the end.
    batches.reverse();
    let batches = RefCell::new(batches);
    let start = Instant::now();
    let lanes = try_join_all((0..production.concurrency).map(|_| lane(endpoint, &batches))).await?;
    Ok(Load::of(Some(run.to_string()), start, &lanes))
}

async fn lane(endpoint: &Endpoint, batches: &RefCell<Vec<(u64, Requests)>>) -> anyhow::Result<Lane> {
    let mut connection = Connection::to(endpoint);
    let mut messages = 0;
    let mut last = None;
    let next = || batches.borrow_mut().pop();
    while let Some((size, requests)) = next() {
        for (call, request) in &requests {
            done(&mut connection, *call, request).await?;
        }
        messages += size;
        last = Some(Instant::now());
    }
    Ok(Lane { messages, requests: connection.requests(), last })
}

fn requests(endpoint: &Endpoint, stack: &StackName, queue_url: &str, messages: Vec<Message>) -> Requests {
    let created_at = now_ms();
    let insert = format!(
        "INSERT INTO \"{}\" VALUE {{'id': ?, 'run': ?, 'phone': ?, 'body': ?, 'status': ?, 'created_at': ?, 'expires_at': ?}}",
        stack.messages_table()
    );
    let statement = |message: &Message| {
        json!({"Statement": insert, "Parameters": [
            {"S": message.id.to_string()},
            {"S": message.id.run().to_string()},
            {"S": message.phone},
            {"S": message.body},
            {"S": "PENDING"},
            {"N": created_at.to_string()},
            {"N": (created_at / 1_000 + LIFETIME).to_string()},
        ]})
    };
    let mut requests: Requests = messages
        .chunks(STATEMENTS)
        .map(|some| {
            let statements: Vec<Value> = some.iter().map(statement).collect();
            let body = json!({"Statements": statements}).to_string();
            (Call::BatchExecuteStatement, Call::BatchExecuteStatement.request(endpoint, &body))
        })
        .collect();
    let envelopes: Vec<QueueMessage> =
        messages.into_iter().map(|message| QueueMessage { message, possibly_repeated: false }).collect();
    requests.extend(envelopes.chunks(queue::BATCH).map(|some| {
        let entry = |(place, envelope): (usize, &QueueMessage)| {
            json!({"Id": place.to_string(), "MessageBody": envelope.to_json()})
        };
        let entries: Vec<Value> = some.iter().enumerate().map(entry).collect();
        let body = json!({"QueueUrl": queue_url, "Entries": entries}).to_string();
        (Call::SendMessageBatch, Call::SendMessageBatch.request(endpoint, &body))
    }));
    requests
}
