//! Items of runs: plan and watermark, and which run is the latest.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use serde::{Deserialize, Serialize};

use super::{
    Error, Item, MetricsTable, NOT_EXISTS, Page, RUN, invalid_data, item_of, key, number, string, text,
};
use crate::error::attempt_error;
use stentor_core::alert_text::InvalidAlertText;
use stentor_core::run::{BodyLength, Plan, RunId};

/// A run as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// The plan of its messages.
    pub plan: Plan,
    /// When it was created, ms since the epoch.
    pub created_at: u64,
    /// Watermark: all messages below this index are in the table and on the queue.
    pub enqueued: u32,
    /// When the whole run was enqueued, ms since the epoch.
    pub finished_at: Option<u64>,
}

/// Result of creating a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateRunResult {
    /// The run was created.
    Created,
    /// A run of this ID exists.
    AlreadyExists,
}

const LATEST: &str = "latest";

/// Pages of a list, at most; each scans 1 MB of the table, a few hundred runs (Amazon DynamoDB API Reference, "Scan").
const MOST_PAGES: usize = 5;

#[derive(Serialize, Deserialize)]
struct RunItem {
    total: u32,
    length: u16,
    #[serde(default)]
    exact_length: bool,
    /// The text of all messages; absent where each has a random one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    seed: u64,
    created_at: u64,
    #[serde(default)]
    enqueued: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished_at: Option<u64>,
}

impl MetricsTable {
    /// Creates a run; an existing one is never overwritten.
    pub async fn create_run(&self, plan: &Plan, created_at: u64) -> Result<CreateRunResult, Error> {
        const CALL: &str = "PutItem (run)";
        let stored = RunItem {
            total: plan.total(),
            length: plan.length().max,
            exact_length: plan.length().exact,
            text: plan.text().map(ToString::to_string),
            seed: plan.seed(),
            created_at,
            enqueued: 0,
            finished_at: None,
        };
        let item = item_of(&plan.run().to_string(), RUN, &stored)?;
        if self.put(CALL, &item, Some(&NOT_EXISTS)).await? {
            return Ok(CreateRunResult::Created);
        }
        // An earlier attempt may have been carried out although its answer was lost.
        let ours = RunRecord { plan: plan.clone(), created_at, enqueued: 0, finished_at: None };
        Ok(if self.run(plan.run()).await?.as_ref() == Some(&ours) {
            CreateRunResult::Created
        } else {
            CreateRunResult::AlreadyExists
        })
    }

    /// Reads a run; `None` where there is no such run.
    pub async fn run(&self, run: RunId) -> Result<Option<RunRecord>, Error> {
        let item = self.get(&run.to_string(), RUN).await?;
        item.map(|item| run_record(run, item)).transpose()
    }

    /// Returns the runs of the stack, newest first; some may be missing in a table larger than the scanned pages. An
    /// invalid run is skipped.
    pub async fn runs(&self) -> Result<Vec<RunRecord>, Error> {
        const CALL: &str = "Scan";
        let page = async |from| {
            let request = self
                .client
                .scan()
                .table_name(&self.name)
                .filter_expression("#part = :run")
                .expression_attribute_names("#part", "part")
                .expression_attribute_values(":run", text(RUN))
                .set_exclusive_start_key(from)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let page = request.send().await.map_err(|error| attempt_error(CALL, &error))?;
            self.session.meter().add_read_units(&page.consumed_capacity);
            Ok(Page { items: page.items.unwrap_or_default(), next: page.last_evaluated_key })
        };
        let items = self.pages(CALL, MOST_PAGES, page).await?;
        let mut runs: Vec<RunRecord> = items.into_iter().filter_map(listed_record).collect();
        runs.sort_by_key(|record| std::cmp::Reverse((record.created_at, record.plan.run())));
        Ok(runs)
    }

    /// Moves the watermark forward to `enqueued`, never back.
    pub async fn advance_watermark(&self, run: RunId, enqueued: u32) -> Result<(), Error> {
        self.move_forward(
            "UpdateItem (enqueued)",
            key(&run.to_string(), RUN),
            "SET enqueued = :new",
            "attribute_exists(#key) AND (attribute_not_exists(enqueued) OR enqueued < :new)",
            vec![(":new", number(u64::from(enqueued)))],
        )
        .await
    }

    /// Marks the whole run as enqueued at `finished_at` (ms since the epoch); the first call wins.
    pub async fn mark_finished(&self, plan: &Plan, finished_at: u64) -> Result<(), Error> {
        self.move_forward(
            "UpdateItem (finished)",
            key(&plan.run().to_string(), RUN),
            "SET enqueued = :total, finished_at = :at",
            "attribute_exists(#key) AND attribute_not_exists(finished_at)",
            vec![(":total", number(u64::from(plan.total()))), (":at", number(finished_at))],
        )
        .await
    }

    /// Makes the run, created at `created_at` (ms since the epoch), the latest, unless a run that was created later is.
    /// Its ID does not matter. An item of an older version has no time, and is replaced.
    pub async fn set_latest(&self, run: RunId, created_at: u64) -> Result<(), Error> {
        self.move_forward(
            "UpdateItem (latest)",
            key(LATEST, RUN),
            "SET id = :new, created_at = :at",
            "attribute_not_exists(#key) OR attribute_not_exists(created_at) OR created_at < :at",
            vec![(":new", text(&run)), (":at", number(created_at))],
        )
        .await
    }

    /// Returns the latest run of the stack.
    pub async fn latest(&self) -> Result<Option<RunId>, Error> {
        let Some(item) = self.get(LATEST, RUN).await? else { return Ok(None) };
        let id = string(&item, "id").and_then(|id| id.parse().ok());
        id.map(Some).ok_or_else(|| invalid_data(LATEST, RUN, &"its `id` is not a run ID"))
    }

    /// Updates an item that only moves forward, unless it has moved already: then the condition, where `#key` is the hash
    /// key, fails.
    async fn move_forward(
        &self,
        call: &'static str,
        key: Item,
        update: &str,
        condition: &str,
        values: Vec<(&str, AttributeValue)>,
    ) -> Result<(), Error> {
        self.session
            .call(call, &self.name, async || {
                let mut request = self
                    .client
                    .update_item()
                    .table_name(&self.name)
                    .set_key(Some(key.clone()))
                    .update_expression(update)
                    .condition_expression(condition)
                    .expression_attribute_names("#key", "run")
                    .return_consumed_capacity(ReturnConsumedCapacity::Total);
                for (name, value) in &values {
                    request = request.expression_attribute_values(*name, value.clone());
                }
                let written = request.send().await.map(|answer| answer.consumed_capacity);
                self.is_written(written.map_err(|error| attempt_error(call, &error))).map(drop)
            })
            .await
    }
}

/// Reads a run of the list. Skips the pointer to the latest run, which has the same sort key.
fn listed_record(item: Item) -> Option<RunRecord> {
    let run = string(&item, "run")?.parse().ok()?;
    run_record(run, item).ok()
}

pub(super) fn run_record(run: RunId, item: Item) -> Result<RunRecord, Error> {
    let wrong = |why: String| invalid_data(&run.to_string(), RUN, &why);
    let stored: RunItem = serde_dynamo::from_item(item).map_err(|e| wrong(e.to_string()))?;
    let plan = match stored.text {
        None => {
            let length = BodyLength { max: stored.length, exact: stored.exact_length };
            Plan::new(run, stored.seed, stored.total, length)
        }
        Some(text) => {
            let text = text.parse().map_err(|error: InvalidAlertText| wrong(error.to_string()))?;
            Plan::with_text(run, stored.seed, stored.total, text)
        }
    };
    let plan = plan.map_err(|e| wrong(e.to_string()))?;
    Ok(RunRecord {
        plan,
        created_at: stored.created_at,
        enqueued: stored.enqueued.min(stored.total),
        finished_at: stored.finished_at,
    })
}
