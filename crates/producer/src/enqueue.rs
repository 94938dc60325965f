//! Enqueues a run: `generate → store (table) → send (queue) → watermark`, many batches at a time.

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

/// How often the watermark is written: a resumed run repeats only what was enqueued since.
const WATERMARK_INTERVAL: Duration = Duration::from_secs(1);

/// The tables and the queue.
#[derive(Debug, Clone)]
pub(crate) struct Backends {
    pub session: Arc<Session>,
    pub messages: MessagesTable,
    pub metrics: MetricsTable,
    pub queue: Queue,
}

/// What to enqueue, and how fast.
#[derive(Debug)]
pub(crate) struct EnqueueJob<'a> {
    pub plan: &'a Plan,
    /// Watermark to start at: all indices below are enqueued.
    pub from: u32,
    /// Another producer may have enqueued some of these messages.
    pub possibly_repeated: bool,
    /// Messages a second, at most; `None` for no limit.
    pub rate: Option<f64>,
    /// Concurrent batches, at most.
    pub concurrency: usize,
}

/// Enqueues the run until its end or a shutdown; returns how many messages this call enqueued.
/// Calls `progress` with the messages of each finished batch.
pub(crate) async fn enqueue_run(
    job: &EnqueueJob<'_>,
    backends: &Backends,
    shutdown: &Shutdown,
    progress: impl Fn(u32),
) -> Result<u32, Error> {
    let start = Instant::now();
    let (watermark_changes, watermark_reader) = watch::channel(job.from);
    let marker = spawn_local(write_watermark(backends.metrics.clone(), *job.plan, watermark_reader));
    let paced =
        stream::iter(paced_batches(job.from, job.plan.total(), job.rate)).then(async |(batch, due)| {
            sleep_until(start.checked_add(due).unwrap_or(start + FAR_AWAY)).await;
            batch
        });
    let mut done = pin!(
        paced
            .take_until(Box::pin(shutdown.wait()))
            .map(|batch| enqueue_batch(job, backends, batch))
            .buffer_unordered(job.concurrency)
    );
    let mut enqueued = 0;
    let mut watermark = Watermark::new(job.from);
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

/// Stands for a start time that a rate close to zero puts beyond the range of [`Instant`]: a year.
const FAR_AWAY: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Stores one batch in the table, then sends it to the queue, so that every queued message has an item.
async fn enqueue_batch(
    job: &EnqueueJob<'_>,
    backends: &Backends,
    batch: Range<u32>,
) -> Result<Range<u32>, Error> {
    let messages: Vec<Message> = job.plan.ids(batch.clone()).map(|id| job.plan.message(id)).collect();
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
            possibly_repeated: job.possibly_repeated || created == InsertResult::AlreadyExists,
        })
        .collect();
    try_join_all(queue_messages.chunks(queue::BATCH).map(|some| backends.queue.send(some.to_vec()))).await?;
    Ok(batch)
}

/// Writes the watermark as it advances, at most once an interval, until its sender is dropped.
async fn write_watermark(
    metrics: MetricsTable,
    plan: Plan,
    mut watermark_reader: watch::Receiver<u32>,
) -> Result<(), Error> {
    while watermark_reader.changed().await.is_ok() {
        let watermark = *watermark_reader.borrow_and_update();
        // The end of the run is written with its time, by `mark_finished`.
        if watermark < plan.total() {
            metrics.advance_watermark(plan.run(), watermark).await?;
        }
        let mut waiter = watermark_reader.clone();
        tokio::select! {
            () = sleep(WATERMARK_INTERVAL) => {}
            () = closed(&mut waiter) => {}
        }
    }
    Ok(())
}

async fn closed(watermark_reader: &mut watch::Receiver<u32>) {
    while watermark_reader.changed().await.is_ok() {}
}
