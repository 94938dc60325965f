//! A standard queue in memory, whose visibility timeouts really expire.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use md5::{Digest, Md5};

/// How often a message is received before it is a dead letter, as in the stack's template.
const MOST_RECEIVES: u32 = 10;

/// A message that waits, or is held by somebody.
#[derive(Debug)]
struct Message {
    body: Box<str>,
    md5: [u8; 16],
    /// What no other message of this queue has.
    serial: u64,
    receives: u32,
    /// When others see it again; `None` where they do.
    hidden_until: Option<Instant>,
}

/// A queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    slots: Vec<Option<Message>>,
    free: Vec<u32>,
    visible: VecDeque<u32>,
    hidden: BTreeSet<(Instant, u32)>,
    serial: u64,
}

/// A message as it is received.
#[derive(Debug)]
pub(super) struct Received<'q> {
    pub(super) body: &'q str,
    pub(super) md5: [u8; 16],
    /// What tells it from all others.
    pub(super) serial: u64,
    pub(super) receives: u32,
    pub(super) receipt: Receipt,
}

/// The right to one receive of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Receipt {
    slot: u32,
    serial: u64,
    receives: u32,
}

/// What came of a wish that needs a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is done.
    Done,
    /// The message is gone, or was received again since, or is held by nobody.
    Gone,
}

impl Receipt {
    pub(super) fn to_text(self) -> String {
        format!("{}-{}-{}", self.slot, self.serial, self.receives)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let receipt = Self {
            slot: parts.next()?.parse().ok()?,
            serial: parts.next()?.parse().ok()?,
            receives: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(receipt)
    }
}

/// As SQS and its clients write it.
pub(super) fn hex(md5: [u8; 16]) -> String {
    md5.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn md5(text: &str) -> [u8; 16] {
    Md5::digest(text.as_bytes()).into()
}

impl Queue {
    /// Takes a message in; returns what tells it from all others.
    pub(super) fn send(&mut self, body: &str, md5: [u8; 16]) -> u64 {
        self.serial += 1;
        self.put(Message { body: body.into(), md5, serial: self.serial, receives: 0, hidden_until: None });
        self.serial
    }

    /// Makes room for that many more.
    pub(super) fn reserve(&mut self, messages: usize) {
        self.slots.reserve(messages);
        self.visible.reserve(messages);
    }

    fn put(&mut self, message: Message) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("memory ends before four billion messages do")
        });
        self.slots[slot as usize] = Some(message);
        self.visible.push_back(slot);
    }

    /// Hands out up to `max` messages and hides them; what was received too often goes to `dead_letters`, where
    /// there are any. `give` is told of each.
    pub(super) fn receive(
        &mut self,
        max: usize,
        now: Instant,
        visibility: Duration,
        mut dead_letters: Option<&mut Queue>,
        mut give: impl FnMut(Received<'_>),
    ) -> usize {
        self.expire(now);
        let mut given = 0;
        // What is shown again at once is not handed out twice by one receive.
        for _ in 0..self.visible.len() {
            if given == max {
                break;
            }
            let Some(slot) = self.visible.pop_front() else { break };
            let Some(message) = self.slots[slot as usize].as_mut() else { continue };
            if let Some(dead_letters) = dead_letters.as_deref_mut()
                && message.receives >= MOST_RECEIVES
            {
                let message = self.slots[slot as usize].take().expect("it was there");
                self.free.push(slot);
                dead_letters.send(&message.body, message.md5);
                continue;
            }
            message.receives += 1;
            given += 1;
            give(Received {
                body: &message.body,
                md5: message.md5,
                serial: message.serial,
                receives: message.receives,
                receipt: Receipt { slot, serial: message.serial, receives: message.receives },
            });
            hide(&mut self.visible, &mut self.hidden, message, slot, now, visibility);
        }
        given
    }

    /// Deletes a message; a superseded receipt deletes nothing, and that is no error either.
    pub(super) fn delete(&mut self, receipt: Receipt) -> Settled {
        let Some(message) = self.held(receipt) else { return Settled::Gone };
        if let Some(until) = message.hidden_until {
            self.hidden.remove(&(until, receipt.slot));
        } else {
            // It came back before it was deleted: rare enough to be looked for.
            self.visible.retain(|slot| *slot != receipt.slot);
        }
        self.slots[receipt.slot as usize] = None;
        self.free.push(receipt.slot);
        Settled::Done
    }

    /// Makes a held message visible again after that time from now.
    pub(super) fn change_visibility(
        &mut self,
        receipt: Receipt,
        now: Instant,
        visibility: Duration,
    ) -> Settled {
        self.expire(now);
        let Some(until) = self.held(receipt).and_then(|message| message.hidden_until.take()) else {
            return Settled::Gone;
        };
        self.hidden.remove(&(until, receipt.slot));
        let message = self.slots[receipt.slot as usize].as_mut().expect("it is held");
        hide(&mut self.visible, &mut self.hidden, message, receipt.slot, now, visibility);
        Settled::Done
    }

    fn held(&mut self, receipt: Receipt) -> Option<&mut Message> {
        let message = self.slots.get_mut(receipt.slot as usize)?.as_mut()?;
        (message.serial == receipt.serial && message.receives == receipt.receives).then_some(message)
    }

    /// Shows again what was hidden until now.
    fn expire(&mut self, now: Instant) {
        while let Some((_, slot)) = self.hidden.first().filter(|(until, _)| *until <= now) {
            let slot = *slot;
            self.hidden.pop_first();
            if let Some(message) = self.slots[slot as usize].as_mut() {
                message.hidden_until = None;
                self.visible.push_back(slot);
            }
        }
    }

    /// When the next hidden message comes back.
    pub(super) fn next_return(&self) -> Option<Instant> {
        self.hidden.first().map(|(until, _)| *until)
    }

    /// How many messages wait, and how many are hidden.
    pub(super) fn backlog(&mut self, now: Instant) -> (usize, usize) {
        self.expire(now);
        (self.visible.len(), self.hidden.len())
    }
}

fn hide(
    visible: &mut VecDeque<u32>,
    hidden: &mut BTreeSet<(Instant, u32)>,
    message: &mut Message,
    slot: u32,
    now: Instant,
    visibility: Duration,
) {
    if visibility.is_zero() {
        message.hidden_until = None;
        visible.push_back(slot);
    } else {
        message.hidden_until = Some(now + visibility);
        hidden.insert((now + visibility, slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn receive(queue: &mut Queue, max: usize, now: Instant) -> Vec<(String, u32, Receipt)> {
        let mut received = Vec::new();
        queue.receive(max, now, MINUTE, None, |message| {
            received.push((message.body.to_owned(), message.receives, message.receipt));
        });
        received
    }

    fn queue(bodies: &[&str]) -> Queue {
        let mut queue = Queue::default();
        for body in bodies {
            queue.send(body, md5(body));
        }
        queue
    }

    #[test]
    fn a_message_is_hidden_until_its_time_is_over_and_then_counts_again() {
        let (mut queue, now) = (queue(&["a", "b"]), Instant::now());
        let first = receive(&mut queue, 10, now);
        assert_eq!(first.len(), 2);
        assert_eq!(queue.backlog(now), (0, 2));
        assert_eq!(queue.delete(first[0].2), Settled::Done);
        assert!(receive(&mut queue, 10, now + MINUTE.mul_f64(0.99)).is_empty());
        let again = receive(&mut queue, 10, now + MINUTE);
        assert_eq!((again.len(), again[0].0.as_str(), again[0].1), (1, "b", 2));
        // The first receipt is of no use any more.
        assert_eq!(queue.delete(first[1].2), Settled::Gone);
        assert_eq!(queue.delete(again[0].2), Settled::Done);
        assert_eq!(queue.backlog(now + MINUTE * 9), (0, 0));
    }

    #[test]
    fn visibility_can_be_stretched_and_given_up() {
        let (mut queue, now) = (queue(&["a"]), Instant::now());
        let held = receive(&mut queue, 1, now)[0].2;
        assert_eq!(queue.change_visibility(held, now, MINUTE * 5), Settled::Done);
        assert!(receive(&mut queue, 1, now + MINUTE * 4).is_empty());
        assert_eq!(queue.change_visibility(held, now + MINUTE, Duration::ZERO), Settled::Done);
        assert_eq!(queue.change_visibility(held, now + MINUTE, MINUTE), Settled::Gone, "nobody holds it");
        assert_eq!(receive(&mut queue, 1, now + MINUTE).len(), 1);
    }

    #[test]
    fn a_message_that_came_back_can_still_be_deleted_by_its_last_receipt() {
        let (mut queue, now) = (queue(&["a", "b"]), Instant::now());
        let held = receive(&mut queue, 1, now)[0].2;
        assert_eq!(queue.backlog(now + MINUTE), (2, 0));
        assert_eq!(queue.delete(held), Settled::Done);
        assert_eq!(queue.send("c", md5("c")), 3);
        let left: Vec<_> = receive(&mut queue, 10, now + MINUTE).into_iter().map(|(body, ..)| body).collect();
        assert_eq!(left, ["b", "c"]);
        assert_eq!(queue.delete(held), Settled::Gone, "its slot is another's now");
    }

    #[test]
    fn the_eleventh_receive_makes_a_dead_letter() {
        let (mut queue, mut dead, now) = (queue(&["a"]), Queue::default(), Instant::now());
        for count in 1..=10 {
            let mut seen = 0;
            queue.receive(10, now, Duration::ZERO, Some(&mut dead), |message| seen = message.receives);
            assert_eq!(seen, count);
        }
        assert_eq!(queue.receive(10, now, Duration::ZERO, Some(&mut dead), |_| ()), 0);
        assert_eq!((queue.backlog(now), dead.backlog(now)), ((0, 0), (1, 0)));
    }

    #[test]
    fn receipts_and_sums_are_written_as_their_readers_expect() {
        let receipt = Receipt { slot: 3, serial: 9, receives: 1 };
        assert_eq!(Receipt::parse(&receipt.to_text()), Some(receipt));
        for bad in ["", "1-2", "1-2-3-4", "a-b-c"] {
            assert_eq!(Receipt::parse(bad), None, "{bad}");
        }
        assert_eq!(hex(md5("hello")), "5d41402abc4b2a76b9719d911017c592");
    }
}
