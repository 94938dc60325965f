//! Keeps what is in hand invisible to others, for as long as it is in hand.

use std::rc::Weak;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use stentor_core::aws::queue::BATCH;
use stentor_core::aws::{Error, Queue};
use tokio::time::{Instant, sleep};

use crate::hands::Hands;

/// Requests under way at once: ten thousand messages in hand are extended within a few seconds.
const AT_ONCE: usize = 16;

/// Extends the visibility timeout of what is in hand whenever half of it is over, until the hands are gone.
pub(crate) async fn keep_invisible(
    queue: &Queue,
    hands: Weak<Hands>,
    visibility: Duration,
) -> Result<(), Error> {
    let tick = (visibility / 8).clamp(Duration::from_millis(100), Duration::from_secs(1));
    loop {
        sleep(tick).await;
        let Some(due) = hands.upgrade().map(|hands| hands.visible_before(Instant::now() + visibility / 2))
        else {
            return Ok(());
        };
        let mut extensions = stream::iter(due.chunks(BATCH))
            .map(async |receipts| {
                let until = Instant::now() + visibility;
                let changes = receipts.iter().map(|receipt| (receipt.clone(), visibility)).collect();
                queue.change_visibility(changes).await.map(|()| (receipts, until))
            })
            .buffer_unordered(AT_ONCE);
        while let Some(extended) = extensions.next().await {
            let (receipts, until) = extended?;
            if let Some(hands) = hands.upgrade() {
                hands.extended(receipts, until);
            }
        }
    }
}
