//! How far a run is enqueued without a gap, however its batches finish.

use std::collections::BTreeMap;
use std::ops::Range;

/// The mark: all indices below it are in the table and on the queue.
#[derive(Debug)]
pub(crate) struct EnqueuedMark {
    below: u32,
    /// Finished batches above the mark: first index to end.
    ahead: BTreeMap<u32, u32>,
}

impl EnqueuedMark {
    pub(crate) fn at(below: u32) -> Self {
        Self { below, ahead: BTreeMap::new() }
    }

    /// A batch is done; returns the mark as it is now.
    pub(crate) fn done(&mut self, batch: Range<u32>) -> u32 {
        self.ahead.insert(batch.start, batch.end);
        while let Some(end) = self.ahead.remove(&self.below) {
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
        let mut mark = EnqueuedMark::at(50);
        assert_eq!(mark.done(100..150), 50);
        assert_eq!(mark.done(150..180), 50);
        assert_eq!(mark.done(50..100), 180);
        assert!(mark.ahead.is_empty());
    }
}
