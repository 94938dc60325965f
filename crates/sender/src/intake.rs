//! Takes messages from the queue, as many as the appetite says, and hands them to the deliveries.
//!
//! A message that may have been concluded before is looked up first. What is no message, or has no item in the
//! table, goes back: after ten receives the queue lays it with the dead letters.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use stentor_core::aws::messages::Standing;
use stentor_core::aws::queue::Received;
use stentor_core::aws::{Error, MessagesTable, Queue};
use stentor_core::delivery::Status;
use stentor_core::message::Envelope;
use stentor_core::run::RunId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::appetite::{Appetite, Load};
use crate::counts::Counts;
use crate::hands::{Hands, Held};

/// How long a receive waits for a first message. An open receive is awaited when the sender stops, so this
/// is also how long that may take.
const LONG_POLL: Duration = Duration::from_secs(2);

/// How soon others see again what this sender can do nothing with.
pub(crate) const HANDED_BACK_IN: Duration = Duration::from_secs(1);

/// What the intake works with.
#[derive(Debug)]
pub(crate) struct Intake {
    pub queue: Queue,
    pub messages: MessagesTable,
    pub hands: Rc<Hands>,
    pub counts: Rc<Counts>,
    pub seen: Rc<Seen>,
    /// How long what comes stays invisible to others.
    pub visibility: Duration,
}

/// What has come so far.
#[derive(Debug)]
pub(crate) struct Seen {
    runs: RefCell<BTreeSet<RunId>>,
    warned_of: RefCell<BTreeSet<RunId>>,
    warned_of_garbage: Cell<bool>,
    last: Cell<Instant>,
}

impl Seen {
    pub(crate) fn nothing_yet() -> Rc<Self> {
        Rc::new(Self {
            runs: RefCell::default(),
            warned_of: RefCell::default(),
            warned_of_garbage: Cell::new(false),
            last: Cell::new(Instant::now()),
        })
    }

    /// The runs whose messages came.
    pub(crate) fn runs(&self) -> BTreeSet<RunId> {
        self.runs.borrow().clone()
    }

    /// When something came last; at first, when the sender started.
    pub(crate) fn last(&self) -> Instant {
        self.last.get()
    }

    /// Warns of a message without an item, once a run.
    pub(crate) fn warn_of_missing(&self, held: &Held) {
        if self.warned_of.borrow_mut().insert(held.id().run()) {
            tracing::warn!(
                "message {} is on the queue but not in the table; it and others like it go back, and end as dead letters",
                held.id()
            );
        }
    }
}

impl Intake {
    /// Takes messages until the wish to end; whatever an open receive still brings goes back. `deliver` gets
    /// each message that is to be delivered.
    pub(crate) async fn run(
        &self,
        mut appetite: Appetite,
        ending: &CancellationToken,
        deliver: impl Fn(Held),
    ) -> Result<(), Error> {
        let mut receives = FuturesUnordered::new();
        let mut asked_for = 0;
        while !ending.is_cancelled() {
            let load = Load {
                undelivered: self.hands.undelivered(),
                in_hand: self.hands.len(),
                asked_for,
                receives: receives.len(),
            };
            if let Some(bite) = appetite.bite(load) {
                asked_for += bite;
                receives.push(self.receive(bite));
                continue;
            }
            tokio::select! {
                Some(received) = receives.next() => {
                    let (asked, got, held) = received?;
                    asked_for -= asked;
                    appetite.learn(asked, got);
                    held.into_iter().for_each(&deliver);
                }
                () = self.hands.changed() => {}
                () = ending.cancelled() => {}
            }
        }
        while let Some(received) = receives.next().await {
            let (_, _, held) = received?;
            drop(held);
        }
        Ok(())
    }

    /// One receive: how many were asked for, how many came, and those that are to be delivered.
    async fn receive(&self, bite: usize) -> Result<(usize, usize, Vec<Held>), Error> {
        let visible_again = Instant::now() + self.visibility;
        let received = self.queue.receive(bite, LONG_POLL, self.visibility).await?;
        let got = received.len();
        if got > 0 {
            self.seen.last.set(Instant::now());
        }
        let (doubtful, mut fresh): (Vec<_>, Vec<_>) = received
            .into_iter()
            .filter_map(|received| self.open(received, visible_again))
            .partition(|(_, doubtful)| *doubtful);
        fresh.extend(
            self.sort_out(doubtful.into_iter().map(|(held, _)| held).collect())
                .await?
                .into_iter()
                .map(|held| (held, false)),
        );
        Ok((bite, got, fresh.into_iter().map(|(held, _)| held).collect()))
    }

    /// Takes a message in hand, and says whether it may have been concluded before.
    fn open(&self, received: Received, visible_again: Instant) -> Option<(Held, bool)> {
        let Received { body, receipt, receive_count } = received;
        let envelope = match Envelope::from_wire(&body) {
            Ok(envelope) => envelope,
            Err(error) => {
                if !self.seen.warned_of_garbage.replace(true) {
                    tracing::warn!(
                        "a body on the queue {error}; it and others like it go back, and end as dead letters"
                    );
                }
                self.hands.pass_on(receipt, HANDED_BACK_IN);
                return None;
            }
        };
        let id = envelope.message.id;
        self.seen.runs.borrow_mut().insert(id.run());
        let doubtful = receive_count > 1 || envelope.possibly_repeated;
        Some((self.hands.take(id, receipt, receive_count, visible_again)?, doubtful))
    }

    /// Looks messages up, and keeps those that are still pending.
    async fn sort_out(&self, doubtful: Vec<Held>) -> Result<Vec<Held>, Error> {
        if doubtful.is_empty() {
            return Ok(doubtful);
        }
        let ids: Vec<_> = doubtful.iter().map(Held::id).collect();
        let standings = self.messages.look_up(&ids).await?;
        let mut pending = Vec::new();
        for (held, standing) in doubtful.into_iter().zip(standings) {
            match standing {
                Some(Standing { status: Some(Status::Pending), .. }) => pending.push(held),
                Some(Standing { status: Some(Status::Sent | Status::Failed), .. }) => {
                    self.counts.duplicate();
                    held.delete();
                }
                Some(Standing { status: None, .. }) | None => {
                    self.seen.warn_of_missing(&held);
                    held.give_back(HANDED_BACK_IN);
                }
            }
        }
        Ok(pending)
    }
}
