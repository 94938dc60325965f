//! What the sink saw: how many requests of which kind, and when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What one operation came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Operation {
    /// Requests, whatever was answered.
    pub requests: u64,
    /// Messages, statements, keys or items: sent, received, deleted, written or read.
    pub entries: u64,
    /// Requests and entries that were refused, conditions that failed among them.
    pub refused: u64,
    /// Bytes of the bodies that came.
    pub bytes_in: u64,
    /// Bytes of the bodies that were answered.
    pub bytes_out: u64,
}

/// How long conclusions came after the ends of their deliveries, by the clock of this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lags {
    /// Conclusions that told when their deliveries ended.
    pub count: u64,
    /// The sum of their lags, ms.
    pub sum_ms: u64,
    /// The longest, ms.
    pub longest_ms: u64,
}

impl Lags {
    /// The mean, ms.
    pub fn mean_ms(&self) -> f64 {
        self.sum_ms as f64 / self.count.max(1) as f64
    }

    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum_ms += other.sum_ms;
        self.longest_ms = self.longest_ms.max(other.longest_ms);
    }
}

/// What a sink has seen since it was started, or since its counts were last taken.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// By the operation's name, such as `SendMessageBatch`; INSERTs and UPDATEs of a batch of statements apart.
    pub operations: BTreeMap<&'static str, Operation>,
    /// Connections that were made.
    pub connections: u64,
    /// Write units that the tables' calls took.
    pub write_units: f64,
    /// Read units that the tables' calls took.
    pub read_units: f64,
    /// How long conclusions by statements came after their `concluded_at`.
    pub conclusion_lags: Lags,
    /// When the first request came, and when the last was answered.
    pub calls: Option<(Instant, Instant)>,
    /// When the first message was received, and when the last was deleted: what a sender takes without its idle end.
    pub sending: Option<(Instant, Instant)>,
    /// When the first message was sent to the queue, and when the last.
    pub producing: Option<(Instant, Instant)>,
}

impl Counts {
    /// All requests.
    pub fn requests(&self) -> u64 {
        self.operations.values().map(|operation| operation.requests).sum()
    }

    /// All requests to the queues.
    pub fn queue_requests(&self) -> u64 {
        let of_queues = self
            .operations
            .iter()
            .filter(|(name, _)| ["Queue", "Message"].iter().any(|word| name.contains(word)));
        of_queues.map(|(_, operation)| operation.requests).sum()
    }

    /// What that operation came to; nothing where it was never called.
    pub fn of(&self, operation: &str) -> Operation {
        self.operations.get(operation).copied().unwrap_or_default()
    }

    /// From the first message received to the last deleted.
    pub fn sending_took(&self) -> Option<Duration> {
        self.sending.map(|(first, last)| last.duration_since(first))
    }

    /// From the first request to the last message on the queue.
    pub fn producing_took(&self) -> Option<Duration> {
        let first = self.calls?.0;
        self.producing.map(|(_, last)| last.duration_since(first))
    }

    pub(super) fn call(
        &mut self,
        operation: &'static str,
        came: Instant,
        answered: Instant,
        call: Operation,
    ) {
        let sum = self.operations.entry(operation).or_default();
        sum.requests += call.requests;
        sum.entries += call.entries;
        sum.refused += call.refused;
        sum.bytes_in += call.bytes_in;
        sum.bytes_out += call.bytes_out;
        stretch(&mut self.calls, came, answered);
    }
}

/// Lets a span reach from the earliest to the latest that it was told of.
pub(super) fn stretch(span: &mut Option<(Instant, Instant)>, from: Instant, to: Instant) {
    *span = Some(span.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producer_is_timed_from_its_first_request_and_a_sender_from_its_first_message() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut counts = Counts::default();
        assert_eq!((counts.producing_took(), counts.sending_took()), (None, None));
        let one = Operation { requests: 1, entries: 10, ..Operation::default() };
        counts.call("SendMessageBatch", at(0), at(5), one);
        counts.call("SendMessageBatch", at(3), at(9), one);
        stretch(&mut counts.producing, at(5), at(9));
        stretch(&mut counts.sending, at(20), at(20));
        stretch(&mut counts.sending, at(30), at(70));
        assert_eq!(counts.producing_took(), Some(Duration::from_millis(9)));
        assert_eq!(counts.sending_took(), Some(Duration::from_millis(50)));
        assert_eq!((counts.requests(), counts.of("SendMessageBatch").entries), (2, 20));
        counts.call("Query", at(3), at(9), one);
        assert_eq!((counts.requests(), counts.queue_requests()), (3, 2));
        assert_eq!(counts.of("GetItem"), Operation::default());
    }
}
