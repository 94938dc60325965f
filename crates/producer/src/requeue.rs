//! The table as the backup that the queue is rebuilt from.

use std::ops::Range;
use std::pin::pin;

use futures::stream::{self, StreamExt};
use stentor_aws::messages::KEYS;
use stentor_aws::{Error, queue};
use stentor_cli::Shutdown;
use stentor_core::delivery::Status;
use stentor_core::message::{MessageId, QueueMessage};
use stentor_core::run::Plan;

use crate::enqueue::Backends;

/// What was found, and what was enqueued again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Requeued {
    /// Pending messages, on the queue again.
    pub enqueued: u32,
    /// Messages that the table does not have.
    pub missing: u32,
    /// Messages looked up.
    pub looked_up: u32,
}

/// Looks every message of the plan up and enqueues those that are pending, until the end or the wish to
/// stop. `progress` is told of each batch looked up.
pub(crate) async fn requeue(
    plan: &Plan,
    backends: &Backends,
    concurrency: usize,
    shutdown: &Shutdown,
    progress: impl Fn(u32),
) -> Result<Requeued, Error> {
    let mut done = pin!(
        stream::iter(plan.chunks(KEYS))
            .take_until(Box::pin(shutdown.wait()))
            .map(|indices| requeue_batch(plan, backends, indices))
            .buffer_unordered(concurrency)
    );
    let mut all = Requeued::default();
    while let Some(batch) = done.next().await {
        let batch = batch?;
        all.enqueued += batch.enqueued;
        all.missing += batch.missing;
        all.looked_up += batch.looked_up;
        progress(batch.looked_up);
    }
    Ok(all)
}

async fn requeue_batch(plan: &Plan, backends: &Backends, indices: Range<u32>) -> Result<Requeued, Error> {
    let ids: Vec<MessageId> = plan.ids(indices).collect();
    let standings = backends.messages.get_messages(&ids).await?;
    let missing = standings.iter().filter(|standing| standing.is_none()).count();
    let pending: Vec<QueueMessage> = ids
        .iter()
        .zip(&standings)
        .filter(|(_, standing)| standing.is_some_and(|standing| standing.status == Some(Status::Pending)))
        .map(|(id, _)| QueueMessage { message: plan.message(*id), possibly_repeated: true })
        .collect();
    // One after the other: the flag bounds what is under way.
    for some in pending.chunks(queue::BATCH) {
        backends.queue.send(some.to_vec()).await?;
    }
    let size = |count: usize| u32::try_from(count).expect("at most a hundred");
    Ok(Requeued { enqueued: size(pending.len()), missing: size(missing), looked_up: size(ids.len()) })
}
