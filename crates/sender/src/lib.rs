//! The sender: receives messages from the queue and simulates their delivery.
//!
//! `pipeline` has the path of a message, one stage a module: `intake → delivery → outcome → settlement`.
//! With a provider profile, `reservation` reserves the starts of deliveries in the rate limit of all senders.
//! `in_flight` owns the messages on that path and `visibility` extends their leases. `prefetch` decides how much
//! to receive, `stop` when the sender exits, and `completion` reads whether its runs are complete. `allowance` has the daily caps
//! and the spend limit of a provider.

mod allowance;
mod args;
mod batching;
mod completion;
mod delivery;
mod heartbeat;
mod in_flight;
mod intake;
mod lease;
mod outcome;
mod pipeline;
mod prefetch;
mod progress;
mod provider_profile;
mod providers;
mod reservation;
mod run_seeds;
mod settings;
mod settlement;
mod state;
mod stop;
mod summary;
mod visibility;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub use args::Args;
use args::Command;
use heartbeat::HeartbeatWriter;
use pipeline::Pipeline;
use progress::Progress;
use provider_profile::check_stored_profile;
use settings::Settings;
use stentor_aws::metrics::Heartbeat;
use stentor_aws::{Error, MessagesTable, MetricsTable, Queue, Session};
use stentor_cli::{ProgressLine, Shutdown, format, print_line, status};
use stentor_core::provider::profile::ProviderProfile;
use stentor_core::run::RunId;
use stentor_core::usage::ProviderUsage;
use stentor_sign_in::{Destination, open_session};
use stop::{DrainCondition, StopReason};
use summary::Summary;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use visibility::{REFRESH_INTERVAL, refresh_visibility_timeout};

const FAILURE_LIMIT_STATUS: u8 = 3;

/// The shortest visibility timeout that a sender requests, whatever the queue's. A lease counts from the request, which
/// may wait two seconds for a message.
const MIN_VISIBILITY: Duration = Duration::from_secs(5);

/// How long a sender that failed tries to release its messages. Otherwise their visibility timeout does it.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs a sender until the queue is empty, its failure limit is reached or a signal arrives. Prints its result and
/// returns the exit status.
pub async fn run(args: Args, destination: Destination, shutdown: Shutdown) -> anyhow::Result<u8> {
    if let Some(Command::Providers { name }) = args.command {
        providers::print(name, args.shared.json)?;
        return Ok(0);
    }
    let settings = Settings::of(&args)?;
    settings.print(&args);
    let start = Instant::now();
    let connecting = async {
        let (connections, initial) = Connections::open(destination, shutdown.token(), &settings).await?;
        let change = match &settings.provider {
            Some(profile) => check_stored_profile(&connections, profile).await?,
            None => None,
        };
        anyhow::Ok((connections, initial, change))
    };
    let Some(connected) = shutdown.or_shutdown(connecting).await else {
        return Ok(shutdown.code().unwrap_or(0));
    };
    let (connections, initial, change) = connected?;
    if let Some(change) = change.filter(|_| !args.shared.quiet) {
        status(&change);
    }
    let (connections, sender) = (Rc::new(connections), initial.sender.clone());
    if !args.shared.quiet {
        let provider = settings.provider.as_deref().map(provider_phrase).unwrap_or_default();
        status(&format!("sender {sender} receives from {}{provider}", connections.queue.name()));
    }

    let pipeline = Pipeline::start(&args, &settings, &connections, sender.clone());
    let state = Rc::clone(&pipeline.state);
    let heartbeat = HeartbeatWriter { connections: &connections, state: Rc::clone(&state), initial };
    let reason = wait_for_stop(&args, &connections, &pipeline, &heartbeat, &shutdown, start).await;
    let reason = match reason {
        Ok(reason) => reason,
        Err(error) => {
            // The shutdown may fail too; the first error is the one to report.
            let _ = timeout(SHUTDOWN_TIMEOUT, pipeline.shut_down()).await;
            return Err(error.into());
        }
    };

    pipeline.shut_down().await?;
    heartbeat.finish().await;
    let counters = state.counters.borrow().clone();
    let summary = Summary {
        sender,
        average_seconds: counters.average_seconds(),
        counters,
        seconds: start.elapsed().as_secs_f64(),
        reason,
        clock_offset_seconds: connections.session.clock().correction_seconds(),
        usage: connections.session.usage(),
        provider: settings.provider.as_ref().map(|profile| state.provider_usage(&profile.name).into()),
    };
    print_line(&if args.shared.json { format::json_line(&summary) } else { summary.line() })?;
    Ok(match reason {
        StopReason::Drained => 0,
        StopReason::FailureRate => FAILURE_LIMIT_STATUS,
        StopReason::Signal => shutdown.code().unwrap_or(0),
    })
}

/// Shows the progress and writes heartbeats until the sender must stop. Returns an error as soon as a stage has one.
async fn wait_for_stop(
    args: &Args,
    connections: &Connections,
    pipeline: &Pipeline,
    heartbeat: &HeartbeatWriter<'_>,
    shutdown: &Shutdown,
    start: Instant,
) -> Result<StopReason, Error> {
    let Pipeline { in_flight, state, .. } = pipeline;
    let (activity, idle_policy) = (&state.activity, args.idle_policy());
    let drain_condition = DrainCondition { connections, in_flight, activity, idle_policy };
    let progress_line = ProgressLine::line("delivering", args.shared.quiet);
    let mut progress = Progress::default();
    tokio::select! {
        drained = drain_condition.wait_until_drained() => drained.map(|()| StopReason::Drained),
        reached = pipeline.failure_limit_reached() => reached.map(|()| StopReason::FailureRate),
        () = shutdown.wait() => Ok(StopReason::Signal),
        never = heartbeat.run() => match never {},
        never = refresh_visibility_timeout(connections, REFRESH_INTERVAL) => match never {},
        never = progress_line.refresh(|| progress.line(start.elapsed(), &state.counters.borrow(), in_flight.len())) => match never {},
    }
}

/// The session, queue and tables of a sender.
#[derive(Debug)]
struct Connections {
    session: Arc<Session>,
    queue: Queue,
    messages: MessagesTable,
    metrics: MetricsTable,
    /// The time for which a received message is invisible to other senders, as last read from the queue.
    visibility_timeout: Cell<Duration>,
}

impl Connections {
    /// Opens the session, and checks that queue and metrics table exist by writing the first heartbeat, which it returns.
    async fn open(
        destination: Destination,
        shutdown: CancellationToken,
        settings: &Settings,
    ) -> anyhow::Result<(Self, Heartbeat)> {
        let session = Arc::new(open_session(destination, shutdown).await?);
        let queue = Queue::open(&session).await?;
        // Only a time to live depends on it.
        let queue = if settings.ttl.is_some() { queue.with_sent_at() } else { queue };
        let metrics = MetricsTable::new(&session);
        let (messages, visibility_timeout) = (MessagesTable::new(&session), Cell::default());
        let connections = Self { session, queue, messages, metrics, visibility_timeout };
        connections.read_visibility_timeout().await?;
        // The clock is right: the queue's service has responded.
        let initial = first_heartbeat(settings, connections.session.clock().now_ms());
        connections.metrics.put_heartbeat(&initial).await?;
        Ok((connections, initial))
    }

    /// Reads the visibility timeout from the queue.
    async fn read_visibility_timeout(&self) -> Result<(), Error> {
        let (_, timeout) = self.queue.attributes().await?;
        self.visibility_timeout.set(timeout.max(MIN_VISIBILITY));
        Ok(())
    }
}

/// Returns the phrase of the start line about the provider.
fn provider_phrase(profile: &ProviderProfile) -> String {
    let limit = match profile.limits.parts_per_second {
        Some(limit) => format!("{} parts/s shared by all senders", format::quantity(limit)),
        None => "no rate limit".to_owned(),
    };
    format!(", with provider {}: {limit}", profile.name)
}

/// Builds the heartbeat of a sender that starts at `started_at`, ms since the epoch.
fn first_heartbeat(settings: &Settings, started_at: u64) -> Heartbeat {
    Heartbeat {
        // A ULID as of a run: unique, and sorted by the time of the start.
        sender: RunId::from_parts(started_at, rand::random()).to_string(),
        started_at,
        seen_at: started_at,
        wait: settings.model.wait.mean(),
        failure_rate: settings.model.failure_rate.as_fraction(),
        concurrency: settings.concurrency,
        provider: settings
            .provider
            .as_ref()
            .map(|profile| ProviderUsage { profile: profile.name.clone(), ..ProviderUsage::default() }),
        ..Heartbeat::default()
    }
}
