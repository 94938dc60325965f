//! `producer requeue`: fills the queue again from the messages table.

use std::future::ready;
use std::ops::Range;

use anyhow::anyhow;
use futures::stream::{self, StreamExt, TryStreamExt};
use stentor_aws::messages::KEYS;
use stentor_aws::{Error, queue};
use stentor_cli::format;
use stentor_cli::{Policy, ProgressLine, hints, status};
use stentor_core::delivery::Status;
use stentor_core::message::{MessageId, QueueMessage};

use crate::Call;

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
    pub(crate) async fn requeue(&self, concurrency: usize) -> anyhow::Result<u8> {
        let plan = &self.record.plan;
        let requeued = self.requeue_messages(concurrency).await;
        let again = self.command("requeue");
        let start_again = |error: anyhow::Error| {
            anyhow!("{}\nStart again: {again}", hints::describe(&error, Policy::Producer))
        };
        let requeued = requeued.map_err(|error| start_again(error.into()))?;
        self.print_summary(requeued.enqueued).await.map_err(start_again)?;
        if requeued.missing > 0 {
            let missing = format::counted(requeued.missing.into(), "message");
            status(&if self.record.enqueued < plan.total() {
                format!("the table lacks {missing} of the run: {}", self.command("resume"))
            } else {
                format!("the table no longer has {missing} of the run: it keeps messages for 7 days")
            });
        }
        match self.shutdown.code() {
            Some(code) if requeued.looked_up < plan.total() => {
                let looked_up = format::thousands(requeued.looked_up.into());
                let total = format::counted(plan.total().into(), "message");
                status(&format!("interrupted after {looked_up} of {total}\nStart again: {again}"));
                Ok(code)
            }
            _ => Ok(0),
        }
    }

    /// Reads every message of the plan and enqueues those that are pending, until the end or a shutdown.
    async fn requeue_messages(&self, concurrency: usize) -> Result<Requeued, Error> {
        let plan = &self.record.plan;
        let progress_line = ProgressLine::bar("looking up", plan.total(), 0, self.args.shared.quiet);
        let mut all = Requeued::default();
        let batches = stream::iter(plan.chunks(KEYS))
            .take_until(Box::pin(self.shutdown.wait()))
            .map(|indices| self.requeue_batch(indices))
            .buffer_unordered(concurrency);
        let add = |batch: Requeued| {
            all.enqueued += batch.enqueued;
            all.missing += batch.missing;
            all.looked_up += batch.looked_up;
            progress_line.advance(batch.looked_up);
            ready(Ok(()))
        };
        batches.try_for_each(add).await?;
        Ok(all)
    }

    async fn requeue_batch(&self, indices: Range<u32>) -> Result<Requeued, Error> {
        let (plan, backends) = (&self.record.plan, self.backends);
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
            backends.queue.send(some).await?;
        }
        let size = |count: usize| u32::try_from(count).expect("at most a hundred");
        Ok(Requeued { enqueued: size(pending.len()), missing: size(missing), looked_up: size(ids.len()) })
    }
}
