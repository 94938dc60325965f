//! What the sender says at its end.

use std::time::Duration;

use serde::Serialize;
use stentor_cli::format;
use stentor_core::usage::Usage;

use crate::counts::Counts;

/// Why a sender ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// There was nothing left to do.
    Drained,
    /// Too many of its deliveries failed.
    FailureRate,
    /// It was told to.
    Signal,
}

/// What this sender came to; its JSON is the sender's result.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    sender: String,
    sent: u64,
    failed: u64,
    duplicates: u64,
    released: u64,
    average_seconds: Option<f64>,
    seconds: f64,
    reason: Reason,
    #[serde(flatten)]
    usage: Usage,
}

impl Summary {
    pub(crate) fn new(
        sender: &str,
        counts: &Counts,
        released: u64,
        took: Duration,
        reason: Reason,
        usage: Usage,
    ) -> Self {
        Self {
            sender: sender.to_owned(),
            sent: counts.sent(),
            failed: counts.failed(),
            duplicates: counts.duplicates(),
            released,
            average_seconds: counts.average_seconds(),
            seconds: took.as_secs_f64(),
            reason,
            usage,
        }
    }

    pub(crate) fn json(&self) -> String {
        format::json_line(self)
    }

    pub(crate) fn line(&self) -> String {
        let why = match self.reason {
            Reason::Drained => "the queue is empty",
            Reason::FailureRate => "its failure limit is hit",
            Reason::Signal => "stopped",
        };
        let average = self.average_seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.3} s"));
        format!(
            "sender {}: {why} after {}: {} sent, {} failed, {average} each on average, {} duplicates, {} released",
            self.sender,
            format::duration(self.seconds),
            format::thousands(self.sent),
            format::thousands(self.failed),
            format::thousands(self.duplicates),
            format::thousands(self.released),
        )
    }
}
