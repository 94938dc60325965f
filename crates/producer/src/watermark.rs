//! The watermark: how far a run is enqueued without a gap, whatever order its batches finish in.

use std::collections::BTreeMap;
use std::ops::Range;

/// All indices below the watermark are in the table and on the queue.
#[derive(Debug)]
pub(crate) struct Watermark {
    below: u32,
    /// Finished ranges above the watermark, by first index; adjacent ranges are merged.
    ahead: BTreeMap<u32, u32>,
}

impl Watermark {
    pub(crate) fn new(below: u32) -> Self {
        Self { below, ahead: BTreeMap::new() }
    }

    /// Adds a finished batch; returns the new watermark.
    pub(crate) fn complete(&mut self, mut batch: Range<u32>) -> u32 {
        if let Some(end) = self.ahead.remove(&batch.end) {
            batch.end = end;
        }
        if let Some((start, end)) = self.ahead.range_mut(..batch.start).next_back()
            && *end == batch.start
        {
            batch.start = *start;
        }
        self.ahead.insert(batch.start, batch.end);
        if let Some(end) = self.ahead.remove(&self.below) {
            self.below = end;
        }
        self.below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_waits_for_the_gap() {
        let mut watermark = Watermark::new(50);
        assert_eq!(watermark.complete(100..150), 50);
        assert_eq!(watermark.complete(150..180), 50);
        assert_eq!(watermark.complete(50..100), 180);
        assert!(watermark.ahead.is_empty());
    }

    #[test]
    fn what_is_ahead_of_one_gap_is_one_entry() {
        let mut watermark = Watermark::new(0);
        for batch in [20..30, 40..50, 30..40, 10..20, 50..60] {
            assert_eq!(watermark.complete(batch), 0);
        }
        assert_eq!(watermark.ahead.len(), 1);
        assert_eq!(watermark.complete(0..10), 60);
    }
}
