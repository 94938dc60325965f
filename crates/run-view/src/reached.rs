//! When which share of a run's messages was SENT.

use stentor_tally::Tally;

use crate::charts::{MIN_MS, clip, end_ms, idle_until};
use crate::figures::{Figure, REACHED_TABLE};
use crate::reading::RunReading;
use crate::view::{RunView, seconds};

/// The share of a run's messages that was SENT over time, from the run's creation on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReachedCurve {
    total: u64,
    /// In the order of time. Between two points messages are SENT at a constant rate.
    points: Vec<CurvePoint>,
    /// Length of the curve, seconds.
    length: f64,
}

/// The messages SENT up to a time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct CurvePoint {
    /// Since the run's creation.
    seconds: f64,
    sent: u64,
}

impl ReachedCurve {
    /// Covers the run from its creation to its last outcome, or to the reading where it is idle and has not ended; a
    /// second at least.
    pub fn new(reading: &RunReading, has_ended: bool) -> Self {
        let RunReading { record, tally, at_ms, .. } = reading;
        let (Some(first), Some(last)) = (tally.first_concluded_at, tally.last_concluded_at) else {
            return Self::default();
        };
        let since = |ms: u64| seconds(ms.saturating_sub(record.created_at));
        let points = points(tally, first, last, since);
        // The last bucket may end a millisecond after the only outcome.
        let length = points.last().map_or(0.0, |last| last.seconds);
        let length = length.max(since(idle_until(last, *at_ms, has_ended))).max(seconds(MIN_MS));
        Self { total: reading.total(), points, length }
    }

    /// Length of the curve in seconds.
    pub fn seconds(&self) -> f64 {
        self.length
    }

    /// Seconds from the run's creation until this percentage of its messages was SENT; `None` if fewer are.
    pub fn seconds_to(&self, percent: u64) -> Option<f64> {
        let rank = (u128::from(self.total) * u128::from(percent)).div_ceil(100).max(1);
        let reached = self.points.iter().position(|point| u128::from(point.sent) >= rank)?;
        let [before, after] = [self.points[reached.saturating_sub(1)], self.points[reached]];
        let part = (rank as f64 - before.sent as f64) / (after.sent as f64 - before.sent as f64);
        Some(before.seconds + part * (after.seconds - before.seconds))
    }

    /// Returns the share SENT at the end of each of `count` columns of equal width; none without a message SENT.
    pub fn columns(&self, count: usize) -> Vec<f64> {
        if self.points.is_empty() {
            return Vec::new();
        }
        let width = self.length / count as f64;
        (1..=count).map(|column| self.share_at(column as f64 * width)).collect()
    }

    fn share_at(&self, seconds: f64) -> f64 {
        let next = self.points.partition_point(|point| point.seconds <= seconds);
        let before = next.checked_sub(1).map(|place| self.points[place]);
        let sent = match (before, self.points.get(next)) {
            (Some(before), Some(after)) => {
                let part = (seconds - before.seconds) / (after.seconds - before.seconds);
                before.sent as f64 + part * (after.sent - before.sent) as f64
            }
            (Some(last), None) => last.sent as f64,
            (None, _) => 0.0,
        };
        (sent / self.total.max(1) as f64).min(1.0)
    }
}

/// The start and the end of each bucket in which messages were SENT, as far as it lies between the first and the last
/// outcome.
fn points(tally: &Tally, first: u64, last: u64, since: impl Fn(u64) -> f64) -> Vec<CurvePoint> {
    let mut points: Vec<CurvePoint> = Vec::new();
    let mut sent = 0_u64;
    for bucket in tally.timeline.buckets().filter(|bucket| bucket.sent > 0) {
        let bucket = clip(&bucket, first, last);
        points.push(CurvePoint { seconds: since(bucket.starts_at), sent });
        sent = sent.saturating_add(bucket.sent);
        points.push(CurvePoint { seconds: since(end_ms(&bucket)), sent });
    }
    points
}

impl RunView {
    /// When 50, 90 and 99 % of the messages were SENT, in a sentence; of a run that has ended, also what never was.
    /// `None` where there is nothing to say yet.
    pub fn reached_text(&self) -> Option<String> {
        let reached = REACHED_TABLE.iter().filter(|figure| figure.value(self).is_some());
        let reached: Vec<String> =
            reached.map(|figure| format!("{} after {}", figure.short(), figure.text(self))).collect();
        let reached = (!reached.is_empty()).then(|| format!("reached {}", reached.join(", ")));
        let texts: Vec<String> = reached.into_iter().chain(self.unreached_text()).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    /// The least share that was never reached, once the run has ended: `90 % were never reached (88.1 % SENT)`.
    pub fn unreached_text(&self) -> Option<String> {
        let is_never = |figure: &&&Figure| (figure.lower_bound)(self).is_some_and(f64::is_infinite);
        let never = REACHED_TABLE.iter().filter(|figure| figure.value(self).is_none()).find(is_never)?;
        // Rounded down, as 90.0 % would be reached.
        let (sent, total) = (self.reading.tally.sent, self.reading.total().max(1));
        let tenths = u128::from(sent) * 1_000 / u128::from(total);
        Some(format!("{} were never reached ({}.{} % SENT)", never.short(), tenths / 10, tenths % 10))
    }

    /// Seconds from the run's creation until this percentage of its messages was SENT; unknown with a damaged tally, since
    /// messages are missing from the counts.
    pub(crate) fn seconds_to(&self, percent: u64) -> Option<f64> {
        self.reached.seconds_to(percent).filter(|_| self.reading.damaged.is_empty())
    }

    /// A lower bound of the time until a share is reached that is not reached yet: infinite once the run has ended.
    pub(crate) fn unreached_seconds(&self) -> Option<f64> {
        let RunReading { record, at_ms, damaged, .. } = &self.reading;
        let least = || seconds(at_ms.saturating_sub(record.created_at));
        damaged.is_empty().then(|| if self.phase.has_ended() { f64::INFINITY } else { least() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::reading;
    use crate::status::RunPhase;
    use proptest::prelude::*;
    use stentor_core::delivery::Outcome;
    use stentor_tally::{DamagedTally, OutcomeEvent};

    /// A run of `total` messages, created at 0, with outcomes at these times.
    fn run(total: u32, outcomes: impl IntoIterator<Item = (u64, Outcome)>) -> RunReading {
        let mut run = reading(total, 0);
        run.record.created_at = 0;
        for (at, outcome) in outcomes {
            run.tally.count(&OutcomeEvent {
                outcome,
                created_at: Some(0),
                concluded_at: Some(at),
                delivery_ms: Some(5),
                parts: None,
                reason: None,
            });
        }
        run
    }

    fn sent(total: u32, times: impl IntoIterator<Item = u64>) -> ReachedCurve {
        ReachedCurve::new(&run(total, times.into_iter().map(|at| (at, Outcome::Sent))), true)
    }

    #[test]
    fn a_share_is_interpolated_within_its_time_bucket() {
        // A message each 10 ms from 10 s to 20 s.
        let curve = sent(1_000, (0..1_000).map(|i| 10_000 + 10 * i));
        for (percent, expected) in [(50, 15.0), (90, 19.0), (99, 19.9), (100, 19.99)] {
            let seconds = curve.seconds_to(percent).unwrap();
            assert!((seconds - expected).abs() < 0.02, "{percent} %: {seconds}");
        }
        assert!((curve.seconds() - 19.99).abs() < 1e-9);
    }

    #[test]
    fn a_share_above_what_is_sent_is_unknown() {
        let tenth = (0..1_000).map(|i| (10 * i, if i % 10 == 0 { Outcome::Failed } else { Outcome::Sent }));
        let curve = ReachedCurve::new(&run(1_000, tenth), true);
        assert!(curve.seconds_to(90).is_some());
        assert_eq!((curve.seconds_to(91), curve.seconds_to(99)), (None, None));
        assert_eq!((sent(10, []).seconds_to(50), sent(10, []).columns(9)), (None, Vec::new()));
        assert_eq!(sent(1, [7_000]).seconds_to(50).map(f64::round), Some(7.0));
    }

    #[test]
    fn an_outcome_before_the_creation_was_at_once() {
        let mut early = run(2, [(1_000, Outcome::Sent), (2_000, Outcome::Sent)]);
        early.record.created_at = 50_000;
        let curve = ReachedCurve::new(&early, true);
        assert_eq!(
            (curve.seconds_to(99), curve.seconds()),
            (Some(0.0), 1.0),
            "marks are at shares of its length"
        );
    }

    #[test]
    fn what_was_never_reached_is_said_only_at_the_end() {
        // 810 of 900 outcomes are SENT: 81 % of 1,000.
        let mut view = RunView::first(reading(1_000, 900));
        assert_eq!(view.phase, RunPhase::Active);
        let reached = "reached 50 % after 56 s";
        assert_eq!(view.reached_text().as_deref(), Some(reached));
        for phase in [RunPhase::Complete, RunPhase::Stalled] {
            view.phase = phase;
            let never = "90 % were never reached (81.0 % SENT)";
            assert_eq!(view.reached_text(), Some(format!("{reached}; {never}")));
        }
        let mut none = RunView::first(reading(1_000, 0));
        assert_eq!(none.reached_text(), None);
        none.phase = RunPhase::Stalled;
        assert_eq!(none.reached_text().as_deref(), Some("50 % were never reached (0.0 % SENT)"));
    }

    #[test]
    fn with_a_damaged_tally_nothing_is_said_of_what_was_reached() {
        let mut run = reading(1_000, 900);
        run.damaged = vec![DamagedTally { shard: "1".into(), why: "odd".into() }];
        let view = RunView { phase: RunPhase::Stalled, ..RunView::first(run) };
        assert_eq!(REACHED_TABLE.map(|figure| figure.value(&view)), [None; 3]);
        assert_eq!(view.reached_text(), None);
        assert_eq!(REACHED_TABLE.map(|figure| (figure.lower_bound)(&view)), [None; 3]);
    }

    proptest! {
        #[test]
        fn the_curve_grows_to_the_share_sent_and_agrees_with_its_percentiles(times in prop::collection::vec(0..2_000_000_u64, 1..200), pending in 0..50_u32, count in 1..100_usize) {
            let total = u32::try_from(times.len()).unwrap() + pending;
            let curve = sent(total, times.iter().copied());
            let columns = curve.columns(count);
            prop_assert!(columns.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", columns);
            prop_assert!((columns[count - 1] - times.len() as f64 / f64::from(total)).abs() < 1e-9);
            for percent in [50, 90, 99] {
                let rank = (u64::from(total) * percent).div_ceil(100) as f64;
                match curve.seconds_to(percent) {
                    Some(seconds) => {
                        prop_assert!((curve.share_at(seconds) * f64::from(total) - rank).abs() < 1e-3 || curve.share_at(seconds) * f64::from(total) >= rank);
                        prop_assert!(seconds <= curve.seconds() + 0.001);
                    }
                    None => prop_assert!(rank > times.len() as f64),
                }
            }
        }
    }
}
