//! Throughput over time and the distribution of durations, in as many columns as a surface has space for.

use stentor_tally::{Bin, Bucket, DurationHistogram, Tally};

use crate::view::seconds;

/// An active run is drawn as idle after this time without an outcome, ms: tallies lag a little.
const IDLE_MS: u64 = 5_000;

/// Minimum length of a chart, ms: a burst would show a rate that never was.
pub(crate) const MIN_MS: u64 = 1_000;

/// One column of a chart, in the unit of the chart.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ChartBin {
    /// Height of the sent messages; of a histogram, of all messages.
    pub sent: f64,
    /// Height of the failed messages.
    pub failed: f64,
}

/// Messages a second from the first outcome on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ThroughputChart {
    /// Spans of the run and the outcomes in them, without a gap.
    segments: Vec<Bucket>,
}

/// Number of messages by duration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    bins: Vec<Bin>,
}

impl ChartBin {
    /// Height of the whole column.
    pub fn total(&self) -> f64 {
        self.sent + self.failed
    }
}

impl ThroughputChart {
    /// Covers at least a second: from the first outcome to the last, or to `now_ms` if the run is idle and has not ended.
    pub fn new(tally: &Tally, now_ms: u64, has_ended: bool) -> Self {
        let (Some(first), Some(last)) = (tally.first_concluded_at, tally.last_concluded_at) else {
            return Self::default();
        };
        let mut segments: Vec<Bucket> = Vec::new();
        for bucket in tally.timeline.buckets() {
            let is_short = |segment: &Bucket| segment.width_ms < bucket.width_ms / 2;
            let segment = clip(&bucket, first, last);
            // The run fills its first and last bucket in part: a short segment would show a rate that never was.
            match segments.last_mut() {
                Some(before) if is_short(before) || is_short(&segment) => {
                    before.width_ms = end_ms(&segment).saturating_sub(before.starts_at);
                    before.sent = before.sent.saturating_add(segment.sent);
                    before.failed = before.failed.saturating_add(segment.failed);
                    before.parts = before.parts.saturating_add(segment.parts);
                }
                _ => segments.push(segment),
            }
        }
        let starts_at = segments.first().map_or(first, |segment| segment.starts_at);
        if let Some(segment) = segments.last_mut() {
            let length = end_ms(segment).saturating_sub(starts_at);
            segment.width_ms = segment.width_ms.saturating_add(MIN_MS.saturating_sub(length));
        }
        let end = segments.last().map_or(last, end_ms);
        let idle_until = idle_until(last, now_ms, has_ended);
        if idle_until > last {
            segments.push(Bucket {
                starts_at: end,
                width_ms: idle_until.saturating_sub(end),
                sent: 0,
                failed: 0,
                parts: 0,
            });
        }
        Self { segments }
    }

    /// Length of the chart in seconds.
    pub fn seconds(&self) -> f64 {
        let ends = self.segments.first().zip(self.segments.last());
        ends.map_or(0.0, |(first, last)| seconds(end_ms(last).saturating_sub(first.starts_at)))
    }

    /// Splits the chart into `count` bins of messages a second.
    pub fn bins(&self, count: usize) -> Vec<ChartBin> {
        let Some(start) = self.segments.first().map(|first| first.starts_at) else { return Vec::new() };
        let width = self.seconds() * 1_000.0 / count as f64;
        let offset = |ms: u64| ms.saturating_sub(start) as f64;
        let mut rates = vec![ChartBin::default(); count];
        for segment in &self.segments {
            for (bin, part) in overlaps(offset(segment.starts_at), offset(end_ms(segment)), width, count) {
                rates[bin].sent += segment.sent as f64 * part * 1_000.0 / width;
                rates[bin].failed += segment.failed as f64 * part * 1_000.0 / width;
            }
        }
        rates
    }
}

/// The end of a chart, ms since the epoch: the last outcome, or `now_ms` where the run is idle and has not ended.
pub(crate) fn idle_until(last: u64, now_ms: u64, has_ended: bool) -> u64 {
    if !has_ended && now_ms.saturating_sub(last) > IDLE_MS { now_ms } else { last }
}

/// The end of a bucket, ms since the epoch.
pub(crate) fn end_ms(bucket: &Bucket) -> u64 {
    bucket.starts_at.saturating_add(bucket.width_ms)
}

/// The part of the bucket between the first and the last outcome, 1 ms at least.
pub(crate) fn clip(bucket: &Bucket, first: u64, last: u64) -> Bucket {
    let end = end_ms(bucket);
    let starts_at = bucket.starts_at.max(first.min(end - 1));
    Bucket { starts_at, width_ms: end.min(last.max(starts_at + 1)) - starts_at, ..*bucket }
}

impl Histogram {
    /// The distribution of recorded durations.
    pub fn new(times: &DurationHistogram) -> Self {
        Self { bins: times.bins().collect() }
    }

    /// Bounds of the histogram in seconds; `None` without a message.
    pub fn range(&self) -> Option<(f64, f64)> {
        let (first, last) = self.bins.first().zip(self.bins.last())?;
        Some((seconds(first.from_ms), seconds(last.to_ms)))
    }

    /// Splits the range into `count` bins of equal width, each with its number of messages.
    pub fn bins(&self, count: usize) -> Vec<ChartBin> {
        let Some((shortest, longest)) = self.range() else { return Vec::new() };
        let (start, width) = (shortest * 1_000.0, (longest - shortest) * 1_000.0 / count as f64);
        let mut counts = vec![ChartBin::default(); count];
        for recorded in &self.bins {
            let (from, to) = (recorded.from_ms as f64 - start, recorded.to_ms as f64 - start);
            for (bin, part) in overlaps(from, to, width, count) {
                counts[bin].sent += recorded.count as f64 * part;
            }
        }
        counts
    }
}

/// Returns the bins that the span overlaps, each with the fraction of the span in it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
fn overlaps(from: f64, to: f64, width: f64, count: usize) -> impl Iterator<Item = (usize, f64)> {
    let last = count.saturating_sub(1);
    let (first, end) = (((from / width) as usize).min(last), ((to / width).ceil() as usize).min(count));
    (first..end).map(move |bin| {
        let begin = (bin as f64 * width).max(from);
        let finish = if bin == last { to } else { ((bin + 1) as f64 * width).min(to) };
        (bin, ((finish - begin) / (to - from)).max(0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stentor_core::delivery::Outcome;
    use stentor_tally::OutcomeEvent;

    fn tally(outcomes: &[(u64, u64)]) -> Tally {
        let mut tally = Tally::default();
        for (concluded_at, delivery_ms) in outcomes {
            tally.count(&OutcomeEvent {
                outcome: Outcome::Sent,
                created_at: Some(0),
                concluded_at: Some(*concluded_at),
                delivery_ms: Some(*delivery_ms),
                parts: None,
                reason: None,
            });
        }
        tally
    }

    #[test]
    fn a_steady_run_is_a_level_line_at_any_width() {
        let steady: Vec<_> = (0..1_000).map(|i| (10_300 + 10 * i, 5)).collect();
        let chart = ThroughputChart::new(&tally(&steady), 0, true);
        for count in [1, 3, 7, 10, 200] {
            for bin in chart.bins(count) {
                assert!((90.0..115.0).contains(&bin.total()), "{count}: {bin:?}");
            }
        }
    }

    #[test]
    fn an_idle_run_is_drawn_at_zero() {
        let run = tally(&[(1_000, 5), (1_500, 5), (2_000, 5)]);
        let chart = ThroughputChart::new(&run, 100_000, false);
        assert!((chart.seconds() - 99.0).abs() < 1e-9);
        assert_eq!(chart.bins(10).last(), Some(&ChartBin::default()));
        assert!(ThroughputChart::new(&run, 100_000, true).seconds() < 2.0);
    }

    #[test]
    fn a_burst_is_drawn_over_a_second() {
        let burst: Vec<_> = (0..28).map(|_| (1_200, 5)).collect();
        for (now_ms, has_ended) in [(1_300, true), (100_000, false)] {
            let chart = ThroughputChart::new(&tally(&burst), now_ms, has_ended);
            let highest = chart.bins(120).iter().map(ChartBin::total).fold(0.0, f64::max);
            assert!((20.0..=28.001).contains(&highest), "{highest}");
        }
    }

    #[test]
    fn without_an_outcome_there_is_no_chart() {
        let none = Tally::default();
        assert!(ThroughputChart::new(&none, 100_000, false).bins(10).is_empty());
        assert!(Histogram::new(&none.delivery).bins(10).is_empty());
    }

    proptest! {
        #[test]
        fn bins_hold_every_counted_message(
            outcomes in prop::collection::vec((0..10_000_000_u64, 0..100_000_u64), 1..100),
            count in 1..300_usize,
        ) {
            let tally = tally(&outcomes);
            let chart = ThroughputChart::new(&tally, 0, true);
            let width = chart.seconds() / count as f64;
            let over_time: f64 = chart.bins(count).iter().map(|bin| bin.total() * width).sum();
            prop_assert!((over_time - outcomes.len() as f64).abs() < 1e-6, "{}", over_time);
            let histogram: f64 = Histogram::new(&tally.delivery).bins(count).iter().map(ChartBin::total).sum();
            prop_assert!((histogram - outcomes.len() as f64).abs() < 1e-6, "{}", histogram);
        }
    }
}
