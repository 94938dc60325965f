//! Whether the runs of an idle sender are complete.
//!
//! All idle senders of a run read the same partition of the metrics table. So each reads it rarely and at a random time: the
//! more rarely, the more senders share the run and the more units a read takes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::random;
use stentor_aws::{Error, MetricsTable};
use stentor_core::run::RunId;
use tokio::time::Instant;

/// The shortest time between two reads of a run by one sender.
const INTERVAL: Duration = Duration::from_secs(10);

/// Each interval is longer by up to this fraction of it, at random.
const JITTER: f64 = 0.25;

/// Read units a second that all idle senders of a run take together, of the 3,000 that a partition serves (Amazon
/// DynamoDB Developer Guide, "Best practices for designing and using partition keys effectively"). Monitors and the
/// aggregator need the rest.
const UNITS_PER_SECOND: f64 = 1_000.0;

/// The number of senders where a sender cannot infer it, since it received few messages of the run or none.
const MAX_SENDERS: f64 = 1_000.0;

/// Read units of the first read, whose size is not known before: of tallies of four shards, at their largest.
const FIRST_READ_UNITS: u64 = 5;

/// The reads of one sender.
#[derive(Debug, Default)]
pub(crate) struct CompletionCheck {
    /// Runs that were complete. They stay so.
    complete: BTreeSet<RunId>,
    schedule: Option<Schedule>,
}

#[derive(Debug, Clone, Copy)]
struct Schedule {
    next_read: Instant,
    /// Estimated number of senders that share the runs.
    senders: f64,
}

impl CompletionCheck {
    /// Forgets when to read: the sender has received a message.
    pub(crate) fn reset(&mut self) {
        self.schedule = None;
    }

    /// Returns the time of the next read, if it is set.
    pub(crate) fn next_read(&self) -> Option<Instant> {
        self.schedule.map(|schedule| schedule.next_read)
    }

    /// Returns whether every message of the latest run and of those received is enqueued and has an outcome; `false` while
    /// it is too early for another read. A producer that has not finished may only be delayed, by throttling or an outage.
    pub(crate) async fn runs_are_complete(
        &mut self,
        metrics: &MetricsTable,
        received: &BTreeMap<RunId, u64>,
    ) -> Result<bool, Error> {
        if self.next_read().is_some_and(|next_read| Instant::now() < next_read) {
            return Ok(false);
        }
        let mut runs: BTreeSet<RunId> = received.keys().copied().collect();
        runs.extend(metrics.latest().await?);
        runs.retain(|run| !self.complete.contains(run));
        let senders = if let Some(schedule) = self.schedule {
            schedule.senders
        } else {
            let senders = estimate_senders(metrics, &runs, received).await?;
            let delay = read_time(senders - 1.0, FIRST_READ_UNITS).mul_f64(random::<f64>());
            self.schedule = Some(Schedule { next_read: Instant::now() + delay, senders });
            if !delay.is_zero() {
                return Ok(false);
            }
            senders
        };
        for run in runs {
            let progress = metrics.run_progress(run).await?;
            if !progress.is_complete() {
                let interval = read_time(senders, progress.read_units).max(INTERVAL);
                let interval = interval.mul_f64(1.0 + JITTER * random::<f64>());
                self.schedule = Some(Schedule { next_read: Instant::now() + interval, senders });
                return Ok(false);
            }
            self.complete.insert(run);
        }
        Ok(true)
    }
}

/// Estimates how many senders share the runs; for several runs, the most.
async fn estimate_senders(
    metrics: &MetricsTable,
    runs: &BTreeSet<RunId>,
    received: &BTreeMap<RunId, u64>,
) -> Result<f64, Error> {
    let mut most: f64 = 1.0;
    for run in runs {
        let total = metrics.run(*run).await?.map_or(0, |record| record.plan.total());
        most = most.max(senders_of(total, received.get(run).copied().unwrap_or_default()));
    }
    Ok(most)
}

/// Estimates the number of senders of a run from this sender's share of its messages. The estimates of all senders need
/// not agree: the shares add up to the run, and so the rates of their reads to the limit.
fn senders_of(total: u32, received: u64) -> f64 {
    if received == 0 { MAX_SENDERS } else { (f64::from(total) / received as f64).clamp(1.0, MAX_SENDERS) }
}

/// Returns the time in which that many senders read a run of that many units once each.
fn read_time(senders: f64, units: u64) -> Duration {
    Duration::from_secs_f64(senders * units as f64 / UNITS_PER_SECOND)
}

#[cfg(test)]
mod tests;
