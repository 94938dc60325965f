//! The result of a sender, printed at its end.

use std::fmt::Write;

use serde::Serialize;
use stentor_cli::format;
use stentor_core::usage::Usage;

use crate::state::SenderCounters;
use crate::stop::StopReason;

/// The result of a sender. It serialises to the output of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub sender: String,
    #[serde(flatten)]
    pub counters: SenderCounters,
    pub average_seconds: Option<f64>,
    pub seconds: f64,
    pub reason: StopReason,
    /// What was added to this machine's clock, if anything.
    pub clock_offset_seconds: Option<f64>,
    #[serde(flatten)]
    pub usage: Usage,
}

impl Summary {
    /// Returns the result in one line for a person.
    pub(crate) fn line(&self) -> String {
        let (ended, reason) = match self.reason {
            StopReason::Drained => ("finished in", "queue empty"),
            StopReason::FailureRate => ("stopped after", "failure rate limit reached"),
            StopReason::Signal => ("stopped after", "interrupted"),
        };
        let average = format::seconds(self.average_seconds);
        let counters = &self.counters;
        format!(
            "sender {} {ended} {} ({reason}): {} sent, {} failed, average delivery {average}, {}, {} released{}",
            self.sender,
            format::duration(self.seconds),
            format::thousands(counters.sent),
            format::thousands(counters.failed),
            format::counted(counters.duplicates, "duplicate"),
            format::thousands(counters.released),
            exceptions(counters),
        )
    }
}

/// Returns the counts that most senders do not have.
fn exceptions(counters: &SenderCounters) -> String {
    let mut text = String::new();
    if counters.leases_expired > 0 {
        let _ = write!(text, ", {}", expired_leases(counters.leases_expired));
    }
    if counters.invalid > 0 {
        let _ = write!(text, ", {} invalid", format::thousands(counters.invalid));
        if let Some(example) = &counters.invalid_example {
            let _ = write!(text, ", such as `{example}`");
        }
    }
    text
}

/// Returns a phrase such as "38 leases expired".
pub(crate) fn expired_leases(count: u64) -> String {
    format!("{} expired", format::counted(count, "lease"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_the_reason_the_duration_and_the_counts() {
        let summary = |reason| {
            let mut counters = SenderCounters::default();
            counters.record_outcome(stentor_core::delivery::Outcome::Sent, Some(50));
            let (sender, average_seconds) = ("X".to_owned(), counters.average_seconds());
            let usage = Usage::default();
            let clock_offset_seconds = None;
            Summary { sender, counters, average_seconds, seconds: 15.0, reason, clock_offset_seconds, usage }
                .line()
        };
        assert_eq!(
            summary(StopReason::Drained),
            "sender X finished in 15 s (queue empty): 1 sent, 0 failed, average delivery 0.050 s, 0 duplicates, 0 released"
        );
        let mut counters = SenderCounters::default();
        counters.leases_expired += 1;
        counters.record_invalid("{}\u{1b}", 1);
        counters.record_invalid("null", 1);
        counters.record_invalid("null", 2);
        assert_eq!(exceptions(&counters), ", 1 lease expired, 2 invalid, such as `{}\\u{1b}`");
        let reached = summary(StopReason::FailureRate);
        assert!(
            reached.starts_with("sender X stopped after 15 s (failure rate limit reached): "),
            "{reached}"
        );
    }
}
