//! Reading a run: everything that is shown of it, in four requests, and one for each provider profile every 30 seconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use stentor_aws::clock::Clock;
use stentor_aws::metrics::{Heartbeat, RunItems, RunRecord};
use stentor_aws::{Error, MessagesTable, MetricsTable, Queue, Session};
use stentor_cli::ConnectionFlags;
use stentor_core::cost::Prices;
use stentor_core::deployment::Deployment;
use stentor_core::provider::profile::ProviderProfile;
use stentor_core::queue_depth::QueueDepth;
use stentor_core::run::RunId;
use stentor_core::usage::UsageRecord;
use stentor_tally::{DamagedTally, Tally};

use crate::profiles::ProfileCache;
use crate::senders::SenderState;
use crate::view::seconds;

/// The tables and queues that runs are read from.
#[derive(Debug)]
pub struct RunReader {
    /// The metrics table: runs, tallies, heartbeats and usage records.
    pub metrics: MetricsTable,
    /// The messages table, which only look-ups and counts of single messages read.
    pub messages: MessagesTable,
    /// The settings that the deployment recorded, as read at the start.
    pub deployment: Deployment,
    /// The prices of the bills: list prices, unless they are replaced.
    pub prices: Prices,
    queue: Queue,
    dead_letters: Queue,
    /// `None` where the stack has no such queue, or the caller may not read it.
    stream_dead_letters: Option<Queue>,
    profiles: ProfileCache,
    clock: Clock,
}

/// What a reading has of the stack, whichever run is read.
#[derive(Debug, Clone)]
pub struct StackReading {
    heartbeats: Vec<Heartbeat>,
    queue: QueueDepth,
    visibility: Duration,
    dead_letters: u64,
    /// Time of the reading, ms since the epoch.
    at_ms: u64,
}

/// The stack that is read, and where it is.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Target {
    /// Name of the stack.
    pub stack: String,
    /// AWS region.
    pub region: String,
    /// URL of the services, or `AWS`.
    pub endpoint: String,
    /// For the commands that a status suggests.
    #[serde(skip)]
    pub connection: ConnectionFlags,
}

/// What one poll of a run returned.
#[derive(Debug, Clone)]
pub struct RunReading {
    /// Plan of the run and the producer's progress.
    pub record: RunRecord,
    /// Sum of the readable shard tallies.
    pub tally: Tally,
    /// Shard tallies that cannot be decoded: the counts of `tally` are too low.
    pub damaged: Vec<DamagedTally>,
    /// Depth of the queue, all runs together.
    pub queue: QueueDepth,
    /// The queue's visibility timeout.
    pub visibility: Duration,
    /// Messages on the dead-letter queue, all runs together.
    pub dead_letters: u64,
    /// Batches of the stream that were discarded, all runs together; `None` if unknown.
    pub discarded_batches: Option<u64>,
    /// The settings of the deployed stack.
    pub deployment: Deployment,
    /// Messages that this monitor has looked up to decide whether the run is lagging or stalled.
    pub looked_up: u64,
    /// Heartbeats of all senders that the table still keeps.
    pub heartbeats: Vec<Heartbeat>,
    /// Usage that the programs reported for this run.
    pub usage: Vec<UsageRecord>,
    /// Provider profiles with which senders of the run began parts, by name, as far as the table has them.
    pub profiles: BTreeMap<String, ProviderProfile>,
    /// Write units of putting each shard's tally at its present size.
    pub tally_units: Vec<u64>,
    /// Time of the reading of the stack, ms since the epoch.
    pub at_ms: u64,
    /// Seconds that are added to the time of this machine's clock; `None` if it is not corrected.
    pub clock_offset_seconds: Option<f64>,
}

impl RunReader {
    /// Opens the session's table and queues.
    pub async fn open(session: &Arc<Session>) -> Result<Self, Error> {
        let metrics = MetricsTable::new(session);
        let queue = Queue::open(session).await?;
        let (dead_letters, stream_dead_letters, deployment) = tokio::try_join!(
            Queue::open_dead_letters(session),
            Queue::open_stream_dead_letters(session),
            metrics.deployment(),
        )?;
        let (messages, clock) = (MessagesTable::new(session), session.clock().clone());
        let profiles = ProfileCache::default();
        Ok(Self {
            metrics,
            messages,
            deployment,
            prices: Prices::default(),
            queue,
            dead_letters,
            stream_dead_letters,
            profiles,
            clock,
        })
    }

    /// Returns the current time by the services' clock, ms since the epoch.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Reads how many batches of the stream were discarded; `None` if that is unknown.
    pub async fn discarded_batches(&self) -> Result<Option<u64>, Error> {
        let Some(queue) = &self.stream_dead_letters else { return Ok(None) };
        match queue.attributes().await {
            Ok((depth, _)) => Ok(Some(depth.visible)),
            Err(error) if error.is_unavailable() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a run, without the discarded batches of the stream; `None` where the table has no such run.
    pub async fn read(&self, run: RunId) -> Result<Option<RunReading>, Error> {
        let (items, stack) = tokio::try_join!(self.metrics.run_items(run), self.read_stack())?;
        let Some(record) = items.record.clone() else { return Ok(None) };
        let profiles = self.profiles.profiles(&items.accounts, async |name| self.profile(name).await).await?;
        Ok(Some(RunReading { profiles, ..self.join(record, items, stack) }))
    }

    /// Reads what is the same for every run of the stack.
    pub async fn read_stack(&self) -> Result<StackReading, Error> {
        let (heartbeats, (queue, visibility), (dead_letters, _)) = tokio::try_join!(
            self.metrics.list_heartbeats(),
            self.queue.attributes(),
            self.dead_letters.attributes(),
        )?;
        let (dead_letters, at_ms) = (dead_letters.visible, self.now_ms());
        Ok(StackReading { heartbeats, queue, visibility, dead_letters, at_ms })
    }

    /// Joins what was just read of a run, without provider profiles.
    pub fn join(&self, record: RunRecord, items: RunItems, stack: StackReading) -> RunReading {
        RunReading {
            record,
            tally: items.tally,
            damaged: items.broken,
            queue: stack.queue,
            visibility: stack.visibility,
            dead_letters: stack.dead_letters,
            discarded_batches: None,
            deployment: self.deployment,
            looked_up: 0,
            heartbeats: stack.heartbeats,
            usage: items.accounts,
            profiles: BTreeMap::new(),
            tally_units: items.tally_units,
            at_ms: stack.at_ms,
            clock_offset_seconds: self.clock.correction_seconds(),
        }
    }

    /// Reads a provider profile; `None` where the table has none, or an invalid one.
    async fn profile(&self, name: &str) -> Result<Option<ProviderProfile>, Error> {
        Ok(self.metrics.get_limit(name).await?.profile())
    }
}

impl Target {
    /// The target of a session, which these flags opened.
    pub fn of(session: &Session, connection: ConnectionFlags) -> Self {
        Self {
            stack: session.stack().to_string(),
            region: session.region().to_owned(),
            endpoint: session.endpoint().to_owned(),
            connection,
        }
    }
}

impl RunReading {
    /// Planned messages.
    pub fn total(&self) -> u64 {
        self.record.plan.total().into()
    }

    /// Messages with an outcome, sent or failed.
    pub fn outcomes(&self) -> u64 {
        self.tally.total()
    }

    /// Planned messages without an outcome.
    pub fn pending(&self) -> u64 {
        self.total().saturating_sub(self.outcomes())
    }

    /// Outcomes that the senders of the run have recorded and no tally counts, as far as their usage records show.
    pub fn uncounted(&self) -> u64 {
        UsageRecord::total_outcomes(&self.usage).saturating_sub(self.outcomes()).min(self.pending())
    }

    /// Time of the last counted outcome, or of the run's creation, ms since the epoch.
    pub(crate) fn last_outcome_at(&self) -> u64 {
        self.tally.last_concluded_at.unwrap_or(self.record.created_at)
    }

    /// Whether a sender has a fresh heartbeat.
    pub fn has_alive_sender(&self) -> bool {
        self.heartbeats.iter().any(|heartbeat| SenderState::of(heartbeat, self.at_ms) == SenderState::Alive)
    }

    /// Seconds since the last counted outcome, or since the run was created.
    pub fn idle_seconds(&self) -> f64 {
        seconds(self.at_ms.saturating_sub(self.last_outcome_at()))
    }

    /// Whether the producer has enqueued every message.
    pub fn is_enqueued(&self) -> bool {
        self.record.enqueued == self.record.plan.total()
    }

    /// Whether every message is enqueued and has an outcome.
    pub fn is_complete(&self) -> bool {
        self.is_enqueued() && self.pending() == 0
    }
}
