//! How fast a run and its senders are, from one reading to the next.

use std::collections::{HashMap, VecDeque};

use stentor_aws::metrics::Heartbeat;
use stentor_core::usage::ProviderUsage;

use crate::reading::RunReading;

/// The window of the present throughput, ms, whatever the poll interval: tallies are written about once a second.
const WINDOW_MS: u64 = 5_000;

/// Minimum time of a measured rate, ms: outcomes come in bursts.
pub(crate) const MIN_RATE_MS: u64 = 1_000;

/// The earlier readings of one run, as far as rates need them.
#[derive(Debug, Default)]
pub struct Throughput {
    /// Oldest first.
    counts: VecDeque<PreviousReading>,
    senders: HashMap<String, SenderThroughput>,
}

/// The count of outcomes at an earlier reading.
#[derive(Debug, Clone, Copy, PartialEq)]
struct PreviousReading {
    outcomes: u64,
    at_ms: u64,
}

/// A sender between its last two heartbeats.
#[derive(Debug, Clone, Copy)]
struct SenderThroughput {
    seen_at: u64,
    outcomes: u64,
    /// Parts begun with its provider.
    parts: Option<u64>,
    /// Messages a second; `None` after a single heartbeat.
    rate: Option<f64>,
    /// Parts a second; `None` after a single heartbeat, and without a provider.
    parts_rate: Option<f64>,
}

impl Throughput {
    /// Adds a reading and returns its messages a second: over the last seconds, or over the whole run once it is
    /// complete or where this is the first reading. `None` from less than a second of data.
    pub fn record(&mut self, reading: &RunReading) -> Option<f64> {
        let from = reading.at_ms.saturating_sub(WINDOW_MS);
        while self.counts.len() > 1 && self.counts[1].at_ms <= from {
            self.counts.pop_front();
        }
        let rate = match self.counts.front() {
            // Never below zero, and `None` where the clock went back.
            Some(previous) if !reading.is_complete() => per_second(
                reading.outcomes().saturating_sub(previous.outcomes),
                reading.at_ms.saturating_sub(previous.at_ms),
            ),
            _ => overall_rate(reading),
        };
        self.counts.push_back(PreviousReading { outcomes: reading.outcomes(), at_ms: reading.at_ms });
        let before = std::mem::take(&mut self.senders);
        let rates = reading.heartbeats.iter().map(|heartbeat| {
            (heartbeat.sender.clone(), SenderThroughput::next(before.get(&heartbeat.sender), heartbeat))
        });
        self.senders = rates.collect();
        rate
    }

    /// Messages a second of a sender between its last two heartbeats.
    pub fn of_sender(&self, name: &str) -> Option<f64> {
        self.senders.get(name)?.rate
    }

    /// Parts a second that a sender began with its provider between its last two heartbeats.
    pub fn parts_of_sender(&self, name: &str) -> Option<f64> {
        self.senders.get(name)?.parts_rate
    }
}

/// Messages a second from the first outcome to the last.
pub fn overall_rate(reading: &RunReading) -> Option<f64> {
    let tally = &reading.tally;
    per_second(reading.outcomes(), tally.last_concluded_at?.saturating_sub(tally.first_concluded_at?))
}

/// Messages a second of a sender since its start.
pub fn lifetime_rate(heartbeat: &Heartbeat) -> Option<f64> {
    per_second(outcomes(heartbeat), heartbeat.seen_at.saturating_sub(heartbeat.started_at))
}

fn outcomes(heartbeat: &Heartbeat) -> u64 {
    heartbeat.sent.saturating_add(heartbeat.failed)
}

fn per_second(messages: u64, ms: u64) -> Option<f64> {
    (ms >= MIN_RATE_MS).then(|| messages as f64 * 1_000.0 / ms as f64)
}

impl SenderThroughput {
    fn next(before: Option<&Self>, heartbeat: &Heartbeat) -> Self {
        let new = Self {
            seen_at: heartbeat.seen_at,
            outcomes: outcomes(heartbeat),
            parts: heartbeat.provider.as_ref().map(ProviderUsage::total_parts),
            rate: None,
            parts_rate: None,
        };
        match before {
            Some(before) if before.seen_at == new.seen_at => *before,
            Some(before) if before.seen_at < new.seen_at => {
                let ms = new.seen_at - before.seen_at;
                let parts = new.parts.zip(before.parts);
                Self {
                    rate: per_second(new.outcomes.saturating_sub(before.outcomes), ms),
                    parts_rate: parts.and_then(|(new, before)| per_second(new.saturating_sub(before), ms)),
                    ..new
                }
            }
            _ => new,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{heartbeat, reading};

    fn at(at_ms: u64, outcomes: u32) -> RunReading {
        RunReading { at_ms, ..reading(1_000, outcomes) }
    }

    #[test]
    fn the_rate_covers_the_last_seconds_at_any_poll_interval() {
        let mut throughput = Throughput::default();
        let rates: Vec<_> = (0..8_u32)
            .map(|second| {
                throughput.record(&at(100_000 + u64::from(second) * 1_000, 100 + 10 * second * second))
            })
            .collect();
        // The first is the whole run's; the last is (490 − 40) messages in 5 s.
        assert_eq!((rates[1], rates[5], rates[7]), (Some(10.0), Some(50.0), Some(90.0)));
    }

    #[test]
    fn less_than_a_second_of_data_gives_no_rate() {
        let burst = reading(30, 10);
        assert_eq!(overall_rate(&burst), None, "10 outcomes in 0.9 s");
        assert_eq!(overall_rate(&reading(30, 11)), Some(11.0));
        let mut throughput = Throughput::default();
        let rates: Vec<_> = [(100_000, 0), (100_200, 28), (101_000, 28)]
            .into_iter()
            .map(|(at_ms, outcomes)| throughput.record(&at(at_ms, outcomes)))
            .collect();
        assert_eq!(rates, [None, None, Some(28.0)]);
        assert_eq!(lifetime_rate(&heartbeat("a", 80_000, 80_999, 500)), None);
    }

    #[test]
    fn clocks_and_counts_that_go_back_give_no_negative_rate() {
        for (later, rate) in [(at(95_000, 100), None), (at(105_000, 50), Some(0.0))] {
            let mut throughput = Throughput::default();
            throughput.record(&at(100_000, 100));
            assert_eq!(throughput.record(&later), rate);
        }
    }

    #[test]
    fn a_sender_is_measured_between_its_last_two_heartbeats() {
        let mut throughput = Throughput::default();
        let heartbeats = [(100_000, 200), (100_000, 200), (105_000, 300), (105_000, 300)];
        let rates: Vec<_> = heartbeats
            .into_iter()
            .map(|(seen_at, sent)| {
                let mut reading = reading(1_000, 100);
                reading.heartbeats = vec![heartbeat("a", 80_000, seen_at, sent)];
                throughput.record(&reading);
                throughput.of_sender("a")
            })
            .collect();
        assert_eq!(rates, [None, None, Some(20.0), Some(20.0)]);
        assert_eq!(lifetime_rate(&heartbeat("a", 80_000, 100_000, 200)), Some(10.0));
    }
}
