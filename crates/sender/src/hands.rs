//! What the sender holds: every message received and not yet settled, with the receipts it can be settled by.
//!
//! A [`Held`] message moves by value from intake to acknowledgement. Whoever drops it unfinished gives
//! it back to the queue, so that nothing can be forgotten.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use stentor_aws::queue::ReceiptHandle;
use stentor_core::message::MessageId;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// All that is in hand.
#[derive(Debug)]
pub(crate) struct Hands {
    grips: RefCell<HashMap<MessageId, Vec<Grip>>>,
    undelivered: Cell<usize>,
    released: Cell<u64>,
    unsettled: Rc<Cell<usize>>,
    changed: Rc<Notify>,
    deletes: mpsc::UnboundedSender<ReceiptHandle>,
    returns: mpsc::UnboundedSender<Return>,
}

/// A receive of a message in hand. A message that came twice has two.
#[derive(Debug, Clone)]
struct Grip {
    receipt: ReceiptHandle,
    received_at: Instant,
    visible_again: Instant,
    /// An extension is under way.
    extending: bool,
}

/// A receive that is to stay invisible to others for longer.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub id: MessageId,
    pub receipt: ReceiptHandle,
    pub received_at: Instant,
}

/// A receive that goes back to the queue.
#[derive(Debug, Clone)]
pub(crate) struct Return {
    pub receipt: ReceiptHandle,
    /// When others shall see it again.
    pub visible_in: Duration,
}

/// What is to be settled: receipts to delete, and receives to give back.
#[derive(Debug)]
pub(crate) struct Settlements {
    pub deletes: mpsc::UnboundedReceiver<ReceiptHandle>,
    pub returns: mpsc::UnboundedReceiver<Return>,
    unsettled: Rc<Cell<usize>>,
    changed: Rc<Notify>,
}

/// Counts what has been settled with the queue, or was tried in vain.
#[derive(Debug)]
pub(crate) struct Settled {
    unsettled: Rc<Cell<usize>>,
    changed: Rc<Notify>,
}

impl Settlements {
    pub(crate) fn settled(&self) -> Settled {
        Settled { unsettled: Rc::clone(&self.unsettled), changed: Rc::clone(&self.changed) }
    }
}

impl Settled {
    /// So many receipts need no more care.
    pub(crate) fn count(&self, receipts: usize) {
        self.unsettled.set(self.unsettled.get().saturating_sub(receipts));
        self.changed.notify_one();
    }
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
            unsettled: Rc::default(),
            changed: Rc::default(),
            deletes,
            returns,
        };
        let settlements = Settlements {
            deletes: deletes_out,
            returns: returns_out,
            unsettled: Rc::clone(&hands.unsettled),
            changed: Rc::clone(&hands.changed),
        };
        (Rc::new(hands), settlements)
    }

    /// Takes a received message in hand. `None` where it is in hand already: it is not begun again, and what
    /// came now is settled together with it.
    pub(crate) fn take(
        self: &Rc<Self>,
        id: MessageId,
        receipt: ReceiptHandle,
        receive_count: u32,
        received_at: Instant,
        visibility: Duration,
    ) -> Option<Held> {
        let grip = Grip { receipt, received_at, visible_again: received_at + visibility, extending: false };
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
    pub(crate) fn pass_on(&self, receipt: ReceiptHandle, visible_in: Duration) {
        self.unsettled.set(self.unsettled.get() + 1);
        // The receiver lives as long as the hands do.
        let _ = self.returns.send(Return { receipt, visible_in });
    }

    fn delete(&self, receipt: ReceiptHandle) {
        self.unsettled.set(self.unsettled.get() + 1);
        let _ = self.deletes.send(receipt);
    }

    /// Receipts of messages that are in hand no more, and that the queue has not been told of yet.
    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled.get()
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

    /// The receives that others could see again before `deadline`; from now on their extension is under way.
    pub(crate) fn take_due(&self, deadline: Instant) -> Vec<Due> {
        let mut grips = self.grips.borrow_mut();
        let all = grips.iter_mut().flat_map(|(id, grips)| grips.iter_mut().map(|grip| (*id, grip)));
        all.filter(|(_, grip)| !grip.extending && grip.visible_again < deadline)
            .map(|(id, grip)| {
                grip.extending = true;
                Due { id, receipt: grip.receipt.clone(), received_at: grip.received_at }
            })
            .collect()
    }

    /// Whether that receive is not settled yet.
    pub(crate) fn still_hold(&self, due: &Due) -> bool {
        self.grips.borrow().get(&due.id).is_some_and(|of| of.iter().any(|grip| grip.receipt == due.receipt))
    }

    /// These receives stay invisible to others until then.
    pub(crate) fn extended(&self, done: &[(Due, Instant)]) {
        let mut grips = self.grips.borrow_mut();
        for (due, until) in done {
            let grip =
                grips.get_mut(&due.id).and_then(|of| of.iter_mut().find(|grip| grip.receipt == due.receipt));
            if let Some(grip) = grip {
                grip.visible_again = *until;
                grip.extending = false;
            }
        }
    }

    fn end_delivery(&self) {
        self.undelivered.set(self.undelivered.get() - 1);
        self.changed.notify_one();
    }

    fn let_go(&self, id: MessageId) -> Vec<ReceiptHandle> {
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
        self.settle(Hands::delete);
    }

    /// It is not concluded, and others may have it after that time.
    pub(crate) fn give_back(mut self, visible_in: Duration) {
        self.settle(|hands, receipt| hands.pass_on(receipt, visible_in));
    }

    fn settle(&mut self, how: impl Fn(&Hands, ReceiptHandle)) {
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
