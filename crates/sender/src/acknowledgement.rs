//! Settles with the queue: deletes what is concluded, and gives back what is not.

use std::time::Duration;

use stentor_aws::queue::{BATCH, ReceiptHandle};
use stentor_aws::{Error, Queue};

use crate::batching::in_batches;
use crate::hands::{Return, Settlements};

/// How long a delete waits for others, as the queue bills each request. What it deletes is concluded: were the
/// sender to die meanwhile, the next who receives it finds that out.
const LONGEST_LINGER: Duration = Duration::from_secs(1);

/// Settles all that comes, until the hands are gone.
pub(crate) async fn acknowledge(
    queue: &Queue,
    settlements: Settlements,
    visibility: Duration,
    failed: impl Fn(Error),
) {
    // What is concluded is not kept invisible any more, and has half of the timeout left.
    let linger = LONGEST_LINGER.min(visibility / 8);
    let settled = settlements.settled();
    let tell = |receipts: usize, result: Result<(), Error>| {
        settled.count(receipts);
        result.unwrap_or_else(&failed);
    };
    let deletes = in_batches(settlements.deletes, BATCH, linger, async |receipts: Vec<ReceiptHandle>| {
        tell(receipts.len(), queue.delete(receipts).await);
    });
    let returns = in_batches(settlements.returns, BATCH, Duration::ZERO, async |returns: Vec<Return>| {
        let changes: Vec<_> = returns.into_iter().map(|back| (back.receipt, back.visible_in)).collect();
        tell(changes.len(), queue.change_visibility(changes).await);
    });
    tokio::join!(deletes, returns);
}
