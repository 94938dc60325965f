//! Writes how deliveries ended into the table, many at a time; there a duplicate dies.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use stentor_aws::messages::{OutcomeUpdate, STATEMENTS, UpdateResult};
use stentor_aws::{Error, MessagesTable};
use tokio::sync::mpsc;

use crate::batching::in_batches;
use crate::counts::Counts;
use crate::delivery::Delivered;
use crate::intake::HANDED_BACK_IN;
use crate::seen::Seen;

/// What concluding needs.
#[derive(Debug)]
pub(crate) struct Conclusions {
    pub messages: MessagesTable,
    pub counts: Rc<Counts>,
    pub seen: Rc<Seen>,
    /// The sender's name.
    pub sender: String,
    /// Deliveries of this sender so far: with its name, the name of one delivery.
    pub attempts: Cell<u64>,
}

impl Conclusions {
    /// Concludes all that comes, until no more can come. `concluded` is told after each batch.
    pub(crate) async fn run(
        &self,
        delivered: mpsc::UnboundedReceiver<Delivered>,
        concluded: impl Fn(),
        failed: impl Fn(Error),
    ) {
        in_batches(delivered, STATEMENTS, Duration::ZERO, async |batch: Vec<Delivered>| {
            match self.record_outcomes(batch).await {
                Ok(()) => concluded(),
                Err(error) => failed(error),
            }
        })
        .await;
    }

    async fn record_outcomes(&self, batch: Vec<Delivered>) -> Result<(), Error> {
        let conclusions: Vec<OutcomeUpdate> =
            batch.iter().map(|delivered| self.conclusion(delivered)).collect();
        let verdicts = self.messages.record_outcomes(&conclusions).await?;
        for (delivered, verdict) in batch.into_iter().zip(verdicts) {
            match verdict {
                UpdateResult::Recorded => {
                    self.counts.concluded(delivered.outcome, delivered.took_ms);
                    delivered.held.delete();
                }
                UpdateResult::Duplicate => {
                    self.counts.duplicate();
                    delivered.held.delete();
                }
                UpdateResult::NotFound => {
                    self.seen.warn_of_missing(delivered.held.id());
                    delivered.held.give_back(HANDED_BACK_IN);
                }
            }
        }
        Ok(())
    }

    fn conclusion(&self, delivered: &Delivered) -> OutcomeUpdate {
        let attempt = self.attempts.get() + 1;
        self.attempts.set(attempt);
        OutcomeUpdate {
            id: delivered.held.id(),
            outcome: delivered.outcome,
            concluded_at: delivered.at,
            delivery_ms: delivered.took_ms,
            sender: self.sender.clone(),
            attempt: format!("{}-{attempt}", self.sender),
        }
    }
}
