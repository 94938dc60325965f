//! The last stage: deletes messages from the queue or releases them, in batches.

use std::rc::{Rc, Weak};
use std::time::Duration;

use stentor_aws::Error;
use stentor_aws::queue::{BATCH, ReceiptHandle};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::Connections;
use crate::batching::for_each_batch;
use crate::in_flight::InFlight;

/// The longest time a delete waits for a full batch, as SQS bills each request. The message has its outcome: should
/// the sender crash meanwhile, the sender that receives the message next finds the outcome and deletes it.
const MAX_LINGER: Duration = Duration::from_secs(1);

/// What happens to a message on the queue.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Settlement {
    /// Deleted: the message has an outcome.
    Delete,
    /// Released without an outcome: other senders can receive it after this time.
    ReleaseAfter(Duration),
}

impl Settlement {
    /// Releases a message that no sender can deliver. SQS moves it to the dead-letter queue after ten receives.
    pub(crate) const RELEASE_UNUSABLE: Self = Self::ReleaseAfter(Duration::from_secs(1));
}

/// The input of the settlement stage: a channel for each of SQS's two batch calls.
#[derive(Debug)]
pub(crate) struct SettlementQueue {
    pub deletes: UnboundedReceiver<ReceiptHandle>,
    pub releases: UnboundedReceiver<(ReceiptHandle, Duration)>,
}

#[derive(Debug)]
pub(crate) struct SettlementStage {
    pub connections: Rc<Connections>,
    pub in_flight: Weak<InFlight>,
    pub errors: UnboundedSender<Error>,
}

impl SettlementStage {
    /// Settles messages until the [`InFlight`] set is dropped.
    pub(crate) async fn run(self, input: SettlementQueue) {
        let Connections { queue, visibility_timeout, .. } = &*self.connections;
        // Leases of messages with an outcome are not extended; half of the visibility timeout is left at least.
        let linger = MAX_LINGER.min(visibility_timeout.get() / 8);
        let deletes = for_each_batch(input.deletes, BATCH, linger, async |receipts: Vec<ReceiptHandle>| {
            self.finish(receipts.len(), queue.delete(receipts).await);
        });
        let releases = for_each_batch(input.releases, BATCH, Duration::ZERO, async |changes: Vec<_>| {
            self.finish(changes.len(), queue.change_visibility(changes).await.map(drop));
        });
        tokio::join!(deletes, releases);
    }

    fn finish(&self, receipts: usize, result: Result<(), Error>) {
        if let Some(in_flight) = self.in_flight.upgrade() {
            in_flight.record_settled(receipts);
        }
        if let Err(error) = result {
            let _ = self.errors.send(error);
        }
    }
}
