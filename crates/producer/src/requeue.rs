//! `producer requeue`: fills the queue again from the messages table.

use std::ops::Range;
use std::pin::pin;

use anyhow::anyhow;
use futures::stream::{self, StreamExt};
use stentor_aws::messages::KEYS;
use stentor_aws::{Error, queue};
use stentor_cli::format;
use stentor_cli::{ProgressLine, Shutdown, hints, status};
use stentor_core::delivery::Status;
use stentor_core::message::{MessageId, QueueMessage};
use stentor_core::run::Plan;

use crate::Call;
use crate::enqueue::Backends;

/// Counts of a requeue, up to now.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Requeued {
    /// Pending messages, sent to the queue again.
    enqueued: u32,
    /// Messages that the table does not have.
    missing: u32,
    /// Messages read.
    looked_up: u32,
}

impl Call<'_> {
    /// Enqueues what is pending of the run; returns the exit status. An error has the command that starts again.
    pub(crate) async fn requeue(self, concurrency: usize) -> anyhow::Result<u8> {
        let plan = &self.record.plan;
        let progress_line = ProgressLine::bar("looking up", plan.total(), 0, self.args.shared.quiet);
        let progress = |messages| progress_line.advance(messages);
        let requeued = requeue(plan, self.backends, concurrency, self.shutdown, progress).await;
        drop(progress_line);
        let (record, shutdown) = (self.record, self.shutdown);
        let again = format!("producer requeue {}", plan.run());
        let start_again = |error: anyhow::Error| anyhow!("{}\nStart again: {again}", hints::describe(&error));
        let requeued = requeued.map_err(|error| start_again(error.into()))?;
        self.print_summary(requeued.enqueued).await.map_err(start_again)?;
        if requeued.missing > 0 {
            let missing = format::thousands(requeued.missing.into());
            status(&if record.enqueued < plan.total() {
                format!("{missing} messages of the run do not exist yet: producer resume {}", plan.run())
            } else {
                format!("{missing} messages of the run have expired: the table keeps them for 7 days")
            });
        }
        match shutdown.code() {
            Some(code) if requeued.looked_up < plan.total() => {
                let [looked_up, total] =
                    [requeued.looked_up, plan.total()].map(|count| format::thousands(count.into()));
                status(&format!("interrupted after {looked_up} of {total} messages\nStart again: {again}"));
                Ok(code)
            }
            _ => Ok(0),
        }
    }
}

/// Reads every message of the plan and enqueues those that are pending, until the end or a shutdown. `progress` gets the
/// size of each batch read.
async fn requeue(
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
    let records = backends.messages.get_messages(&ids).await?;
    let missing = records.iter().filter(|record| record.is_none()).count();
    let pending: Vec<QueueMessage> = ids
        .iter()
        .zip(&records)
        .filter(|(_, record)| record.is_some_and(|record| record.status == Some(Status::Pending)))
        .map(|(id, _)| QueueMessage { message: plan.message(*id), possibly_repeated: true })
        .collect();
    // One request after another: the flag bounds the concurrency.
    for some in pending.chunks(queue::BATCH) {
        backends.queue.send(some.to_vec()).await?;
    }
    let size = |count: usize| u32::try_from(count).expect("at most a hundred");
    Ok(Requeued { enqueued: size(pending.len()), missing: size(missing), looked_up: size(ids.len()) })
}
