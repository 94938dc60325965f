//! The rooms a message goes through, joined by channels: `intake → delivery → conclusion → acknowledgement`.
//!
//! Each room ends when the one before it has let go of its last message, so that emptying them is nothing
//! but closing the first and waiting for the last.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use stentor_aws::{Error, MessagesTable, Queue};
use stentor_core::delivery::DeliveryModel;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, spawn_local};
use tokio_util::sync::CancellationToken;

use crate::acknowledgement::acknowledge;
use crate::appetite::Appetite;
use crate::conclusion::Conclusions;
use crate::counts::Counts;
use crate::delivery::{Delivered, Deliveries};
use crate::ending::FailureLimit;
use crate::hands::{Hands, Settlements};
use crate::intake::Intake;
use crate::keeping::keep_invisible;
use crate::seen::Seen;

/// What the rooms work with.
#[derive(Debug)]
pub(crate) struct Furnishing {
    pub queue: Queue,
    pub messages: MessagesTable,
    pub provider: DeliveryModel,
    /// Deliveries at once.
    pub slots: usize,
    pub max_attempts: u32,
    pub failure_limit: Option<FailureLimit>,
    /// The queue's visibility timeout.
    pub visibility: Duration,
    /// The sender's name.
    pub sender: String,
}

/// The rooms at work.
#[derive(Debug)]
pub(crate) struct Rooms {
    pub hands: Rc<Hands>,
    pub counts: Rc<Counts>,
    pub seen: Rc<Seen>,
    intake: JoinHandle<()>,
    conclusion: JoinHandle<()>,
    acknowledgement: JoinHandle<()>,
    ending: CancellationToken,
    limit_hit: CancellationToken,
    failures: mpsc::UnboundedReceiver<Error>,
}

impl Rooms {
    /// Opens them all; messages come in from now on.
    pub(crate) fn open(with: &Furnishing) -> Self {
        let (hands, settlements) = Hands::new();
        let (failed, failures) = mpsc::unbounded_channel();
        let (delivered, deliveries) = mpsc::unbounded_channel();
        let desk = Desk {
            hands,
            counts: Rc::new(Counts::default()),
            seen: Seen::nothing_yet(),
            ending: CancellationToken::new(),
            limit_hit: CancellationToken::new(),
            failed,
        };
        let rooms = Self {
            acknowledgement: desk.open_acknowledgement(with, settlements),
            conclusion: desk.open_conclusion(with, deliveries),
            intake: desk.open_intake(with, delivered),
            hands: Rc::clone(&desk.hands),
            counts: Rc::clone(&desk.counts),
            seen: Rc::clone(&desk.seen),
            ending: desk.ending.clone(),
            limit_hit: desk.limit_hit.clone(),
            failures,
        };
        desk.keep_invisible(with);
        rooms
    }

    /// Waits until the failure limit is hit; an error where a room cannot go on.
    pub(crate) async fn limit_hit(&mut self) -> Result<(), Error> {
        tokio::select! {
            biased;
            Some(error) = self.failures.recv() => Err(error),
            () = self.limit_hit.cancelled() => Ok(()),
        }
    }

    /// Takes no more, gives back what is unfinished, writes what is concluded; returns how many messages
    /// were given back.
    pub(crate) async fn empty(mut self) -> Result<u64, Error> {
        self.ending.cancel();
        let emptied = async {
            // A room ends by itself; were it to panic, its messages would come back by themselves.
            let _ = self.intake.await;
            let _ = self.conclusion.await;
            let released = self.hands.released();
            drop(self.hands);
            let _ = self.acknowledgement.await;
            released
        };
        tokio::select! {
            biased;
            Some(error) = self.failures.recv() => Err(error),
            released = emptied => Ok(released),
        }
    }
}

/// What the rooms share.
#[derive(Debug)]
struct Desk {
    hands: Rc<Hands>,
    counts: Rc<Counts>,
    seen: Rc<Seen>,
    ending: CancellationToken,
    limit_hit: CancellationToken,
    failed: mpsc::UnboundedSender<Error>,
}

impl Desk {
    fn open_intake(&self, with: &Furnishing, delivered: mpsc::UnboundedSender<Delivered>) -> JoinHandle<()> {
        let intake = Intake {
            queue: with.queue.clone(),
            messages: with.messages.clone(),
            hands: Rc::clone(&self.hands),
            counts: Rc::clone(&self.counts),
            seen: Rc::clone(&self.seen),
            visibility: with.visibility,
        };
        let deliveries = Deliveries {
            provider: with.provider,
            max_attempts: with.max_attempts,
            slots: Rc::new(Semaphore::new(with.slots)),
            ending: self.ending.clone(),
            delivered,
        };
        let appetite = Appetite::new(with.slots, with.provider.wait.mean());
        let (ending, fail) = (self.ending.clone(), self.failure());
        spawn_local(async move {
            let deliver = |held| drop(spawn_local(deliveries.clone().deliver(held)));
            intake.run(appetite, &ending, deliver).await.unwrap_or_else(fail);
        })
    }

    fn open_conclusion(
        &self,
        with: &Furnishing,
        deliveries: mpsc::UnboundedReceiver<Delivered>,
    ) -> JoinHandle<()> {
        let conclusions = Conclusions {
            messages: with.messages.clone(),
            counts: Rc::clone(&self.counts),
            seen: Rc::clone(&self.seen),
            sender: with.sender.clone(),
            attempts: Cell::new(0),
        };
        let (limit, limit_hit, counts) =
            (with.failure_limit, self.limit_hit.clone(), Rc::clone(&self.counts));
        let judge = move || {
            if limit.is_some_and(|limit| limit.is_hit(&counts)) {
                limit_hit.cancel();
            }
        };
        let fail = self.failure();
        spawn_local(async move { conclusions.run(deliveries, judge, fail).await })
    }

    fn open_acknowledgement(&self, with: &Furnishing, settlements: Settlements) -> JoinHandle<()> {
        let (queue, visibility, fail) = (with.queue.clone(), with.visibility, self.failure());
        spawn_local(async move { acknowledge(&queue, settlements, visibility, fail).await })
    }

    /// Ends by itself when the hands are gone.
    fn keep_invisible(&self, with: &Furnishing) {
        let (queue, visibility) = (with.queue.clone(), with.visibility);
        let (hands, fail) = (Rc::downgrade(&self.hands), self.failure());
        spawn_local(async move { keep_invisible(&queue, hands, visibility).await.unwrap_or_else(fail) });
    }

    fn failure(&self) -> impl Fn(Error) + use<> {
        let failed = self.failed.clone();
        // Only the first failure is told; nobody may be listening any more.
        move |error| drop(failed.send(error))
    }
}
