//! When a sender stops by itself: the queue is empty, or too many of its deliveries failed.

use std::cell::RefCell;
use std::time::Duration;

use serde::Serialize;
use stentor_aws::Error;
use stentor_core::delivery::FailureRate;
use stentor_core::queue_depth::{IdleDetector, settle_time};
use tokio::time::{Instant, sleep, sleep_until};

use crate::Connections;
use crate::completion::CompletionCheck;
use crate::in_flight::InFlight;
use crate::state::{RunActivity, SenderCounters};

/// The idle time before the queue's depth is checked, unless the user sets one.
const IDLE_TIME: Duration = Duration::from_secs(10);

/// How often an idle sender checks the queue's depth.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StopReason {
    /// The queue is empty.
    Drained,
    FailureRate,
    /// A signal interrupted the sender.
    Signal,
}

/// What a sender does while the queue is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdlePolicy {
    KeepRunning,
    /// Stops after this time without a message.
    StopAfter(Duration),
    /// Stops once every message of its runs has an outcome, or the queue is reliably empty.
    UntilRunsComplete,
}

/// The share of failed deliveries at which a sender stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FailureLimit {
    pub rate: FailureRate,
    /// Outcomes before the limit applies.
    pub min_sample: u64,
}

impl FailureLimit {
    pub(crate) fn is_reached(&self, counters: &SenderCounters) -> bool {
        let (failed, outcomes) = (counters.failed, counters.outcomes());
        failed > 0
            && outcomes >= self.min_sample
            && failed as f64 >= self.rate.as_fraction() * outcomes as f64
    }
}

/// Detects that there is nothing left to deliver.
#[derive(Debug)]
pub(crate) struct DrainCondition<'a> {
    pub connections: &'a Connections,
    pub in_flight: &'a InFlight,
    pub activity: &'a RefCell<RunActivity>,
    pub idle_policy: IdlePolicy,
}

impl DrainCondition<'_> {
    /// Waits until there is nothing left to deliver.
    pub(crate) async fn wait_until_drained(&self) -> Result<(), Error> {
        let Self { in_flight, activity, .. } = self;
        let idle_time = match self.idle_policy {
            IdlePolicy::KeepRunning => std::future::pending().await,
            IdlePolicy::StopAfter(idle_time) => idle_time,
            IdlePolicy::UntilRunsComplete => IDLE_TIME,
        };
        let start = Instant::now();
        let (mut detector, mut completion) = (IdleDetector::default(), CompletionCheck::default());
        loop {
            let idle_for = activity.borrow().last_received_at.elapsed();
            if in_flight.len() + in_flight.unsettled() > 0 || idle_for < idle_time {
                detector.reset();
                completion.reset();
                sleep(idle_time.saturating_sub(idle_for).clamp(Duration::from_millis(50), CHECK_INTERVAL))
                    .await;
                continue;
            }
            let (depth, _) = self.connections.queue.attributes().await?;
            let is_idle =
                || in_flight.len() == 0 && activity.borrow().last_received_at.elapsed() >= idle_time;
            if let Some(empty_for) = detector.observe(&depth, start.elapsed())
                && is_idle()
                && self.may_stop(empty_for, &mut completion).await?
                // Messages may have been received during the requests.
                && is_idle()
            {
                return Ok(());
            }
            let now = Instant::now();
            let next_read = completion.next_read().filter(|next_read| *next_read > now);
            sleep_until(next_read.into_iter().fold(now + CHECK_INTERVAL, Instant::min)).await;
        }
    }

    async fn may_stop(&self, empty_for: Duration, completion: &mut CompletionCheck) -> Result<bool, Error> {
        if matches!(self.idle_policy, IdlePolicy::StopAfter(_))
            || empty_for >= settle_time(self.connections.visibility_timeout.get())
        {
            return Ok(true);
        }
        let runs = self.activity.borrow().runs.clone();
        let received = runs.into_iter().map(|(run, counts)| (run, counts.received)).collect();
        completion.runs_are_complete(&self.connections.metrics, &received).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_core::delivery::Outcome;

    fn counters(sent: u64, failed: u64) -> SenderCounters {
        let mut counters = SenderCounters::default();
        (0..sent).for_each(|_| counters.record_outcome(Outcome::Sent, Some(1)));
        (0..failed).for_each(|_| counters.record_outcome(Outcome::Failed, Some(1)));
        counters
    }

    #[test]
    fn the_failure_limit_applies_from_the_minimum_sample_on() {
        let limit_of = |rate, min_sample| FailureLimit { rate: FailureRate::new(rate).unwrap(), min_sample };
        let limit = limit_of(0.5, 20);
        assert!(!limit.is_reached(&counters(0, 19)));
        assert!(limit.is_reached(&counters(0, 20)));
        assert!(limit.is_reached(&counters(10, 10)));
        assert!(!limit.is_reached(&counters(11, 10)));
        let strict = limit_of(0.0, 1);
        assert!(!strict.is_reached(&counters(1, 0)) && strict.is_reached(&counters(1, 1)));
        let none = limit_of(1.0, 1);
        assert!(!none.is_reached(&counters(0, 0)));
    }
}
