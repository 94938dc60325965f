//! What the sender holds: every message received and not yet settled, with the receipts it can be settled by.
//!
//! A [`Held`] message moves by value from intake to acknowledgement. Whoever drops it unfinished gives
//! it back to the queue, so that nothing can be forgotten.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use stentor_core::aws::queue::Receipt;
use stentor_core::message::MessageId;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// All that is in hand.
#[derive(Debug)]
pub(crate) struct Hands {
    grips: RefCell<HashMap<MessageId, Vec<Grip>>>,
    undelivered: Cell<usize>,
    released: Cell<u64>,
    changed: Notify,
    deletes: mpsc::UnboundedSender<Receipt>,
    returns: mpsc::UnboundedSender<Return>,
}

/// A receive of a message in hand. A message that came twice has two.
#[derive(Debug, Clone)]
struct Grip {
    receipt: Receipt,
    visible_again: Instant,
}

/// A receive that goes back to the queue.
#[derive(Debug, Clone)]
pub(crate) struct Return {
    pub receipt: Receipt,
    /// When others shall see it again.
    pub visible_in: Duration,
}

/// What is to be settled: receipts to delete, and receives to give back.
#[derive(Debug)]
pub(crate) struct Settlements {
    pub deletes: mpsc::UnboundedReceiver<Receipt>,
    pub returns: mpsc::UnboundedReceiver<Return>,
}

/// A message in hand.
#[derive(Debug)]
pub(crate) struct Held {
    id: MessageId,
    receive_count: u32,
    hands: Rc<Hands>,
    delivered: bool,
    settled: bool,
}

impl Hands {
    /// Empty hands; what they let go of comes out of the settlements, which end when the hands are gone.
    pub(crate) fn new() -> (Rc<Self>, Settlements) {
        let (deletes, deletes_out) = mpsc::unbounded_channel();
        let (returns, returns_out) = mpsc::unbounded_channel();
        let hands = Self {
            grips: RefCell::default(),
            undelivered: Cell::new(0),
            released: Cell::new(0),
            changed: Notify::new(),
            deletes,
            returns,
        };
        (Rc::new(hands), Settlements { deletes: deletes_out, returns: returns_out })
    }

    /// Takes a received message in hand. `None` where it is in hand already: it is not begun again, and what
    /// came now is settled together with it.
    pub(crate) fn take(
        self: &Rc<Self>,
        id: MessageId,
        receipt: Receipt,
        receive_count: u32,
        visible_again: Instant,
    ) -> Option<Held> {
        let grip = Grip { receipt, visible_again };
        let mut grips = self.grips.borrow_mut();
        if let Some(known) = grips.get_mut(&id) {
            known.push(grip);
            return None;
        }
        grips.insert(id, vec![grip]);
        self.undelivered.set(self.undelivered.get() + 1);
        Some(Held { id, receive_count, hands: Rc::clone(self), delivered: false, settled: false })
    }

    /// Gives back what is no message of ours.
    pub(crate) fn pass_on(&self, receipt: Receipt, visible_in: Duration) {
        // The receiver lives as long as the hands do.
        let _ = self.returns.send(Return { receipt, visible_in });
    }

    /// Messages in hand.
    pub(crate) fn len(&self) -> usize {
        self.grips.borrow().len()
    }

    /// Messages in hand whose delivery has not ended.
    pub(crate) fn undelivered(&self) -> usize {
        self.undelivered.get()
    }

    /// Messages that went back unfinished.
    pub(crate) fn released(&self) -> u64 {
        self.released.get()
    }

    /// Waits until something in the hands changes.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Receives that others could see again before `deadline`.
    pub(crate) fn visible_before(&self, deadline: Instant) -> Vec<Receipt> {
        let grips = self.grips.borrow();
        let due = grips.values().flatten().filter(|grip| grip.visible_again < deadline);
        due.map(|grip| grip.receipt.clone()).collect()
    }

    /// These receives stay invisible to others until then.
    pub(crate) fn extended(&self, receipts: &[Receipt], until: Instant) {
        for grip in self.grips.borrow_mut().values_mut().flatten() {
            if receipts.contains(&grip.receipt) {
                grip.visible_again = until;
            }
        }
    }

    fn end_delivery(&self) {
        self.undelivered.set(self.undelivered.get() - 1);
        self.changed.notify_one();
    }

    fn let_go(&self, id: MessageId) -> Vec<Receipt> {
        let grips = self.grips.borrow_mut().remove(&id).unwrap_or_default();
        self.changed.notify_one();
        grips.into_iter().map(|grip| grip.receipt).collect()
    }
}

impl Held {
    /// Which message it is.
    pub(crate) fn id(&self) -> MessageId {
        self.id
    }

    /// How often it was received, this time included.
    pub(crate) fn receive_count(&self) -> u32 {
        self.receive_count
    }

    /// Its delivery has ended: its slot is free, the message is still in hand.
    pub(crate) fn delivered(&mut self) {
        if !self.delivered {
            self.delivered = true;
            self.hands.end_delivery();
        }
    }

    /// It is concluded: away with it.
    pub(crate) fn delete(mut self) {
        self.settle(|hands, receipt| drop(hands.deletes.send(receipt)));
    }

    /// It is not concluded, and others may have it after that time.
    pub(crate) fn give_back(mut self, visible_in: Duration) {
        self.settle(|hands, receipt| hands.pass_on(receipt, visible_in));
    }

    fn settle(&mut self, how: impl Fn(&Hands, Receipt)) {
        self.delivered();
        self.settled = true;
        for receipt in self.hands.let_go(self.id) {
            how(&self.hands, receipt);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.settled {
            self.hands.released.set(self.hands.released.get() + 1);
            self.settle(|hands, receipt| hands.pass_on(receipt, Duration::ZERO));
        }
    }
}
