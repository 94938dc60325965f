//! When a sender dies: the queue is empty, or its own deliveries fail too often.

use std::rc::Rc;
use std::time::Duration;

use stentor_aws::{Error, MetricsTable, Queue};
use stentor_core::delivery::FailureRate;
use stentor_core::queue_depth::{IdleDetector, settle_time};
use tokio::time::{Instant, sleep};

use crate::counts::Counts;
use crate::hands::Hands;
use crate::seen::Seen;

/// Nothing must have come for this long before the queue is suspected to be empty.
const IDLE: Duration = Duration::from_secs(10);

/// How often an idle sender looks at the queue's counts.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long a sender stays on an empty queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// For ever.
    Forever,
    /// This long without a message.
    Idle(Duration),
    /// Until the tallies account for all that is enqueued, or the queue is empty for good.
    UntilAccountedFor,
}

/// The share of failures at which a sender dies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FailureLimit {
    pub rate: FailureRate,
    /// Deliveries before the share is judged.
    pub min_sample: u64,
}

impl FailureLimit {
    pub(crate) fn is_hit(&self, counts: &Counts) -> bool {
        let concluded = counts.sent() + counts.failed();
        counts.failed() > 0
            && concluded >= self.min_sample
            && counts.failed() as f64 >= self.rate.as_fraction() * concluded as f64
    }
}

/// What the end is judged by.
#[derive(Debug)]
pub(crate) struct Ending {
    pub queue: Queue,
    pub metrics: MetricsTable,
    pub hands: Rc<Hands>,
    pub seen: Rc<Seen>,
    pub patience: Patience,
    /// The queue's visibility timeout.
    pub visibility: Duration,
}

impl Ending {
    /// Returns when there is nothing left to do.
    pub(crate) async fn drained(&self) -> Result<(), Error> {
        let idle = match self.patience {
            Patience::Forever => std::future::pending().await,
            Patience::Idle(idle) => idle,
            Patience::UntilAccountedFor => IDLE,
        };
        let start = Instant::now();
        let mut empty = IdleDetector::default();
        loop {
            let quiet_for = self.seen.last().elapsed();
            if self.hands.len() + self.hands.unsettled() > 0 || quiet_for < idle {
                empty.reset();
                sleep(idle.saturating_sub(quiet_for).clamp(Duration::from_millis(50), LOOK_EVERY)).await;
                continue;
            }
            let (backlog, _) = self.queue.attributes().await?;
            if let Some(empty_for) = empty.note(&backlog, start.elapsed())
                && self.seen.last().elapsed() >= idle
                && self.may_end(empty_for).await?
                // Asking took a while, in which something may have come.
                && self.hands.len() == 0
                && self.seen.last().elapsed() >= idle
            {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn may_end(&self, empty_for: Duration) -> Result<bool, Error> {
        Ok(matches!(self.patience, Patience::Idle(_))
            || empty_for >= settle_time(self.visibility)
            || self.all_is_accounted_for().await?)
    }

    /// Every run that this sender knows of, and the latest, is enqueued to its end and counted. A producer that
    /// has not finished may only be held up, by throttling or an outage.
    async fn all_is_accounted_for(&self) -> Result<bool, Error> {
        let mut runs = self.seen.runs();
        runs.extend(self.metrics.latest().await?);
        for run in runs {
            let parts = self.metrics.run_items(run).await?;
            let done = parts.record.is_some_and(|record| {
                let total = record.plan.total();
                record.enqueued == total && parts.tally.total() >= u64::from(total)
            });
            if !done {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_core::delivery::Outcome;

    fn counts(sent: u64, failed: u64) -> Counts {
        let counts = Counts::default();
        (0..sent).for_each(|_| counts.concluded(Outcome::Sent, 1));
        (0..failed).for_each(|_| counts.concluded(Outcome::Failed, 1));
        counts
    }

    #[test]
    fn the_limit_is_judged_from_the_sample_on() {
        let limit = FailureLimit { rate: "0.5".parse().unwrap(), min_sample: 20 };
        assert!(!limit.is_hit(&counts(0, 19)));
        assert!(limit.is_hit(&counts(0, 20)));
        assert!(limit.is_hit(&counts(10, 10)));
        assert!(!limit.is_hit(&counts(11, 10)));
        let strict = FailureLimit { rate: "0".parse().unwrap(), min_sample: 1 };
        assert!(!strict.is_hit(&counts(1, 0)) && strict.is_hit(&counts(1, 1)));
        let none = FailureLimit { rate: "1".parse().unwrap(), min_sample: 1 };
        assert!(!none.is_hit(&counts(0, 0)));
    }
}
