//! The heartbeat and the usage records of a sender, which the monitor shows.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use stentor_aws::metrics::Heartbeat;
use stentor_core::run::RunId;
use stentor_core::usage::SenderUsage;
use tokio::time::sleep;

use crate::Connections;
use crate::state::{RunCounts, SenderState};

const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);

/// The number of heartbeats between two usage records: a minute.
const HEARTBEATS_PER_USAGE: u64 = 12;

/// The number of heartbeats between two usage records of a run whose parts a provider bills: ten seconds. Parts begun after
/// the last record are lost if the sender is killed.
const HEARTBEATS_PER_BILLED_USAGE: u64 = 2;

/// Decides at each heartbeat which usage records to write.
#[derive(Debug, Default)]
struct UsageSchedule {
    /// Heartbeats since all records were due.
    heartbeats: u64,
    /// The counts in the last record of each run that was written.
    written: BTreeMap<RunId, RunCounts>,
}

impl UsageSchedule {
    /// Returns the runs whose record is due at this heartbeat. That of a new run or of new parts stays due until it is written.
    fn due(&mut self, runs: &BTreeMap<RunId, RunCounts>, is_billed: bool) -> Vec<RunId> {
        self.heartbeats += 1;
        // A new run gets a record at once, in case this sender does not live to write another.
        if self.heartbeats == HEARTBEATS_PER_USAGE || runs.len() > self.written.len() {
            self.heartbeats = 0;
            return runs.keys().copied().collect();
        }
        if !is_billed || !self.heartbeats.is_multiple_of(HEARTBEATS_PER_BILLED_USAGE) {
            return Vec::new();
        }
        let has_new_parts = |(run, counts): &(&RunId, &RunCounts)| {
            self.written.get(run).is_none_or(|written| written.parts != counts.parts)
        };
        runs.iter().filter(has_new_parts).map(|(run, _)| *run).collect()
    }
}

/// Writes the heartbeat and the usage records. A write that fails is only logged: a sender can work without them.
#[derive(Debug)]
pub(crate) struct HeartbeatWriter<'a> {
    pub connections: &'a Connections,
    pub state: Rc<SenderState>,
    /// The first heartbeat, with the sender's settings.
    pub initial: Heartbeat,
}

impl HeartbeatWriter<'_> {
    /// Writes a heartbeat every few seconds, for ever. The first is written elsewhere, before the start.
    pub(crate) async fn run(&self) -> Infallible {
        let mut schedule = UsageSchedule::default();
        loop {
            sleep(HEARTBEAT_INTERVAL).await;
            self.write(&self.current()).await;
            let due = schedule.due(&self.state.activity.borrow().runs, self.initial.provider.is_some());
            if !due.is_empty() {
                schedule.written.extend(self.write_usage(false, |run| due.contains(run)).await);
            }
        }
    }

    /// Writes the last heartbeat and usage records: the sender has ended.
    pub(crate) async fn finish(&self) {
        let heartbeat = self.current();
        self.write(&Heartbeat { ended_at: Some(heartbeat.seen_at), ..heartbeat }).await;
        self.write_usage(true, |_| true).await;
    }

    /// Divides the usage among the runs by the messages received, and records it with the outcomes and the provider's parts
    /// of each run that `is_due`. Returns the counts that were written.
    async fn write_usage(
        &self,
        has_ended: bool,
        is_due: impl Fn(&RunId) -> bool,
    ) -> BTreeMap<RunId, RunCounts> {
        let Connections { session, metrics, .. } = self.connections;
        let usage = session.usage();
        let runs = self.state.activity.borrow().runs.clone();
        let total = runs.values().map(|counts| counts.received).sum();
        let mut recorded = BTreeMap::new();
        for (run, counts) in runs.into_iter().filter(|(run, _)| is_due(run)) {
            let usage = usage.prorate(counts.received, total);
            let provider = self.initial.provider.as_ref();
            let of_sender = SenderUsage {
                outcomes: counts.outcomes,
                provider: provider.map(|provider| counts.provider_usage(&provider.profile)),
            };
            let written =
                metrics.put_usage(run, &self.initial.sender, &usage, Some(of_sender), has_ended).await;
            match written {
                Ok(()) => drop(recorded.insert(run, counts)),
                Err(error) => tracing::warn!("cannot write the usage record of run {run}: {error}"),
            }
        }
        recorded
    }

    async fn write(&self, heartbeat: &Heartbeat) {
        if let Err(error) = self.connections.metrics.put_heartbeat(heartbeat).await {
            tracing::warn!("cannot write the heartbeat for the monitor: {error}");
        }
    }

    fn current(&self) -> Heartbeat {
        let counters = self.state.counters.borrow();
        let provider = self.initial.provider.as_ref();
        Heartbeat {
            seen_at: self.connections.session.clock().now_ms(),
            sent: counters.sent,
            failed: counters.failed,
            duplicates: counters.duplicates,
            released: counters.released,
            leases_expired: counters.leases_expired,
            invalid: counters.invalid,
            invalid_example: counters.invalid_example.clone(),
            provider: provider.map(|provider| self.state.provider_usage(&provider.profile)),
            ..self.initial.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u64) -> RunId {
        RunId::from_parts(number, 1)
    }

    /// A sender that begins one part of its run between two heartbeats.
    fn begin_a_part(runs: &mut BTreeMap<RunId, RunCounts>) {
        *runs.entry(run(1)).or_default().parts.entry("OTHER".to_owned()).or_default() += 1;
    }

    /// Returns the seconds at which the record of the run is due within two minutes, if each is written.
    fn seconds_due(is_billed: bool) -> Vec<u64> {
        let (mut schedule, mut runs) = (UsageSchedule::default(), BTreeMap::new());
        let mut seconds = Vec::new();
        for heartbeat in 1..=24 {
            begin_a_part(&mut runs);
            if schedule.due(&runs, is_billed) == [run(1)] {
                seconds.push(heartbeat * HEARTBEAT_INTERVAL.as_secs());
                schedule.written.clone_from(&runs);
            }
        }
        seconds
    }

    #[test]
    fn the_parts_begun_are_stored_every_ten_seconds() {
        let every_ten: Vec<u64> = (5..=115).step_by(10).collect();
        assert_eq!(seconds_due(true), every_ten);
        assert_eq!(seconds_due(false), [5, 65], "without a provider");
    }

    #[test]
    fn a_run_without_new_parts_waits_for_the_record_of_the_minute() {
        let (mut schedule, mut runs) = (UsageSchedule::default(), BTreeMap::new());
        begin_a_part(&mut runs);
        schedule.written.clone_from(&runs);
        let due: Vec<usize> = (1..=12).filter(|_| !schedule.due(&runs, true).is_empty()).collect();
        assert_eq!(due, [12]);
    }

    #[test]
    fn a_record_that_was_not_written_is_due_again() {
        let (mut schedule, mut runs) = (UsageSchedule::default(), BTreeMap::new());
        begin_a_part(&mut runs);
        assert_eq!(schedule.due(&runs, false), [run(1)]);
        assert_eq!(schedule.due(&runs, false), [run(1)], "a new run, at the next heartbeat");
        schedule.written.clone_from(&runs);
        begin_a_part(&mut runs);
        let due = [(); 4].map(|()| schedule.due(&runs, true).len());
        assert_eq!(due, [0, 1, 0, 1], "new parts, after ten seconds");
    }
}
