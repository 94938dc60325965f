//! The way of the messages: `generate → store (table) → enqueue (queue) → mark`, many batches at a time.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use futures::stream::{self, StreamExt};
use stentor_core::aws::messages::{Created, STATEMENTS};
use stentor_core::aws::{Error, MessagesTable, MetricsTable, Queue, Session, queue};
use stentor_core::cli::Stop;
use stentor_core::clock::now_ms;
use stentor_core::message::{Envelope, Message};
use stentor_core::run::Plan;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

use crate::mark::EnqueuedMark;
use crate::pace::batches;

/// How often the mark is written: a resumed run repeats no more than what came since.
const MARK_EVERY: Duration = Duration::from_secs(1);

/// Where messages go.
#[derive(Debug, Clone)]
pub(crate) struct Stores {
    pub session: Arc<Session>,
    pub messages: MessagesTable,
    pub metrics: MetricsTable,
    pub queue: Queue,
}

/// A run to be enqueued, from an index on.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    pub plan: &'a Plan,
    /// All indices below are enqueued already.
    pub from: u32,
    /// Another producer may have enqueued some of it before.
    pub possibly_repeated: bool,
    /// Messages a second, if there is a limit.
    pub rate: Option<f64>,
    /// Batches under way at once.
    pub concurrency: usize,
}

/// Enqueues the run until its end or the wish to stop, and returns how many messages this call enqueued.
/// `progress` is told of each finished batch.
pub(crate) async fn feed(
    feed: &Feed<'_>,
    stores: &Stores,
    stop: &Stop,
    progress: impl Fn(u32),
) -> Result<u32, Error> {
    let start = Instant::now();
    let (mark, marked) = watch::channel(feed.from);
    let marker = spawn_local(keep_mark(stores.metrics.clone(), *feed.plan, marked));
    let paced = stream::iter(batches(feed.from, feed.plan.total(), feed.rate)).then(async |(batch, due)| {
        sleep_until(start.checked_add(due).unwrap_or(start + FAR_AWAY)).await;
        batch
    });
    let mut done = pin!(
        paced
            .take_until(Box::pin(stop.requested()))
            .map(|batch| enqueue_batch(feed, stores, batch))
            .buffer_unordered(feed.concurrency)
    );
    let mut enqueued = 0;
    let mut gapless = EnqueuedMark::at(feed.from);
    let mut failure = None;
    while let Some(batch) = done.next().await {
        match batch {
            Ok(batch) => {
                let messages = batch.end - batch.start;
                enqueued += messages;
                progress(messages);
                mark.send_replace(gapless.done(batch));
            }
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    drop(mark);
    let kept = marker.await.unwrap_or(Ok(()));
    failure.map_or(Ok(()), Err).and(kept)?;
    Ok(enqueued)
}

/// A year: what a rate close to zero comes to.
const FAR_AWAY: Duration = Duration::from_secs(365 * 24 * 3_600);

/// One batch: in the table first, then on the queue. Nothing is queued that the table does not have.
async fn enqueue_batch(feed: &Feed<'_>, stores: &Stores, batch: Range<u32>) -> Result<Range<u32>, Error> {
    let messages: Vec<Message> = feed.plan.ids(batch.clone()).map(|id| feed.plan.message(id)).collect();
    let created_at = now_ms();
    let stored =
        try_join_all(messages.chunks(STATEMENTS).map(|some| stores.messages.create(some, created_at)));
    let created = stored.await?.into_iter().flatten();
    let envelopes: Vec<Envelope> = messages
        .into_iter()
        .zip(created)
        .map(|(message, created)| Envelope {
            message,
            possibly_repeated: feed.possibly_repeated || created == Created::AlreadyThere,
        })
        .collect();
    try_join_all(envelopes.chunks(queue::BATCH).map(|some| stores.queue.send(some.to_vec()))).await?;
    Ok(batch)
}

/// Writes the mark as it moves, in big steps, until the feed lets go of it.
async fn keep_mark(metrics: MetricsTable, plan: Plan, mut marked: watch::Receiver<u32>) -> Result<(), Error> {
    while marked.changed().await.is_ok() {
        let mark = *marked.borrow_and_update();
        // The end of the run is written by whoever finishes it, together with its time.
        if mark < plan.total() {
            metrics.mark_enqueued(plan.run(), mark).await?;
        }
        let mut watched = marked.clone();
        tokio::select! {
            () = sleep(MARK_EVERY) => {}
            () = let_go(&mut watched) => {}
        }
    }
    Ok(())
}

async fn let_go(marked: &mut watch::Receiver<u32>) {
    while marked.changed().await.is_ok() {}
}
