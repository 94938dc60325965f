//! Tests of the leases of messages in flight.

use super::*;
use crate::visibility::next_batch;
use futures::FutureExt;
use stentor_core::run::RunId;

const TIMEOUT: Duration = Duration::from_secs(60);

struct Set {
    in_flight: Rc<InFlight>,
    settlements: SettlementQueue,
}

impl Set {
    fn new() -> Self {
        let (in_flight, settlements) = InFlight::new(Rc::new(SenderState::new()));
        Self { in_flight, settlements }
    }

    /// Adds the same message with a lease that lasts until `lifetime` after now.
    fn add(&self, receipt: &str, lifetime: Duration) -> Option<InFlightMessage> {
        let id = MessageId::new(RunId::from_parts(1, 1), 0).unwrap();
        let now = BootInstant::now();
        self.in_flight.add(id, 1, 1, Lease::new(receipt.to_owned().into(), now, lifetime), now)
    }

    /// Checks the leases as if this time had passed, and returns the number of those to extend.
    fn check_after(&self, time: Duration) -> usize {
        self.in_flight.check_leases(BootInstant::now() + time).len()
    }

    fn expired(&self) -> u64 {
        self.in_flight.state.counters.borrow().leases_expired
    }

    fn released(&self) -> u64 {
        self.in_flight.state.counters.borrow().released
    }
}

#[test]
fn a_message_whose_lease_expires_before_its_start_is_dropped_and_not_released() {
    let mut set = Set::new();
    let message = set.add("1", TIMEOUT).unwrap();
    assert_eq!(set.check_after(2 * TIMEOUT), 0);
    assert_eq!((set.in_flight.len(), set.in_flight.undelivered(), set.expired()), (0, 0, 1));
    assert_eq!(message.start_delivery(|| true).now_or_never(), Some(DeliveryStart::Expired));
    drop(message);
    assert!(set.settlements.releases.try_recv().is_err());
    assert_eq!((set.released(), set.expired()), (0, 1));
}

#[test]
fn an_expired_lease_starts_nothing_before_any_check() {
    let set = Set::new();
    let message = set.add("1", Duration::from_millis(1)).unwrap();
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!(message.start_delivery(|| true).now_or_never(), Some(DeliveryStart::Expired));
    drop(message);
    assert_eq!((set.in_flight.undelivered(), set.released(), set.expired()), (0, 0, 1));
    assert!(set.add("2", Duration::ZERO).is_none(), "expired on arrival");
    assert_eq!((set.in_flight.len(), set.expired()), (0, 2));
}

#[test]
fn a_started_delivery_outlasts_its_lease_and_its_message_is_deleted() {
    let mut set = Set::new();
    let message = set.add("1", TIMEOUT).unwrap();
    assert_eq!(message.start_delivery(|| true).now_or_never(), Some(DeliveryStart::Started));
    assert_eq!(set.check_after(2 * TIMEOUT), 0, "an expired lease is not extended");
    assert_eq!((set.in_flight.undelivered(), set.expired()), (1, 1));
    message.end_delivery();
    assert_eq!((set.in_flight.len(), set.in_flight.undelivered()), (1, 0));
    message.settle(Settlement::Delete);
    assert!(set.settlements.deletes.try_recv().is_ok());
    assert_eq!((set.in_flight.len(), set.in_flight.unsettled(), set.expired()), (0, 1, 1));
}

#[test]
fn a_message_with_an_ending_lease_waits_for_the_extension() {
    for (lifetime, starts) in [(TIMEOUT, DeliveryStart::Started), (Duration::ZERO, DeliveryStart::Expired)] {
        let set = Set::new();
        let message = set.add("1", Duration::from_millis(20)).unwrap();
        assert_eq!(set.check_after(Duration::from_millis(15)), 1);
        std::thread::sleep(Duration::from_millis(20));
        let mut start = Box::pin(message.start_delivery(|| true));
        assert_eq!((&mut start).now_or_never(), None);
        set.in_flight.record_extended(message.id, &"1".to_owned().into(), BootInstant::now(), lifetime);
        assert_eq!(start.now_or_never(), Some(starts));
    }
}

#[test]
fn a_lease_that_expires_while_it_waits_for_its_extension_is_not_extended() {
    let set = Set::new();
    let message = set.add("1", Duration::from_millis(20)).unwrap();
    let due = set.in_flight.check_leases(BootInstant::now() + Duration::from_millis(15));
    assert_eq!(due.len(), 1);
    std::thread::sleep(Duration::from_millis(21));
    assert!(next_batch(&mut due.into(), &set.in_flight).is_empty());
    assert_eq!(message.start_delivery(|| true).now_or_never(), Some(DeliveryStart::Expired));
    assert_eq!((set.check_after(TIMEOUT), set.in_flight.len(), set.expired()), (0, 0, 1));
}

#[test]
fn a_message_received_again_while_its_extension_has_no_answer_is_looked_up() {
    let set = Set::new();
    let first = set.add("1", Duration::from_millis(20)).unwrap();
    assert_eq!(set.check_after(Duration::from_millis(15)), 1);
    std::thread::sleep(Duration::from_millis(21));
    let second = set.add("2", TIMEOUT).expect("another sender may have received it in between");
    assert_eq!(first.start_delivery(|| true).now_or_never(), Some(DeliveryStart::Expired));
    assert_eq!(second.start_delivery(|| true).now_or_never(), Some(DeliveryStart::Started));
    assert_eq!((set.in_flight.len(), set.in_flight.undelivered(), set.expired()), (1, 1, 1));
}

#[test]
fn a_message_received_again_is_another_one_only_after_its_lease_expired_before_its_start() {
    let mut set = Set::new();
    let first = set.add("1", Duration::from_millis(1)).unwrap();
    std::thread::sleep(Duration::from_millis(2));
    let second = set.add("2", TIMEOUT).expect("the first cannot be started any more");
    assert!(set.add("3", TIMEOUT).is_none(), "the second is in flight");
    assert_eq!(first.start_delivery(|| true).now_or_never(), Some(DeliveryStart::Expired));
    drop(first);
    assert_eq!((set.in_flight.len(), set.in_flight.undelivered()), (1, 1));
    assert_eq!(second.start_delivery(|| true).now_or_never(), Some(DeliveryStart::Started));
    drop(second);
    let releases = std::iter::from_fn(|| set.settlements.releases.try_recv().ok());
    assert_eq!(releases.count(), 2, "both leases of the second");
    assert_eq!((set.in_flight.undelivered(), set.released(), set.expired()), (0, 1, 1));
}

#[test]
fn a_message_that_is_late_is_not_started_and_can_be_later() {
    let set = Set::new();
    let message = set.add("1", TIMEOUT).unwrap();
    assert_eq!(message.start_delivery(|| false).now_or_never(), Some(DeliveryStart::Late));
    assert_eq!(message.start_delivery(|| true).now_or_never(), Some(DeliveryStart::Started));
}

#[test]
fn a_message_whose_lease_expires_before_its_start_is_noticed() {
    let set = Set::new();
    let message = set.add("1", TIMEOUT).unwrap();
    let mut expired = Box::pin(message.expired());
    assert_eq!((&mut expired).now_or_never(), None);
    set.check_after(Duration::from_secs(61));
    assert_eq!(expired.now_or_never(), Some(()));
}
