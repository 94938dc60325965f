//! The senders that worked on a run.

use serde::Serialize;
use stentor_aws::metrics::Heartbeat;
use stentor_core::usage::{ProgramKind, UsageRecord};

use crate::snapshot::{ALIVE_MS, Reading, rate_of_life};
use stentor_cli::format::try_rfc3339;

/// A sender, as its signs of life tell of it; null where the table does not keep them any more. Its counts are those of
/// all its life.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Worker {
    pub sender: String,
    pub state: Option<Life>,
    pub started_at: Option<String>,
    pub seen_at: Option<String>,
    pub wait: Option<f64>,
    pub failure_rate: Option<f64>,
    pub concurrency: Option<u32>,
    pub sent: Option<u64>,
    pub failed: Option<u64>,
    pub duplicates: Option<u64>,
    pub released: Option<u64>,
    /// Over all its life.
    pub messages_per_second: Option<f64>,
    /// It has told all that it spent on the run, as it ended.
    pub accounted: bool,
}

/// Whether a sender still works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    Alive,
    Ended,
    /// It gave no sign of life for long, and did not status that it ended.
    Silent,
}

/// Those that told what they spent on the run, and those that were at work during it; in the order of their names, which
/// is that of their start.
pub fn workers(reading: &Reading) -> Vec<Worker> {
    let accounts = reading.accounts.iter().filter(|account| account.program == Some(ProgramKind::Sender));
    let account = |name: &str| reading.accounts.iter().find(|account| account.id == name);
    let there =
        reading.beats.iter().filter(|beat| account(&beat.sender).is_some() || was_at_work(beat, reading));
    let gone = accounts.filter(|account| !reading.beats.iter().any(|beat| beat.sender == account.id));
    let mut workers: Vec<Worker> = there
        .map(|beat| Worker::of(beat, account(&beat.sender).is_some_and(is_whole), reading.at_ms))
        .chain(gone.map(Worker::gone))
        .collect();
    workers.sort_by(|one, other| one.sender.cmp(&other.sender));
    workers
}

/// It tells all that there is to tell.
fn is_whole(account: &UsageRecord) -> bool {
    account.has_ended && account.usage.is_some()
}

/// Its life and the run's have a time in common, and it did something then, or may have: one that is alive tells its counts
/// every few seconds.
fn was_at_work(beat: &Heartbeat, reading: &Reading) -> bool {
    let total = reading.record.plan.total();
    let is_over = reading.record.enqueued == total && reading.tally.total() >= u64::from(total);
    let end = reading.tally.last_concluded_at.filter(|_| is_over).unwrap_or(reading.at_ms);
    let did = beat.sent > 0 || beat.failed > 0 || beat.duplicates > 0;
    (did || Life::of(beat, reading.at_ms) == Life::Alive)
        && beat.started_at <= end
        && beat.ended_at.unwrap_or(beat.seen_at) >= reading.record.created_at
}

impl Life {
    fn of(beat: &Heartbeat, at_ms: u64) -> Self {
        match beat.ended_at {
            Some(_) => Self::Ended,
            None if at_ms.abs_diff(beat.seen_at) < ALIVE_MS => Self::Alive,
            None => Self::Silent,
        }
    }
}

impl Worker {
    fn of(beat: &Heartbeat, accounted: bool, at_ms: u64) -> Self {
        Self {
            sender: beat.sender.clone(),
            state: Some(Life::of(beat, at_ms)),
            started_at: try_rfc3339(beat.started_at),
            seen_at: try_rfc3339(beat.seen_at),
            wait: Some(beat.wait),
            failure_rate: Some(beat.failure_rate),
            concurrency: Some(beat.concurrency),
            sent: Some(beat.sent),
            failed: Some(beat.failed),
            duplicates: Some(beat.duplicates),
            released: Some(beat.released),
            messages_per_second: rate_of_life(beat),
            accounted,
        }
    }

    fn gone(account: &UsageRecord) -> Self {
        Self {
            sender: account.id.clone(),
            state: None,
            started_at: None,
            seen_at: None,
            wait: None,
            failure_rate: None,
            concurrency: None,
            sent: None,
            failed: None,
            duplicates: None,
            released: None,
            messages_per_second: None,
            accounted: is_whole(account),
        }
    }
}
