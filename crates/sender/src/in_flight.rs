//! The messages in flight: received and not yet settled, with the leases that settle them.
//!
//! An [`InFlightMessage`] moves by value through the stages. Dropping it releases it, so no message is forgotten. A
//! message is started only with a valid lease: once its lease has expired, another sender can receive it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, hash_map};
use std::rc::Rc;
use std::time::Duration;

use stentor_aws::boot_instant::BootInstant;
use stentor_aws::queue::ReceiptHandle;
use stentor_core::message::MessageId;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::lease::{ExpiringLease, Lease, LeaseState};
use crate::settlement::{Settlement, SettlementQueue};
use crate::state::SenderState;

/// The set of messages in flight, which owns their leases.
#[derive(Debug)]
pub(crate) struct InFlight {
    entries: RefCell<HashMap<MessageId, Entry>>,
    next_serial: Cell<u64>,
    undelivered: Cell<usize>,
    unsettled: Cell<usize>,
    changed: Notify,
    leases_changed: Notify,
    state: Rc<SenderState>,
    deletes: UnboundedSender<ReceiptHandle>,
    releases: UnboundedSender<(ReceiptHandle, Duration)>,
}

/// What the set holds of a message. A message received twice has two leases.
#[derive(Debug)]
struct Entry {
    /// Distinguishes the message from an earlier one with its ID, which was dropped when its lease expired.
    serial: u64,
    stage: Stage,
    leases: Vec<Lease>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its delivery has not started.
    Waiting,
    Started,
    /// Its delivery has ended; its outcome is being recorded.
    Delivered,
}

/// A message in flight. Dropping it releases it at once.
#[derive(Debug)]
pub(crate) struct InFlightMessage {
    id: MessageId,
    serial: u64,
    attempt: u32,
    /// Parts of its text; 1 without a provider.
    parts: u32,
    /// When the message was created, ms since the epoch, where that is known.
    created_at: Option<u64>,
    set: Rc<InFlight>,
    is_settled: bool,
}

/// The result of [`InFlightMessage::start_delivery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeliveryStart {
    Started,
    /// The lease has expired: the message must not be delivered, since other senders can receive it.
    Expired,
    /// The reserved start has passed. The message can be started later.
    Late,
}

impl InFlight {
    /// Creates an empty set, and the input of the settlement stage, which is closed when the set is dropped.
    pub(crate) fn new(state: Rc<SenderState>) -> (Rc<Self>, SettlementQueue) {
        let (deletes, deletes_receiver) = unbounded_channel();
        let (releases, releases_receiver) = unbounded_channel();
        let in_flight = Self {
            entries: RefCell::default(),
            next_serial: Cell::new(0),
            undelivered: Cell::new(0),
            unsettled: Cell::new(0),
            changed: Notify::new(),
            leases_changed: Notify::new(),
            state,
            deletes,
            releases,
        };
        (Rc::new(in_flight), SettlementQueue { deletes: deletes_receiver, releases: releases_receiver })
    }

    /// Adds a received message. Returns `None` if its lease has expired already, or if it is in flight already: then the
    /// new lease is settled with the others.
    pub(crate) fn add(
        self: &Rc<Self>,
        id: MessageId,
        attempt: u32,
        parts: u32,
        mut lease: Lease,
        now: BootInstant,
    ) -> Option<InFlightMessage> {
        if self.count_if_expired(&mut lease, now) {
            return None;
        }
        let serial = self.next_serial.get();
        let received = |lease| Entry { serial, stage: Stage::Waiting, leases: vec![lease] };
        match self.entries.borrow_mut().entry(id) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(received(lease));
                self.undelivered.set(self.undelivered.get() + 1);
            }
            hash_map::Entry::Occupied(mut occupied) => {
                let entry = occupied.get_mut();
                // Also while an extension has no answer: another sender may have received it before this one.
                let was_visible = entry.leases.iter().all(|lease| lease.is_over(now));
                if entry.stage != Stage::Waiting || !was_visible {
                    entry.leases.push(lease);
                    return None;
                }
                // Another sender may have delivered it since, so it is looked up as any message received again.
                entry.leases.iter_mut().for_each(|lease| self.expire(lease));
                *entry = received(lease);
            }
        }
        self.next_serial.set(serial + 1);
        let (set, created_at) = (Rc::clone(self), None);
        Some(InFlightMessage { id, serial, attempt, parts, created_at, set, is_settled: false })
    }

    /// Passes one receive to the settlement stage. Returns whether there is anything to do: an expired lease releases
    /// nothing.
    pub(crate) fn settle(&self, mut lease: Lease, settlement: Settlement) -> bool {
        let is_expired = self.count_if_expired(&mut lease, BootInstant::now());
        let receipt = lease.receipt;
        // The settlement stage receives as long as the set exists.
        match settlement {
            Settlement::Delete => drop(self.deletes.send(receipt)),
            // Another sender may have received it, and a release would make it visible to a third.
            Settlement::ReleaseAfter(_) if is_expired => return false,
            Settlement::ReleaseAfter(delay) => drop(self.releases.send((receipt, delay))),
        }
        self.unsettled.set(self.unsettled.get() + 1);
        true
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
        self.entries.borrow().len()
    }

    /// Returns the number of messages in the set whose delivery has not ended.
    pub(crate) fn undelivered(&self) -> usize {
        self.undelivered.get()
    }

    /// Waits until a delivery ends, or a message is settled or dropped.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Drops the messages whose leases have expired before their start, and returns the leases to extend, marked as being
    /// extended. A message whose delivery has started stays, since its outcome may be the first.
    pub(crate) fn check_leases(&self, now: BootInstant) -> Vec<(MessageId, ExpiringLease)> {
        let mut due = Vec::new();
        let mut dropped = 0;
        self.entries.borrow_mut().retain(|id, entry| {
            let leases = entry.leases.iter_mut();
            due.extend(leases.filter_map(|lease| lease.start_extension(now).map(|start| (*id, start))));
            let is_dropped = self.count_expired(entry, now);
            dropped += usize::from(is_dropped);
            !is_dropped
        });
        if dropped > 0 {
            self.undelivered.set(self.undelivered.get() - dropped);
            self.changed.notify_one();
        }
        self.leases_changed.notify_waiters();
        due
    }

    /// Returns whether a lease is in the set and its time is not over. Once it is, other senders can receive the message,
    /// although the queue would accept an extension.
    pub(crate) fn can_extend(&self, id: MessageId, receipt: &ReceiptHandle, now: BootInstant) -> bool {
        let entries = self.entries.borrow();
        let mut leases = entries.get(&id).into_iter().flat_map(|entry| &entry.leases);
        leases.find(|lease| lease.receipt == *receipt).is_some_and(|lease| !lease.is_over(now))
    }

    /// Records the end of an extension; see [`Lease::end_extension`].
    pub(crate) fn record_extended(
        &self,
        id: MessageId,
        receipt: &ReceiptHandle,
        from: BootInstant,
        lifetime: Duration,
    ) {
        let mut entries = self.entries.borrow_mut();
        let mut leases = entries.get_mut(&id).into_iter().flat_map(|entry| &mut entry.leases);
        if let Some(lease) = leases.find(|lease| lease.receipt == *receipt) {
            lease.end_extension(from, lifetime);
            self.leases_changed.notify_waiters();
        }
    }

    /// Counts the leases of an entry that have expired. Returns whether its delivery has not started and never can.
    fn count_expired(&self, entry: &mut Entry, now: BootInstant) -> bool {
        let expired: usize =
            entry.leases.iter_mut().map(|lease| usize::from(self.count_if_expired(lease, now))).sum();
        entry.stage == Stage::Waiting && expired == entry.leases.len()
    }

    /// Counts the lease if it has expired, which it returns.
    fn count_if_expired(&self, lease: &mut Lease, now: BootInstant) -> bool {
        let is_expired = lease.state(now) == LeaseState::Expired;
        if is_expired {
            self.expire(lease);
        }
        is_expired
    }

    /// Counts a lease that has expired, once.
    fn expire(&self, lease: &mut Lease) {
        if !std::mem::replace(&mut lease.is_counted, true) {
            self.state.counters.borrow_mut().leases_expired += 1;
        }
    }

    /// Changes the stage of a message that is in the set, unless its leases do not permit the start: `None` while that
    /// is open, `Some(false)` once it is certain.
    fn try_start(&self, message: &InFlightMessage, now: BootInstant) -> Option<bool> {
        let mut entries = self.entries.borrow_mut();
        let Some(entry) = entries.get_mut(&message.id).filter(|entry| entry.serial == message.serial) else {
            return Some(false);
        };
        match entry.leases.iter().map(|lease| lease.state(now)).min() {
            Some(LeaseState::Valid) => {
                entry.stage = Stage::Started;
                Some(true)
            }
            Some(LeaseState::Ending) => None,
            Some(LeaseState::Expired) | None => Some(false),
        }
    }

    fn remove(&self, message: &InFlightMessage) -> Vec<Lease> {
        let mut entries = self.entries.borrow_mut();
        let hash_map::Entry::Occupied(entry) = entries.entry(message.id) else { return Vec::new() };
        if entry.get().serial != message.serial {
            return Vec::new();
        }
        let entry = entry.remove();
        if entry.stage != Stage::Delivered {
            self.undelivered.set(self.undelivered.get() - 1);
        }
        self.changed.notify_one();
        entry.leases
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

    /// Returns the number of parts of the text; 1 without a provider.
    pub(crate) fn parts(&self) -> u32 {
        self.parts
    }

    /// Returns when the message was created, ms since the epoch; `None` if that is unknown.
    pub(crate) fn created_at(&self) -> Option<u64> {
        self.created_at
    }

    /// Sets when the message was created, unless `at` is unknown.
    pub(crate) fn set_created_at(&mut self, at: Option<u64>) {
        self.created_at = at.or(self.created_at);
    }

    /// Marks the delivery as started, once an ending lease is extended and while it is on time.
    pub(crate) async fn start_delivery(&self, is_on_time: impl Fn() -> bool) -> DeliveryStart {
        loop {
            let leases_changed = self.set.leases_changed.notified();
            if !is_on_time() {
                return DeliveryStart::Late;
            }
            match self.set.try_start(self, BootInstant::now()) {
                Some(true) => return DeliveryStart::Started,
                Some(false) => return DeliveryStart::Expired,
                None => leases_changed.await,
            }
        }
    }

    /// Waits until the message is dropped from the set, since its lease has expired before the start of its delivery.
    pub(crate) async fn expired(&self) {
        loop {
            let leases_changed = self.set.leases_changed.notified();
            if self.set.entries.borrow().get(&self.id).is_none_or(|entry| entry.serial != self.serial) {
                return;
            }
            leases_changed.await;
        }
    }

    /// Marks the delivery as ended, or as one that never starts, so that its slot can be filled again. The message stays in
    /// flight.
    pub(crate) fn end_delivery(&self) {
        let mut entries = self.set.entries.borrow_mut();
        let entry = entries.get_mut(&self.id).filter(|entry| entry.serial == self.serial);
        if let Some(entry) = entry.filter(|entry| entry.stage != Stage::Delivered) {
            entry.stage = Stage::Delivered;
            self.set.undelivered.set(self.set.undelivered.get() - 1);
            self.set.changed.notify_one();
        }
    }

    /// Removes the message from the set and passes its leases to the settlement stage.
    pub(crate) fn settle(mut self, settlement: Settlement) {
        self.settle_leases(settlement);
    }

    /// Returns whether there was a lease to settle.
    fn settle_leases(&mut self, settlement: Settlement) -> bool {
        self.is_settled = true;
        let leases = self.set.remove(self).into_iter();
        leases.map(|lease| self.set.settle(lease, settlement)).filter(|is_sent| *is_sent).count() > 0
    }
}

impl Drop for InFlightMessage {
    fn drop(&mut self) {
        if !self.is_settled && self.settle_leases(Settlement::ReleaseAfter(Duration::ZERO)) {
            self.set.state.counters.borrow_mut().released += 1;
        }
    }
}

#[cfg(test)]
mod tests;
