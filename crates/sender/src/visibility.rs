//! Extends the visibility timeout of messages in flight, so that no other sender receives them.

use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use stentor_aws::Error;
use stentor_aws::queue::BATCH;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::Connections;
use crate::in_flight::{ExpiringLease, InFlight};

/// The maximum number of concurrent requests. At 20 ms each, they extend 8,000 leases a second.
const MAX_REQUESTS: usize = 16;

/// The longest time from its receive for which a message can stay in flight: 12 h (Amazon SQS Developer Guide,
/// "Amazon SQS visibility timeout"), minus a minute for clock differences.
const MAX_VISIBILITY: Duration = Duration::from_secs(12 * 3_600 - 60);

/// Extends each lease when half of its visibility timeout is over, until the set is dropped.
pub(crate) async fn extend_visibility(
    connections: Rc<Connections>,
    in_flight: Weak<InFlight>,
) -> Result<(), Error> {
    let visibility_timeout = connections.visibility_timeout;
    let mut ticks =
        interval((visibility_timeout / 8).clamp(Duration::from_millis(100), Duration::from_secs(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut requests = FuturesUnordered::new();
    let mut expiring = VecDeque::new();
    loop {
        {
            let Some(in_flight) = in_flight.upgrade() else { return Ok(()) };
            while requests.len() < MAX_REQUESTS && !expiring.is_empty() {
                let batch = next_batch(&mut expiring, &in_flight);
                requests.push(extend(&connections, batch));
            }
        }
        tokio::select! {
            Some(extended) = requests.next() => {
                let extended: Vec<(ExpiringLease, Instant)> = extended?;
                if let Some(in_flight) = in_flight.upgrade() {
                    in_flight.record_extended(&extended);
                }
            }
            _ = ticks.tick() => {
                let Some(in_flight) = in_flight.upgrade() else { return Ok(()) };
                expiring.extend(in_flight.expiring_before(Instant::now() + visibility_timeout / 2));
            }
        }
    }
}

/// Takes leases for one request, without those that were settled in the meantime.
fn next_batch(expiring: &mut VecDeque<ExpiringLease>, in_flight: &InFlight) -> Vec<ExpiringLease> {
    std::iter::from_fn(|| expiring.pop_front())
        .filter(|lease| in_flight.contains(lease))
        .take(BATCH)
        .collect()
}

/// Extends a batch of leases and returns their new expiry.
async fn extend(
    connections: &Connections,
    leases: Vec<ExpiringLease>,
) -> Result<Vec<(ExpiringLease, Instant)>, Error> {
    let now = Instant::now();
    let (mut changes, mut extended) = (Vec::new(), Vec::new());
    for lease in leases {
        let extension = extension(now - lease.received_at, connections.visibility_timeout);
        if extension.is_zero() {
            // At the limit of SQS: other senders can receive the message, and the first outcome counts.
            extended.push((lease, now + MAX_VISIBILITY));
        } else {
            changes.push((lease.receipt.clone(), extension));
            extended.push((lease, now + extension));
        }
    }
    if !changes.is_empty() {
        connections.queue.change_visibility(changes).await?;
    }
    Ok(extended)
}

/// Computes the extension of a message received `age` ago, in whole seconds.
fn extension(age: Duration, visibility_timeout: Duration) -> Duration {
    Duration::from_secs(visibility_timeout.min(MAX_VISIBILITY.saturating_sub(age)).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_extension_exceeds_the_limit_of_the_queue() {
        let seconds =
            |age, visibility| extension(Duration::from_secs(age), Duration::from_secs(visibility)).as_secs();
        assert_eq!(seconds(30, 60), 60);
        assert_eq!(seconds(6 * 3_600, 43_200), 6 * 3_600 - 60);
        assert_eq!(seconds(43_140, 60), 0);
        assert_eq!(seconds(50_000, 60), 0);
    }
}
