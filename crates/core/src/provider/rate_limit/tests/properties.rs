//! Whatever the order, the delays, the lost answers and the clock intervals: no window has too many parts.

use proptest::prelude::*;

use super::*;

const START: u64 = 1_796_000_000 * SECOND;

/// What happens next; `sender`, `write` and `message` choose one of those that exist.
#[derive(Debug, Clone)]
enum Action {
    Elapse(u64),
    /// Requests a reservation of messages, each of 1 to 4 parts.
    Request {
        parts: Vec<u32>,
        late: u64,
    },
    /// Carries out a write that was sent earlier. Its answer may be lost, so that the sender tries again with the present
    /// time, and it may be carried out again later.
    CarryOut {
        write: usize,
        is_lost: bool,
        is_repeated: bool,
    },
    /// Starts a reserved message if its window allows it.
    Start {
        message: usize,
        early: u64,
        late: u64,
    },
    /// Starts every reserved message whose window allows it, as after a pause.
    StartAll {
        early: u64,
        late: u64,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let width = 0..400_000_u64;
    prop_oneof![
        3 => (0..2 * SECOND).prop_map(Action::Elapse),
        4 => (prop::collection::vec(1..5_u32, 1..6), width.clone())
            .prop_map(|(parts, late)| Action::Request { parts, late }),
        6 => (any::<usize>(), any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(write, is_lost, is_repeated)| Action::CarryOut { write, is_lost, is_repeated }),
        6 => (any::<usize>(), width.clone(), width.clone())
            .prop_map(|(message, early, late)| Action::Start { message, early, late }),
        3 => (width.clone(), width).prop_map(|(early, late)| Action::StartAll { early, late }),
    ]
}

/// A write that was sent for messages with these parts.
#[derive(Debug, Clone)]
struct Attempt {
    parts: Vec<u32>,
    late: u64,
    kind: WriteKind,
    write: LimitWrite,
}

/// Returns the request of messages with these parts.
fn request_for(parts: &[u32]) -> Request {
    let longest = parts.iter().copied().max().unwrap_or(1);
    Request { parts: parts.iter().map(|parts| u64::from(*parts)).sum(), longest }
}

/// The item, the writes on their way to it, and the messages that wait for their start.
struct World {
    limit: RateLimit,
    now: u64,
    state: LimitState,
    writes: Vec<Attempt>,
    waiting: Vec<(StartWindow, u32)>,
    started: Vec<(u64, u32)>,
}

impl World {
    fn act(&mut self, action: Action) {
        match action {
            Action::Elapse(time) => self.now += time,
            Action::Request { parts, late } => {
                self.send(parts, late, WriteKind::Advance);
            }
            Action::CarryOut { write, is_lost, is_repeated } if !self.writes.is_empty() => {
                let index = write % self.writes.len();
                let attempt = self.writes[index].clone();
                if !is_repeated {
                    self.writes.swap_remove(index);
                }
                match carry_out(&mut self.state, attempt.write) {
                    Some(_) if is_lost => self.send(attempt.parts, attempt.late, attempt.kind),
                    Some(tat) => self.reserve(&attempt.parts, tat),
                    None => {
                        let now = self.now + attempt.late;
                        let step = self.limit.next_step(request_for(&attempt.parts), self.state, now);
                        if let Step::Write(kind) = step {
                            self.send(attempt.parts, attempt.late, kind);
                        }
                    }
                }
            }
            Action::Start { message, early, late } if !self.waiting.is_empty() => {
                let index = message % self.waiting.len();
                self.start(index, early, late);
            }
            Action::StartAll { early, late } => {
                for index in (0..self.waiting.len()).rev() {
                    self.start(index, early, late);
                }
            }
            Action::CarryOut { .. } | Action::Start { .. } => {}
        }
    }

    /// Sends the write with the present time.
    fn send(&mut self, parts: Vec<u32>, late: u64, kind: WriteKind) {
        let write = self.limit.write(kind, request_for(&parts), self.now + late);
        self.writes.push(Attempt { parts, late, kind, write });
    }

    fn reserve(&mut self, parts: &[u32], tat: u64) {
        let reservation = self.limit.reservation(request_for(parts), tat);
        let mut earlier = 0;
        for parts in parts {
            self.waiting.push((reservation.window(earlier, *parts), *parts));
            earlier += u64::from(*parts);
        }
    }

    fn start(&mut self, index: usize, early: u64, late: u64) {
        let (window, parts) = self.waiting[index];
        if !window.is_on_time(self.now + late) {
            self.waiting.swap_remove(index);
        } else if window.opens_in(self.now - early).is_zero() {
            self.waiting.swap_remove(index);
            self.started.push((self.now, parts));
        }
    }
}

/// Carries out a write on the item, and returns the new TAT if the condition holds.
pub(super) fn carry_out(state: &mut LimitState, write: LimitWrite) -> Option<u64> {
    let new = match (*state, write) {
        (LimitState::Valid { tat, seq }, LimitWrite::Advance { cost, after, before }) => {
            (tat > after && tat < before).then_some((tat + cost, seq + 1))
        }
        (LimitState::Absent, LimitWrite::StartAt { tat, .. }) => Some((tat, 1)),
        (LimitState::Valid { tat: old, seq }, LimitWrite::StartAt { tat, until }) => {
            (old <= until).then_some((tat, seq + 1))
        }
        _ => None,
    };
    let (tat, seq) = new?;
    *state = LimitState::Valid { tat, seq };
    Some(tat)
}

/// Returns the most parts that started within a time.
pub(super) fn most_within(starts: &[(u64, u32)], time: u64) -> u64 {
    let (mut left, mut parts, mut most) = (0, 0, 0);
    for (at, count) in starts {
        parts += u64::from(*count);
        while at - starts[left].0 >= time {
            parts -= u64::from(starts[left].1);
            left += 1;
        }
        most = most.max(parts);
    }
    most
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_bound_holds(
        rate in prop_oneof![Just(0.7), Just(3.0), Just(40.0)],
        burst_parts in prop_oneof![Just(None), (1.0..100.0_f64).prop_map(Some)],
        actions in prop::collection::vec(action(), 1..300),
    ) {
        let limits = Limits { parts_per_second: Some(rate), burst_parts, ..Limits::default() };
        let limit = RateLimit::new(&limits).unwrap();
        let (state, writes, waiting, started) = (LimitState::Absent, Vec::new(), Vec::new(), Vec::new());
        let mut world = World { limit, now: START, state, writes, waiting, started };
        for action in actions {
            world.act(action);
        }
        let burst = burst_parts.unwrap_or(rate).max(rate / 2.0);
        for seconds in [1, 3, 10] {
            let most = most_within(&world.started, seconds * SECOND);
            // The longest message has four parts.
            let bound = seconds as f64 * rate + burst + 3.0;
            prop_assert!(most as f64 <= bound.ceil(), "{most} parts in {seconds} s, not {bound}");
        }
    }
}
