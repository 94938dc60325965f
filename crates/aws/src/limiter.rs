//! Delays batches so that a service accepts almost all of their entries.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stentor_core::adaptive_rate::{AdaptiveRate, Throttling};
use tokio::time::{Instant, sleep};

/// Limits the entries of one kind that a session sends, to the rate that it learns from throttled ones. Before the first
/// of those it delays nothing.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    rate: Mutex<AdaptiveRate>,
    /// Batches wait in the order in which they came.
    turn: tokio::sync::Mutex<()>,
    start: Instant,
}

impl RateLimiter {
    pub(crate) fn new() -> Self {
        Self { rate: Mutex::default(), turn: tokio::sync::Mutex::new(()), start: Instant::now() }
    }

    /// Waits until a batch of that many entries may be sent.
    pub(crate) async fn wait(&self, entries: usize) {
        let _turn = self.turn.lock().await;
        loop {
            let result = self.rate().try_send(self.start.elapsed(), entries);
            let Err(delay) = result else { return };
            sleep(delay).await;
        }
    }

    /// Records how many entries of a batch were accepted, and how many were throttled.
    pub(crate) fn record(&self, accepted: usize, throttled: usize) {
        self.rate().record(self.start.elapsed(), accepted, throttled);
    }

    /// When an entry was last accepted.
    pub(crate) fn last_accepted_at(&self) -> Option<Instant> {
        self.rate().last_accepted_at().map(|at: Duration| self.start + at)
    }

    /// Returns how many entries per second may be sent; `None` before the first throttled entry.
    pub(crate) fn limit(&self) -> Option<f64> {
        self.rate().limit()
    }

    /// Returns how the service throttles now.
    pub(crate) fn throttling(&self) -> Option<Throttling> {
        self.rate().throttling(self.start.elapsed())
    }

    /// Returns how long the service has throttled in all.
    pub(crate) fn throttled_for(&self) -> Duration {
        self.rate().throttled_for()
    }

    fn rate(&self) -> MutexGuard<'_, AdaptiveRate> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
