//! Kinds of kills and signals.

use std::collections::BTreeMap;

/// A signal to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Death {
    /// SIGKILL to the function's process.
    AggregatorKilled,
    /// SIGKILL to a sender.
    SenderKilled,
    /// SIGTERM to a sender during its deliveries.
    SenderTerminated,
    /// SIGINT to a sender during its deliveries.
    SenderInterrupted,
    /// SIGSTOP to a sender for longer than the visibility timeout, then SIGCONT.
    SenderStopped,
    /// SIGKILL to the producer.
    ProducerKilled,
    /// SIGINT to the producer.
    ProducerInterrupted,
    /// SIGSTOP to the producer, and SIGCONT after another has resumed its run.
    ProducerStopped,
    /// A second producer resumes the run while the first still runs.
    ProducerDoubled,
}

impl Death {
    pub(super) const ALL: [Self; 9] = [
        Self::AggregatorKilled,
        Self::SenderKilled,
        Self::SenderTerminated,
        Self::SenderInterrupted,
        Self::SenderStopped,
        Self::ProducerKilled,
        Self::ProducerInterrupted,
        Self::ProducerStopped,
        Self::ProducerDoubled,
    ];

    /// Its name in reports.
    pub(super) fn name(self) -> String {
        let words = format!("{self:?}");
        let split = words.rfind(char::is_uppercase).unwrap_or(0);
        format!("{} {}", words[..split].to_lowercase(), words[split..].to_lowercase())
    }
}

/// Number of each kind.
#[derive(Debug, Clone, Default)]
pub struct Deaths(pub(super) BTreeMap<Death, u64>);

impl Deaths {
    pub(super) fn note(&mut self, death: Death) {
        *self.0.entry(death).or_default() += 1;
    }
}
