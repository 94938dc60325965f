//! The raw loader: the calls that the producer and the sender make, with hand-made HTTP and no SDK.
//!
//! It shows what the services, or an emulator of them, give at most to one process: no retries, no signatures, no
//! plan, no marks, no heartbeats. Each lane has one connection and makes one request at a time. A call that fails,
//! or one entry or statement of it, ends the whole.

mod connection;
mod produce;
mod request;
mod send;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;
use stentor_aws::names::StackName;
use tokio::time::Instant;

pub use connection::{Connection, Endpoint};
pub use produce::{Production, produce};
pub use send::send;

use request::{Call, refused};

/// What the raw loader did, as the line that it prints.
#[derive(Debug, Serialize)]
pub struct Load {
    /// The run that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// How many messages went the whole way.
    pub messages: u64,
    /// From the first request to the last answer that a message was concerned by.
    pub seconds: f64,
    /// All requests, except the one that asks for the queue.
    pub requests: u64,
}

/// What one lane did.
#[derive(Debug)]
struct Lane {
    messages: u64,
    requests: u64,
    /// When the last answer came that a message was concerned by.
    last: Option<Instant>,
}

impl Load {
    fn of(run: Option<String>, start: Instant, lanes: &[Lane]) -> Self {
        let last = lanes.iter().filter_map(|lane| lane.last).max();
        Self {
            run,
            messages: lanes.iter().map(|lane| lane.messages).sum(),
            seconds: last.map_or(0.0, |last| last.duration_since(start).as_secs_f64()),
            requests: lanes.iter().map(|lane| lane.requests).sum(),
        }
    }
}

/// Asks where the stack's queue is.
async fn queue_url(endpoint: &Endpoint, stack: &StackName) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "QueueUrl")]
        url: String,
    }
    let request = Call::GetQueueUrl.request(endpoint, &json!({"QueueName": stack.queue()}).to_string());
    let answer = Connection::to(endpoint).call(&request).await?;
    let answer: Answer = serde_json::from_slice(&answer).context("GetQueueUrl answers no QueueUrl")?;
    Ok(answer.url)
}

/// Makes one call that no part of may fail.
async fn done(connection: &mut Connection, call: Call, request: &[u8]) -> anyhow::Result<()> {
    let answer = connection.call(request).await?;
    let refused = refused(call, &answer)?;
    ensure!(refused == 0, "{}: {refused} refused in {}", call.name(), String::from_utf8_lossy(&answer));
    Ok(())
}
