//! What the sender says while it works.

use std::collections::VecDeque;
use std::time::Duration;

use stentor_cli::format;

use crate::counts::Counts;

/// Over how long the rate is taken.
const RATE_OVER: Duration = Duration::from_secs(5);

/// The line, from one look at the counts to the next.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// When one looked, since the start, and how many were concluded; the first is as old as the rate reaches back.
    looks: VecDeque<(Duration, u64)>,
}

impl Progress {
    /// What is done after so long, with so many messages in hand.
    pub(crate) fn line(&mut self, now: Duration, counts: &Counts, in_hand: usize) -> String {
        let (sent, failed) = (counts.sent(), counts.failed());
        let average = counts.average_seconds().map_or("-".to_owned(), |seconds| format!("{seconds:.3} s"));
        format!(
            "{} sent  {} failed  {average} each  {}/s  {} in hand  {}",
            format::thousands(sent),
            format::thousands(failed),
            format::rate(self.rate(now, sent + failed)),
            format::thousands(in_hand as u64),
            format::duration(now.as_secs_f64()),
        )
    }

    /// Messages a second, lately.
    fn rate(&mut self, now: Duration, concluded: u64) -> f64 {
        self.looks.push_back((now, concluded));
        while self.looks.get(1).is_some_and(|(next, _)| now.saturating_sub(*next) >= RATE_OVER) {
            self.looks.pop_front();
        }
        let (since, before) = self.looks.front().copied().unwrap_or((now, concluded));
        let seconds = now.saturating_sub(since).as_secs_f64();
        if seconds > 0.0 { (concluded - before) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_core::delivery::Outcome;

    #[test]
    fn the_line_tells_counts_average_and_what_is_in_hand() {
        let (mut progress, counts) = (Progress::default(), Counts::default());
        assert_eq!(
            progress.line(Duration::ZERO, &counts, 0),
            "0 sent  0 failed  - each  0.0/s  0 in hand  0.0 s"
        );
        for outcome in [Outcome::Sent, Outcome::Sent, Outcome::Failed] {
            counts.concluded(outcome, 40);
        }
        assert_eq!(
            progress.line(Duration::from_secs(1), &counts, 20),
            "2 sent  1 failed  0.040 s each  3.0/s  20 in hand  1.0 s"
        );
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds_and_its_memory_is_bounded() {
        let mut progress = Progress::default();
        let mut rate = 0.0;
        for half in 0..1_000_u64 {
            // Ten a second, then nothing for the last ten seconds.
            rate = progress.rate(Duration::from_millis(500 * half), 5 * half.min(980));
            if half == 980 {
                assert!((rate - 10.0).abs() < 1e-9, "{rate}");
            }
        }
        assert!(rate.abs() < 1e-9, "{rate}");
        assert!(progress.looks.len() <= 11, "{}", progress.looks.len());
    }
}
