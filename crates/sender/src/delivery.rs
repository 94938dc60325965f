//! Plays the delivery of one message, when a slot is free.

use std::rc::Rc;
use std::time::Duration;

use stentor_aws::clock::now_ms;
use stentor_core::delivery::{DeliveryModel, Outcome};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::hands::Held;

/// The longest a failed try waits for the next, seconds.
const LONGEST_BACKOFF: u64 = 60;

/// A message whose delivery has ended for good.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub held: Held,
    pub outcome: Outcome,
    /// When it ended, ms since the epoch.
    pub at: u64,
    /// How long it took, ms.
    pub took_ms: u64,
}

/// Where messages are delivered.
#[derive(Debug, Clone)]
pub(crate) struct Deliveries {
    pub provider: DeliveryModel,
    /// Tries before a message counts as failed.
    pub max_attempts: u32,
    /// One permit a delivery at once.
    pub slots: Rc<Semaphore>,
    pub ending: CancellationToken,
    pub delivered: mpsc::UnboundedSender<Delivered>,
}

impl Deliveries {
    /// Plays one delivery. Where the sender ends first, the message goes back.
    pub(crate) async fn deliver(self, held: Held) {
        tokio::select! {
            biased;
            () = self.ending.cancelled() => {}
            () = self.play(held) => {}
        }
    }

    async fn play(&self, mut held: Held) {
        let Ok(slot) = self.slots.acquire().await else { return };
        let attempt = held.receive_count().min(self.max_attempts);
        let delivery = self.provider.delivery(held.id(), attempt);
        let start = Instant::now();
        if !delivery.wait.is_zero() {
            sleep(delivery.wait).await;
        }
        let took = start.elapsed();
        drop(slot);
        held.delivered();
        if delivery.outcome == Outcome::Failed && held.receive_count() < self.max_attempts {
            let backoff = backoff(held.receive_count());
            return held.give_back(backoff);
        }
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let delivered = Delivered { held, outcome: delivery.outcome, at: now_ms(), took_ms };
        // The receiver lives until all deliveries are over.
        let _ = self.delivered.send(delivered);
    }
}

/// How long a message rests after its `attempt`-th try failed: 1 s, 2 s, 4 s …
fn backoff(attempt: u32) -> Duration {
    let seconds = 1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(LONGEST_BACKOFF);
    Duration::from_secs(seconds.clamp(1, LONGEST_BACKOFF))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_try_rests_longer_each_time() {
        assert_eq!([1, 2, 3, 6, 7, 100].map(|attempt| backoff(attempt).as_secs()), [1, 2, 4, 32, 60, 60]);
    }
}
