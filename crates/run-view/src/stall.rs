//! Detection of runs that cannot get any further on their own.

use std::time::Duration;

use stentor_core::queue_depth::{IdleDetector, settle_time};

use crate::reading::RunReading;

/// Detects a run of which everything is enqueued and something is pending while the queue stays empty.
#[derive(Debug, Default)]
pub struct StallDetector {
    empty: IdleDetector,
    outcomes: u64,
}

impl StallDetector {
    /// Adds a reading taken at `now` of any monotonic clock; returns whether the run is stalled.
    pub fn check(&mut self, reading: &RunReading, now: Duration) -> bool {
        let outcomes = reading.outcomes();
        if outcomes != self.outcomes || !reading.is_enqueued() || reading.is_complete() {
            self.outcomes = outcomes;
            self.empty.reset();
            return false;
        }
        self.empty.observe(&reading.queue, now).is_some_and(|empty| empty >= settle_time(reading.visibility))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::reading;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_run_stalls_when_the_queue_stays_empty_with_messages_pending() {
        let mut detector = StallDetector::default();
        for (seconds, stalled) in [(0, false), (5, false), (124, false), (125, true)] {
            assert_eq!(detector.check(&reading(10, 9), at(seconds)), stalled, "{seconds}");
        }
    }

    #[test]
    fn progress_a_backlog_or_an_unfinished_producer_is_no_stall() {
        let mut busy = reading(10, 9);
        busy.queue.in_flight = 1;
        let mut unfinished = reading(10, 9);
        unfinished.record.enqueued = 9;
        for reading in [busy, unfinished, reading(10, 10)] {
            let mut detector = StallDetector::default();
            assert!((0..100).all(|i| !detector.check(&reading, at(i * 10))));
        }
        let mut detector = StallDetector::default();
        assert!((0..10).all(|i| !detector.check(&reading(10, i), at(u64::from(i) * 100))));
    }
}
