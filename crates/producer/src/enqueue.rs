//! The way of the messages: `generate → store (table) → enqueue (queue) → watermark`, many paced_batches at a time.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use futures::stream::{self, StreamExt};
use stentor_aws::clock::now_ms;
use stentor_aws::messages::{InsertResult, STATEMENTS};
use stentor_aws::{Error, MessagesTable, MetricsTable, Queue, Session, queue};
use stentor_cli::Shutdown;
use stentor_core::message::{Message, QueueMessage};
use stentor_core::run::Plan;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

use crate::rate_limit::paced_batches;
use crate::watermark::Watermark;

/// How often the watermark is written: a resumed run repeats no more than what came since.
const MARK_EVERY: Duration = Duration::from_secs(1);

/// Where messages go.
#[derive(Debug, Clone)]
pub(crate) struct Backends {
    pub session: Arc<Session>,
    pub messages: MessagesTable,
    pub metrics: MetricsTable,
    pub queue: Queue,
}

/// A run to be enqueued, from an index on.
#[derive(Debug)]
pub(crate) struct EnqueueProgress<'a> {
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

/// Enqueues the run until its end or the wish to shutdown, and returns how many messages this call enqueued.
/// `progress` is told of each finished batch.
pub(crate) async fn enqueue_run(
    enqueue_run: &EnqueueProgress<'_>,
    backends: &Backends,
    shutdown: &Shutdown,
    progress: impl Fn(u32),
) -> Result<u32, Error> {
    let start = Instant::now();
    let (watermark_changes, watermark_reader) = watch::channel(enqueue_run.from);
    let marker = spawn_local(keep_mark(backends.metrics.clone(), *enqueue_run.plan, watermark_reader));
    let paced = stream::iter(paced_batches(enqueue_run.from, enqueue_run.plan.total(), enqueue_run.rate))
        .then(async |(batch, due)| {
            sleep_until(start.checked_add(due).unwrap_or(start + FAR_AWAY)).await;
            batch
        });
    let mut done = pin!(
        paced
            .take_until(Box::pin(shutdown.wait()))
            .map(|batch| enqueue_batch(enqueue_run, backends, batch))
            .buffer_unordered(enqueue_run.concurrency)
    );
    let mut enqueued = 0;
    let mut watermark = Watermark::new(enqueue_run.from);
    let mut failure = None;
    while let Some(batch) = done.next().await {
        match batch {
            Ok(batch) => {
                let messages = batch.end - batch.start;
                enqueued += messages;
                progress(messages);
                watermark_changes.send_replace(watermark.complete(batch));
            }
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    drop(watermark_changes);
    let kept = marker.await.unwrap_or(Ok(()));
    failure.map_or(Ok(()), Err).and(kept)?;
    Ok(enqueued)
}

/// A year: what a rate close to zero comes to.
const FAR_AWAY: Duration = Duration::from_secs(365 * 24 * 3_600);

/// One batch: in the table first, then on the queue. Nothing is queued that the table does not have.
async fn enqueue_batch(
    enqueue_run: &EnqueueProgress<'_>,
    backends: &Backends,
    batch: Range<u32>,
) -> Result<Range<u32>, Error> {
    let messages: Vec<Message> =
        enqueue_run.plan.ids(batch.clone()).map(|id| enqueue_run.plan.message(id)).collect();
    let created_at = now_ms();
    let stored = try_join_all(
        messages.chunks(STATEMENTS).map(|some| backends.messages.insert_pending(some, created_at)),
    );
    let created = stored.await?.into_iter().flatten();
    let envelopes: Vec<QueueMessage> = messages
        .into_iter()
        .zip(created)
        .map(|(message, created)| QueueMessage {
            message,
            possibly_repeated: enqueue_run.possibly_repeated || created == InsertResult::AlreadyExists,
        })
        .collect();
    try_join_all(envelopes.chunks(queue::BATCH).map(|some| backends.queue.send(some.to_vec()))).await?;
    Ok(batch)
}

/// Writes the watermark as it moves, in big steps, until the enqueue_run lets go of it.
async fn keep_mark(metrics: MetricsTable, plan: Plan, mut marked: watch::Receiver<u32>) -> Result<(), Error> {
    while marked.changed().await.is_ok() {
        let watermark = *marked.borrow_and_update();
        // The end of the run is written by whoever finishes it, together with its time.
        if watermark < plan.total() {
            metrics.advance_watermark(plan.run(), watermark).await?;
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
