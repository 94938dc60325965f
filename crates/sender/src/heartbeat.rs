//! The sign of life that the monitor shows.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use stentor_aws::clock::now_ms;
use stentor_aws::metrics::Heartbeat;
use stentor_aws::{MetricsTable, Session};
use stentor_core::usage::ProgramKind;
use tokio::time::sleep;

use crate::counts::Counts;
use crate::hands::Hands;
use crate::seen::Seen;

const BEAT_EVERY: Duration = Duration::from_secs(5);

/// How many signs of life go by from one account of what was spent to the next: a minute.
const BEATS_AN_ACCOUNT: u64 = 12;

/// What is told of this sender.
#[derive(Debug)]
pub(crate) struct HeartbeatWriter {
    pub session: Arc<Session>,
    pub metrics: MetricsTable,
    pub seen: Rc<Seen>,
    pub counts: Rc<Counts>,
    /// The first sign: the settings, and no counts yet.
    pub beat: Heartbeat,
}

impl HeartbeatWriter {
    /// Leaves a sign of life every few seconds, after the first, for ever.
    pub(crate) async fn run(&self, hands: &Hands) -> Infallible {
        let (mut beats, mut accounts) = (0, 0);
        loop {
            sleep(BEAT_EVERY).await;
            self.leave(&self.now(hands.released())).await;
            beats += 1;
            // A run soon learns of a sender that works on it, should that not live to tell more.
            if beats == BEATS_AN_ACCOUNT || self.seen.messages().len() > accounts {
                accounts = self.account(false).await;
                beats = 0;
            }
        }
    }

    /// The last sign: this sender has ended.
    pub(crate) async fn end(&self, released: u64) {
        let beat = self.now(released);
        self.leave(&Heartbeat { ended_at: Some(beat.seen_at), ..beat }).await;
        self.account(true).await;
    }

    /// Says in each run's partition what was spent on it: all of it, in proportion to the messages that came. Returns how
    /// many runs there are.
    async fn account(&self, has_ended: bool) -> usize {
        let usage = self.session.usage();
        let messages = self.seen.messages();
        let (runs, all) = (messages.len(), messages.values().sum());
        for (run, some) in messages {
            let share = usage.share(some, all);
            let spent =
                self.metrics.put_usage(run, ProgramKind::Sender, &self.beat.sender, &share, has_ended).await;
            if let Err(error) = spent {
                tracing::warn!("what run {run} has cost could not be written to the table: {error}");
            }
        }
        runs
    }

    /// Signs of life are for show: without them a sender does its work all the same.
    async fn leave(&self, beat: &Heartbeat) {
        if let Err(error) = self.metrics.put_heartbeat(beat).await {
            tracing::warn!("no sign of life could be left for the monitor: {error}");
        }
    }

    fn now(&self, released: u64) -> Heartbeat {
        Heartbeat {
            seen_at: now_ms(),
            sent: self.counts.sent(),
            failed: self.counts.failed(),
            duplicates: self.counts.duplicates(),
            released,
            ..self.beat.clone()
        }
    }
}
