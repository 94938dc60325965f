//! The second stage: simulates the delivery of each message as soon as a slot is free.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use stentor_aws::Error;
use stentor_aws::clock::Clock;
use stentor_core::delivery::{DeliveryModel, Outcome};
use stentor_core::provider::code::FailureCode;
use stentor_core::provider::profile::{OTHER_CARRIER, ProviderProfile};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::allowance::{Allowances, TakenUnits};
use crate::in_flight::InFlightMessage;
use crate::settlement::Settlement;
use crate::state::SenderState;

/// The longest backoff after a failed attempt, seconds.
const MAX_BACKOFF: u64 = 60;

/// A message after its last delivery attempt.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub in_flight: InFlightMessage,
    pub outcome: Outcome,
    /// Why the provider refused the message.
    #[expect(dead_code, reason = "outcomes have no reason yet")]
    pub reason: Option<FailureCode>,
    pub delivery_ms: u64,
    /// Time of the outcome, ms since the epoch.
    pub at: u64,
}

#[derive(Debug)]
pub(crate) struct DeliveryStage {
    pub model: DeliveryModel,
    pub state: Rc<SenderState>,
    pub provider: Option<Arc<ProviderProfile>>,
    /// The provider's caps and spend limit, if it has any.
    pub allowances: Option<Rc<Allowances>>,
    /// Attempts before a message counts as failed.
    pub max_attempts: u32,
    /// One permit for each concurrent delivery.
    pub slots: Semaphore,
    pub stop: CancellationToken,
    pub clock: Clock,
    pub errors: UnboundedSender<Error>,
}

impl DeliveryStage {
    /// Delivers each message in a task. Releases those that are unfinished when `stop` is cancelled.
    pub(crate) async fn run(
        self,
        mut input: UnboundedReceiver<InFlightMessage>,
        output: UnboundedSender<Delivered>,
    ) {
        let stage = Rc::new(self);
        while let Some(message) = input.recv().await {
            let (stage, output) = (Rc::clone(&stage), output.clone());
            spawn_local(async move {
                let delivered = stage.stop.run_until_cancelled(stage.deliver(message)).await;
                if let Some(delivered) = delivered.flatten() {
                    // The outcome stage ends after the last delivery.
                    let _ = output.send(delivered);
                }
            });
        }
    }

    /// Runs one delivery attempt. Returns `None` if it failed and the message was released for another attempt, or if the
    /// message was not started because its lease had expired.
    async fn deliver(&self, message: InFlightMessage) -> Option<Delivered> {
        let slot = self.slots.acquire().await.ok()?;
        // A cancelled delivery frees its slot for a message that still waits.
        if self.stop.is_cancelled() {
            return None;
        }
        let attempt = message.attempt().min(self.max_attempts);
        let planned = self.model.plan_delivery(message.id(), attempt);
        let taken = match self.take_allowance(&message).await? {
            Ok(taken) => taken,
            Err(code) => return self.refuse(message, code).await,
        };
        if !message.start_delivery().await || self.stop.is_cancelled() {
            return None;
        }
        taken.spend();
        if self.provider.is_some() {
            self.state.begin_parts(message.id().run(), self.carrier(), message.parts());
        }
        let start = Instant::now();
        if !planned.wait.is_zero() {
            sleep(planned.wait).await;
        }
        let delivery_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        drop(slot);
        message.end_delivery();
        if planned.outcome == Outcome::Failed && message.attempt() < self.max_attempts {
            let backoff = backoff(message.attempt());
            message.settle(Settlement::ReleaseAfter(backoff));
            return None;
        }
        let at = self.clock.now_ms();
        Some(Delivered { in_flight: message, outcome: planned.outcome, reason: None, delivery_ms, at })
    }

    fn carrier(&self) -> &str {
        let carrier = self.provider.as_ref().and_then(|provider| provider.carriers.first());
        carrier.map_or(OTHER_CARRIER, |carrier| &carrier.name)
    }

    /// Takes the message's parts and price from the provider's caps and spend limit, or returns the code of the one that
    /// refuses. Returns `None` after an error, which ends the pipeline.
    async fn take_allowance(&self, message: &InFlightMessage) -> Option<Result<TakenUnits, FailureCode>> {
        let Some(allowances) = &self.allowances else { return Some(Ok(TakenUnits::default())) };
        match allowances.take(self.carrier(), message.parts()).await {
            Ok(result) => Some(result),
            Err(error) => {
                // Only the first error of the pipeline is received.
                let _ = self.errors.send(error);
                None
            }
        }
    }

    /// Fails a message that the provider refuses: its delivery never begins, and no further attempt is made.
    async fn refuse(&self, message: InFlightMessage, code: FailureCode) -> Option<Delivered> {
        if !message.start_delivery().await {
            return None;
        }
        message.end_delivery();
        let (reason, at) = (Some(code), self.clock.now_ms());
        Some(Delivered { in_flight: message, outcome: Outcome::Failed, reason, delivery_ms: 0, at })
    }
}

/// Computes the time between a failed attempt and the next: 1 s, 2 s, 4 s …
fn backoff(attempt: u32) -> Duration {
    let seconds = 1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(MAX_BACKOFF);
    Duration::from_secs(seconds.clamp(1, MAX_BACKOFF))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_up_to_its_maximum() {
        assert_eq!([1, 2, 3, 6, 7, 100].map(|attempt| backoff(attempt).as_secs()), [1, 2, 4, 32, 60, 60]);
    }
}
