//! What the sender has received: when, of which runs, and what it has warned about.

use std::collections::{BTreeMap, BTreeSet};

use stentor_core::message::{MessageId, ParseQueueMessageError};
use stentor_core::run::RunId;
use tokio::time::Instant;

/// The activity of the runs whose messages this sender receives.
#[derive(Debug)]
pub(crate) struct RunActivity {
    /// Messages received, by run.
    pub received: BTreeMap<RunId, u64>,
    /// Time of the last receive with messages, valid or not; at first, the start of the sender.
    pub last_received_at: Instant,
    warned_missing: BTreeSet<RunId>,
    warned_invalid: bool,
}

impl RunActivity {
    /// Creates the activity of a sender that starts now.
    pub(crate) fn new() -> Self {
        Self {
            received: BTreeMap::new(),
            last_received_at: Instant::now(),
            warned_missing: BTreeSet::new(),
            warned_invalid: false,
        }
    }

    /// Warns about a message that is not in the table, once for each run.
    pub(crate) fn warn_missing_item(&mut self, id: MessageId) {
        if self.warned_missing.insert(id.run()) {
            tracing::warn!(
                "message {id} is not in the table (released; SQS moves it to the dead-letter queue after 10 receives); \
                 no further warnings for this run"
            );
        }
    }

    /// Warns about an invalid message body, once.
    pub(crate) fn warn_invalid_body(&mut self, error: &ParseQueueMessageError) {
        if !std::mem::replace(&mut self.warned_invalid, true) {
            tracing::warn!(
                "{error} (released; SQS moves it to the dead-letter queue after 10 receives); no further warnings \
                 about invalid bodies"
            );
        }
    }
}
