//! What the stages of a sender record: its counters and the activity of its runs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use stentor_core::delivery::Outcome;
use stentor_core::escape::excerpt;
use stentor_core::message::{MessageId, ParseQueueMessageError};
use stentor_core::run::RunId;
use stentor_core::usage::{OutcomeCounts, ProviderUsage};
use tokio::time::Instant;

/// The longest example of an invalid body, in characters.
const MAX_EXAMPLE: usize = 80;

/// The state that the stages share.
#[derive(Debug)]
pub(crate) struct SenderState {
    pub counters: RefCell<SenderCounters>,
    pub activity: RefCell<RunActivity>,
}

impl SenderState {
    /// Creates the state of a sender that starts now.
    pub(crate) fn new() -> Self {
        let activity = RunActivity {
            runs: BTreeMap::new(),
            last_received_at: Instant::now(),
            warned_missing: BTreeSet::new(),
            warned_invalid: false,
        };
        Self { counters: RefCell::default(), activity: RefCell::new(activity) }
    }

    /// Counts the parts of a delivery that begins.
    pub(crate) fn begin_parts(&self, run: RunId, carrier: &str, parts: u32) {
        let mut activity = self.activity.borrow_mut();
        let counts = activity.runs.entry(run).or_default();
        *counts.parts.entry(carrier.to_owned()).or_default() += u64::from(parts);
    }

    /// Counts a message whose reserved start passed before it could start.
    pub(crate) fn record_forfeited(&self, run: RunId) {
        self.activity.borrow_mut().runs.entry(run).or_default().forfeited += 1;
    }

    /// Returns this sender's usage of its provider, all runs together.
    pub(crate) fn provider_usage(&self, profile: &str) -> ProviderUsage {
        let mut total = ProviderUsage { profile: profile.to_owned(), ..ProviderUsage::default() };
        for counts in self.activity.borrow().runs.values() {
            for (carrier, parts) in &counts.parts {
                *total.parts.entry(carrier.clone()).or_default() += parts;
            }
            total.forfeited += counts.forfeited;
        }
        total
    }

    /// Counts an outcome that this sender recorded for a message of the run, with the duration of its delivery, if it was
    /// delivered.
    pub(crate) fn record_outcome(&self, run: RunId, outcome: Outcome, delivery_ms: Option<u64>) {
        self.counters.borrow_mut().record_outcome(outcome, delivery_ms);
        self.activity.borrow_mut().runs.entry(run).or_default().outcomes.add(outcome);
    }
}

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
    /// Leases that expired while the sender had their message, for example while its process was paused.
    pub leases_expired: u64,
    /// Messages with an invalid body, each counted by the sender that receives it first.
    pub invalid: u64,
    /// The beginning of the first invalid body received, escaped.
    pub invalid_example: Option<String>,
    /// Recorded outcomes of messages that were delivered.
    #[serde(skip)]
    deliveries: u64,
    /// Sum of the durations of the recorded deliveries, ms.
    #[serde(skip)]
    delivery_ms: u64,
}

impl SenderCounters {
    pub(crate) fn record_outcome(&mut self, outcome: Outcome, delivery_ms: Option<u64>) {
        match outcome {
            Outcome::Sent => self.sent += 1,
            Outcome::Failed => self.failed += 1,
        }
        if let Some(delivery_ms) = delivery_ms {
            self.deliveries += 1;
            self.delivery_ms += delivery_ms;
        }
    }

    /// Counts a message with an invalid body. The queue returns it up to ten times, to any sender: it counts at its first
    /// receive, so that the sum over all senders is the number of messages.
    pub(crate) fn record_invalid(&mut self, body: &str, receive_count: u32) {
        self.invalid += u64::from(receive_count == 1);
        self.invalid_example.get_or_insert_with(|| excerpt(body, MAX_EXAMPLE));
    }

    pub(crate) fn outcomes(&self) -> u64 {
        self.sent + self.failed
    }

    /// Returns the mean duration of the recorded deliveries, in seconds.
    pub(crate) fn average_seconds(&self) -> Option<f64> {
        (self.deliveries > 0).then(|| self.delivery_ms as f64 / 1_000.0 / self.deliveries as f64)
    }
}

/// What this sender did for one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunCounts {
    /// Messages received.
    pub received: u64,
    /// Outcomes that this sender recorded.
    pub outcomes: OutcomeCounts,
    /// With a provider: parts of the deliveries begun, by carrier.
    pub parts: BTreeMap<String, u64>,
    /// Messages whose reserved start passed before they could start.
    pub forfeited: u64,
}

impl RunCounts {
    /// Returns this sender's usage of its provider for the run.
    pub(crate) fn provider_usage(&self, profile: &str) -> ProviderUsage {
        ProviderUsage { profile: profile.to_owned(), parts: self.parts.clone(), forfeited: self.forfeited }
    }
}

/// The activity of the runs whose messages this sender receives.
#[derive(Debug)]
pub(crate) struct RunActivity {
    /// The runs that messages were received of.
    pub runs: BTreeMap<RunId, RunCounts>,
    /// Time of the last receive with messages, valid or not; at first, the start of the sender.
    pub last_received_at: Instant,
    warned_missing: BTreeSet<RunId>,
    warned_invalid: bool,
}

impl RunActivity {
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
