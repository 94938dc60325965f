//! The progress line of a sender.

use std::collections::VecDeque;
use std::time::Duration;

use stentor_cli::format;

use crate::state::SenderCounters;

/// The period over which the rate is measured.
const RATE_PERIOD: Duration = Duration::from_secs(5);

/// Computes the progress line. Keeps the samples of the last [`RATE_PERIOD`] for the rate.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Time since the start, and outcomes by then; oldest first.
    samples: VecDeque<(Duration, u64)>,
}

impl Progress {
    /// Returns the line at `now`, the time since the start.
    pub(crate) fn line(&mut self, now: Duration, counters: &SenderCounters, in_flight: usize) -> String {
        let average = format::seconds(counters.average_seconds());
        let rate = self.rate(now, counters.outcomes()).map_or_else(|| "-".to_owned(), format::rate);
        format!(
            "{} sent  {} failed  {average} each  {rate}/s  {} in flight  {}",
            format::thousands(counters.sent),
            format::thousands(counters.failed),
            format::thousands(in_flight as u64),
            format::duration(now.as_secs_f64()),
        )
    }

    /// Adds a sample, and returns the outcomes per second over the period; `None` before its first second.
    fn rate(&mut self, now: Duration, outcomes: u64) -> Option<f64> {
        self.samples.push_back((now, outcomes));
        while self.samples.get(1).is_some_and(|(next, _)| now.saturating_sub(*next) >= RATE_PERIOD) {
            self.samples.pop_front();
        }
        let (since, before) = self.samples.front().copied().unwrap_or((now, outcomes));
        let seconds = now.saturating_sub(since).as_secs_f64();
        (seconds >= 1.0).then(|| (outcomes - before) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_core::delivery::Outcome;

    #[test]
    fn the_line_has_counts_average_rate_and_messages_in_flight() {
        let (mut progress, mut counters) = (Progress::default(), SenderCounters::default());
        assert_eq!(
            progress.line(Duration::ZERO, &counters, 0),
            "0 sent  0 failed  - each  -/s  0 in flight  0.0 s"
        );
        for outcome in [Outcome::Sent, Outcome::Sent, Outcome::Failed] {
            counters.record_outcome(outcome, Some(40));
        }
        assert_eq!(
            progress.line(Duration::from_secs(1), &counters, 20),
            "2 sent  1 failed  0.040 s each  3.0/s  20 in flight  1.0 s"
        );
    }

    #[test]
    fn the_rate_covers_the_last_seconds_and_the_samples_are_bounded() {
        let mut progress = Progress::default();
        let mut rate = None;
        for half in 0..1_000_u64 {
            // Ten a second, then nothing for the last ten seconds.
            rate = progress.rate(Duration::from_millis(500 * half), 5 * half.min(980));
            if half == 980 {
                assert_eq!(rate, Some(10.0));
            }
        }
        assert_eq!(rate, Some(0.0));
        assert!(progress.samples.len() <= 11, "{}", progress.samples.len());
    }
}
