//! What the services were asked to do: what a rehearsal is billed by.

use serde::{Deserialize, Serialize};

/// Requests and capacity units that a program has spent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Requests sent to SQS and `DynamoDB`, repeated ones included.
    pub requests: u64,
    /// Those of them that went to SQS, which bills each (`DynamoDB` bills units).
    pub queue_requests: u64,
    /// Write units, of up to 1 KB each; `None` where an answer did not tell them, as an emulator's may not.
    pub write_units: Option<f64>,
    /// Read units, of up to 4 KB each; `None` where an answer did not tell them.
    pub read_units: Option<f64>,
}

/// Which program spends something on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProgramKind {
    /// A producer.
    Producer,
    /// A sender.
    Sender,
}

/// What a program says it has spent on a run so far.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageRecord {
    /// The program's own id: of a sender, its name.
    pub id: String,
    /// Which program it is; `None` where the account does not tell.
    pub program: Option<ProgramKind>,
    /// What it has spent; `None` where the account cannot be read.
    pub usage: Option<Usage>,
    /// It told so as it ended; else it may have spent more since, and may go on.
    pub has_ended: bool,
}

impl Default for Usage {
    fn default() -> Self {
        Self { requests: 0, queue_requests: 0, write_units: Some(0.0), read_units: Some(0.0) }
    }
}

impl Usage {
    /// The part of it that `some` messages of `all` account for.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a u64")]
    pub fn share(&self, some: u64, all: u64) -> Self {
        let share = if all == 0 { 0.0 } else { some as f64 / all as f64 };
        let of = |count: u64| (count as f64 * share).round() as u64;
        Self {
            requests: of(self.requests),
            queue_requests: of(self.queue_requests),
            write_units: self.write_units.map(|units| units * share),
            read_units: self.read_units.map(|units| units * share),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_in_proportion_to_the_messages() {
        let usage = Usage { requests: 100, queue_requests: 60, write_units: Some(40.0), read_units: None };
        let quarter = Usage { requests: 25, queue_requests: 15, write_units: Some(10.0), read_units: None };
        assert_eq!(usage.share(5, 20), quarter);
        assert_eq!(usage.share(20, 20), usage);
        assert_eq!(usage.share(0, 0).requests, 0);
    }
}
