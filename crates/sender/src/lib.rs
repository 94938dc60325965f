//! The sender: takes messages from the queue and plays their delivery.
//!
//! `intake → delivery → conclusion → acknowledgement`: each is a room of its own, joined by channels. A
//! message in hand ([`hands`]) moves through them by value; `keeping` keeps it invisible to others meanwhile.
//! `appetite` says how much is taken, `ending` when it is over. When it is, the intake stops, unfinished
//! messages fall back to the queue, and each room ends when the one before it has.

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
mod summary;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub use args::Args;
use conclusion::Conclusions;
use counts::Counts;
use delivery::Deliveries;
use ending::Ending;
use hands::Hands;
use heartbeat::Heartbeat;
use intake::{Intake, Seen};
use stentor_core::aws::metrics::SenderBeat;
use stentor_core::aws::session::Destination;
use stentor_core::aws::{Error, MessagesTable, MetricsTable, Queue, Session};
use stentor_core::cli::{Stop, print_line};
use stentor_core::clock::now_ms;
use stentor_core::run::RunId;
use summary::{Reason, Summary};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_local;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The exit code of a sender that hit its failure limit.
const FAILURE_LIMIT: u8 = 3;

/// A queue without a visibility timeout would hand out every message again at once.
const SHORTEST_VISIBILITY: Duration = Duration::from_secs(1);

/// Sends until there is nothing left, a limit is hit, or a signal comes; returns the exit code.
pub async fn run(args: Args, destination: Destination, stop: Stop) -> anyhow::Result<u8> {
    let provider = args.provider()?;
    let session = Arc::new(Session::open(destination).await?);
    let start = Instant::now();
    let queue = Queue::open(&session).await?;
    let messages = MessagesTable::new(&session);
    let metrics = MetricsTable::new(&session);
    let (_, visibility) = queue.attributes().await?;
    let visibility = visibility.max(SHORTEST_VISIBILITY);

    let started_at = now_ms();
    // Senders have names of the same kind as runs: unique, and in the order of their start.
    let sender = RunId::from_parts(started_at, rand::random()).to_string();
    let (hands, settlements) = Hands::new();
    let counts = Rc::new(Counts::default());
    let seen = Seen::nothing_yet();
    let heartbeat = Heartbeat {
        metrics: metrics.clone(),
        counts: Rc::clone(&counts),
        beat: first_beat(&args, &sender, started_at),
    };
    metrics.latest().await?;
    if !args.shared.quiet {
        eprintln!("sender {sender} takes from {}", session.stack().queue());
    }

    let (failures, mut failure) = mpsc::unbounded_channel::<Error>();
    let fail = move |error| drop(failures.send(error));
    let ending = CancellationToken::new();
    let limit_hit = CancellationToken::new();
    let (delivered, deliveries_out) = mpsc::unbounded_channel();

    let acknowledgement = spawn_local({
        let (queue, fail) = (queue.clone(), fail.clone());
        async move { acknowledgement::acknowledge(&queue, settlements, fail).await }
    });
    let conclusion = spawn_local({
        let room = Conclusions {
            messages: messages.clone(),
            counts: Rc::clone(&counts),
            seen: Rc::clone(&seen),
            sender: sender.clone(),
            attempts: Cell::new(0),
        };
        let (limit, limit_hit, counts, fail) =
            (args.failure_limit(), limit_hit.clone(), Rc::clone(&counts), fail.clone());
        let judge = move || {
            if limit.is_some_and(|limit| limit.is_hit(&counts)) {
                limit_hit.cancel();
            }
        };
        async move { room.run(deliveries_out, judge, fail).await }
    });
    spawn_local({
        let (queue, hands, fail) = (queue.clone(), Rc::downgrade(&hands), fail.clone());
        async move { keeping::keep_invisible(&queue, hands, visibility).await.unwrap_or_else(fail) }
    });
    let intake = spawn_local({
        let room = Intake {
            queue: queue.clone(),
            messages,
            hands: Rc::clone(&hands),
            counts: Rc::clone(&counts),
            seen: Rc::clone(&seen),
            visibility,
        };
        let slots = args.concurrency as usize;
        let appetite = appetite::Appetite::new(slots, args.wait);
        let deliveries = Deliveries {
            provider,
            max_attempts: args.max_attempts,
            slots: Rc::new(Semaphore::new(slots)),
            ending: ending.clone(),
            delivered,
        };
        let (ending, fail) = (ending.clone(), fail.clone());
        async move {
            let deliver = |held| drop(spawn_local(deliveries.clone().deliver(held)));
            room.run(appetite, &ending, deliver).await.unwrap_or_else(fail);
        }
    });

    let end =
        Ending { queue, metrics, hands: Rc::clone(&hands), seen, patience: args.patience(), visibility };
    let reason = tokio::select! {
        drained = end.drained() => drained.map(|()| Reason::Drained)?,
        () = limit_hit.cancelled() => Reason::FailureRate,
        () = stop.requested() => Reason::Signal,
        Err(error) = heartbeat.run(&hands) => return Err(error.into()),
        Some(error) = failure.recv() => return Err(error.into()),
    };

    // Each room ends when the one before it has let go of its last message.
    ending.cancel();
    drop(end);
    let emptied = async {
        intake.await?;
        conclusion.await?;
        let released = hands.released();
        drop(hands);
        acknowledgement.await?;
        heartbeat.end(released).await?;
        anyhow::Ok(released)
    };
    let released = tokio::select! {
        biased;
        Some(error) = failure.recv() => return Err(error.into()),
        released = emptied => released?,
    };

    let summary = Summary::new(&sender, &counts, released, start.elapsed(), reason);
    print_line(&if args.shared.json { summary.json() } else { summary.line() })?;
    Ok(match reason {
        Reason::Drained => 0,
        Reason::FailureRate => FAILURE_LIMIT,
        Reason::Signal => stop.code().unwrap_or(0),
    })
}

fn first_beat(args: &Args, sender: &str, started_at: u64) -> SenderBeat {
    SenderBeat {
        sender: sender.to_owned(),
        started_at,
        seen_at: started_at,
        ended_at: None,
        wait: args.wait,
        failure_rate: args.failure_rate.share(),
        concurrency: args.concurrency,
        sent: 0,
        failed: 0,
        duplicates: 0,
        released: 0,
    }
}
