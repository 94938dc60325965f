//! Extends the visibility timeout of messages in flight, so that no other sender receives them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::rc::{Rc, Weak};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use stentor_aws::Error;
use stentor_aws::boot_instant::BootInstant;
use stentor_aws::queue::BATCH;
use stentor_core::message::MessageId;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::Connections;
use crate::in_flight::InFlight;
use crate::lease::ExpiringLease;
use crate::state::SenderState;
use crate::summary::expired_leases;

/// The maximum number of concurrent requests. At 20 ms each, they extend 8,000 leases a second.
const MAX_REQUESTS: usize = 16;

/// The longest time from its receive for which a message can stay in flight: 12 h (Amazon SQS Developer Guide,
/// "Amazon SQS visibility timeout"), minus a minute for clock differences.
const MAX_VISIBILITY: Duration = Duration::from_secs(12 * 3_600 - 60);

/// How often the leases are checked. The shortest visibility timeout is five seconds.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The time between two checks from which on the process was paused in between: stopped by a signal, or on a machine that
/// was suspended.
const PAUSE: Duration = Duration::from_secs(3);

/// How often the visibility timeout is read from the queue.
pub(crate) const REFRESH_INTERVAL: Duration = Duration::from_secs(300);

/// Extends each lease when half of its visibility timeout is over, until the set is dropped. Reports leases that expired.
pub(crate) async fn extend_visibility(
    connections: Rc<Connections>,
    in_flight: Weak<InFlight>,
    state: Rc<SenderState>,
) -> Result<(), Error> {
    let mut ticks = interval(CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut report = ExpiryReport::new(BootInstant::now());
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
                let extended: Vec<ExtendedLease> = extended?;
                if let Some(in_flight) = in_flight.upgrade() {
                    for ExtendedLease { id, lease, from, lifetime } in extended {
                        in_flight.record_extended(id, &lease.receipt, from, lifetime);
                    }
                }
            }
            _ = ticks.tick() => {
                let Some(in_flight) = in_flight.upgrade() else { return Ok(()) };
                let now = BootInstant::now();
                expiring.extend(in_flight.check_leases(now));
                let expired = state.counters.borrow().leases_expired;
                if let Some(warning) = report.observe(now, expired) {
                    tracing::warn!("{warning}");
                }
            }
        }
    }
}

/// Reads the visibility timeout every `interval`, for ever, since it can be changed while senders run.
pub(crate) async fn refresh_visibility_timeout(connections: &Connections, interval: Duration) -> Infallible {
    loop {
        sleep(interval).await;
        if let Err(error) = connections.read_visibility_timeout().await {
            tracing::warn!("cannot read the visibility timeout again: {error}");
        }
    }
}

/// Reports leases that expired, once for each pause of the process.
#[derive(Debug)]
struct ExpiryReport {
    checked_at: BootInstant,
    reported: u64,
    was_paused: bool,
}

impl ExpiryReport {
    fn new(now: BootInstant) -> Self {
        Self { checked_at: now, reported: 0, was_paused: false }
    }

    /// Returns a warning if more leases have expired than at the last one. After a pause it comes with the next check:
    /// by then, the responses that arrived meanwhile are read.
    fn observe(&mut self, now: BootInstant, expired: u64) -> Option<String> {
        let since_check = now - std::mem::replace(&mut self.checked_at, now);
        if since_check >= PAUSE {
            self.was_paused = true;
            return None;
        }
        let was_paused = std::mem::take(&mut self.was_paused);
        let count = expired - std::mem::replace(&mut self.reported, expired);
        let when = if was_paused { "while the process was paused" } else { "before they could be extended" };
        let leases = expired_leases(count);
        (count > 0).then(|| format!("{leases} {when}; other senders can receive their messages"))
    }
}

/// A lease after its extension.
#[derive(Debug)]
struct ExtendedLease {
    id: MessageId,
    lease: ExpiringLease,
    from: BootInstant,
    /// Zero if the queue refused the extension.
    lifetime: Duration,
}

/// Takes leases for one request, without those that were settled in the meantime. Leases whose time is over expire.
pub(crate) fn next_batch(
    expiring: &mut VecDeque<(MessageId, ExpiringLease)>,
    in_flight: &InFlight,
) -> Vec<(MessageId, ExpiringLease)> {
    let now = BootInstant::now();
    std::iter::from_fn(|| expiring.pop_front())
        .filter(|(id, lease)| {
            let can_extend = in_flight.can_extend(*id, &lease.receipt, now);
            if !can_extend {
                in_flight.record_extended(*id, &lease.receipt, now, Duration::ZERO);
            }
            can_extend
        })
        .take(BATCH)
        .collect()
}

/// Extends a batch of leases.
async fn extend(
    connections: &Connections,
    leases: Vec<(MessageId, ExpiringLease)>,
) -> Result<Vec<ExtendedLease>, Error> {
    let (from, timeout) = (BootInstant::now(), connections.visibility_timeout.get());
    let (mut changes, mut extended, mut at_limit) = (Vec::new(), Vec::new(), Vec::new());
    for (id, lease) in leases {
        let lifetime = extension(from - lease.received_at, timeout);
        if lifetime.is_zero() {
            // At the limit of SQS: other senders can receive the message, and the first outcome counts.
            at_limit.push(ExtendedLease { id, lease, from, lifetime: MAX_VISIBILITY });
        } else {
            changes.push((lease.receipt.clone(), lifetime));
            extended.push(ExtendedLease { id, lease, from, lifetime });
        }
    }
    if !changes.is_empty() {
        let in_flight = connections.queue.change_visibility(changes).await?;
        for (lease, is_in_flight) in extended.iter_mut().zip(in_flight) {
            if !is_in_flight {
                lease.lifetime = Duration::ZERO;
            }
        }
    }
    extended.append(&mut at_limit);
    Ok(extended)
}

/// Computes the extension of a message received `age` ago, in whole seconds.
fn extension(age: Duration, visibility_timeout: Duration) -> Duration {
    Duration::from_secs(visibility_timeout.min(MAX_VISIBILITY.saturating_sub(age)).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Args;
    use clap::Parser;
    use stentor_fake_aws::FakeAws;
    use stentor_sign_in::{Destination, Endpoint};
    use tokio::time::timeout;
    use tokio_util::sync::CancellationToken;

    #[test]
    fn no_extension_exceeds_the_limit_of_the_queue() {
        let seconds =
            |age, visibility| extension(Duration::from_secs(age), Duration::from_secs(visibility)).as_secs();
        assert_eq!(seconds(30, 60), 60);
        assert_eq!(seconds(6 * 3_600, 43_200), 6 * 3_600 - 60);
        assert_eq!(seconds(43_140, 60), 0);
        assert_eq!(seconds(50_000, 60), 0);
    }

    #[test]
    fn expired_leases_are_reported_once_and_after_a_pause_with_the_next_check() {
        let start = BootInstant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut report = ExpiryReport::new(start);
        assert_eq!(report.observe(at(1), 0), None);
        assert_eq!(report.observe(at(26), 30), None);
        let warning = report.observe(at(27), 38).unwrap();
        assert!(warning.starts_with("38 leases expired while the process was paused; "), "{warning}");
        assert_eq!(report.observe(at(28), 38), None);
        let warning = report.observe(at(29), 39).unwrap();
        assert!(warning.starts_with("1 lease expired before "), "{warning}");
        assert_eq!(report.observe(at(39), 39), None);
        assert_eq!(report.observe(at(40), 39), None, "a pause in which nothing expired");
    }

    #[tokio::test]
    async fn the_visibility_timeout_is_read_at_the_start_and_again() {
        let fake = FakeAws::start("drill", Duration::ZERO).unwrap();
        fake.set_visibility_timeout(Duration::from_secs(90));
        let stack = "drill".parse().unwrap();
        let destination =
            Destination { stack, endpoint: Endpoint::Local(fake.port()), region: None, profile: None };
        let args = Args::parse_from(["sender"]);
        let settings = crate::settings::Settings::of(&args).unwrap();
        let (connections, _) =
            Connections::open(destination, CancellationToken::new(), &settings).await.unwrap();
        assert_eq!(connections.visibility_timeout.get(), Duration::from_secs(90));
        fake.set_visibility_timeout(Duration::from_secs(1));
        let is_changed = async {
            while connections.visibility_timeout.get() != crate::MIN_VISIBILITY {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            never = refresh_visibility_timeout(&connections, Duration::from_millis(1)) => match never {},
            changed = timeout(Duration::from_secs(30), is_changed) => changed.expect("the timeout is read again"),
        }
    }
}
