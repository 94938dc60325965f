//! The rate limit: when each batch may start.

use std::ops::Range;
use std::time::Duration;

/// Messages in a full batch: two requests of 25 statements, five of 10 queue entries.
pub(crate) const FULL_BATCH: u32 = 50;

/// Entries in a full request to the queue.
const QUEUE_BATCH: u32 = 10;

/// Batches a second of a slow run, so that messages arrive evenly and not in bursts of a full batch; up to twice as
/// many where that fills the requests to the queue.
const BATCHES_PER_SECOND: f64 = 4.0;

/// Splits the indices `first..end` into batches, each with its earliest start, counted from the run's.
pub(crate) fn paced_batches(
    first: u32,
    end: u32,
    rate: Option<f64>,
) -> impl Iterator<Item = (Range<u32>, Duration)> {
    let size = rate.map_or(FULL_BATCH, batch_size);
    (first..end).step_by(size as usize).map(move |start| {
        let due = rate.map_or(0.0, |rate| f64::from(start - first) / rate);
        // A rate close to zero would exceed the range of a duration.
        let due = Duration::try_from_secs_f64(due).unwrap_or(Duration::MAX);
        (start..start.saturating_add(size).min(end), due)
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 1 to FULL_BATCH")]
fn batch_size(rate: f64) -> u32 {
    let size = (rate / BATCHES_PER_SECOND).ceil().clamp(1.0, f64::from(FULL_BATCH)) as u32;
    // The queue bills requests, so they are filled where the rate allows.
    if size < QUEUE_BATCH { size } else { size - size % QUEUE_BATCH }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_every_index_once() {
        for (first, end, rate) in
            [(0, 1, None), (0, 1_000, None), (37, 120, None), (0, 103, Some(3.0)), (5, 5, None)]
        {
            let all: Vec<u32> = paced_batches(first, end, rate).flat_map(|(batch, _)| batch).collect();
            assert_eq!(all, (first..end).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_slow_run_comes_evenly() {
        let due: Vec<_> =
            paced_batches(0, 6, Some(2.0)).map(|(batch, due)| (batch.len(), due.as_millis())).collect();
        assert_eq!(due, [(1, 0), (1, 500), (1, 1_000), (1, 1_500), (1, 2_000), (1, 2_500)]);
        assert_eq!(paced_batches(0, 100, Some(50.0)).nth(1), Some((10..20, Duration::from_millis(200))));
        assert_eq!(paced_batches(0, 100, Some(1_000.0)).nth(1), Some((50..100, Duration::from_millis(50))));
    }

    #[test]
    fn one_message_and_ten_million_are_enqueued_to_the_last() {
        assert_eq!(paced_batches(0, 1, None).collect::<Vec<_>>(), [(0..1, Duration::ZERO)]);
        let (count, end) = paced_batches(0, 10_000_000, None)
            .fold((0, 0), |(count, end), (batch, _)| (count + usize::from(batch.start == end), batch.end));
        assert_eq!((count, end), (200_000, 10_000_000));
    }

    #[test]
    fn a_rate_close_to_zero_is_no_panic() {
        assert_eq!(paced_batches(0, 2, Some(f64::MIN_POSITIVE)).nth(1).unwrap().1, Duration::MAX);
    }
}
