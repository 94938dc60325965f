//! What is known of a run at a moment. Every view shows this, and nothing else.

use std::time::Duration;

use serde::Serialize;
use stentor_aws::metrics::{Heartbeat, RunRecord};
use stentor_core::escape;
use stentor_core::queue_depth::QueueDepth;
use stentor_core::tally::{DamagedTally, DurationHistogram, Tally};
use stentor_core::usage::UsageRecord;

/// A sender counts as alive while its last sign of life is younger than this, ms.
pub const ALIVE_MS: u64 = 15_000;

/// A run at a moment; its JSON is what the monitor prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    pub run: String,
    /// When it was taken, RFC 3339.
    pub at: String,
    pub total: u64,
    pub enqueued: u64,
    pub sent: u64,
    pub failed: u64,
    pub pending: u64,
    /// Mean duration of a delivery.
    pub average_seconds: Option<f64>,
    /// Mean time from a message's creation to its end.
    pub average_latency_seconds: Option<f64>,
    pub delivery_seconds: Percentiles,
    pub latency_seconds: Percentiles,
    /// Lately; of the whole run once it is complete.
    pub messages_per_second: Option<f64>,
    pub eta_seconds: Option<f64>,
    pub complete: bool,
    pub queue: QueueDepth,
    pub dead_letters: u64,
    pub senders: Vec<Sender>,
    /// Tallies that cannot be read or kept any more: the counts are too low.
    pub broken: Vec<BrokenTally>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Percentiles {
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sender {
    #[serde(rename = "sender")]
    pub name: String,
    /// Since its last sign of life.
    pub seen_seconds_ago: f64,
    pub wait: f64,
    pub failure_rate: f64,
    pub concurrency: u32,
    pub sent: u64,
    pub failed: u64,
    pub duplicates: u64,
    pub released: u64,
    /// Between its last two signs of life; of its whole life where only one was seen.
    pub messages_per_second: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenTally {
    pub shard: String,
    pub why: String,
}

impl BrokenTally {
    /// The shard's name, fit to be shown.
    pub fn shard(&self) -> String {
        escape::escape_control(&self.shard)
    }
}

impl From<&DamagedTally> for BrokenTally {
    fn from(broken: &DamagedTally) -> Self {
        Self { shard: broken.shard.clone(), why: broken.why.clone() }
    }
}

/// What was read, in one go.
#[derive(Debug, Clone)]
pub struct Reading {
    pub record: RunRecord,
    pub tally: Tally,
    pub broken: Vec<DamagedTally>,
    pub queue: QueueDepth,
    /// The queue's visibility timeout.
    pub visibility: Duration,
    pub dead_letters: u64,
    pub beats: Vec<Heartbeat>,
    /// What the programs status they have spent on the run.
    pub accounts: Vec<UsageRecord>,
    /// The write units of putting each shard's tally, as it is now.
    pub tally_units: Vec<u64>,
    /// When it was read, ms since the epoch.
    pub at_ms: u64,
}

/// An earlier count, to tell the rate by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Earlier {
    pub concluded: u64,
    pub at_ms: u64,
}

impl Reading {
    /// The count to tell the next rate by.
    pub fn count(&self) -> Earlier {
        Earlier { concluded: self.tally.total(), at_ms: self.at_ms }
    }

    /// What it comes to; `earlier` is an earlier count of the same run. `at` is its time, RFC 3339.
    pub fn snapshot(&self, earlier: Option<Earlier>, at: String) -> Snapshot {
        let total = u64::from(self.record.plan.total());
        let enqueued = u64::from(self.record.enqueued);
        let pending = total.saturating_sub(self.tally.total());
        let complete = enqueued == total && pending == 0;
        let rate = self.rate(earlier.filter(|_| !complete));
        Snapshot {
            run: self.record.plan.run().to_string(),
            at,
            total,
            enqueued,
            sent: self.tally.sent,
            failed: self.tally.failed,
            pending,
            average_seconds: self.tally.delivery.mean_ms().map(|ms| ms / 1_000.0),
            average_latency_seconds: self.tally.latency.mean_ms().map(|ms| ms / 1_000.0),
            delivery_seconds: percentiles(&self.tally.delivery),
            latency_seconds: percentiles(&self.tally.latency),
            messages_per_second: rate,
            eta_seconds: if complete {
                Some(0.0)
            } else {
                rate.filter(|rate| *rate > 0.0).map(|rate| as_f64(pending) / rate)
            },
            complete,
            queue: self.queue,
            dead_letters: self.dead_letters,
            senders: self.senders(),
            broken: self.broken.iter().map(BrokenTally::from).collect(),
        }
    }

    /// Messages a second since the earlier count, or of all conclusions so far.
    fn rate(&self, earlier: Option<Earlier>) -> Option<f64> {
        if let Some(earlier) = earlier {
            let (messages, ms) = (
                self.tally.total().saturating_sub(earlier.concluded),
                self.at_ms.saturating_sub(earlier.at_ms),
            );
            return (ms > 0).then(|| as_f64(messages) * 1_000.0 / as_f64(ms));
        }
        let ms = self.tally.last_concluded_at?.saturating_sub(self.tally.first_concluded_at?);
        (ms > 0).then(|| as_f64(self.tally.total()) * 1_000.0 / as_f64(ms))
    }

    fn senders(&self) -> Vec<Sender> {
        let mut alive: Vec<&Heartbeat> = self
            .beats
            .iter()
            .filter(|beat| beat.ended_at.is_none() && self.at_ms.abs_diff(beat.seen_at) < ALIVE_MS)
            .collect();
        alive.sort_by(|one, other| one.sender.cmp(&other.sender));
        alive
            .into_iter()
            .map(|beat| Sender {
                name: beat.sender.clone(),
                seen_seconds_ago: as_f64(self.at_ms.saturating_sub(beat.seen_at)) / 1_000.0,
                wait: beat.wait,
                failure_rate: beat.failure_rate,
                concurrency: beat.concurrency,
                sent: beat.sent,
                failed: beat.failed,
                duplicates: beat.duplicates,
                released: beat.released,
                messages_per_second: rate_of_life(beat),
            })
            .collect()
    }
}

pub fn rate_of_life(beat: &Heartbeat) -> Option<f64> {
    let ms = beat.seen_at.saturating_sub(beat.started_at);
    (ms > 0).then(|| as_f64(beat.sent.saturating_add(beat.failed)) * 1_000.0 / as_f64(ms))
}

fn percentiles(times: &DurationHistogram) -> Percentiles {
    let seconds = |ms: Option<u64>| ms.map(|ms| as_f64(ms) / 1_000.0);
    Percentiles {
        p50: seconds(times.quantile_ms(0.5)),
        p90: seconds(times.quantile_ms(0.9)),
        p99: seconds(times.quantile_ms(0.99)),
        max: seconds(times.max_ms()),
    }
}

fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{beat, reading};
    use stentor_core::delivery::Outcome;
    use stentor_core::tally::OutcomeEvent;

    fn snapshot(reading: &Reading, earlier: Option<Earlier>) -> Snapshot {
        reading.snapshot(earlier, "1970-01-01T00:01:40Z".to_owned())
    }

    #[test]
    fn a_run_is_complete_when_all_is_enqueued_and_nothing_is_pending() {
        assert!(snapshot(&reading(10, 10), None).complete);
        assert!(!snapshot(&reading(10, 9), None).complete);
        let mut half = reading(10, 10);
        half.record.enqueued = 5;
        assert!(!snapshot(&half, None).complete);
    }

    #[test]
    fn the_rate_is_that_since_the_earlier_count() {
        let now = snapshot(&reading(1_000, 100), Some(Earlier { concluded: 50, at_ms: 95_000 }));
        assert_eq!((now.messages_per_second, now.eta_seconds), (Some(10.0), Some(90.0)));
        let stuck = snapshot(&reading(1_000, 100), Some(Earlier { concluded: 100, at_ms: 95_000 }));
        assert_eq!((stuck.messages_per_second, stuck.eta_seconds), (Some(0.0), None));
    }

    #[test]
    fn clocks_that_go_back_or_differ_give_no_rate_or_time_below_zero() {
        let back = snapshot(&reading(1_000, 100), Some(Earlier { concluded: 50, at_ms: 400_000 }));
        assert_eq!((back.messages_per_second, back.eta_seconds), (None, None));
        let fewer = snapshot(&reading(1_000, 100), Some(Earlier { concluded: 150, at_ms: 95_000 }));
        assert_eq!((fewer.messages_per_second, fewer.eta_seconds), (Some(0.0), None));
        let mut ahead = reading(2, 0);
        for concluded_at in [700_000, 400_000] {
            ahead.tally.count(&OutcomeEvent {
                outcome: Outcome::Sent,
                created_at: Some(900_000),
                concluded_at: Some(concluded_at),
                delivery_ms: Some(5),
            });
        }
        let ahead = snapshot(&ahead, None);
        assert_eq!(ahead.average_latency_seconds, Some(0.0));
        assert!(ahead.messages_per_second.is_some_and(|rate| rate > 0.0), "{ahead:?}");
    }

    #[test]
    fn without_a_conclusion_nothing_is_made_up() {
        let none = snapshot(&reading(1_000, 0), None);
        assert_eq!((none.average_seconds, none.messages_per_second, none.eta_seconds), (None, None, None));
        assert_eq!(none.delivery_seconds, Percentiles::default());
    }

    #[test]
    fn senders_that_ended_or_fell_silent_are_not_alive() {
        let mut reading = reading(10, 0);
        reading.beats = vec![
            beat("b", 0, 99_000, 1),
            beat("a", 0, 110_000, 1),
            beat("e", 0, 200_000, 1),
            beat("c", 0, 85_000, 1),
            Heartbeat { ended_at: Some(99_000), ..beat("d", 0, 99_000, 1) },
        ];
        let alive: Vec<_> =
            snapshot(&reading, None).senders.into_iter().map(|s| (s.name, s.seen_seconds_ago)).collect();
        assert_eq!(alive, [("a".to_owned(), 0.0), ("b".to_owned(), 1.0)]);
    }
}
