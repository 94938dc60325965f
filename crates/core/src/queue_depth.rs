//! What waits on a queue, and when it is surely empty.

use std::time::Duration;

use serde::Serialize;

/// How long AWS's counts of a queue may lag: they are reliable only where they stay the same for a minute
/// after the last change (Amazon SQS API Reference, "`GetQueueAttributes`").
const COUNTS_LAG: Duration = Duration::from_secs(60);

/// A queue's approximate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct QueueDepth {
    /// Messages that can be received.
    pub visible: u64,
    /// Messages that somebody holds.
    pub in_flight: u64,
    /// Messages that become visible later.
    pub delayed: u64,
}

impl QueueDepth {
    /// All three counts are zero.
    pub fn is_zero(&self) -> bool {
        *self == Self { visible: 0, in_flight: 0, delayed: 0 }
    }
}

/// Watches a queue's counts until they can be believed.
#[derive(Debug, Clone, Default)]
pub struct IdleDetector {
    zero_since: Option<Duration>,
}

impl IdleDetector {
    /// Notes the counts read at `now`, on any steady clock, and says for how long they have been zero.
    pub fn note(&mut self, backlog: &QueueDepth, now: Duration) -> Option<Duration> {
        if !backlog.is_zero() {
            self.zero_since = None;
            return None;
        }
        Some(now.saturating_sub(*self.zero_since.get_or_insert(now)))
    }

    /// Something came after all: zero must begin anew.
    pub fn reset(&mut self) {
        self.zero_since = None;
    }
}

/// How long the counts of a queue must stay zero before it is empty for good: what somebody holds is
/// back by then, and the counts have caught up.
pub fn settle_time(visibility_timeout: Duration) -> Duration {
    visibility_timeout + COUNTS_LAG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_counts_from_the_last_time_anything_was_there() {
        let (empty, busy) = (
            QueueDepth { visible: 0, in_flight: 0, delayed: 0 },
            QueueDepth { visible: 0, in_flight: 1, delayed: 0 },
        );
        let at = Duration::from_secs;
        let mut watch = IdleDetector::default();
        assert_eq!(watch.note(&empty, at(10)), Some(at(0)));
        assert_eq!(watch.note(&empty, at(15)), Some(at(5)));
        assert_eq!(watch.note(&busy, at(20)), None);
        assert_eq!(watch.note(&empty, at(30)), Some(at(0)));
        watch.reset();
        assert_eq!(watch.note(&empty, at(40)), Some(at(0)));
    }
}
