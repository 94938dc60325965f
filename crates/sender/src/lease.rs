//! The lease of a received message: the right to settle it while it is invisible to other senders.

use std::time::Duration;

use stentor_aws::boot_instant::BootInstant;
use stentor_aws::queue::ReceiptHandle;

/// The lease of one receive of a message. Its time includes that for which the machine is suspended, as on the queue.
#[derive(Debug)]
pub(crate) struct Lease {
    pub receipt: ReceiptHandle,
    received_at: BootInstant,
    expires_at: BootInstant,
    /// The time granted by the receive or the last extension.
    lifetime: Duration,
    is_being_extended: bool,
    /// Whether its expiry was counted.
    pub is_counted: bool,
}

/// The better state is the smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LeaseState {
    Valid,
    /// It ends soon, or its extension has no answer yet. An extension that succeeds makes it valid again.
    Ending,
    /// Other senders can receive the message.
    Expired,
}

/// What an extension of a lease needs.
#[derive(Debug)]
pub(crate) struct ExpiringLease {
    pub receipt: ReceiptHandle,
    pub received_at: BootInstant,
}

impl Lease {
    /// Creates the lease of a message that is invisible for `lifetime` from `received_at` on.
    pub(crate) fn new(receipt: ReceiptHandle, received_at: BootInstant, lifetime: Duration) -> Self {
        let expires_at = received_at + lifetime;
        Self { receipt, received_at, expires_at, lifetime, is_being_extended: false, is_counted: false }
    }

    /// Returns whether its time is over, so that other senders can receive the message unless an extension succeeds.
    pub(crate) fn is_over(&self, now: BootInstant) -> bool {
        (self.expires_at - now).is_zero()
    }

    pub(crate) fn state(&self, now: BootInstant) -> LeaseState {
        if self.is_over(now) && !self.is_being_extended {
            LeaseState::Expired
        } else if self.expires_at - now < self.lifetime / 4 {
            LeaseState::Ending
        } else {
            LeaseState::Valid
        }
    }

    /// Returns what an extension needs, once half of the lifetime is over, and marks the lease as being extended.
    pub(crate) fn start_extension(&mut self, now: BootInstant) -> Option<ExpiringLease> {
        if self.is_being_extended || self.is_over(now) || self.expires_at - now >= self.lifetime / 2 {
            return None;
        }
        self.is_being_extended = true;
        Some(ExpiringLease { receipt: self.receipt.clone(), received_at: self.received_at })
    }

    /// Sets the lifetime, which began at `from`; zero if the queue has refused the extension.
    pub(crate) fn end_extension(&mut self, from: BootInstant, lifetime: Duration) {
        self.is_being_extended = false;
        (self.expires_at, self.lifetime) = (from + lifetime, lifetime);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);

    fn lease(received_at: BootInstant) -> Lease {
        Lease::new(ReceiptHandle::from("r".to_owned()), received_at, TIMEOUT)
    }

    #[test]
    fn a_lease_is_valid_then_ending_then_expired() {
        let start = BootInstant::now();
        let state = |seconds| lease(start).state(start + Duration::from_secs(seconds));
        assert_eq!([0, 45].map(state), [LeaseState::Valid; 2]);
        assert_eq!([46, 59].map(state), [LeaseState::Ending; 2]);
        assert_eq!([60, 600].map(state), [LeaseState::Expired; 2]);
    }

    #[test]
    fn a_lease_is_extended_from_half_of_its_lifetime_on_but_not_once_it_has_expired() {
        let start = BootInstant::now();
        let due = |seconds| lease(start).start_extension(start + Duration::from_secs(seconds)).is_some();
        assert_eq!([0, 30, 31, 59, 60, 90].map(due), [false, false, true, true, false, false]);
    }

    #[test]
    fn an_answer_decides_about_a_lease_whose_extension_outlasts_it() {
        let start = BootInstant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (lifetime, state) in [(TIMEOUT, LeaseState::Valid), (Duration::ZERO, LeaseState::Expired)] {
            let mut lease = lease(start);
            assert!(lease.start_extension(at(50)).is_some());
            assert!(lease.start_extension(at(51)).is_none(), "one request at a time");
            assert_eq!(lease.state(at(70)), LeaseState::Ending);
            lease.end_extension(at(50), lifetime);
            assert_eq!(lease.state(at(70)), state);
        }
    }
}
