//! What the sender has received: when, of which runs, and what it has warned about.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use stentor_core::message::{MessageId, ParseQueueMessageError};
use stentor_core::run::RunId;
use tokio::time::Instant;

/// The activity of the runs whose messages this sender receives.
#[derive(Debug)]
pub(crate) struct RunActivity {
    received: RefCell<BTreeMap<RunId, u64>>,
    last_received_at: Cell<Instant>,
    warned_missing: RefCell<BTreeSet<RunId>>,
    warned_invalid: Cell<bool>,
}

impl RunActivity {
    /// Creates the activity of a sender that starts now.
    pub(crate) fn new() -> Self {
        Self {
            received: RefCell::default(),
            last_received_at: Cell::new(Instant::now()),
            warned_missing: RefCell::default(),
            warned_invalid: Cell::new(false),
        }
    }

    /// Records that a receive returned messages, valid or not.
    pub(crate) fn record_receive(&self) {
        self.last_received_at.set(Instant::now());
    }

    /// Records a message of a run.
    pub(crate) fn record_message(&self, run: RunId) {
        *self.received.borrow_mut().entry(run).or_default() += 1;
    }

    /// Returns the number of messages received of each run.
    pub(crate) fn received_by_run(&self) -> BTreeMap<RunId, u64> {
        self.received.borrow().clone()
    }

    /// Returns the time of the last receive with messages; at first, the start of the sender.
    pub(crate) fn last_received_at(&self) -> Instant {
        self.last_received_at.get()
    }

    /// Warns about a message that is not in the table, once for each run.
    pub(crate) fn warn_missing_item(&self, id: MessageId) {
        if self.warned_missing.borrow_mut().insert(id.run()) {
            tracing::warn!(
                "message {id} is not in the table (released; SQS moves it to the dead-letter queue after 10 receives); \
                 no further warnings for this run"
            );
        }
    }

    /// Warns about an invalid message body, once.
    pub(crate) fn warn_invalid_body(&self, error: &ParseQueueMessageError) {
        if !self.warned_invalid.replace(true) {
            tracing::warn!(
                "{error} (released; SQS moves it to the dead-letter queue after 10 receives); no further warnings \
                 about invalid bodies"
            );
        }
    }
}
