//! What this sender has done.

use std::cell::Cell;

use stentor_core::delivery::Outcome;

/// The sender's own counts. Messages that another concluded are its duplicates.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    sent: Cell<u64>,
    failed: Cell<u64>,
    duplicates: Cell<u64>,
    delivery_ms: Cell<u64>,
}

impl Counts {
    pub(crate) fn concluded(&self, outcome: Outcome, delivery_ms: u64) {
        let count = match outcome {
            Outcome::Sent => &self.sent,
            Outcome::Failed => &self.failed,
        };
        count.set(count.get() + 1);
        self.delivery_ms.set(self.delivery_ms.get() + delivery_ms);
    }

    pub(crate) fn duplicate(&self) {
        self.duplicates.set(self.duplicates.get() + 1);
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

    /// Mean duration of the concluded deliveries, seconds.
    pub(crate) fn average_seconds(&self) -> Option<f64> {
        let concluded = self.sent.get() + self.failed.get();
        (concluded > 0).then(|| self.delivery_ms.get() as f64 / 1_000.0 / concluded as f64)
    }
}
