//! The result of a sender, printed at its end.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use stentor_cli::format;
use stentor_core::usage::{ProviderUsage, Usage};

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
    /// Usage of the provider, if there is one.
    pub provider: Option<ProviderSummary>,
}

/// A sender's usage of its provider, all runs together.
#[derive(Debug, Serialize)]
pub(crate) struct ProviderSummary {
    profile: String,
    /// Parts of all deliveries begun.
    parts: u64,
    parts_by_carrier: BTreeMap<String, u64>,
    /// Messages whose reserved start passed before they could start.
    forfeited: u64,
}

impl From<ProviderUsage> for ProviderSummary {
    fn from(usage: ProviderUsage) -> Self {
        Self {
            parts: usage.total_parts(),
            profile: usage.profile,
            parts_by_carrier: usage.parts,
            forfeited: usage.forfeited,
        }
    }
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
            "sender {} {ended} {} ({reason}): {} sent, {} failed, average delivery {average}, {}, {} released{}{}",
            self.sender,
            format::duration(self.seconds),
            format::thousands(counters.sent),
            format::thousands(counters.failed),
            format::counted(counters.duplicates, "duplicate"),
            format::thousands(counters.released),
            exceptions(counters),
            self.provider.as_ref().map(ProviderSummary::phrase).unwrap_or_default(),
        )
    }
}

impl ProviderSummary {
    fn phrase(&self) -> String {
        let forfeited = match self.forfeited {
            0 => String::new(),
            count => format!(", {} forfeited", format::counted(count, "reservation")),
        };
        format!(", {} begun with {}{forfeited}", format::counted(self.parts, "part"), self.profile)
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
            let seconds = 15.0;
            Summary {
                sender,
                counters,
                average_seconds,
                seconds,
                reason,
                clock_offset_seconds,
                usage,
                provider: None,
            }
            .line()
        };
        assert_eq!(
            summary(StopReason::Drained),
            "sender X finished in 15 s (queue empty): 1 sent, 0 failed, average delivery 0.050 s, 0 duplicates, 0 released"
        );
        let mut usage = ProviderUsage { profile: "us-short-code".to_owned(), ..ProviderUsage::default() };
        usage.parts = [("T-Mobile".to_owned(), 2_997), ("OTHER".to_owned(), 3)].into();
        assert_eq!(ProviderSummary::from(usage.clone()).phrase(), ", 3,000 parts begun with us-short-code");
        usage.forfeited = 1;
        assert!(ProviderSummary::from(usage).phrase().ends_with(", 1 reservation forfeited"));
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
