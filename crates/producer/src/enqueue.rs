//! The path of the messages, many batches at a time: `generate → store (table) → enqueue (queue) → watermark`.

use std::cell::Cell;
use std::future::ready;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use futures::stream::{self, StreamExt, TryStreamExt};
use stentor_aws::messages::{InsertResult, STATEMENTS};
use stentor_aws::{Error, MessagesTable, MetricsTable, Queue, Session, queue};
use stentor_cli::ProgressLine;
use stentor_core::message::{Message, QueueMessage};
use stentor_core::run::Plan;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until, timeout};

use crate::Call;
use crate::args::SpeedArgs;
use crate::rate_limit::paced_batches;
use crate::throttling::report_throttling;
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

/// The start of a batch at a rate close to zero: in a year.
const FAR_AWAY: Duration = Duration::from_secs(365 * 24 * 3_600);

impl Call<'_> {
    /// Enqueues the rest of the run until its end or a shutdown, and returns the number of messages enqueued. With
    /// `possibly_repeated`, an earlier call may have enqueued some of them.
    pub(crate) async fn enqueue_messages(
        &self,
        speed: &SpeedArgs,
        possibly_repeated: bool,
    ) -> Result<u32, Error> {
        let start = Instant::now();
        let (plan, from) = (&self.record.plan, self.record.enqueued);
        let progress_line = ProgressLine::bar("enqueuing", plan.total(), from, self.args.shared.quiet);
        let (watermark_changes, watermark_reader) = watch::channel(from);
        let marker = spawn_local(keep_mark(self.backends.metrics.clone(), plan.clone(), watermark_reader));
        let enqueued = Rc::new(Cell::new(0));
        let (session, so_far) = (Arc::clone(&self.backends.session), Rc::clone(&enqueued));
        let (left, connection) = (plan.total() - from, self.connection.clone());
        let reporter = spawn_local(async move {
            report_throttling(&session, &connection, || left - so_far.get()).await;
        });
        let paced = stream::iter(paced_batches(from, plan.total(), speed.rate)).then(async |(batch, due)| {
            sleep_until(start.checked_add(due).unwrap_or(start + FAR_AWAY)).await;
            batch
        });
        let mut watermark = Watermark::new(from);
        let result = paced
            .take_until(Box::pin(self.shutdown.wait()))
            .map(|batch| self.enqueue_batch(batch, possibly_repeated))
            .buffer_unordered(speed.concurrency.batches.into())
            .try_for_each(|batch| {
                let messages = batch.end - batch.start;
                enqueued.set(enqueued.get() + messages);
                progress_line.advance(messages);
                watermark_changes.send_replace(watermark.complete(batch));
                ready(Ok(()))
            })
            .await;
        reporter.abort();
        drop(watermark_changes);
        let kept = marker.await.unwrap_or(Ok(()));
        result.and(kept)?;
        Ok(enqueued.get())
    }

    /// Stores a batch in the table, then sends it to the queue: the queue never has a message that the table lacks.
    async fn enqueue_batch(&self, batch: Range<u32>, possibly_repeated: bool) -> Result<Range<u32>, Error> {
        let (plan, backends) = (&self.record.plan, self.backends);
        let messages: Vec<Message> = plan.ids(batch.clone()).map(|id| plan.message(id)).collect();
        let created_at = backends.session.clock().now_ms();
        let inserts =
            messages.chunks(STATEMENTS).map(|some| backends.messages.insert_pending(some, created_at));
        let created = try_join_all(inserts).await?.into_iter().flatten();
        let queue_messages: Vec<QueueMessage> = messages
            .into_iter()
            .zip(created)
            .map(|(message, created)| QueueMessage {
                message,
                possibly_repeated: possibly_repeated || created == InsertResult::AlreadyExists,
            })
            .collect();
        let sends = queue_messages.chunks(queue::BATCH).map(|some| backends.queue.send(some));
        try_join_all(sends).await?;
        Ok(batch)
    }
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
        let sender_dropped = async { while watched.changed().await.is_ok() {} };
        let _ = timeout(MARK_EVERY, sender_dropped).await;
    }
    Ok(())
}
