//! The messages in flight: received and not yet settled, with the leases that settle them.
//!
//! An [`InFlightMessage`] moves by value through the stages. Dropping it releases it, so no message is forgotten.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use stentor_aws::queue::ReceiptHandle;
use stentor_core::message::MessageId;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::settlement::{Settlement, SettlementQueue};
use crate::state::SenderState;

/// The set of messages in flight, which owns their leases.
#[derive(Debug)]
pub(crate) struct InFlight {
    leases: RefCell<HashMap<MessageId, Vec<Lease>>>,
    undelivered: Cell<usize>,
    unsettled: Cell<usize>,
    changed: Notify,
    state: Rc<SenderState>,
    deletes: UnboundedSender<ReceiptHandle>,
    releases: UnboundedSender<(ReceiptHandle, Duration)>,
}

/// The right to settle one receive of a message, until it expires. A message received twice has two leases.
#[derive(Debug)]
struct Lease {
    receipt: ReceiptHandle,
    received_at: Instant,
    expires_at: Instant,
    is_being_extended: bool,
}

#[derive(Debug)]
pub(crate) struct ExpiringLease {
    pub id: MessageId,
    pub receipt: ReceiptHandle,
    pub received_at: Instant,
}

/// A message in flight. Dropping it releases it at once.
#[derive(Debug)]
pub(crate) struct InFlightMessage {
    id: MessageId,
    attempt: u32,
    set: Rc<InFlight>,
    is_delivered: bool,
    is_settled: bool,
}

impl InFlight {
    /// Creates an empty set, and the input of the settlement stage, which is closed when the set is dropped.
    pub(crate) fn new(state: Rc<SenderState>) -> (Rc<Self>, SettlementQueue) {
        let (deletes, deletes_receiver) = unbounded_channel();
        let (releases, releases_receiver) = unbounded_channel();
        let in_flight = Self {
            leases: RefCell::default(),
            undelivered: Cell::new(0),
            unsettled: Cell::new(0),
            changed: Notify::new(),
            state,
            deletes,
            releases,
        };
        (Rc::new(in_flight), SettlementQueue { deletes: deletes_receiver, releases: releases_receiver })
    }

    /// Adds a received message. Returns `None` if it is in flight already: the new lease is settled with the others.
    pub(crate) fn add(
        self: &Rc<Self>,
        id: MessageId,
        attempt: u32,
        receipt: ReceiptHandle,
        received_at: Instant,
        expires_at: Instant,
    ) -> Option<InFlightMessage> {
        let lease = Lease { receipt, received_at, expires_at, is_being_extended: false };
        let mut all = self.leases.borrow_mut();
        let leases = all.entry(id).or_default();
        leases.push(lease);
        if leases.len() > 1 {
            return None;
        }
        self.undelivered.set(self.undelivered.get() + 1);
        Some(InFlightMessage { id, attempt, set: Rc::clone(self), is_delivered: false, is_settled: false })
    }

    /// Passes one receive to the settlement stage.
    pub(crate) fn settle(&self, receipt: ReceiptHandle, settlement: Settlement) {
        self.unsettled.set(self.unsettled.get() + 1);
        // The settlement stage receives as long as the set exists.
        match settlement {
            Settlement::Delete => drop(self.deletes.send(receipt)),
            Settlement::ReleaseAfter(delay) => drop(self.releases.send((receipt, delay))),
        }
    }

    /// Records that the settlement stage is done with this number of receives.
    pub(crate) fn record_settled(&self, receipts: usize) {
        self.unsettled.set(self.unsettled.get() - receipts);
        self.changed.notify_one();
    }

    /// Returns the number of receives that wait for the settlement stage. Their messages are not in the set.
    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled.get()
    }

    pub(crate) fn len(&self) -> usize {
        self.leases.borrow().len()
    }

    /// Returns the number of messages in the set whose delivery has not ended.
    pub(crate) fn undelivered(&self) -> usize {
        self.undelivered.get()
    }

    /// Waits until a delivery ends or a message is settled.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns the leases that expire before `deadline` and marks them as being extended.
    pub(crate) fn expiring_before(&self, deadline: Instant) -> Vec<ExpiringLease> {
        let mut all = self.leases.borrow_mut();
        let leases = all.iter_mut().flat_map(|(id, leases)| leases.iter_mut().map(|lease| (*id, lease)));
        leases
            .filter(|(_, lease)| !lease.is_being_extended && lease.expires_at < deadline)
            .map(|(id, lease)| {
                lease.is_being_extended = true;
                ExpiringLease { id, receipt: lease.receipt.clone(), received_at: lease.received_at }
            })
            .collect()
    }

    /// Returns whether the lease's message is still in the set.
    pub(crate) fn contains(&self, lease: &ExpiringLease) -> bool {
        self.leases
            .borrow()
            .get(&lease.id)
            .is_some_and(|of| of.iter().any(|own| own.receipt == lease.receipt))
    }

    /// Sets a new expiry of leases that were extended.
    pub(crate) fn record_extended(&self, extended: &[(ExpiringLease, Instant)]) {
        let mut all = self.leases.borrow_mut();
        for (lease, expires_at) in extended {
            let leases = all.get_mut(&lease.id).into_iter().flatten();
            for own in leases.filter(|own| own.receipt == lease.receipt) {
                own.expires_at = *expires_at;
                own.is_being_extended = false;
            }
        }
    }

    fn remove(&self, id: MessageId) -> Vec<Lease> {
        let leases = self.leases.borrow_mut().remove(&id).unwrap_or_default();
        self.changed.notify_one();
        leases
    }
}

impl InFlightMessage {
    pub(crate) fn id(&self) -> MessageId {
        self.id
    }

    /// Returns the number of the delivery attempt: how often the message was received, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Marks the delivery as ended, so that its slot can be filled again. The message stays in flight.
    pub(crate) fn end_delivery(&mut self) {
        if !self.is_delivered {
            self.is_delivered = true;
            self.set.undelivered.set(self.set.undelivered.get() - 1);
            self.set.changed.notify_one();
        }
    }

    /// Removes the message from the set and passes its leases to the settlement stage.
    pub(crate) fn settle(mut self, settlement: Settlement) {
        self.settle_leases(settlement);
    }

    fn settle_leases(&mut self, settlement: Settlement) {
        self.end_delivery();
        self.is_settled = true;
        for lease in self.set.remove(self.id) {
            self.set.settle(lease.receipt, settlement);
        }
    }
}

impl Drop for InFlightMessage {
    fn drop(&mut self) {
        if !self.is_settled {
            self.set.state.counters.borrow_mut().released += 1;
            self.settle_leases(Settlement::ReleaseAfter(Duration::ZERO));
        }
    }
}
