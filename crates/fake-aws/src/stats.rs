//! Statistics of the requests that the fake has received.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Totals of one operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OperationStats {
    /// Requests, failed ones included.
    pub requests: u64,
    /// Messages, statements, keys or items that were sent, received, deleted, written or read.
    pub entries: u64,
    /// Requests and entries that failed, unmet conditions included.
    pub failed: u64,
    /// Entries that were throttled by a limited capacity.
    pub throttled: u64,
}

/// Time from the ends of deliveries to the writes of their outcomes, by the clock of this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutcomeLag {
    /// Number of outcomes that have a `concluded_at`.
    pub count: u64,
    /// Sum of their lags, ms.
    pub sum_ms: u64,
    /// Longest lag, ms.
    pub max_ms: u64,
}

impl OutcomeLag {
    /// Mean lag, ms.
    pub fn mean_ms(&self) -> f64 {
        self.sum_ms as f64 / self.count.max(1) as f64
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum_ms += other.sum_ms;
        self.max_ms = self.max_ms.max(other.max_ms);
    }
}

/// The first and the last time of an event.
type TimeSpan = Option<(Instant, Instant)>;

/// Statistics since the fake was started.
#[derive(Debug, Clone, Default)]
pub struct RequestStats {
    /// By operation, such as `SendMessageBatch`. INSERT and UPDATE batches of statements count separately.
    pub operations: BTreeMap<&'static str, OperationStats>,
    /// Connections that clients opened.
    pub connections: u64,
    /// Write units that both tables consumed.
    pub write_units: f64,
    /// Read units that both tables consumed.
    pub read_units: f64,
    /// Lag of the outcomes that `UPDATE` statements wrote.
    pub outcome_lag: OutcomeLag,
    /// From the first request to the last response.
    calls: TimeSpan,
    /// From the first received message to the last deleted one, on the main queue.
    receiving: TimeSpan,
    /// From the first sent message to the last one, on the main queue.
    sending: TimeSpan,
}

impl RequestStats {
    /// All requests.
    pub fn requests(&self) -> u64 {
        self.operations.values().map(|operation| operation.requests).sum()
    }

    /// All requests to SQS.
    pub fn queue_requests(&self) -> u64 {
        let is_sqs = |name: &str| name.contains("Queue") || name.contains("Message");
        self.operations.iter().filter(|(name, _)| is_sqs(name)).map(|(_, stats)| stats.requests).sum()
    }

    /// Totals of one operation; zeros where it was never called.
    pub fn of(&self, operation: &str) -> OperationStats {
        self.operations.get(operation).copied().unwrap_or_default()
    }

    /// Time from the first received message to the last deleted one.
    pub fn receiving_took(&self) -> Option<Duration> {
        self.receiving.map(|(first, last)| last.duration_since(first))
    }

    /// Time from the first request to the last message sent to the queue.
    pub fn sending_took(&self) -> Option<Duration> {
        let first = self.calls?.0;
        self.sending.map(|(_, last)| last.duration_since(first))
    }

    pub(crate) fn add_call(
        &mut self,
        operation: &'static str,
        received: Instant,
        responded: Instant,
        call: OperationStats,
    ) {
        let total = self.operations.entry(operation).or_default();
        total.requests += call.requests;
        total.entries += call.entries;
        total.failed += call.failed;
        total.throttled += call.throttled;
        extend(&mut self.calls, received, responded);
    }

    pub(crate) fn add_received(&mut self, at: Instant) {
        extend(&mut self.receiving, at, at);
    }

    pub(crate) fn add_sent(&mut self, at: Instant) {
        extend(&mut self.sending, at, at);
    }
}

fn extend(span: &mut TimeSpan, from: Instant, to: Instant) {
    *span = Some(span.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sending_is_timed_from_the_first_request_and_receiving_from_the_first_message() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut stats = RequestStats::default();
        assert_eq!((stats.sending_took(), stats.receiving_took()), (None, None));
        let one = OperationStats { requests: 1, entries: 10, ..OperationStats::default() };
        stats.add_call("SendMessageBatch", at(0), at(5), one);
        stats.add_call("SendMessageBatch", at(3), at(9), one);
        stats.add_sent(at(5));
        stats.add_sent(at(9));
        stats.add_received(at(20));
        stats.add_received(at(30));
        stats.add_received(at(70));
        assert_eq!(stats.sending_took(), Some(Duration::from_millis(9)));
        assert_eq!(stats.receiving_took(), Some(Duration::from_millis(50)));
        assert_eq!((stats.requests(), stats.of("SendMessageBatch").entries), (2, 20));
        stats.add_call("Query", at(3), at(9), one);
        assert_eq!((stats.requests(), stats.queue_requests()), (3, 2));
        assert_eq!(stats.of("GetItem"), OperationStats::default());
    }
}
