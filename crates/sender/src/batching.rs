//! Gathers what comes one by one into requests of many.
//!
//! Like Nagle's algorithm: a batch that is not full goes at once if no other is under way, and else
//! waits for company until one is answered. A slow sender waits for nothing; a busy one fills its batches.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

/// The most full batches under way at once.
const MOST_UNDER_WAY: usize = 64;

/// Passes all that comes to `handle`, up to `size` together, until the channel is closed and all is handled.
/// What is not urgent waits up to `linger` for company even when nothing is under way.
pub(crate) async fn in_batches<T>(
    mut items: mpsc::UnboundedReceiver<T>,
    size: usize,
    linger: Duration,
    handle: impl AsyncFn(Vec<T>),
) {
    let mut under_way = FuturesUnordered::new();
    let mut batch = Vec::with_capacity(size);
    let mut open = true;
    let mut lingers_until = Instant::now();
    while open || !batch.is_empty() || !under_way.is_empty() {
        let may_linger = open && !linger.is_zero() && Instant::now() < lingers_until;
        let alone = !batch.is_empty() && under_way.is_empty() && !may_linger;
        if alone && batch.len() < size {
            // Those who are ready in this same moment come along.
            yield_now().await;
            while batch.len() < size
                && let Ok(item) = items.try_recv()
            {
                batch.push(item);
            }
        }
        let full = batch.len() == size;
        if (full && under_way.len() < MOST_UNDER_WAY) || alone {
            under_way.push(handle(std::mem::replace(&mut batch, Vec::with_capacity(size))));
        }
        tokio::select! {
            biased;
            Some(()) = under_way.next() => {}
            item = items.recv(), if open && batch.len() < size => match item {
                Some(item) => {
                    if batch.is_empty() {
                        lingers_until = Instant::now() + linger;
                    }
                    batch.push(item);
                }
                None => open = false,
            },
            () = sleep_until(lingers_until), if may_linger && !batch.is_empty() => {}
            else => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use tokio::time::sleep;

    async fn batches_of(size: usize, feed: impl AsyncFnOnce(mpsc::UnboundedSender<u32>)) -> Vec<Vec<u32>> {
        lingering_batches_of(size, Duration::ZERO, feed).await
    }

    async fn lingering_batches_of(
        size: usize,
        linger: Duration,
        feed: impl AsyncFnOnce(mpsc::UnboundedSender<u32>),
    ) -> Vec<Vec<u32>> {
        let seen = RefCell::new(Vec::new());
        let (into, items) = mpsc::unbounded_channel();
        let handle = async |batch: Vec<u32>| {
            seen.borrow_mut().push(batch);
            sleep(Duration::from_millis(100)).await;
        };
        tokio::join!(feed(into), in_batches(items, size, linger, handle));
        seen.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_item_goes_at_once_and_those_behind_it_together() {
        let seen = batches_of(10, async |into| {
            into.send(0).unwrap();
            sleep(Duration::from_millis(10)).await;
            (1..5).for_each(|item| into.send(item).unwrap());
        });
        assert_eq!(seen.await, [vec![0], vec![1, 2, 3, 4]]);
    }

    #[tokio::test(start_paused = true)]
    async fn full_batches_do_not_wait_for_each_other() {
        let started = tokio::time::Instant::now();
        let seen = batches_of(10, async |into| (0..45).for_each(|item| into.send(item).unwrap())).await;
        assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 10, 10, 5]);
        assert!(started.elapsed() <= Duration::from_millis(200));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_linger_waits_for_company_and_no_longer_than_it_may_or_the_channel_is_open() {
        let started = Instant::now();
        let seen = lingering_batches_of(3, Duration::from_secs(1), async |into| {
            for item in 0..8 {
                into.send(item).unwrap();
                sleep(Duration::from_millis(400)).await;
            }
        });
        // Three fill a batch in 0.8 s; the last two go when no more can come.
        assert_eq!(seen.await, [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7]]);
        assert!(started.elapsed() < Duration::from_millis(3_400));
        let slow = lingering_batches_of(3, Duration::from_secs(1), async |into| {
            for item in 0..3 {
                into.send(item).unwrap();
                sleep(Duration::from_millis(700)).await;
            }
        });
        assert_eq!(slow.await, [vec![0, 1], vec![2]]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_left_when_the_channel_closes() {
        assert!(batches_of(10, async |_| {}).await.is_empty());
    }
}
