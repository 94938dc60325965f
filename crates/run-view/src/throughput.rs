//! What earlier readings of a run tell about the present one: how fast it goes.

use std::collections::{HashMap, VecDeque};

use stentor_aws::metrics::Heartbeat;

use crate::snapshot::{Earlier, Reading, Sender, Snapshot};
use stentor_cli::format::rfc3339;

/// The rate is that of about this long, however often one looks, ms: tallies are written about once a second.
const LATELY_MS: u64 = 5_000;

/// The readings of one run so far.
#[derive(Debug, Default)]
pub struct History {
    /// Oldest first.
    counts: VecDeque<Earlier>,
    senders: HashMap<String, Pace>,
}

/// How fast a sender was between its last two signs of life.
#[derive(Debug, Clone, Copy)]
struct Pace {
    seen_at: u64,
    concluded: u64,
    /// Messages a second; `None` from a single sign.
    rate: Option<f64>,
}

impl History {
    /// What a reading comes to, after those before it.
    pub fn snapshot(&mut self, reading: &Reading) -> Snapshot {
        let lately = reading.at_ms.saturating_sub(LATELY_MS);
        while self.counts.len() > 1 && self.counts[1].at_ms <= lately {
            self.counts.pop_front();
        }
        let mut now = reading.snapshot(self.counts.front().copied(), rfc3339(reading.at_ms));
        self.counts.push_back(reading.count());
        let before = std::mem::take(&mut self.senders);
        self.senders = reading
            .beats
            .iter()
            .map(|beat| (beat.sender.clone(), Pace::after(before.get(&beat.sender), beat)))
            .collect();
        for sender in &mut now.senders {
            sender.messages_per_second = self.rate_of(sender).or(sender.messages_per_second);
        }
        now
    }

    fn rate_of(&self, sender: &Sender) -> Option<f64> {
        self.senders.get(&sender.name)?.rate
    }
}

impl Pace {
    fn after(before: Option<&Self>, beat: &Heartbeat) -> Self {
        let concluded = beat.sent.saturating_add(beat.failed);
        let new = Self { seen_at: beat.seen_at, concluded, rate: None };
        match before {
            Some(before) if before.seen_at == beat.seen_at => *before,
            Some(before) if before.seen_at < beat.seen_at => {
                let more = concluded.saturating_sub(before.concluded) as f64;
                let ms = (beat.seen_at - before.seen_at) as f64;
                Self { rate: Some(more * 1_000.0 / ms), ..new }
            }
            _ => new,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{beat, reading};

    #[test]
    fn the_rate_is_that_of_the_last_seconds_however_often_one_looks() {
        let mut history = History::default();
        let mut rates = Vec::new();
        for second in 0..8_u32 {
            let mut reading = reading(1_000, 100 + 10 * second * second);
            reading.at_ms = 100_000 + u64::from(second) * 1_000;
            rates.push(history.snapshot(&reading).messages_per_second);
        }
        // The first tells the whole run's; the last is (490 − 40) messages in 5 s.
        assert_eq!((rates[1], rates[5], rates[7]), (Some(10.0), Some(50.0), Some(90.0)));
    }

    #[test]
    fn a_sender_is_as_fast_as_between_its_last_two_signs_of_life() {
        let mut history = History::default();
        let mut rates = Vec::new();
        for (at_ms, seen_at, sent) in [
            (100_000, 100_000, 200),
            (101_000, 100_000, 200),
            (105_000, 105_000, 300),
            (107_000, 105_000, 300),
        ] {
            let mut reading = reading(1_000, 100);
            reading.at_ms = at_ms;
            reading.beats = vec![beat("a", 80_000, seen_at, sent)];
            rates.push(history.snapshot(&reading).senders[0].messages_per_second.unwrap());
        }
        // At first that of its life, 200 messages in 20 s.
        assert_eq!(rates, [10.0, 10.0, 20.0, 20.0]);
    }
}
