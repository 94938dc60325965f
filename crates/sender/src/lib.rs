//! The sender: takes messages from the queue and plays their delivery.
//!
//! A message goes through `rooms` joined by channels: `intake → delivery → conclusion → acknowledgement`. What is
//! in `hands` moves through them by value; `keeping` keeps it invisible to others meanwhile. `appetite` says how
//! much is taken, `ending` when it is over.

mod acknowledgement;
mod appetite;
mod args;
mod batching;
mod conclusion;
mod counts;
mod delivery;
mod ending;
mod hands;
mod heartbeat;
mod intake;
mod keeping;
mod progress;
mod rooms;
mod seen;
mod summary;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub use args::Args;
use ending::Ending;
use heartbeat::HeartbeatWriter;
use progress::Progress;
use rooms::{Furnishing, Rooms};
use stentor_aws::clock::now_ms;
use stentor_aws::metrics::Heartbeat;
use stentor_aws::session::Destination;
use stentor_aws::{Error, MessagesTable, MetricsTable, Queue, Session};
use stentor_cli::{ProgressLine, Shutdown, print_line, status};
use stentor_core::run::RunId;
use summary::{Reason, Summary};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// The exit code of a sender that hit its failure limit.
const FAILURE_LIMIT: u8 = 3;

/// A queue without a visibility timeout would hand out every message again at once.
const SHORTEST_VISIBILITY: Duration = Duration::from_secs(1);

/// How long a sender that cannot go on tries to give back what it holds; else it comes back by itself.
const LAST_EFFORT: Duration = Duration::from_secs(5);

/// Sends until there is nothing left, a limit is hit, or a signal comes; returns the exit code.
pub async fn run(args: Args, destination: Destination, shutdown: Shutdown) -> anyhow::Result<u8> {
    let provider = args.provider()?;
    let start = Instant::now();
    let started_at = now_ms();
    // Senders have names of the same kind as runs: unique, and in the order of their start.
    let sender = RunId::from_parts(started_at, rand::random()).to_string();
    let beat = first_beat(&args, &sender, started_at);
    let Some(stage) = shutdown.or_shutdown(Stage::prepare(destination, shutdown.token(), &beat)).await else {
        return Ok(shutdown.code().unwrap_or(0));
    };
    let Stage { session, queue, messages, metrics, visibility } = stage?;
    if !args.shared.quiet {
        status(&format!("sender {sender} takes from {}", queue.name()));
    }

    let mut rooms = Rooms::open(&Furnishing {
        queue: queue.clone(),
        messages,
        provider,
        slots: args.concurrency as usize,
        max_attempts: args.max_attempts,
        failure_limit: args.failure_limit(),
        visibility,
        sender: sender.clone(),
    });
    let counts = Rc::clone(&rooms.counts);
    let heartbeat = HeartbeatWriter {
        session: Arc::clone(&session),
        metrics: metrics.clone(),
        counts: Rc::clone(&counts),
        seen: Rc::clone(&rooms.seen),
        beat,
    };
    let hands = Rc::clone(&rooms.hands);
    let (seen, patience) = (Rc::clone(&rooms.seen), args.patience());
    let ending = Ending { queue, metrics, hands: Rc::clone(&hands), seen, patience, visibility };
    let live = ProgressLine::line("delivering", args.shared.quiet);
    let mut progress = Progress::default();
    let reason = tokio::select! {
        drained = ending.drained() => drained.map(|()| Reason::Drained),
        hit = rooms.limit_hit() => hit.map(|()| Reason::FailureRate),
        () = shutdown.wait() => Ok(Reason::Signal),
        never = heartbeat.run(&hands) => match never {},
        never = live.refresh(|| progress.line(start.elapsed(), &counts, hands.len())) => match never {},
    };
    drop((ending, hands, live));
    let reason = match reason {
        Ok(reason) => reason,
        Err(error) => {
            // It may well fail too; the first error is what matters.
            let _ = timeout(LAST_EFFORT, rooms.empty()).await;
            return Err(error.into());
        }
    };

    let released = rooms.empty().await?;
    heartbeat.end(released).await;
    let summary = Summary::new(&sender, &counts, released, start.elapsed(), reason, session.usage());
    print_line(&if args.shared.json { summary.json() } else { summary.line() })?;
    Ok(match reason {
        Reason::Drained => 0,
        Reason::FailureRate => FAILURE_LIMIT,
        Reason::Signal => shutdown.code().unwrap_or(0),
    })
}

/// What a sender works with, once all of it is known to be there.
struct Stage {
    session: Arc<Session>,
    queue: Queue,
    messages: MessagesTable,
    metrics: MetricsTable,
    visibility: Duration,
}

impl Stage {
    async fn prepare(
        destination: Destination,
        ending: CancellationToken,
        beat: &Heartbeat,
    ) -> Result<Self, Error> {
        let session = Arc::new(Session::for_cli(destination, ending).await?);
        let queue = Queue::open(&session).await?;
        let (_, visibility) = queue.attributes().await?;
        let metrics = MetricsTable::new(&session);
        metrics.put_heartbeat(beat).await?;
        let visibility = visibility.max(SHORTEST_VISIBILITY);
        Ok(Self { messages: MessagesTable::new(&session), session, queue, metrics, visibility })
    }
}

fn first_beat(args: &Args, sender: &str, started_at: u64) -> Heartbeat {
    Heartbeat {
        sender: sender.to_owned(),
        started_at,
        seen_at: started_at,
        ended_at: None,
        wait: args.wait,
        failure_rate: args.failure_rate.as_fraction(),
        concurrency: args.concurrency,
        sent: 0,
        failed: 0,
        duplicates: 0,
        released: 0,
    }
}
