//! The senders of a run: heartbeat, usage record and end of each, joined once for every surface.

use serde::Serialize;
use stentor_aws::metrics::Heartbeat;
use stentor_core::usage::{ProgramKind, UsageRecord};

use crate::reading::RunReading;
use crate::throughput::{Throughput, lifetime_rate};
use crate::view::seconds;

/// Age below which a heartbeat counts as alive, ms.
const ALIVE_MS: u64 = 15_000;

/// A sender. The counts of its heartbeat are those of its whole life, all runs together.
#[derive(Debug, Clone, PartialEq)]
pub struct SenderRecord {
    /// Name of the sender, which begins with the time of its start.
    pub name: String,
    /// Its last heartbeat; `None` where the table no longer keeps it.
    pub heartbeat: Option<Heartbeat>,
    /// Whether it works; `None` without a heartbeat.
    pub state: Option<SenderState>,
    /// Seconds since its last heartbeat; 0 without one.
    pub seen_seconds_ago: f64,
    /// Messages a second between its last two heartbeats, or since its start where only one was read.
    pub messages_per_second: Option<f64>,
    /// Parts a second that it began with its provider between its last two heartbeats; `None` where only one was read.
    pub parts_per_second: Option<f64>,
    /// Name of its provider profile; `None` without a provider.
    pub provider: Option<String>,
    /// Whether it worked on this run.
    pub took_part: bool,
    /// Whether it ended and reported its whole usage on this run.
    pub is_accounted: bool,
}

/// Whether a sender works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SenderState {
    /// Its last heartbeat is fresh.
    Alive,
    /// It reported its end.
    Ended,
    /// Its last heartbeat is old, and it never reported its end.
    #[serde(rename = "silent")]
    Lost,
}

/// Returns whether the run has had a sender: one that reported usage on it, has a heartbeat since its creation, or is
/// alive.
pub(crate) fn had_sender(reading: &RunReading) -> bool {
    let is_since = |heartbeat: &Heartbeat| heartbeat.seen_at >= reading.record.created_at;
    reading.usage.iter().any(|usage| usage.program == Some(ProgramKind::Sender))
        || reading.heartbeats.iter().any(is_since)
        || reading.has_alive_sender()
}

/// Joins what a reading has of each sender, sorted by name, which is the order of their start.
pub fn sender_records(reading: &RunReading, throughput: &Throughput) -> Vec<SenderRecord> {
    let record = |name: &str, heartbeat: Option<&Heartbeat>| {
        let usage = reading.usage.iter().find(|usage| usage.id == name);
        let seen = heartbeat.map(|heartbeat| reading.at_ms.saturating_sub(heartbeat.seen_at));
        SenderRecord {
            name: name.to_owned(),
            state: heartbeat.map(|heartbeat| SenderState::of(heartbeat, reading.at_ms)),
            seen_seconds_ago: seen.map_or(0.0, seconds),
            messages_per_second: throughput.of_sender(name).or_else(|| lifetime_rate(heartbeat?)),
            provider: usage
                .and_then(|usage| usage.provider.as_ref())
                .or_else(|| heartbeat?.provider.as_ref())
                .map(|provider| provider.profile.clone()),
            parts_per_second: throughput.parts_of_sender(name),
            took_part: usage.is_some()
                || heartbeat.is_some_and(|heartbeat| worked_during(heartbeat, reading)),
            is_accounted: usage.is_some_and(is_final),
            heartbeat: heartbeat.cloned(),
        }
    };
    let known = reading.heartbeats.iter().map(|heartbeat| record(&heartbeat.sender, Some(heartbeat)));
    let expired = reading.usage.iter().filter(|usage| {
        usage.program == Some(ProgramKind::Sender)
            && !reading.heartbeats.iter().any(|heartbeat| heartbeat.sender == usage.id)
    });
    let mut records: Vec<SenderRecord> = known.chain(expired.map(|usage| record(&usage.id, None))).collect();
    records.sort_by(|one, other| one.name.cmp(&other.name));
    records
}

fn is_final(usage: &UsageRecord) -> bool {
    usage.has_ended && usage.usage.is_some()
}

/// Whether the sender and the run overlap in time and the sender did something, or may have: a living one reports its
/// counts every few seconds.
fn worked_during(heartbeat: &Heartbeat, reading: &RunReading) -> bool {
    let end = reading.tally.last_concluded_at.filter(|_| reading.is_complete()).unwrap_or(reading.at_ms);
    let has_worked = heartbeat.sent > 0 || heartbeat.failed > 0 || heartbeat.duplicates > 0;
    (has_worked || SenderState::of(heartbeat, reading.at_ms) == SenderState::Alive)
        && heartbeat.started_at <= end
        && heartbeat.ended_at.unwrap_or(heartbeat.seen_at) >= reading.record.created_at
}

impl SenderRecord {
    /// Whether it is alive.
    pub fn is_alive(&self) -> bool {
        self.state == Some(SenderState::Alive)
    }

    /// The beginning of an invalid body that it received.
    pub fn invalid_example(&self) -> Option<&str> {
        self.heartbeat.as_ref()?.invalid_example.as_deref()
    }

    /// Fraction of its outcomes that are failures; `None` without an outcome.
    pub fn failed_rate(&self) -> Option<f64> {
        let heartbeat = self.heartbeat.as_ref()?;
        let outcomes = heartbeat.sent.saturating_add(heartbeat.failed);
        (outcomes > 0).then(|| heartbeat.failed as f64 / outcomes as f64)
    }

    /// Messages a second since its start.
    pub fn lifetime_rate(&self) -> Option<f64> {
        lifetime_rate(self.heartbeat.as_ref()?)
    }
}

impl SenderState {
    /// The state of the sender of a heartbeat at `at_ms`, ms since the epoch.
    pub(crate) fn of(heartbeat: &Heartbeat, at_ms: u64) -> Self {
        match heartbeat.ended_at {
            Some(_) => Self::Ended,
            None if at_ms.abs_diff(heartbeat.seen_at) < ALIVE_MS => Self::Alive,
            None => Self::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{heartbeat, reading};

    #[test]
    fn ended_and_lost_senders_are_not_alive() {
        let mut reading = reading(10, 0);
        reading.heartbeats = vec![
            heartbeat("b", 0, 99_000, 1),
            heartbeat("a", 0, 110_000, 1),
            heartbeat("e", 0, 200_000, 1),
            heartbeat("c", 0, 85_000, 1),
            Heartbeat { ended_at: Some(99_000), ..heartbeat("d", 0, 99_000, 1) },
        ];
        let records = sender_records(&reading, &Throughput::default());
        let alive = records.iter().filter(|record| record.is_alive());
        let alive: Vec<_> = alive.map(|record| (record.name.as_str(), record.seen_seconds_ago)).collect();
        assert_eq!(alive, [("a", 0.0), ("b", 1.0)]);
    }
}
