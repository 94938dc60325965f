//! The metrics table: runs, their shard tallies, usage records and heartbeats.

mod deployment;
mod heartbeats;
mod provider;
mod provider_counters;
mod run_items;
mod runs;
mod shard_tallies;
mod usage;

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity};
use serde::Serialize;
use stentor_core::escape::one_line;

pub use heartbeats::Heartbeat;
pub use provider::{LimitUpdate, StoredLimit};
pub use run_items::{RunItems, RunProgress};
pub use runs::{CreateRunResult, RunRecord};

use super::error::{AttemptError, Error, attempt_error};
use super::item::{Item, number, string, text};
use super::session::Session;

/// Sort key of a run's own item.
const RUN: &str = "run";

/// The condition of a put on the existing item.
struct Condition<'a> {
    expression: &'a str,
    /// Attributes that the expression prefixes with `#`.
    names: &'a [&'a str],
    /// The value that the expression compares with.
    value: Option<(&'a str, AttributeValue)>,
}

/// No item exists.
const NOT_EXISTS: Condition<'static> =
    Condition { expression: "attribute_not_exists(#run)", names: &["run"], value: None };

/// The stack's metrics table.
#[derive(Debug, Clone)]
pub struct MetricsTable {
    session: Arc<Session>,
    client: Client,
    name: String,
}

impl MetricsTable {
    /// Returns the stack's metrics table.
    pub fn new(session: &Arc<Session>) -> Self {
        Self {
            session: Arc::clone(session),
            client: session.table_client(),
            name: session.stack().metrics_table(),
        }
    }

    async fn get(&self, run: &str, part: &str) -> Result<Option<Item>, Error> {
        const CALL: &str = "GetItem";
        self.session
            .call(CALL, &self.name, async || {
                let request = self.client.get_item().table_name(&self.name).consistent_read(true);
                let request = request.return_consumed_capacity(ReturnConsumedCapacity::Total);
                let answer = request.set_key(Some(key(run, part))).send().await;
                let answer = answer.map_err(|error| attempt_error(CALL, &error))?;
                self.session.meter().add_read_units(&answer.consumed_capacity);
                Ok(answer.item)
            })
            .await
    }

    /// Puts an item; returns `false` where `condition` fails on the existing one.
    async fn put(
        &self,
        call: &'static str,
        item: &Item,
        condition: Option<&Condition<'_>>,
    ) -> Result<bool, Error> {
        self.session.call(call, &self.name, async || self.try_put(call, item, condition).await).await
    }

    async fn try_put(
        &self,
        call: &'static str,
        item: &Item,
        condition: Option<&Condition<'_>>,
    ) -> Result<bool, AttemptError> {
        let mut request = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item.clone()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        if let Some(Condition { expression, names, value }) = condition {
            request = request.condition_expression(*expression);
            for name in *names {
                request = request.expression_attribute_names(format!("#{name}"), *name);
            }
            if let Some((name, value)) = value {
                request = request.expression_attribute_values(*name, value.clone());
            }
        }
        let written = request.send().await.map(|answer| answer.consumed_capacity);
        self.is_written(written.map_err(|error| attempt_error(call, &error)))
    }

    /// Adds the units of a write; returns `false` where its condition failed.
    fn is_written(
        &self,
        result: Result<Option<ConsumedCapacity>, AttemptError>,
    ) -> Result<bool, AttemptError> {
        match result {
            Ok(capacity) => {
                self.session.meter().add_write_units(&capacity);
                Ok(true)
            }
            Err(AttemptError::ConditionFailed) => Ok(false),
            Err(attempt_error) => Err(attempt_error),
        }
    }

    /// Returns every item of a partition.
    async fn query(&self, run: &str) -> Result<Vec<Item>, Error> {
        self.query_where("#run = :run", HashMap::from([(":run".to_owned(), text(run))])).await
    }

    /// Returns the items of a partition whose sort key is less than `before`.
    async fn query_before(&self, run: &str, before: &str) -> Result<Vec<Item>, Error> {
        let values = [(":run", run), (":before", before)];
        let values = values.map(|(name, value)| (name.to_owned(), text(value)));
        self.query_where("#run = :run AND part < :before", HashMap::from(values)).await
    }

    async fn query_where(
        &self,
        condition: &str,
        values: HashMap<String, AttributeValue>,
    ) -> Result<Vec<Item>, Error> {
        const CALL: &str = "Query";
        let page = async |from| {
            let request = self
                .client
                .query()
                .table_name(&self.name)
                .consistent_read(true)
                .key_condition_expression(condition)
                .expression_attribute_names("#run", "run")
                .set_expression_attribute_values(Some(values.clone()))
                .set_exclusive_start_key(from)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let page = request.send().await.map_err(|error| attempt_error(CALL, &error))?;
            self.session.meter().add_read_units(&page.consumed_capacity);
            Ok(Page { items: page.items.unwrap_or_default(), next: page.last_evaluated_key })
        };
        self.pages(CALL, usize::MAX, page).await
    }

    /// Reads up to `most` pages; `page` gets the key to start after.
    async fn pages(
        &self,
        call: &'static str,
        most: usize,
        page: impl AsyncFn(Option<Item>) -> Result<Page, AttemptError>,
    ) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        let mut from: Option<Item> = None;
        for _ in 0..most {
            let page = self.session.call(call, &self.name, async || page(from.clone()).await).await?;
            items.extend(page.items);
            from = page.next.filter(|key| !key.is_empty());
            if from.is_none() {
                break;
            }
        }
        Ok(items)
    }
}

/// A page of a result, and the key at which the next one starts.
struct Page {
    items: Vec<Item>,
    next: Option<Item>,
}

fn key(run: &str, part: &str) -> Item {
    HashMap::from([("run".to_owned(), text(run)), ("part".to_owned(), text(part))])
}

/// Serialises an item with its key.
fn item_of(run: &str, part: &str, attributes: &impl Serialize) -> Result<Item, Error> {
    let mut item: Item =
        serde_dynamo::to_item(attributes).map_err(|error| invalid_data(run, part, &error))?;
    item.extend(key(run, part));
    Ok(item)
}

fn invalid_data(run: &str, part: &str, why: &impl ToString) -> Error {
    Error::InvalidData {
        what: one_line(&format!("item '{part}' of '{run}' in the metrics table")),
        why: one_line(&why.to_string()),
    }
}
