//! How many messages a queue holds, and when it is reliably empty.

use std::time::Duration;

use serde::Serialize;

/// How long SQS's counts may lag. They are reliable once they have been constant for a minute (Amazon SQS API
/// Reference, "`GetQueueAttributes`").
const COUNTS_LAG: Duration = Duration::from_secs(60);

/// The approximate number of messages of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct QueueDepth {
    /// Messages that can be received.
    pub visible: u64,
    /// Messages received and neither deleted nor visible again.
    pub in_flight: u64,
    /// Messages that become visible later.
    pub delayed: u64,
}

impl QueueDepth {
    /// Returns whether all three counts are zero.
    pub fn is_zero(&self) -> bool {
        *self == Self { visible: 0, in_flight: 0, delayed: 0 }
    }
}

/// Measures how long a queue has been empty.
#[derive(Debug, Clone, Default)]
pub struct IdleDetector {
    zero_since: Option<Duration>,
}

impl IdleDetector {
    /// Records the depth at `now`, on any monotonic clock. Returns how long it has been zero; `None` if it is not.
    pub fn observe(&mut self, depth: &QueueDepth, now: Duration) -> Option<Duration> {
        if !depth.is_zero() {
            self.zero_since = None;
            return None;
        }
        Some(now.saturating_sub(*self.zero_since.get_or_insert(now)))
    }

    /// Restarts the measurement, after activity that the counts may not show.
    pub fn reset(&mut self) {
        self.zero_since = None;
    }
}

/// Returns how long the depth must be zero before the queue is reliably empty: messages in flight are visible again
/// by then, and the counts have caught up.
pub fn settle_time(visibility_timeout: Duration) -> Duration {
    visibility_timeout + COUNTS_LAG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_or_a_reset_restarts_the_idle_time() {
        let (empty, busy) = (
            QueueDepth { visible: 0, in_flight: 0, delayed: 0 },
            QueueDepth { visible: 0, in_flight: 1, delayed: 0 },
        );
        let at = Duration::from_secs;
        let mut detector = IdleDetector::default();
        assert_eq!(detector.observe(&empty, at(10)), Some(at(0)));
        assert_eq!(detector.observe(&empty, at(15)), Some(at(5)));
        assert_eq!(detector.observe(&busy, at(20)), None);
        assert_eq!(detector.observe(&empty, at(30)), Some(at(0)));
        detector.reset();
        assert_eq!(detector.observe(&empty, at(40)), Some(at(0)));
    }
}
