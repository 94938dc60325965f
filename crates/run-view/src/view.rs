//! A run as it is shown: one reading, and what the readings before it add.

use std::sync::OnceLock;
use std::time::Duration;

use stentor_cli::ConnectionFlags;
use stentor_core::cost::Prices;
use stentor_core::escape::escape_control;
use stentor_tally::DurationHistogram;

use crate::bill::Bill;
use crate::charts::{Histogram, ThroughputChart};
use crate::provider::ProviderBill;
use crate::reached::ReachedCurve;
use crate::reading::RunReading;
use crate::senders::{SenderRecord, had_sender, sender_records};
use crate::stall::StallDetector;
use crate::status::{RunPhase, discard_warning};
use crate::throughput::Throughput;

/// The time left is estimated from this many outcomes on: the rate then varies by about a third.
const MIN_OUTCOMES: u64 = 10;

/// The time left is estimated once the outcomes cover this time, seconds.
const MIN_SECONDS: f64 = 2.0;

/// A run at a moment. The figures (see [`crate::figures`]) are computed from it, and nothing else is shown.
#[derive(Debug, Clone)]
pub struct RunView {
    /// The reading it shows.
    pub reading: RunReading,
    /// Whether the run can get any further.
    pub phase: RunPhase,
    /// Messages a second: over the last seconds, or over the whole run once it is complete.
    pub messages_per_second: Option<f64>,
    /// All senders of the stack, sorted by name.
    pub senders: Vec<SenderRecord>,
    /// Those that were alive when the reading was taken, whatever [`RunView::with_usage`] adds later.
    pub alive: Vec<SenderRecord>,
    /// Messages a second over time.
    pub throughput: ThroughputChart,
    /// Distribution of delivery durations.
    pub deliveries: Histogram,
    /// The share of the messages that was SENT over time.
    pub reached: ReachedCurve,
    /// The bills, which are kept once they are computed: change no other field of a view after one was asked for.
    pub bills: Bills,
}

/// The bills of a view at the prices of [`RunView::with_prices`]. Each is computed once, when a figure first needs it.
#[derive(Debug, Clone, Default)]
pub struct Bills {
    pub(crate) prices: Prices,
    aws: OnceLock<Bill>,
    provider: OnceLock<Option<ProviderBill>>,
}

impl RunView {
    /// The view of a run that was never read before.
    pub fn first(reading: RunReading) -> Self {
        let phase = StallDetector::default().check(&reading, Duration::ZERO).phase;
        Self::next(reading, &mut Throughput::default(), phase)
    }

    /// The view of a further reading in this phase, which is added to the earlier ones.
    pub fn next(reading: RunReading, earlier: &mut Throughput, phase: RunPhase) -> Self {
        let messages_per_second = earlier.record(&reading);
        let chart = ThroughputChart::new(&reading.tally, reading.at_ms, phase == RunPhase::Complete);
        let senders = sender_records(&reading, earlier);
        Self {
            phase,
            messages_per_second,
            alive: senders.iter().filter(|sender| sender.is_alive()).cloned().collect(),
            senders,
            throughput: chart,
            deliveries: Histogram::new(&reading.tally.delivery),
            reached: ReachedCurve::new(&reading, phase == RunPhase::Complete),
            bills: Bills::default(),
            reading,
        }
    }

    /// The same view with bills at these prices; without them, at list prices.
    pub fn with_prices(self, prices: Prices) -> Self {
        Self { bills: Bills { prices, ..Bills::default() }, ..self }
    }

    /// The same view with the usage and the senders of a later reading.
    pub fn with_usage(mut self, later: RunReading) -> Self {
        let at_ms = std::mem::replace(&mut self.reading.at_ms, later.at_ms);
        (self.reading.usage, self.reading.heartbeats) = (later.usage, later.heartbeats);
        self.reading.profiles = later.profiles;
        self.senders = sender_records(&self.reading, &Throughput::default());
        self.reading.at_ms = at_ms;
        let prices = std::mem::take(&mut self.bills.prices);
        self.with_prices(prices)
    }

    /// What the run costs, as far as its usage records go.
    pub fn bill(&self) -> &Bill {
        self.bills.aws.get_or_init(|| Bill::of(self))
    }

    /// What its simulated providers would charge; `None` where no sender of the run had a provider.
    pub fn provider_bill(&self) -> Option<&ProviderBill> {
        self.bills.provider.get_or_init(|| ProviderBill::of(self)).as_ref()
    }

    /// ID of the run.
    pub fn run(&self) -> String {
        self.reading.record.plan.run().to_string()
    }

    /// The senders that worked on this run.
    pub fn run_senders(&self) -> impl Iterator<Item = &SenderRecord> {
        self.senders.iter().filter(|sender| sender.took_part)
    }

    /// Name of the first damaged shard tally, safe to print.
    pub fn damaged_shard(&self) -> Option<String> {
        self.reading.damaged.first().map(|damaged| escape_control(&damaged.shard))
    }

    /// The percentage of messages with an outcome, rounded down: only a complete run has 100.0%.
    pub fn percentage_done(&self) -> String {
        let tenths = u128::from(self.reading.outcomes()) * 1_000 / u128::from(self.reading.total().max(1));
        format!("{}.{}%", tenths / 10, tenths % 10)
    }

    /// Whether the run waits for its first sender: there is no outcome, and no heartbeat since it was created.
    pub fn is_waiting(&self) -> bool {
        self.phase == RunPhase::Active
            && self.reading.outcomes() == 0
            && self.reading.damaged.is_empty()
            && !had_sender(&self.reading)
    }

    /// Messages by which the counting is behind, about; `None` where it is not, as far as is known.
    pub fn behind(&self) -> Option<u64> {
        match self.phase {
            RunPhase::Lagging { behind } => Some(behind),
            _ => None,
        }
    }

    /// What to do about discarded batches of the stream; the tallies of any run of the stack may lack them. The command has
    /// the flags of the connection.
    pub fn discard_warning(&self, connection: &ConnectionFlags) -> Option<String> {
        discard_warning(self.reading.discarded_batches, &self.run(), connection)
    }

    /// Seconds left at the present throughput; `None` where that is zero, or too few outcomes show it.
    pub fn eta_seconds(&self) -> Option<f64> {
        if self.reading.is_complete() {
            return Some(0.0);
        }
        let is_known = self.outcome_seconds().is_some_and(|seconds| seconds >= MIN_SECONDS);
        if !is_known || self.reading.outcomes() < MIN_OUTCOMES {
            return None;
        }
        let rate = self.messages_per_second.filter(|rate| *rate > 0.0)?;
        Some(self.reading.pending() as f64 / rate)
    }

    /// Fraction of the outcomes that are failures.
    pub fn failed_rate(&self) -> Option<f64> {
        let outcomes = self.reading.outcomes();
        (outcomes > 0).then(|| self.reading.tally.failed as f64 / outcomes as f64)
    }

    /// Seconds from the first outcome to the last.
    pub fn outcome_seconds(&self) -> Option<f64> {
        let tally = &self.reading.tally;
        Some(seconds(tally.last_concluded_at?.saturating_sub(tally.first_concluded_at?)))
    }

    /// Seconds from the creation of the run to its last outcome.
    pub fn seconds_from_creation(&self) -> Option<f64> {
        let last = self.reading.tally.last_concluded_at?;
        Some(seconds(last.saturating_sub(self.reading.record.created_at)))
    }
}

/// Mean of recorded durations in seconds, exact.
pub fn mean_seconds(times: &DurationHistogram) -> Option<f64> {
    times.mean_ms().map(|ms| ms / 1_000.0)
}

/// A quantile of recorded durations in seconds; quantile 1 is the maximum.
pub fn quantile_seconds(times: &DurationHistogram, quantile: f64) -> Option<f64> {
    let ms = if quantile < 1.0 { times.quantile_ms(quantile) } else { times.max_ms() };
    ms.map(seconds)
}

/// Converts milliseconds.
pub fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::reading;
    use stentor_core::delivery::Outcome;
    use stentor_tally::OutcomeEvent;

    #[test]
    fn a_run_is_complete_when_everything_is_enqueued_and_nothing_is_pending() {
        assert_eq!(RunView::first(reading(10, 10)).phase, RunPhase::Complete);
        assert_eq!(RunView::first(reading(10, 9)).phase, RunPhase::Active);
        let mut half = reading(10, 10);
        half.record.enqueued = 5;
        assert_eq!(RunView::first(half).phase, RunPhase::Active);
    }

    #[test]
    fn the_time_left_follows_from_the_throughput() {
        let mut view = RunView::first(reading(1_000, 100));
        assert_eq!(view.eta_seconds().map(f64::round), Some(89.0), "900 messages at 100 in 9.9 s");
        view.messages_per_second = Some(0.0);
        assert_eq!(view.eta_seconds(), None);
    }

    #[test]
    fn no_time_left_is_estimated_from_a_few_outcomes_or_from_a_burst() {
        let estimate = |outcomes, last_after_ms: u64| {
            let mut run = reading(1_000, outcomes);
            run.tally.last_concluded_at = Some(1_000 + last_after_ms);
            let view = RunView { messages_per_second: Some(0.2), ..RunView::first(run) };
            view.eta_seconds()
        };
        assert_eq!([estimate(1, 0), estimate(9, 5_000), estimate(500, 1_900)], [None; 3]);
        assert_eq!(estimate(10, 2_000), Some(4_950.0));
    }

    #[test]
    fn clocks_that_differ_give_no_negative_duration() {
        let mut ahead = reading(2, 0);
        for concluded_at in [700_000, 400_000] {
            ahead.tally.count(&OutcomeEvent {
                outcome: Outcome::Sent,
                created_at: Some(900_000),
                concluded_at: Some(concluded_at),
                delivery_ms: Some(5),
                parts: None,
                reason: None,
            });
        }
        let view = RunView::first(ahead);
        assert_eq!(mean_seconds(&view.reading.tally.latency), Some(0.0));
        assert!(view.messages_per_second.is_some_and(|rate| rate > 0.0), "{view:?}");
    }
}
