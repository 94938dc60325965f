//! How much to take: enough to keep every delivery slot busy, and no more than can be begun within
//! about a second, so that a sender that starts later gets its share.

/// The most messages of one receive.
const RECEIVE: usize = stentor_aws::queue::BATCH;

/// The most receives under way at once.
const MOST_RECEIVES: usize = 64;

/// The most messages to hold ready: what a process gets through in well under a second, whatever the waits.
const MOST_AHEAD: usize = 1_000;

/// The most messages whose conclusion or deletion may be under way before the intake stops.
const MOST_UNSETTLED: usize = 1_600;

/// What a sender holds at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Load {
    /// Messages whose delivery has not ended.
    pub undelivered: usize,
    /// All messages in hand: those being concluded and deleted too.
    pub in_hand: usize,
    /// Messages asked for by the receives under way.
    pub asked_for: usize,
    /// Receives under way.
    pub receives: usize,
}

/// Decides when to receive, and how many.
#[derive(Debug)]
pub(crate) struct Appetite {
    slots: usize,
    ahead: usize,
    receives: usize,
}

impl Appetite {
    /// For `slots` deliveries at once that take `mean_wait` seconds each.
    pub(crate) fn new(slots: usize, mean_wait: f64) -> Self {
        Self { slots, ahead: ahead(slots, mean_wait), receives: 1 }
    }

    /// How many messages to ask for now, 1 to 10; `None`: wait until something changes.
    pub(crate) fn bite(&self, load: Load) -> Option<usize> {
        if load.receives >= self.receives {
            return None;
        }
        let capacity = self.slots + self.ahead;
        let coming = load.undelivered + load.asked_for;
        if load.in_hand.saturating_sub(load.undelivered) >= MOST_UNSETTLED {
            return None;
        }
        let room = capacity.saturating_sub(coming);
        // While all slots are busy, room is gathered until a request is worth it.
        let worth_it = if coming < self.slots { 1 } else { RECEIVE.min(capacity.div_ceil(2)) };
        (room >= worth_it).then(|| room.min(RECEIVE)).filter(|bite| *bite > 0)
    }

    /// Learns from a receive: full ones call for more at a time, empty ones for a single long poll.
    pub(crate) fn learn(&mut self, asked: usize, got: usize) {
        self.receives = match got {
            0 => 1,
            got if got >= asked => (self.receives + 1).min(MOST_RECEIVES),
            got if 2 * got < asked => (self.receives - 1).max(1),
            _ => self.receives,
        };
    }
}

/// Messages to hold beyond those being delivered: what the slots will begin within a second.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn ahead(slots: usize, mean_wait: f64) -> usize {
    let begun_in_a_second = (slots as f64 / mean_wait) as usize;
    begun_in_a_second.min(slots.max(RECEIVE)).min(MOST_AHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(undelivered: usize) -> Load {
        Load { undelivered, in_hand: undelivered, asked_for: 0, receives: 0 }
    }

    #[test]
    fn a_slow_sender_takes_one_at_a_time() {
        let appetite = Appetite::new(1, 5.0);
        assert_eq!(appetite.bite(load(0)), Some(1));
        assert_eq!(appetite.bite(load(1)), None);
    }

    #[test]
    fn a_sender_of_half_a_second_keeps_two_ready() {
        let appetite = Appetite::new(1, 0.5);
        assert_eq!(appetite.bite(load(0)), Some(3));
        assert_eq!(appetite.bite(load(1)), Some(2));
        assert_eq!(appetite.bite(load(2)), None, "one more is not worth a request yet");
    }

    #[test]
    fn without_a_wait_receives_are_full() {
        let appetite = Appetite::new(1, 0.0);
        assert_eq!(appetite.bite(load(0)), Some(10));
        assert_eq!(Appetite::new(1_000, 0.0).bite(load(900)), Some(10));
    }

    #[test]
    fn full_receives_call_for_more_and_an_empty_one_for_a_single_poll() {
        let mut appetite = Appetite::new(100, 0.0);
        let busy = Load { receives: 1, asked_for: 10, ..load(0) };
        assert_eq!(appetite.bite(busy), None);
        appetite.learn(10, 10);
        assert_eq!(appetite.bite(busy), Some(10));
        appetite.learn(10, 0);
        assert_eq!(appetite.bite(busy), None);
    }

    #[test]
    fn a_backlog_of_conclusions_stops_the_intake() {
        let appetite = Appetite::new(100, 0.0);
        assert!(appetite.bite(Load { in_hand: 1_599, ..load(0) }).is_some());
        assert_eq!(appetite.bite(Load { in_hand: 1_600, ..load(0) }), None);
    }

    #[test]
    fn many_slots_with_short_waits_hold_no_more_than_a_process_gets_through() {
        let appetite = Appetite::new(5_000, 0.01);
        assert_eq!(appetite.bite(load(6_000)), None);
    }

    proptest! {
        #[test]
        fn it_never_takes_more_than_it_begins_in_a_second(slots in 1..50_000_usize, mean_wait in 0.0..100.0_f64, undelivered in 0..100_000_usize) {
            let bite = Appetite::new(slots, mean_wait).bite(load(undelivered)).unwrap_or(0);
            prop_assert!(bite <= RECEIVE);
            if bite > 0 {
                let waiting = (undelivered + bite).saturating_sub(slots);
                prop_assert!(waiting as f64 <= slots as f64 / mean_wait, "{waiting} would wait");
            }
        }

        #[test]
        fn an_idle_sender_always_asks(slots in 1..50_000_usize, mean_wait in 0.0..100.0_f64) {
            prop_assert!(Appetite::new(slots, mean_wait).bite(load(0)).is_some());
        }
    }
}
