//! The third stage: records outcomes in the table, in batches. The table rejects a second outcome of a message.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use stentor_aws::Error;
use stentor_aws::messages::{OutcomeUpdate, STATEMENTS, UpdateResult};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;

use crate::Connections;
use crate::batching::for_each_batch;
use crate::delivery::Delivered;
use crate::settlement::Settlement;
use crate::state::SenderState;
use crate::stop::FailureLimit;

#[derive(Debug)]
pub(crate) struct OutcomeRecorder {
    pub connections: Rc<Connections>,
    pub state: Rc<SenderState>,
    pub sender: String,
    /// Updates so far. With the sender's ID, the number identifies a delivery in all senders.
    pub updates: Cell<u64>,
    pub failure_limit: Option<FailureLimit>,
    pub failure_limit_reached: CancellationToken,
    pub errors: UnboundedSender<Error>,
}

impl OutcomeRecorder {
    /// Records each outcome and settles its message.
    pub(crate) async fn run(self, input: UnboundedReceiver<Delivered>) {
        for_each_batch(input, STATEMENTS, Duration::ZERO, async |batch| {
            if let Err(error) = self.record(batch).await {
                let _ = self.errors.send(error);
            } else if self.failure_limit.is_some_and(|limit| limit.is_reached(&self.state.counters.borrow()))
            {
                self.failure_limit_reached.cancel();
            }
        })
        .await;
    }

    /// Records a batch. On an error its messages are dropped, which releases them.
    async fn record(&self, batch: Vec<Delivered>) -> Result<(), Error> {
        let updates: Vec<OutcomeUpdate> = batch.iter().map(|delivered| self.update(delivered)).collect();
        let results = self.connections.messages.record_outcomes(&updates).await?;
        for (delivered, result) in batch.into_iter().zip(results) {
            let Delivered { in_flight, result: delivery } = delivered;
            let settlement = match result {
                UpdateResult::Recorded => {
                    self.state.record_outcome(in_flight.id().run(), delivery.outcome(), delivery.delivery_ms);
                    Settlement::Delete
                }
                UpdateResult::Duplicate => {
                    self.state.counters.borrow_mut().duplicates += 1;
                    Settlement::Delete
                }
                UpdateResult::NotFound => {
                    self.state.activity.borrow_mut().warn_missing_item(in_flight.id());
                    Settlement::RELEASE_UNUSABLE
                }
            };
            in_flight.settle(settlement);
        }
        Ok(())
    }

    fn update(&self, delivered: &Delivered) -> OutcomeUpdate {
        let number = self.updates.get() + 1;
        self.updates.set(number);
        let Delivered { in_flight, result } = delivered;
        OutcomeUpdate {
            id: in_flight.id(),
            reason: result.reason,
            carrier: result.carrier.clone(),
            concluded_at: result.at,
            delivery_ms: result.delivery_ms,
            sender: self.sender.clone(),
            attempt: format!("{}-{number}", self.sender),
        }
    }
}
