//! How programs die.

use std::collections::BTreeMap;

/// What happens to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Death {
    /// kill -9 of the function's process.
    AggregatorKilled,
    /// kill -9 of a sender.
    SenderKilled,
    /// SIGTERM to a sender in the middle of its deliveries.
    SenderTerminated,
    /// SIGINT to a sender in the middle of its deliveries.
    SenderInterrupted,
    /// SIGSTOP of a sender for longer than the visibility timeout, then SIGCONT.
    SenderStopped,
    /// kill -9 of the producer.
    ProducerKilled,
    /// SIGINT to the producer.
    ProducerInterrupted,
    /// SIGSTOP of the producer; it wakes up after another has resumed its run.
    ProducerStopped,
    /// A second producer resumes the run while the first is at work.
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

/// How often each came.
#[derive(Debug, Clone, Default)]
pub struct Deaths(pub(super) BTreeMap<Death, u64>);

impl Deaths {
    pub(super) fn note(&mut self, death: Death) {
        *self.0.entry(death).or_default() += 1;
    }
}
