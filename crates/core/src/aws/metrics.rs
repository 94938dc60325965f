//! The metrics table: runs, the tallies of their stream shards, and the senders at work.

mod parts;
mod runs;
mod senders;
mod tallies;

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;

pub use parts::RunParts;
pub use runs::{Creation, RunRecord};
pub use senders::SenderBeat;

use super::error::{Error, one_line, setback};
use super::item::{Item, number, string, text};
use super::session::Session;

/// The part that holds what a run is.
const RUN: &str = "run";

/// The table of runs, tallies and senders.
#[derive(Debug, Clone)]
pub struct MetricsTable {
    session: Arc<Session>,
    client: Client,
    name: String,
}

impl MetricsTable {
    /// The stack's table.
    pub fn new(session: &Arc<Session>) -> Self {
        let client = Client::new(session.config());
        Self { session: Arc::clone(session), client, name: session.stack().metrics_table() }
    }

    async fn get(&self, run: &str, part: &str) -> Result<Option<Item>, Error> {
        const CALL: &str = "GetItem";
        self.session
            .ask_once_answered(CALL, &self.name, async || {
                let request = self.client.get_item().table_name(&self.name).consistent_read(true);
                let answer = request.set_key(Some(key(run, part))).send().await;
                Ok(answer.map_err(|error| setback(CALL, &error))?.item)
            })
            .await
    }

    /// Every item of a partition.
    async fn query(&self, run: &str) -> Result<Vec<Item>, Error> {
        const CALL: &str = "Query";
        let mut items = Vec::new();
        let mut from: Option<Item> = None;
        loop {
            let page = self
                .session
                .ask_once_answered(CALL, &self.name, async || {
                    let request = self
                        .client
                        .query()
                        .table_name(&self.name)
                        .consistent_read(true)
                        .key_condition_expression("#run = :run")
                        .expression_attribute_names("#run", "run")
                        .expression_attribute_values(":run", text(run))
                        .set_exclusive_start_key(from.clone());
                    request.send().await.map_err(|error| setback(CALL, &error))
                })
                .await?;
            items.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(items);
            }
        }
    }
}

fn key(run: &str, part: &str) -> Item {
    HashMap::from([("run".to_owned(), text(run)), ("part".to_owned(), text(part))])
}

fn malformed(run: &str, part: &str, why: &impl ToString) -> Error {
    Error::Malformed {
        what: one_line(&format!("item '{part}' of '{run}' in the metrics table")),
        why: one_line(&why.to_string()),
    }
}
