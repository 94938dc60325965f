//! The items that tell what a run is, how far it is enqueued, and which run is the latest.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use serde::{Deserialize, Serialize};

use super::{Error, Item, MetricsTable, NOT_THERE, RUN, invalid_data, key, number, string, text};
use crate::error::{AttemptError, attempt_error};
use stentor_core::run::{BodyLength, Plan, RunId};

/// What the table tells of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// What its messages are made from.
    pub plan: Plan,
    /// When it was begun, ms since the epoch.
    pub created_at: u64,
    /// All messages with an index below this are in the table and on the queue.
    pub enqueued: u32,
    /// When all of it was enqueued, ms since the epoch.
    pub finished_at: Option<u64>,
}

/// What came of beginning a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateRunResult {
    /// It is begun.
    Created,
    /// A run of that name is there already.
    AlreadyExists,
}

const LATEST: &str = "latest";

#[derive(Serialize, Deserialize)]
struct Stored {
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
    /// Begins a run; one of the same name is never overwritten.
    pub async fn create_run(&self, plan: &Plan, created_at: u64) -> Result<CreateRunResult, Error> {
        const CALL: &str = "PutItem (run)";
        let stored = Stored {
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
        if self.put(CALL, &item, NOT_THERE).await? {
            return Ok(CreateRunResult::Created);
        }
        // An earlier try may have been carried out without its answer coming through.
        let ours = RunRecord { plan: *plan, created_at, enqueued: 0, finished_at: None };
        Ok(if self.run(plan.run()).await?.as_ref() == Some(&ours) {
            CreateRunResult::Created
        } else {
            CreateRunResult::AlreadyExists
        })
    }

    /// What the table tells of that run; `None` where there is none.
    pub async fn run(&self, run: RunId) -> Result<Option<RunRecord>, Error> {
        let item = self.get(&run.to_string(), RUN).await?;
        item.map(|item| run_record(run, item)).transpose()
    }

    /// All messages below `enqueued` are in table and queue: moves the mark, never back.
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

    /// All of the run is enqueued, at `finished_at` (ms since the epoch); the first to say so is believed.
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

    /// Makes that run the latest, unless a later one is.
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

    /// The newest run of the stack.
    pub async fn latest(&self) -> Result<Option<RunId>, Error> {
        let Some(item) = self.get(LATEST, RUN).await? else { return Ok(None) };
        let id = string(&item, "id").and_then(|id| id.parse().ok());
        id.map(Some).ok_or_else(|| invalid_data(LATEST, RUN, &"its id is no run id"))
    }

    /// An update that only ever moves something forward: where its condition fails it has been done.
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
    let stored: Stored = serde_dynamo::from_item(item).map_err(|e| wrong(e.to_string()))?;
    let length = BodyLength { max: stored.length, exact: stored.exact_length };
    let plan = Plan::new(run, stored.seed, stored.total, length).map_err(|e| wrong(e.to_string()))?;
    Ok(RunRecord {
        plan,
        created_at: stored.created_at,
        enqueued: stored.enqueued.min(stored.total),
        finished_at: stored.finished_at,
    })
}
