//! The path of the messages, many batches at a time: `generate → store (table) → enqueue (queue) → watermark`.

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

/// Interval between writes of the watermark; a resumed run repeats what was enqueued since the last.
const MARK_EVERY: Duration = Duration::from_secs(1);

/// The queue and the tables.
#[derive(Debug, Clone)]
pub(crate) struct Backends {
    pub session: Arc<Session>,
    pub messages: MessagesTable,
    pub metrics: MetricsTable,
    pub queue: Queue,
}

/// The rest of a run, to be enqueued.
#[derive(Debug)]
pub(crate) struct EnqueueJob<'a> {
    pub plan: &'a Plan,
    /// All indices below it are enqueued.
    pub from: u32,
    /// An earlier call may have enqueued some of it.
    pub possibly_repeated: bool,
    /// Messages per second; `None` is unlimited.
    pub rate: Option<f64>,
    /// Maximum number of concurrent batches.
    pub concurrency: usize,
}

/// Enqueues the run until its end or a shutdown, and returns the number of messages that this call enqueued.
/// `progress` gets the size of each finished batch.
pub(crate) async fn enqueue_run(
    work: &EnqueueJob<'_>,
    backends: &Backends,
    shutdown: &Shutdown,
    progress: impl Fn(u32),
) -> Result<u32, Error> {
    let start = Instant::now();
    let (watermark_changes, watermark_reader) = watch::channel(work.from);
    let marker = spawn_local(keep_mark(backends.metrics.clone(), *work.plan, watermark_reader));
    let paced =
        stream::iter(paced_batches(work.from, work.plan.total(), work.rate)).then(async |(batch, due)| {
            sleep_until(start.checked_add(due).unwrap_or(start + FAR_AWAY)).await;
            batch
        });
    let mut done = pin!(
        paced
            .take_until(Box::pin(shutdown.wait()))
            .map(|batch| enqueue_batch(work, backends, batch))
            .buffer_unordered(work.concurrency)
    );
    let mut enqueued = 0;
    let mut watermark = Watermark::new(work.from);
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

/// The start of a batch at a rate close to zero: in a year.
const FAR_AWAY: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Stores a batch in the table, then sends it to the queue: the queue never has a message that the table lacks.
async fn enqueue_batch(
    work: &EnqueueJob<'_>,
    backends: &Backends,
    batch: Range<u32>,
) -> Result<Range<u32>, Error> {
    let messages: Vec<Message> = work.plan.ids(batch.clone()).map(|id| work.plan.message(id)).collect();
    let created_at = now_ms();
    let stored = try_join_all(
        messages.chunks(STATEMENTS).map(|some| backends.messages.insert_pending(some, created_at)),
    );
    let created = stored.await?.into_iter().flatten();
    let queue_messages: Vec<QueueMessage> = messages
        .into_iter()
        .zip(created)
        .map(|(message, created)| QueueMessage {
            message,
            possibly_repeated: work.possibly_repeated || created == InsertResult::AlreadyExists,
        })
        .collect();
    try_join_all(queue_messages.chunks(queue::BATCH).map(|some| backends.queue.send(some.to_vec()))).await?;
    Ok(batch)
}

/// Writes the watermark as it moves, at most every [`MARK_EVERY`], until its sender is dropped.
async fn keep_mark(metrics: MetricsTable, plan: Plan, mut marked: watch::Receiver<u32>) -> Result<(), Error> {
    while marked.changed().await.is_ok() {
        let watermark = *marked.borrow_and_update();
        // `mark_finished` writes the last one, with its time.
        if watermark < plan.total() {
            metrics.advance_watermark(plan.run(), watermark).await?;
        }
        let mut watched = marked.clone();
        tokio::select! {
            () = sleep(MARK_EVERY) => {}
            () = sender_dropped(&mut watched) => {}
        }
    }
    Ok(())
}

async fn sender_dropped(marked: &mut watch::Receiver<u32>) {
    while marked.changed().await.is_ok() {}
}
