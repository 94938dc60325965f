//! Settles with the queue: deletes what is concluded, and gives back what is not.

use stentor_core::aws::queue::BATCH;
use stentor_core::aws::{Error, Queue};

use crate::batching::in_batches;
use crate::hands::Settlements;

/// Settles all that comes, until the hands are gone.
pub(crate) async fn acknowledge(queue: &Queue, settlements: Settlements, failed: impl Fn(Error)) {
    let deletes = in_batches(settlements.deletes, BATCH, async |receipts| {
        if let Err(error) = queue.delete(receipts).await {
            failed(error);
        }
    });
    let returns = in_batches(settlements.returns, BATCH, async |returns: Vec<crate::hands::Return>| {
        let changes = returns.into_iter().map(|back| (back.receipt, back.visible_in)).collect();
        if let Err(error) = queue.change_visibility(changes).await {
            failed(error);
        }
    });
    tokio::join!(deletes, returns);
}
