//! Takes messages from the queue, as many as the appetite says, and hands them to the deliveries.
//!
//! A message that may have been concluded before is looked up first. What is no message, or has no item in the
//! table, goes back: after ten receives the queue lays it with the dead letters.

use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use stentor_aws::queue::ReceivedMessage;
use stentor_aws::{Error, MessagesTable, Queue};
use stentor_core::delivery::Status;
use stentor_core::message::{MessageRecord, QueueMessage};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::appetite::{Appetite, Load};
use crate::counts::Counts;
use crate::hands::{Hands, Held};
use crate::seen::Seen;

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
                in_hand: self.hands.len() + self.hands.unsettled(),
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
        let received_at = Instant::now();
        let received = self.queue.receive(bite, LONG_POLL, self.visibility).await?;
        let got = received.len();
        if got > 0 {
            self.seen.something();
        }
        let (doubtful, mut fresh): (Vec<_>, Vec<_>) = received
            .into_iter()
            .filter_map(|received| self.open(received, received_at))
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
    fn open(&self, received: ReceivedMessage, received_at: Instant) -> Option<(Held, bool)> {
        let ReceivedMessage { body, receipt, receive_count } = received;
        let envelope = match QueueMessage::from_json(&body) {
            Ok(envelope) => envelope,
            Err(error) => {
                self.seen.warn_of_garbage(&error);
                self.hands.pass_on(receipt, HANDED_BACK_IN);
                return None;
            }
        };
        let id = envelope.message.id;
        self.seen.run(id.run());
        let doubtful = receive_count > 1 || envelope.possibly_repeated;
        Some((self.hands.take(id, receipt, receive_count, received_at, self.visibility)?, doubtful))
    }

    /// Looks messages up, and keeps those that are still pending.
    async fn sort_out(&self, doubtful: Vec<Held>) -> Result<Vec<Held>, Error> {
        if doubtful.is_empty() {
            return Ok(doubtful);
        }
        let ids: Vec<_> = doubtful.iter().map(Held::id).collect();
        let standings = self.messages.get_messages(&ids).await?;
        let mut pending = Vec::new();
        for (held, standing) in doubtful.into_iter().zip(standings) {
            match standing {
                Some(MessageRecord { status: Some(Status::Pending), .. }) => pending.push(held),
                Some(MessageRecord { status: Some(Status::Sent | Status::Failed), .. }) => {
                    self.counts.duplicate();
                    held.delete();
                }
                Some(MessageRecord { status: None, .. }) | None => {
                    self.seen.warn_of_missing(held.id());
                    held.give_back(HANDED_BACK_IN);
                }
            }
        }
        Ok(pending)
    }
}
