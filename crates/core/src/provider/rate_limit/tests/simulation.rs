//! Up to 1,000 senders share a limit on a simulated clock: the real decisions, without a network.

mod checks;
mod setting;

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::properties::{carry_out, most_within};
use super::*;
use crate::clock_offset::{ClockOffset, DatedResponse};
use setting::{Fault, Setting, slots};

const START: u64 = 1_796_000_000 * SECOND;

/// How long an attempt without an answer takes, µs.
const ATTEMPT_TIMEOUT: u64 = SECOND;

/// The width of a clock's interval from which on it is narrowed again, µs.
const MAX_CLOCK_WIDTH: u64 = 400_000;

/// What happened in a simulation.
#[derive(Debug)]
struct Results {
    setting: Setting,
    /// Times of all starts, with their parts.
    starts: Vec<(u64, u32)>,
    /// Starts of each sender that was there from the start to the end.
    by_sender: Vec<u64>,
    /// The longest time from joining to the first start, seconds.
    slowest_joiner: f64,
    reservations: u64,
    writes: u64,
    forfeited: u64,
}

#[derive(Debug)]
struct Sender {
    free: usize,
    share: ShareEstimate,
    has_unbegun: bool,
    is_reserving: bool,
    /// When it may reserve again, and whether it will.
    next_reservation: u64,
    is_scheduled: bool,
    is_dead: bool,
    paused_until: u64,
    /// Its clock minus the true time, µs.
    off: i64,
    clock: ClockOffset,
    joined_at: u64,
    starts: u64,
    first_start: Option<u64>,
}

impl Sender {
    fn new(setting: &Setting, joined_at: u64, rng: &mut ChaCha8Rng) -> Self {
        let off = if setting.skew == 0 { 0 } else { rng.random_range(-setting.skew..=setting.skew) };
        let mut sender = Self {
            free: setting.slots.unwrap_or_else(|| slots(setting)),
            share: ShareEstimate::default(),
            has_unbegun: false,
            is_reserving: false,
            next_reservation: 0,
            is_scheduled: false,
            is_dead: false,
            paused_until: 0,
            off,
            clock: ClockOffset::default(),
            joined_at,
            starts: 0,
            first_start: None,
        };
        sender.narrow(joined_at - 10 * SECOND + rng.random_range(0..SECOND), setting, rng);
        sender
    }

    /// Asks for the time until the interval is narrow.
    fn narrow(&mut self, mut at: u64, setting: &Setting, rng: &mut ChaCha8Rng) {
        for _ in 0..5 {
            let [there, back] = [(); 2].map(|()| rng.random_range(setting.latency.0..=setting.latency.1) / 2);
            let (sent_at, received_at) = (self.local(at), self.local(at + there + back));
            let date = signed((at + there) / SECOND * SECOND);
            assert!(self.clock.observe(&DatedResponse { date, sent_at, received_at }));
            let next = self.clock.next_rollover(received_at).expect("there was a response");
            at = u64::try_from(next - self.off).expect("after the epoch");
        }
    }

    fn local(&self, at: u64) -> i64 {
        signed(at) + self.off
    }

    /// The earliest and the latest time that it may be.
    fn bounds(&self, at: u64) -> [u64; 2] {
        let local = self.local(at);
        let interval = self.clock.interval(local).expect("there was a response");
        interval.map(|offset| u64::try_from(local + offset).expect("after the epoch"))
    }
}

fn signed(at: u64) -> i64 {
    i64::try_from(at).expect("within the range of an i64")
}

/// A reservation on its way.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    messages: usize,
    request: Request,
    kind: WriteKind,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Reserve,
    Kill,
    Pause,
    Send(Attempt),
    CarryOut(Attempt, LimitWrite),
    /// The item after the write, and whether its condition held.
    Answer(Attempt, LimitState, bool),
    Start {
        window: StartWindow,
        is_first: bool,
    },
    Finish,
}

struct Simulation {
    setting: Setting,
    limit: RateLimit,
    rng: ChaCha8Rng,
    state: LimitState,
    senders: Vec<Sender>,
    /// By time and number.
    queue: BTreeMap<(u64, u64), (usize, Event)>,
    events: u64,
    starts: Vec<(u64, u32)>,
    reservations: u64,
    writes: u64,
    forfeited: u64,
}

fn simulate(setting: Setting) -> Results {
    let limits = Limits { parts_per_second: Some(setting.rate), ..Limits::default() };
    let limit = RateLimit::new(&limits).expect("there is a rate");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let first_joiner = count(setting.senders, 1.0 - setting.joiners);
    let joined_at = |index| if index < first_joiner { START } else { setting.half() };
    let senders =
        (0..setting.senders).map(|index| Sender::new(&setting, joined_at(index), &mut rng)).collect();
    let mut simulation = Simulation {
        setting,
        limit,
        rng,
        state: LimitState::Absent,
        senders,
        queue: BTreeMap::new(),
        events: 0,
        starts: Vec::new(),
        reservations: 0,
        writes: 0,
        forfeited: 0,
    };
    simulation.prepare();
    while let Some(((now, _), (sender, event))) = simulation.queue.pop_first() {
        if now >= START + setting.seconds * SECOND {
            break;
        }
        simulation.handle(now, sender, event);
    }
    simulation.results()
}

fn count(senders: usize, share: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
    let count = (senders as f64 * share).round() as usize;
    count
}

impl Simulation {
    fn at(&mut self, time: u64, sender: usize, event: Event) {
        self.events += 1;
        self.queue.insert((time, self.events), (sender, event));
    }

    fn prepare(&mut self) {
        for sender in 0..self.senders.len() {
            let start = self.senders[sender].joined_at + self.rng.random_range(0..SECOND / 5);
            self.at(start, sender, Event::Reserve);
        }
        let (half, senders) = (self.setting.half(), self.senders.len());
        for sender in 0..count(senders, self.setting.killed) {
            self.at(half, sender, Event::Kill);
        }
        for sender in 0..count(senders, self.setting.paused) {
            self.at(half, sender, Event::Pause);
        }
    }

    fn latency(&mut self) -> u64 {
        self.rng.random_range(self.setting.latency.0..=self.setting.latency.1) / 2
    }

    fn handle(&mut self, now: u64, sender: usize, event: Event) {
        // A write that was sent arrives even if its sender is gone.
        if let Event::CarryOut(attempt, write) = event {
            return self.carry_out(now, sender, attempt, write);
        }
        let paused_until = self.senders[sender].paused_until;
        if self.senders[sender].is_dead {
        } else if paused_until > now {
            self.at(paused_until, sender, event);
        } else {
            match event {
                Event::Reserve => {
                    self.senders[sender].is_scheduled = false;
                    self.reserve(now, sender);
                }
                Event::Kill => self.senders[sender].is_dead = true,
                Event::Pause => self.senders[sender].paused_until = now + 10 * SECOND,
                Event::Send(attempt) => self.send(now, sender, attempt),
                Event::Answer(attempt, state, true) => self.reserved(now, sender, attempt, state),
                Event::Answer(attempt, state, false) => self.refused(now, sender, attempt, state),
                Event::Start { window, is_first } => self.start(now, sender, window, is_first),
                Event::Finish => {
                    self.senders[sender].free += 1;
                    self.reserve(now, sender);
                }
                Event::CarryOut(..) => {}
            }
        }
    }

    fn reserve(&mut self, now: u64, index: usize) {
        let parts = self.setting.parts;
        let sender = &mut self.senders[index];
        let [earliest, latest] = sender.bounds(now);
        if latest - earliest > MAX_CLOCK_WIDTH {
            sender.narrow(now - 10 * SECOND, &self.setting, &mut self.rng);
        }
        if sender.has_unbegun || sender.is_reserving || sender.free == 0 || sender.is_scheduled {
            return;
        }
        if now < sender.next_reservation {
            sender.is_scheduled = true;
            let next = sender.next_reservation;
            return self.at(next, index, Event::Reserve);
        }
        sender.next_reservation = now + micros(sender.share.min_interval().as_secs_f64() * 1e6);
        let free = std::iter::repeat_n(parts, sender.free);
        let (messages, request) = sender.share.request(&self.limit, free);
        sender.is_reserving = true;
        self.take_step(now, index, messages, request, Step::FIRST);
    }

    fn take_step(&mut self, now: u64, index: usize, messages: usize, request: Request, step: Step) {
        match step {
            Step::Write(kind) => self.send(now, index, Attempt { messages, request, kind }),
            Step::Wait => {
                let sender = &mut self.senders[index];
                sender.is_reserving = false;
                let mean = sender.share.mean_wait(&self.limit, request);
                let wait = mean.mul_f64(self.rng.random_range(0.5..1.5));
                self.at(now + micros(wait.as_secs_f64() * 1e6), index, Event::Reserve);
            }
            Step::Repair(_) => panic!("nothing is damaged"),
        }
    }

    fn send(&mut self, now: u64, index: usize, attempt: Attempt) {
        let [_, latest] = self.senders[index].bounds(now);
        let write = self.limit.write(attempt.kind, attempt.request, latest);
        let arrives = now + self.latency();
        self.at(arrives, index, Event::CarryOut(attempt, write));
    }

    fn carry_out(&mut self, now: u64, index: usize, attempt: Attempt, write: LimitWrite) {
        self.writes += 1;
        let write = match (self.setting.fault, write) {
            (Some(Fault::NoLead), LimitWrite::StartAt { tat, until }) => {
                LimitWrite::StartAt { tat: tat - self.limit.lead(attempt.request), until }
            }
            (Some(Fault::Unconditional), LimitWrite::Advance { cost, after, .. }) => {
                LimitWrite::StartAt { tat: after + cost, until: u64::MAX }
            }
            (_, write) => write,
        };
        let is_applied = carry_out(&mut self.state, write).is_some();
        self.reservations += u64::from(is_applied);
        if self.rng.random_bool(self.setting.lost) {
            self.at(now + ATTEMPT_TIMEOUT, index, Event::Send(attempt));
        } else {
            let arrives = now + self.latency();
            self.at(arrives, index, Event::Answer(attempt, self.state, is_applied));
        }
    }

    fn refused(&mut self, now: u64, index: usize, attempt: Attempt, state: LimitState) {
        let [_, latest] = self.senders[index].bounds(now);
        let step = self.limit.next_step(attempt.request, state, latest);
        self.take_step(now, index, attempt.messages, attempt.request, step);
    }

    fn reserved(&mut self, now: u64, index: usize, attempt: Attempt, state: LimitState) {
        let LimitState::Valid { tat, seq } = state else { panic!("the write was carried out") };
        let reservation = self.limit.reservation(attempt.request, tat);
        let sender = &mut self.senders[index];
        sender.is_reserving = false;
        sender.share.observe(seq);
        sender.free -= attempt.messages;
        sender.has_unbegun = true;
        let [earliest, _] = sender.bounds(now);
        for message in 0..attempt.messages {
            let parts = self.setting.parts;
            let window = reservation.window(message as u64 * u64::from(parts), parts);
            let wait = micros(window.opens_in(earliest).as_secs_f64() * 1e6);
            self.at(now + wait, index, Event::Start { window, is_first: message == 0 });
        }
    }

    fn start(&mut self, now: u64, index: usize, window: StartWindow, is_first: bool) {
        let starts_late = self.setting.fault == Some(Fault::StartsLate);
        let sender = &mut self.senders[index];
        let [earliest, latest] = sender.bounds(now);
        let closed_for = micros(window.opens_in(earliest).as_secs_f64() * 1e6);
        if closed_for > 0 {
            return self.at(now + closed_for, index, Event::Start { window, is_first });
        }
        sender.has_unbegun &= !is_first;
        if window.is_on_time(latest) || starts_late {
            sender.starts += 1;
            sender.first_start.get_or_insert(now);
            self.starts.push((now, self.setting.parts));
            self.at(now + self.setting.delivery, index, Event::Finish);
        } else {
            sender.free += 1;
            self.forfeited += 1;
        }
        self.reserve(now, index);
    }

    fn results(self) -> Results {
        let setting = self.setting;
        let waits = self.senders.iter().filter(|sender| sender.joined_at > START).map(|sender| {
            let first = sender.first_start.map(|at| (at - sender.joined_at) as f64 / SECOND as f64);
            first.unwrap_or(f64::INFINITY)
        });
        let is_throughout = |sender: &&Sender| sender.joined_at == START && !sender.is_dead;
        Results {
            setting,
            slowest_joiner: waits.fold(0.0, f64::max),
            by_sender: self.senders.iter().filter(is_throughout).map(|sender| sender.starts).collect(),
            starts: self.starts,
            reservations: self.reservations,
            writes: self.writes,
            forfeited: self.forfeited,
        }
    }
}
