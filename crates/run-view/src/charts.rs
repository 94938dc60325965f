//! A run over time, and how long its deliveries took, in as many columns as there is room for.

use stentor_core::tally::{Bin, Bucket, DurationHistogram, Tally};

/// A run that goes on is shown to stand still once nothing was concluded for so long, ms: tallies lag a little.
const STANDSTILL_MS: u64 = 5_000;

/// A column of a chart, in what the chart counts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Column {
    pub sent: f64,
    pub failed: f64,
}

/// Messages a second from the first conclusion on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Course {
    legs: Vec<Leg>,
}

/// Part of a run, and what was concluded in it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Leg {
    from_ms: u64,
    to_ms: u64,
    sent: u64,
    failed: u64,
}

/// How many deliveries took how long.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spread {
    stretches: Vec<Bin>,
}

impl Column {
    pub fn whole(&self) -> f64 {
        self.sent + self.failed
    }
}

impl Course {
    /// Up to the last conclusion; to `now_ms` where the run stands still without being over.
    pub fn of(tally: &Tally, now_ms: u64, over: bool) -> Self {
        let (Some(first), Some(last)) = (tally.first_concluded_at, tally.last_concluded_at) else {
            return Self::default();
        };
        let mut legs: Vec<Leg> = Vec::new();
        for bucket in tally.timeline.buckets() {
            let leg = Leg::of(&bucket, first, last);
            // The ends of a run fill a bucket in part: too short a piece would tell a wild pace.
            match legs.last_mut() {
                Some(before) if before.is_short(&bucket) || leg.is_short(&bucket) => before.take_in(&leg),
                _ => legs.push(leg),
            }
        }
        if !over && now_ms.saturating_sub(last) > STANDSTILL_MS {
            legs.push(Leg { from_ms: last, to_ms: now_ms, sent: 0, failed: 0 });
        }
        Self { legs }
    }

    /// How long it is, seconds.
    pub fn seconds(&self) -> f64 {
        let ends = self.legs.first().zip(self.legs.last());
        ends.map_or(0.0, |(first, last)| last.to_ms.saturating_sub(first.from_ms) as f64 / 1_000.0)
    }

    /// Messages a second in each of so many equal pieces of it.
    pub fn columns(&self, columns: usize) -> Vec<Column> {
        let Some(start) = self.legs.first().map(|first| first.from_ms) else { return Vec::new() };
        let width = self.seconds() * 1_000.0 / columns as f64;
        let after = |ms: u64| ms.saturating_sub(start) as f64;
        let mut rates = vec![Column::default(); columns];
        for leg in &self.legs {
            for (place, share) in shares(after(leg.from_ms), after(leg.to_ms), width, columns) {
                rates[place].sent += leg.sent as f64 * share * 1_000.0 / width;
                rates[place].failed += leg.failed as f64 * share * 1_000.0 / width;
            }
        }
        rates
    }
}

impl Leg {
    /// The part of the bucket that lies between the first and the last conclusion, and never nothing.
    fn of(bucket: &Bucket, first: u64, last: u64) -> Self {
        let end = bucket.starts_at.saturating_add(bucket.width_ms);
        let from_ms = bucket.starts_at.max(first.min(end - 1));
        let to_ms = end.min(last.max(from_ms + 1));
        Self { from_ms, to_ms, sent: bucket.sent, failed: bucket.failed }
    }

    fn is_short(&self, bucket: &Bucket) -> bool {
        self.to_ms - self.from_ms < bucket.width_ms / 2
    }

    fn take_in(&mut self, next: &Self) {
        self.to_ms = next.to_ms;
        self.sent = self.sent.saturating_add(next.sent);
        self.failed = self.failed.saturating_add(next.failed);
    }
}

impl Spread {
    pub fn of(times: &DurationHistogram) -> Self {
        Self { stretches: times.bins().collect() }
    }

    /// The shortest and the longest, seconds.
    pub fn ends(&self) -> Option<(f64, f64)> {
        let (first, last) = self.stretches.first().zip(self.stretches.last())?;
        Some((first.from_ms as f64 / 1_000.0, last.to_ms as f64 / 1_000.0))
    }

    /// How many deliveries took as long as each of so many equal pieces says.
    pub fn columns(&self, columns: usize) -> Vec<Column> {
        let Some((shortest, longest)) = self.ends() else { return Vec::new() };
        let (start, width) = (shortest * 1_000.0, (longest - shortest) * 1_000.0 / columns as f64);
        let mut counts = vec![Column::default(); columns];
        for stretch in &self.stretches {
            let (from, to) = (stretch.from_ms as f64 - start, stretch.to_ms as f64 - start);
            for (place, share) in shares(from, to, width, columns) {
                counts[place].sent += stretch.count as f64 * share;
            }
        }
        counts
    }
}

/// Which columns of a width the piece from `from` to `to` lies in, and which share of it in each.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
fn shares(from: f64, to: f64, width: f64, columns: usize) -> impl Iterator<Item = (usize, f64)> {
    let last = columns.saturating_sub(1);
    let (first, end) = (((from / width) as usize).min(last), ((to / width).ceil() as usize).min(columns));
    (first..end).map(move |place| {
        let begin = (place as f64 * width).max(from);
        let finish = if place == last { to } else { ((place + 1) as f64 * width).min(to) };
        (place, ((finish - begin) / (to - from)).max(0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stentor_core::delivery::Outcome;
    use stentor_core::tally::OutcomeEvent;

    fn tally(ends: &[(u64, u64)]) -> Tally {
        let mut tally = Tally::default();
        for (concluded_at, delivery_ms) in ends {
            tally.count(&OutcomeEvent {
                outcome: Outcome::Sent,
                created_at: Some(0),
                concluded_at: Some(*concluded_at),
                delivery_ms: Some(*delivery_ms),
            });
        }
        tally
    }

    #[test]
    fn an_even_run_is_a_level_line_at_any_width() {
        let even: Vec<_> = (0..1_000).map(|i| (10_300 + 10 * i, 5)).collect();
        let course = Course::of(&tally(&even), 0, true);
        for columns in [1, 3, 7, 10, 200] {
            for column in course.columns(columns) {
                assert!((90.0..115.0).contains(&column.whole()), "{columns}: {column:?}");
            }
        }
    }

    #[test]
    fn a_run_that_stands_still_is_level_with_the_ground() {
        let run = tally(&[(1_000, 5), (1_500, 5), (2_000, 5)]);
        let course = Course::of(&run, 100_000, false);
        assert!((course.seconds() - 99.0).abs() < 1e-9);
        assert_eq!(course.columns(10).last(), Some(&Column::default()));
        assert!(Course::of(&run, 100_000, true).seconds() < 2.0);
    }

    #[test]
    fn without_a_conclusion_there_is_no_chart() {
        let none = Tally::default();
        assert!(Course::of(&none, 100_000, false).columns(10).is_empty());
        assert!(Spread::of(&none.delivery).columns(10).is_empty());
    }

    proptest! {
        #[test]
        fn columns_have_all_that_was_counted(
            ends in prop::collection::vec((0..10_000_000_u64, 0..100_000_u64), 1..100),
            columns in 1..300_usize,
        ) {
            let tally = tally(&ends);
            let course = Course::of(&tally, 0, true);
            let width = course.seconds() / columns as f64;
            let concluded: f64 = course.columns(columns).iter().map(|column| column.whole() * width).sum();
            prop_assert!((concluded - ends.len() as f64).abs() < 1e-6, "{}", concluded);
            let spread: f64 = Spread::of(&tally.delivery).columns(columns).iter().map(Column::whole).sum();
            prop_assert!((spread - ends.len() as f64).abs() < 1e-6, "{}", spread);
        }
    }
}
