//! When a run will not get any further by itself.

use std::time::Duration;

use stentor_core::queue_depth::{IdleDetector, settle_time};

use crate::snapshot::Snapshot;

/// Watches for a run of which all is enqueued, something is pending, and nothing is on the queue for good.
#[derive(Debug, Default)]
pub struct StallWatch {
    empty: IdleDetector,
    concluded: u64,
}

impl StallWatch {
    /// Notes a snapshot taken at `now`, on any steady clock; `visibility` is the queue's visibility timeout.
    pub fn is_stalled(&mut self, snapshot: &Snapshot, visibility: Duration, now: Duration) -> bool {
        let concluded = snapshot.sent + snapshot.failed;
        if concluded != self.concluded || snapshot.enqueued < snapshot.total || snapshot.complete {
            self.concluded = concluded;
            self.empty.reset();
            return false;
        }
        self.empty.observe(&snapshot.queue, now).is_some_and(|empty| empty >= settle_time(visibility))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::reading;

    const VISIBILITY: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_run_stalls_when_the_queue_stays_empty_with_something_pending() {
        let snapshot = reading(10, 9).snapshot(None, String::new());
        let mut watch = StallWatch::default();
        for (seconds, stalled) in [(0, false), (5, false), (124, false), (125, true)] {
            assert_eq!(watch.is_stalled(&snapshot, VISIBILITY, at(seconds)), stalled, "{seconds}");
        }
    }

    #[test]
    fn progress_a_backlog_or_an_unfinished_producer_is_no_stall() {
        let mut busy = reading(10, 9);
        busy.queue.in_flight = 1;
        let mut unfinished = reading(10, 9);
        unfinished.record.enqueued = 9;
        for reading in [busy, unfinished, reading(10, 10)] {
            let mut watch = StallWatch::default();
            let snapshot = reading.snapshot(None, String::new());
            assert!((0..100).all(|i| !watch.is_stalled(&snapshot, VISIBILITY, at(i * 10))));
        }
        let mut watch = StallWatch::default();
        assert!((0..10).all(|i| {
            let snapshot = reading(10, u32::try_from(i).unwrap()).snapshot(None, String::new());
            !watch.is_stalled(&snapshot, VISIBILITY, at(i * 100))
        }));
    }
}
