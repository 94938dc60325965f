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

/// The same for a run with deliveries that a provider bills: ten seconds. The parts that a sender begins after its last record are not
/// in the bill if it is killed.
const HEARTBEATS_PER_BILLED_USAGE: u64 = 2;

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
        let (mut heartbeats, mut written) = (0, BTreeMap::<RunId, RunCounts>::new());
        loop {
            sleep(HEARTBEAT_INTERVAL).await;
            self.write(&self.current()).await;
            heartbeats += 1;
            // A new run gets a record at once, in case this sender does not live to write another.
            if heartbeats == HEARTBEATS_PER_USAGE || self.state.activity.borrow().runs.len() > written.len() {
                written = self.write_usage(false, |_, _| true).await;
                heartbeats = 0;
            } else if self.initial.provider.is_some() && heartbeats % HEARTBEATS_PER_BILLED_USAGE == 0 {
                let is_billed = |run: &RunId, counts: &RunCounts| {
                    written.get(run).is_none_or(|written| written.parts != counts.parts)
                };
                written = self.write_usage(false, is_billed).await;
            }
        }
    }

    /// Writes the last heartbeat and usage records: the sender has ended.
    pub(crate) async fn finish(&self) {
        let heartbeat = self.current();
        self.write(&Heartbeat { ended_at: Some(heartbeat.seen_at), ..heartbeat }).await;
        self.write_usage(true, |_, _| true).await;
    }

    /// Divides the usage among the runs by the messages received, and records it with the outcomes and the provider's parts
    /// of each run that `is_due`. Returns the counts of all runs.
    async fn write_usage(
        &self,
        has_ended: bool,
        is_due: impl Fn(&RunId, &RunCounts) -> bool,
    ) -> BTreeMap<RunId, RunCounts> {
        let Connections { session, metrics, .. } = self.connections;
        let usage = session.usage();
        let runs = self.state.activity.borrow().runs.clone();
        let total = runs.values().map(|counts| counts.received).sum();
        for (run, counts) in runs.iter().filter(|(run, counts)| is_due(run, counts)) {
            let usage = usage.prorate(counts.received, total);
            let provider = self.initial.provider.as_ref();
            let of_sender = SenderUsage {
                outcomes: counts.outcomes,
                provider: provider.map(|provider| counts.provider_usage(&provider.profile)),
            };
            let written =
                metrics.put_usage(*run, &self.initial.sender, &usage, Some(of_sender), has_ended).await;
            if let Err(error) = written {
                tracing::warn!("cannot write the usage record of run {run}: {error}");
            }
        }
        runs
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
