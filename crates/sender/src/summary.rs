//! The result of a sender, printed at its end.

use std::time::Duration;

use serde::Serialize;
use stentor_cli::format;
use stentor_core::usage::Usage;

use crate::counters::SenderCounters;
use crate::stop::StopReason;

/// The result of a sender. It serialises to the output of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    sender: String,
    #[serde(flatten)]
    counters: SenderCounters,
    average_seconds: Option<f64>,
    seconds: f64,
    reason: StopReason,
    #[serde(flatten)]
    usage: Usage,
}

impl Summary {
    pub(crate) fn new(
        sender: &str,
        counters: SenderCounters,
        took: Duration,
        reason: StopReason,
        usage: Usage,
    ) -> Self {
        Self {
            sender: sender.to_owned(),
            average_seconds: counters.average_seconds(),
            seconds: took.as_secs_f64(),
            reason,
            counters,
            usage,
        }
    }

    /// Returns the result in one line for a person.
    pub(crate) fn line(&self) -> String {
        let (ended, reason) = match self.reason {
            StopReason::Drained => ("finished in", "queue empty"),
            StopReason::FailureRate => ("stopped after", "failure rate limit reached"),
            StopReason::Signal => ("stopped after", "interrupted"),
        };
        let average = self.average_seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.3} s"));
        format!(
            "sender {} {ended} {} ({reason}): {} sent, {} failed, average delivery {average}, {} duplicates, {} released",
            self.sender,
            format::duration(self.seconds),
            format::thousands(self.counters.sent),
            format::thousands(self.counters.failed),
            format::thousands(self.counters.duplicates),
            format::thousands(self.counters.released),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_the_reason_the_duration_and_the_counts() {
        let summary = |reason| {
            let mut counters = SenderCounters::default();
            counters.record_outcome(stentor_core::delivery::Outcome::Sent, 50);
            Summary::new("X", counters, Duration::from_secs(15), reason, Usage::default()).line()
        };
        assert_eq!(
            summary(StopReason::Drained),
            "sender X finished in 15 s (queue empty): 1 sent, 0 failed, average delivery 0.050 s, 0 duplicates, 0 released"
        );
        let reached = summary(StopReason::FailureRate);
        assert!(
            reached.starts_with("sender X stopped after 15 s (failure rate limit reached): "),
            "{reached}"
        );
    }
}
