//! The second stage: simulates the delivery of each message as soon as a slot is free.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use stentor_aws::clock::Clock;
use stentor_core::delivery::{DeliveryModel, Outcome};
use stentor_core::provider::profile::{OTHER_CARRIER, ProviderProfile};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::in_flight::{DeliveryStart, InFlightMessage};
use crate::reservation::StartReservations;
use crate::settlement::Settlement;
use crate::state::SenderState;

/// The longest backoff after a failed attempt, seconds.
const MAX_BACKOFF: u64 = 60;

/// A message after its last delivery attempt.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub in_flight: InFlightMessage,
    pub outcome: Outcome,
    pub delivery_ms: u64,
    /// Time of the outcome, ms since the epoch.
    pub at: u64,
}

#[derive(Debug)]
pub(crate) struct DeliveryStage {
    pub model: DeliveryModel,
    pub state: Rc<SenderState>,
    pub provider: Option<Arc<ProviderProfile>>,
    /// The provider's rate limit.
    pub rate_limit: Option<StartReservations>,
    /// Attempts before a message counts as failed.
    pub max_attempts: u32,
    /// One permit for each concurrent delivery.
    pub slots: Semaphore,
    pub stop: CancellationToken,
    pub clock: Clock,
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
        let _admission = match &self.rate_limit {
            // Boxed, so that deliveries without a limit need no memory for it.
            Some(rate_limit) => Some(Box::pin(rate_limit.start(&message)).await?),
            None if message.start_delivery(|| true).await == DeliveryStart::Started => None,
            None => return None,
        };
        let attempt = message.attempt().min(self.max_attempts);
        let planned = self.model.plan_delivery(message.id(), attempt);
        if self.provider.is_some() {
            self.state.begin_parts(message.id().run(), OTHER_CARRIER, message.parts());
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
        Some(Delivered { in_flight: message, outcome: planned.outcome, delivery_ms, at })
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
