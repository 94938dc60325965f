//! A standard queue in memory. Visibility timeouts expire.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use md5::{Digest, Md5};

/// Maximum receives of a message before it moves to the dead-letter queue, as in the stack's template.
const MAX_RECEIVES: u32 = 10;

/// A message, visible or in flight.
#[derive(Debug)]
struct Message {
    body: Box<str>,
    md5: [u8; 16],
    /// Unique in this queue.
    serial: u64,
    receives: u32,
    /// When its visibility timeout ends; `None` while it is visible.
    hidden_until: Option<Instant>,
}

/// Messages in slots that are used again once they are free.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    slots: Vec<Option<Message>>,
    free: Vec<u32>,
    visible: VecDeque<u32>,
    hidden: BTreeSet<(Instant, u32)>,
    serial: u64,
}

/// A message of a receive.
#[derive(Debug)]
pub(crate) struct ReceivedMessage<'q> {
    pub(crate) body: &'q str,
    pub(crate) md5: [u8; 16],
    pub(crate) serial: u64,
    pub(crate) receives: u32,
    pub(crate) receipt: ReceiptHandle,
}

/// Identifies one receive of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReceiptHandle {
    slot: u32,
    serial: u64,
    receives: u32,
}

impl ReceiptHandle {
    pub(crate) fn to_text(self) -> String {
        format!("{}-{}-{}", self.slot, self.serial, self.receives)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let receipt = Self {
            slot: parts.next()?.parse().ok()?,
            serial: parts.next()?.parse().ok()?,
            receives: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(receipt)
    }
}

/// Formats a digest as SQS does.
pub(crate) fn hex(md5: [u8; 16]) -> String {
    md5.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn md5(text: &str) -> [u8; 16] {
    Md5::digest(text.as_bytes()).into()
}

impl Queue {
    /// Adds a message, and returns its serial number.
    pub(crate) fn send(&mut self, body: &str, md5: [u8; 16]) -> u64 {
        self.serial += 1;
        self.put(Message { body: body.into(), md5, serial: self.serial, receives: 0, hidden_until: None });
        self.serial
    }

    /// Allocates memory for that many more messages.
    pub(crate) fn reserve(&mut self, messages: usize) {
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

    /// Receives up to `max` messages, calls `visit` with each, and returns their number. Moves messages that reached
    /// the maximum of receives to `dead_letters`.
    pub(crate) fn receive(
        &mut self,
        max: usize,
        now: Instant,
        visibility: Duration,
        mut dead_letters: Option<&mut Queue>,
        mut visit: impl FnMut(ReceivedMessage<'_>),
    ) -> usize {
        self.expire(now);
        let mut received = 0;
        // With a visibility timeout of 0, one receive returns a message only once.
        for _ in 0..self.visible.len() {
            if received == max {
                break;
            }
            let Some(slot) = self.visible.pop_front() else { break };
            let Some(message) = self.slots[slot as usize].as_mut() else { continue };
            if let Some(dead_letters) = dead_letters.as_deref_mut()
                && message.receives >= MAX_RECEIVES
            {
                let message = self.slots[slot as usize].take().expect("it was there");
                self.free.push(slot);
                dead_letters.send(&message.body, message.md5);
                continue;
            }
            message.receives += 1;
            received += 1;
            visit(ReceivedMessage {
                body: &message.body,
                md5: message.md5,
                serial: message.serial,
                receives: message.receives,
                receipt: ReceiptHandle { slot, serial: message.serial, receives: message.receives },
            });
            hide(&mut self.visible, &mut self.hidden, message, slot, now, visibility);
        }
        received
    }

    /// Deletes a message; returns `false` where it was deleted or received again.
    pub(crate) fn delete(&mut self, receipt: ReceiptHandle) -> bool {
        let Some(message) = self.find(receipt) else { return false };
        if let Some(until) = message.hidden_until {
            self.hidden.remove(&(until, receipt.slot));
        } else {
            // Its visibility timeout has ended: rare enough for a linear search.
            self.visible.retain(|slot| *slot != receipt.slot);
        }
        self.slots[receipt.slot as usize] = None;
        self.free.push(receipt.slot);
        true
    }

    /// Sets the visibility timeout of a message, from now; returns `false` where it is not in flight by this receive.
    pub(crate) fn change_visibility(
        &mut self,
        receipt: ReceiptHandle,
        now: Instant,
        visibility: Duration,
    ) -> bool {
        self.expire(now);
        let Some(until) = self.find(receipt).and_then(|message| message.hidden_until.take()) else {
            return false;
        };
        self.hidden.remove(&(until, receipt.slot));
        let message = self.slots[receipt.slot as usize].as_mut().expect("it is in flight");
        hide(&mut self.visible, &mut self.hidden, message, receipt.slot, now, visibility);
        true
    }

    fn find(&mut self, receipt: ReceiptHandle) -> Option<&mut Message> {
        let message = self.slots.get_mut(receipt.slot as usize)?.as_mut()?;
        (message.serial == receipt.serial && message.receives == receipt.receives).then_some(message)
    }

    /// Makes messages visible whose visibility timeout has ended.
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

    /// When the next visibility timeout ends.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.hidden.first().map(|(until, _)| *until)
    }

    /// Counts the visible messages and those in flight.
    pub(crate) fn backlog(&mut self, now: Instant) -> (usize, usize) {
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

    fn receive(queue: &mut Queue, max: usize, now: Instant) -> Vec<(String, u32, ReceiptHandle)> {
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
    fn a_message_is_visible_again_after_its_visibility_timeout() {
        let (mut queue, now) = (queue(&["a", "b"]), Instant::now());
        let first = receive(&mut queue, 10, now);
        assert_eq!(first.len(), 2);
        assert_eq!(queue.backlog(now), (0, 2));
        assert!(queue.delete(first[0].2));
        assert!(receive(&mut queue, 10, now + MINUTE.mul_f64(0.99)).is_empty());
        let again = receive(&mut queue, 10, now + MINUTE);
        assert_eq!((again.len(), again[0].0.as_str(), again[0].1), (1, "b", 2));
        assert!(!queue.delete(first[1].2));
        assert!(queue.delete(again[0].2));
        assert_eq!(queue.backlog(now + MINUTE * 9), (0, 0));
    }

    #[test]
    fn a_visibility_timeout_can_be_extended_and_ended() {
        let (mut queue, now) = (queue(&["a"]), Instant::now());
        let held = receive(&mut queue, 1, now)[0].2;
        assert!(queue.change_visibility(held, now, MINUTE * 5));
        assert!(receive(&mut queue, 1, now + MINUTE * 4).is_empty());
        assert!(queue.change_visibility(held, now + MINUTE, Duration::ZERO));
        assert!(!queue.change_visibility(held, now + MINUTE, MINUTE), "it is not in flight");
        assert_eq!(receive(&mut queue, 1, now + MINUTE).len(), 1);
    }

    #[test]
    fn a_visible_message_can_be_deleted_by_its_last_receipt_handle() {
        let (mut queue, now) = (queue(&["a", "b"]), Instant::now());
        let held = receive(&mut queue, 1, now)[0].2;
        assert_eq!(queue.backlog(now + MINUTE), (2, 0));
        assert!(queue.delete(held));
        assert_eq!(queue.send("c", md5("c")), 3);
        let left: Vec<_> = receive(&mut queue, 10, now + MINUTE).into_iter().map(|(body, ..)| body).collect();
        assert_eq!(left, ["b", "c"]);
        assert!(!queue.delete(held), "another message has its slot");
    }

    #[test]
    fn the_eleventh_receive_moves_a_message_to_the_dead_letters() {
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
    fn receipt_handles_and_digests_are_formatted() {
        let receipt = ReceiptHandle { slot: 3, serial: 9, receives: 1 };
        assert_eq!(ReceiptHandle::parse(&receipt.to_text()), Some(receipt));
        for bad in ["", "1-2", "1-2-3-4", "a-b-c"] {
            assert_eq!(ReceiptHandle::parse(bad), None, "{bad}");
        }
        assert_eq!(hex(md5("hello")), "5d41402abc4b2a76b9719d911017c592");
    }
}
