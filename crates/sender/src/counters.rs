//! The counters of this sender.

use serde::Serialize;
use stentor_core::delivery::Outcome;

/// The counters of this sender, each updated in the stage where the event happens.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct SenderCounters {
    /// Outcomes that this sender recorded, by outcome.
    pub sent: u64,
    pub failed: u64,
    /// Messages that had an outcome already.
    pub duplicates: u64,
    /// Messages released before their outcome was recorded, except for another attempt.
    pub released: u64,
    /// Sum of the durations of the recorded deliveries, ms.
    #[serde(skip)]
    delivery_ms: u64,
}

impl SenderCounters {
    /// Counts an outcome that this sender recorded.
    pub(crate) fn record_outcome(&mut self, outcome: Outcome, delivery_ms: u64) {
        match outcome {
            Outcome::Sent => self.sent += 1,
            Outcome::Failed => self.failed += 1,
        }
        self.delivery_ms += delivery_ms;
    }

    /// Returns the number of outcomes that this sender recorded.
    pub(crate) fn outcomes(&self) -> u64 {
        self.sent + self.failed
    }

    /// Returns the mean duration of the recorded deliveries, in seconds.
    pub(crate) fn average_seconds(&self) -> Option<f64> {
        let outcomes = self.outcomes();
        (outcomes > 0).then(|| self.delivery_ms as f64 / 1_000.0 / outcomes as f64)
    }
}
