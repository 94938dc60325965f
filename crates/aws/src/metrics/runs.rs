//! Items of runs: plan and watermark, and which run is the latest.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use serde::{Deserialize, Serialize};

use super::{Error, Item, MetricsTable, NOT_EXISTS, RUN, invalid_data, key, number, string, text};
use crate::error::{AttemptError, attempt_error};
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

#[derive(Serialize, Deserialize)]
struct RunItem {
    run: String,
    part: String,
    total: u32,
    length: u16,
    #[serde(default)]
    exact_length: bool,
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
            run: plan.run().to_string(),
            part: RUN.to_owned(),
            total: plan.total(),
            length: plan.length().max,
            exact_length: plan.length().exact,
            seed: plan.seed(),
            created_at,
            enqueued: 0,
            finished_at: None,
        };
        let item: Item = serde_dynamo::to_item(&stored).map_err(|e| invalid_data(&stored.run, RUN, &e))?;
        if self.put(CALL, &item, NOT_EXISTS).await? {
            return Ok(CreateRunResult::Created);
        }
        // An earlier attempt may have been carried out although its answer was lost.
        let ours = RunRecord { plan: *plan, created_at, enqueued: 0, finished_at: None };
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

    /// Makes the run the latest, unless a later one is.
    pub async fn set_latest(&self, run: RunId) -> Result<(), Error> {
        self.move_forward(
            "UpdateItem (latest)",
            key(LATEST, RUN),
            "SET id = :new",
            "attribute_not_exists(#key) OR attribute_not_exists(id) OR id < :new",
            vec![(":new", text(&run))],
        )
        .await
    }

    /// Returns the latest run of the stack.
    pub async fn latest(&self) -> Result<Option<RunId>, Error> {
        let Some(item) = self.get(LATEST, RUN).await? else { return Ok(None) };
        let id = string(&item, "id").and_then(|id| id.parse().ok());
        id.map(Some).ok_or_else(|| invalid_data(LATEST, RUN, &"its `id` is not a run ID"))
    }

    /// Updates an item that only moves forward: a failed condition means that the update is already done.
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
                    .set_expression_attribute_names(
                        condition.contains("#key").then(|| [("#key".to_owned(), "run".to_owned())].into()),
                    );
                for (name, value) in &values {
                    request = request.expression_attribute_values(*name, value.clone());
                }
                let request = request.return_consumed_capacity(ReturnConsumedCapacity::Total);
                match request.send().await.map_err(|error| attempt_error(call, &error)) {
                    Ok(answer) => {
                        self.session.meter().add_write_units(&answer.consumed_capacity);
                        Ok(())
                    }
                    Err(AttemptError::ConditionFailed) => Ok(()),
                    Err(attempt_error) => Err(attempt_error),
                }
            })
            .await
    }
}

pub(super) fn run_record(run: RunId, item: Item) -> Result<RunRecord, Error> {
    let wrong = |why: String| invalid_data(&run.to_string(), RUN, &why);
    let stored: RunItem = serde_dynamo::from_item(item).map_err(|e| wrong(e.to_string()))?;
    let length = BodyLength { max: stored.length, exact: stored.exact_length };
    let plan = Plan::new(run, stored.seed, stored.total, length).map_err(|e| wrong(e.to_string()))?;
    Ok(RunRecord {
        plan,
        created_at: stored.created_at,
        enqueued: stored.enqueued.min(stored.total),
        finished_at: stored.finished_at,
    })
}
