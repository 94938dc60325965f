//! The table as the backup that the queue is rebuilt from.

use std::ops::Range;
use std::pin::pin;

use futures::stream::{self, StreamExt};
use stentor_core::aws::messages::KEYS;
use stentor_core::aws::{Error, queue};
use stentor_core::cli::Stop;
use stentor_core::delivery::Status;
use stentor_core::message::{Envelope, MessageId};
use stentor_core::run::Plan;

use crate::pipeline::Stores;

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
    stores: &Stores,
    concurrency: usize,
    stop: &Stop,
    progress: impl Fn(u32),
) -> Result<Requeued, Error> {
    let mut done = pin!(
        stream::iter(plan.chunks(KEYS))
            .take_until(Box::pin(stop.requested()))
            .map(|indices| requeue_batch(plan, stores, indices))
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

async fn requeue_batch(plan: &Plan, stores: &Stores, indices: Range<u32>) -> Result<Requeued, Error> {
    let ids: Vec<MessageId> = plan.ids(indices).collect();
    let standings = stores.messages.look_up(&ids).await?;
    let missing = standings.iter().filter(|standing| standing.is_none()).count();
    let pending: Vec<Envelope> = ids
        .iter()
        .zip(&standings)
        .filter(|(_, standing)| standing.is_some_and(|standing| standing.status == Some(Status::Pending)))
        .map(|(id, _)| Envelope { message: plan.message(*id), possibly_repeated: true })
        .collect();
    // One after the other: the flag bounds what is under way.
    for some in pending.chunks(queue::BATCH) {
        stores.queue.send(some.to_vec()).await?;
    }
    let size = |count: usize| u32::try_from(count).expect("at most a hundred");
    Ok(Requeued { enqueued: size(pending.len()), missing: size(missing), looked_up: size(ids.len()) })
}
