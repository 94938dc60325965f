//! Groups items of a channel into batches, for services that take several items in a request.
//!
//! As in Nagle's algorithm, a partial batch is handled at once if no other is being handled, and otherwise waits for
//! more items until one of those ends. So a slow sender has no delay, and a busy one fills its batches. A stream's
//! `chunks_timeout` would delay every partial batch by its timeout.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

/// The maximum number of full batches being handled concurrently.
const MAX_CONCURRENT_BATCHES: usize = 64;

/// Calls `handle` with batches of up to `size` items until the channel is closed and all items are handled. A partial
/// batch waits up to `linger` for more items even if no other is being handled.
pub(crate) async fn for_each_batch<T>(
    mut items: UnboundedReceiver<T>,
    size: usize,
    linger: Duration,
    handle: impl AsyncFn(Vec<T>),
) {
    let mut handling = FuturesUnordered::new();
    let mut batch = Vec::with_capacity(size);
    let mut open = true;
    let mut linger_until = Instant::now();
    while open || !batch.is_empty() || !handling.is_empty() {
        let is_lingering = open && !linger.is_zero() && Instant::now() < linger_until;
        let is_due = !batch.is_empty() && handling.is_empty() && !is_lingering;
        if is_due && batch.len() < size {
            // Collects the items of tasks that are ready to run.
            yield_now().await;
            while batch.len() < size
                && let Ok(item) = items.try_recv()
            {
                batch.push(item);
            }
        }
        let full = batch.len() == size;
        if (full && handling.len() < MAX_CONCURRENT_BATCHES) || is_due {
            handling.push(handle(std::mem::replace(&mut batch, Vec::with_capacity(size))));
        }
        tokio::select! {
            biased;
            Some(()) = handling.next() => {}
            item = items.recv(), if open && batch.len() < size => match item {
                Some(item) => {
                    if batch.is_empty() {
                        linger_until = Instant::now() + linger;
                    }
                    batch.push(item);
                }
                None => open = false,
            },
            () = sleep_until(linger_until), if is_lingering && !batch.is_empty() => {}
            else => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
    use tokio::time::sleep;

    async fn batches_of(size: usize, feed: impl AsyncFnOnce(UnboundedSender<u32>)) -> Vec<Vec<u32>> {
        lingering_batches_of(size, Duration::ZERO, feed).await
    }

    async fn lingering_batches_of(
        size: usize,
        linger: Duration,
        feed: impl AsyncFnOnce(UnboundedSender<u32>),
    ) -> Vec<Vec<u32>> {
        let batches = RefCell::new(Vec::new());
        let (sender, items) = unbounded_channel();
        let handle = async |batch: Vec<u32>| {
            batches.borrow_mut().push(batch);
            sleep(Duration::from_millis(100)).await;
        };
        tokio::join!(feed(sender), for_each_batch(items, size, linger, handle));
        batches.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_item_is_handled_at_once_and_later_ones_together() {
        let batches = batches_of(10, async |sender| {
            sender.send(0).unwrap();
            sleep(Duration::from_millis(10)).await;
            (1..5).for_each(|item| sender.send(item).unwrap());
        });
        assert_eq!(batches.await, [vec![0], vec![1, 2, 3, 4]]);
    }

    #[tokio::test(start_paused = true)]
    async fn full_batches_are_handled_concurrently() {
        let started = tokio::time::Instant::now();
        let batches =
            batches_of(10, async |sender| (0..45).for_each(|item| sender.send(item).unwrap())).await;
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 10, 10, 5]);
        assert!(started.elapsed() <= Duration::from_millis(200));
    }

    #[tokio::test(start_paused = true)]
    async fn a_partial_batch_lingers_until_its_time_is_over_or_the_channel_is_closed() {
        let started = Instant::now();
        let batches = lingering_batches_of(3, Duration::from_secs(1), async |sender| {
            for item in 0..8 {
                sender.send(item).unwrap();
                sleep(Duration::from_millis(400)).await;
            }
        });
        // Three items fill a batch in 0.8 s; the last two are handled when the channel is closed.
        assert_eq!(batches.await, [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7]]);
        assert!(started.elapsed() < Duration::from_millis(3_400));
        let slow = lingering_batches_of(3, Duration::from_secs(1), async |sender| {
            for item in 0..3 {
                sender.send(item).unwrap();
                sleep(Duration::from_millis(700)).await;
            }
        });
        assert_eq!(slow.await, [vec![0, 1], vec![2]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_empty_channel_gives_no_batch() {
        assert!(batches_of(10, async |_| {}).await.is_empty());
    }
}
