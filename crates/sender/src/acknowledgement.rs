//! Settles with the queue: deletes what is concluded, and gives back what is not.

use stentor_core::aws::queue::{BATCH, Receipt};
use stentor_core::aws::{Error, Queue};

use crate::batching::in_batches;
use crate::hands::{Return, Settlements};

/// Settles all that comes, until the hands are gone.
pub(crate) async fn acknowledge(queue: &Queue, settlements: Settlements, failed: impl Fn(Error)) {
    let settled = settlements.settled();
    let tell = |receipts: usize, result: Result<(), Error>| {
        settled.count(receipts);
        result.unwrap_or_else(&failed);
    };
    let deletes = in_batches(settlements.deletes, BATCH, async |receipts: Vec<Receipt>| {
        tell(receipts.len(), queue.delete(receipts).await);
    });
    let returns = in_batches(settlements.returns, BATCH, async |returns: Vec<Return>| {
        let changes: Vec<_> = returns.into_iter().map(|back| (back.receipt, back.visible_in)).collect();
        tell(changes.len(), queue.change_visibility(changes).await);
    });
    tokio::join!(deletes, returns);
}
