//! Keeps what is in hand invisible to others, for as long as it is in hand.

use std::collections::VecDeque;
use std::rc::Weak;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use stentor_aws::queue::BATCH;
use stentor_aws::{Error, Queue};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::hands::{Due, Hands};

/// Requests under way at once: at 20 ms each, eight thousand messages in hand are extended a second.
const AT_ONCE: usize = 16;

/// How long a message can be held from its receive on: 12 h (Amazon SQS Developer Guide, "Amazon SQS
/// visibility timeout"), less a minute for the clocks.
const LONGEST_HOLD: Duration = Duration::from_secs(12 * 3_600 - 60);

/// Extends the visibility timeout of what is in hand whenever half of it is over, until the hands are gone.
pub(crate) async fn keep_invisible(
    queue: &Queue,
    hands: Weak<Hands>,
    visibility: Duration,
) -> Result<(), Error> {
    let mut ticks = interval((visibility / 8).clamp(Duration::from_millis(100), Duration::from_secs(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = FuturesUnordered::new();
    let mut due = VecDeque::new();
    loop {
        {
            let Some(hands) = hands.upgrade() else { return Ok(()) };
            while under_way.len() < AT_ONCE && !due.is_empty() {
                let batch = next_batch(&mut due, |due| hands.still_hold(due));
                under_way.push(extend(queue, batch, visibility));
            }
        }
        tokio::select! {
            Some(extended) = under_way.next() => {
                let done: Vec<(Due, Instant)> = extended?;
                if let Some(hands) = hands.upgrade() {
                    hands.extended(&done);
                }
            }
            _ = ticks.tick() => {
                let Some(hands) = hands.upgrade() else { return Ok(()) };
                due.extend(hands.take_due(Instant::now() + visibility / 2));
            }
        }
    }
}

/// Takes the first of those that are due until a batch is full; what is no longer in hand is passed over.
fn next_batch(due: &mut VecDeque<Due>, in_hand: impl Fn(&Due) -> bool) -> Vec<Due> {
    std::iter::from_fn(|| due.pop_front()).filter(in_hand).take(BATCH).collect()
}

/// Extends one batch, and says until when each stays invisible.
async fn extend(queue: &Queue, due: Vec<Due>, visibility: Duration) -> Result<Vec<(Due, Instant)>, Error> {
    let now = Instant::now();
    let done: Vec<(Due, Duration)> = due
        .into_iter()
        .map(|due| (extension(now - due.received_at, visibility), due))
        .map(|(by, due)| (due, by))
        .collect();
    // Nothing left: it becomes visible to others, and whoever concludes it first has it.
    let changes: Vec<_> =
        done.iter().filter(|(_, by)| !by.is_zero()).map(|(due, by)| (due.receipt.clone(), *by)).collect();
    if !changes.is_empty() {
        queue.change_visibility(changes).await?;
    }
    let until = |by: Duration| if by.is_zero() { now + LONGEST_HOLD } else { now + by };
    Ok(done.into_iter().map(|(due, by)| (due, until(by))).collect())
}

/// By how much a message that has been held for `age` may be extended, in whole seconds.
fn extension(age: Duration, visibility: Duration) -> Duration {
    Duration::from_secs(visibility.min(LONGEST_HOLD.saturating_sub(age)).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_held_for_longer_than_the_queue_allows() {
        let seconds =
            |age, visibility| extension(Duration::from_secs(age), Duration::from_secs(visibility)).as_secs();
        assert_eq!(seconds(30, 60), 60);
        assert_eq!(seconds(6 * 3_600, 43_200), 6 * 3_600 - 60);
        assert_eq!(seconds(43_140, 60), 0);
        assert_eq!(seconds(50_000, 60), 0);
    }
}
