//! Requests and capacity units that a program used. AWS bills a rehearsal by them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::delivery::Outcome;

/// Requests and capacity units of a program.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Requests to SQS and `DynamoDB`, retries included.
    pub requests: u64,
    /// The requests to SQS among them. SQS bills requests, `DynamoDB` bills units.
    pub queue_requests: u64,
    /// Write units of up to 1 KB each; `None` if a response lacked them, as an emulator's may.
    pub write_units: Option<f64>,
    /// Read units of up to 4 KB each; `None` if a response lacked them.
    pub read_units: Option<f64>,
}

/// A kind of program whose usage is recorded for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProgramKind {
    /// Creates the messages.
    Producer,
    /// Delivers the messages.
    Sender,
}

/// Outcomes that one sender has recorded for one run. Another sender's are never among them, so that the sum over all
/// senders is at most the number of outcomes in the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeCounts {
    /// Outcomes SENT.
    pub sent: u64,
    /// Outcomes FAILED.
    pub failed: u64,
}

impl OutcomeCounts {
    /// Adds one outcome.
    pub fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Sent => self.sent += 1,
            Outcome::Failed => self.failed += 1,
        }
    }

    /// Returns the number of outcomes.
    pub fn total(&self) -> u64 {
        self.sent.saturating_add(self.failed)
    }
}

/// One sender's usage of a simulated provider for one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderUsage {
    /// Name of the provider profile.
    pub profile: String,
    /// Parts of all deliveries begun, by carrier: further attempts and duplicates included.
    pub parts: BTreeMap<String, u64>,
    /// Messages whose reserved start passed before they could start.
    pub forfeited: u64,
}

impl ProviderUsage {
    /// Returns the parts of all carriers.
    pub fn total_parts(&self) -> u64 {
        self.parts.values().copied().fold(0, u64::saturating_add)
    }
}

/// What a sender adds to its usage record of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SenderUsage {
    /// The outcomes of the run that it has recorded.
    pub outcomes: OutcomeCounts,
    /// Its usage of its provider; `None` without one.
    pub provider: Option<ProviderUsage>,
}

/// The usage of one program for one run, as the metrics table has it.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageRecord {
    /// The program's ID: a sender's ID, or the ID of a call of the producer.
    pub id: String,
    /// The kind of program; `None` if the record is invalid.
    pub program: Option<ProgramKind>,
    /// The usage; `None` if the record is invalid.
    pub usage: Option<Usage>,
    /// The outcomes of the run that a sender has recorded; `None` for a producer, a sender of an older version and an
    /// invalid record.
    pub outcomes: Option<OutcomeCounts>,
    /// A sender's usage of its provider; `None` without a provider and where the record is invalid.
    pub provider: Option<ProviderUsage>,
    /// Whether the program wrote the record at its end. Otherwise its usage may be higher by now.
    pub has_ended: bool,
}

impl UsageRecord {
    /// Returns the number of outcomes that the senders of these records have recorded, as far as they say.
    pub fn total_outcomes(records: &[Self]) -> u64 {
        records.iter().filter_map(|record| Some(record.outcomes?.total())).fold(0, u64::saturating_add)
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self { requests: 0, queue_requests: 0, write_units: Some(0.0), read_units: Some(0.0) }
    }
}

impl Usage {
    /// Returns the part of the usage that is due to `messages` of `total` messages.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most the u64 it is a part of"
    )]
    pub fn prorate(&self, messages: u64, total: u64) -> Self {
        let fraction = if total == 0 { 0.0 } else { messages as f64 / total as f64 };
        let of = |count: u64| (count as f64 * fraction).round() as u64;
        Self {
            requests: of(self.requests),
            queue_requests: of(self.queue_requests),
            write_units: self.write_units.map(|units| units * fraction),
            read_units: self.read_units.map(|units| units * fraction),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prorated_usage_is_in_proportion_to_the_messages() {
        let usage = Usage { requests: 100, queue_requests: 60, write_units: Some(40.0), read_units: None };
        let quarter = Usage { requests: 25, queue_requests: 15, write_units: Some(10.0), read_units: None };
        assert_eq!(usage.prorate(5, 20), quarter);
        assert_eq!(usage.prorate(20, 20), usage);
        assert_eq!(usage.prorate(0, 0).requests, 0);
    }
}
