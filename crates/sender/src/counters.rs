//! The counters of this sender.

use std::cell::Cell;

use stentor_core::delivery::Outcome;

/// The counters of this sender, each updated in the stage where the event happens.
#[derive(Debug, Default)]
pub(crate) struct SenderCounters {
    sent: Cell<u64>,
    failed: Cell<u64>,
    duplicates: Cell<u64>,
    released: Cell<u64>,
    delivery_ms: Cell<u64>,
}

fn add(counter: &Cell<u64>, amount: u64) {
    counter.set(counter.get() + amount);
}

impl SenderCounters {
    /// Counts an outcome that this sender recorded.
    pub(crate) fn record_outcome(&self, outcome: Outcome, delivery_ms: u64) {
        match outcome {
            Outcome::Sent => add(&self.sent, 1),
            Outcome::Failed => add(&self.failed, 1),
        }
        add(&self.delivery_ms, delivery_ms);
    }

    /// Counts a message that had an outcome already.
    pub(crate) fn record_duplicate(&self) {
        add(&self.duplicates, 1);
    }

    /// Counts a message that was released before its delivery was recorded.
    pub(crate) fn record_release(&self) {
        add(&self.released, 1);
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.get()
    }

    pub(crate) fn duplicates(&self) -> u64 {
        self.duplicates.get()
    }

    pub(crate) fn released(&self) -> u64 {
        self.released.get()
    }

    /// Returns the number of outcomes that this sender recorded.
    pub(crate) fn outcomes(&self) -> u64 {
        self.sent() + self.failed()
    }

    /// Returns the mean duration of the recorded deliveries, in seconds.
    pub(crate) fn average_seconds(&self) -> Option<f64> {
        let outcomes = self.outcomes();
        (outcomes > 0).then(|| self.delivery_ms.get() as f64 / 1_000.0 / outcomes as f64)
    }
}
