//! The rate limit that all senders of a stack share: the generic cell rate algorithm (GCRA) over one item.
//!
//! The item holds the theoretical arrival time (TAT) of the next part. A sender reserves parts for messages that it
//! holds by moving that time forward, and starts each message within a window around its reserved time. A message that
//! is late is not started: its time is forfeited and it is reserved again. So no window of w seconds has more than
//! (w + burst) × rate parts, however late, paused or crashed a sender is. All times are µs since the epoch.

mod share;

use std::time::Duration;

pub use share::ShareEstimate;

use super::profile::{Limits, ProviderProfile};

const SECOND: u64 = 1_000_000;

/// The shortest burst, µs: senders need this time to agree on a start.
const MIN_BURST: f64 = 500_000.0;

/// How far ahead of the present parts can be reserved, unless the burst is longer.
const HORIZON: u64 = 600 * SECOND;

/// A TAT further ahead is damaged.
const MAX_AHEAD: u64 = 3_600 * SECOND;

/// More than a message can have; one message alone may take this many parts beyond the horizon.
const MAX_MESSAGE_PARTS: u64 = 100;

/// How far ahead of the present a damaged TAT is set.
const REPAIRED_AHEAD: u64 = 5 * SECOND;

/// The limits under a name can change once the TAT lies this long in the past.
const REPLACEABLE_AFTER: u64 = 60 * SECOND;

/// The messages that a sender reserves together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Parts of all messages.
    pub parts: u64,
    /// Parts of the longest message.
    pub longest: u32,
}

/// What the item holds of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitState {
    /// There is no item, or it was never used.
    Absent,
    /// The numbers of the item.
    Valid {
        /// The theoretical arrival time of the next part.
        tat: u64,
        /// Reservations so far.
        seq: u64,
    },
    /// The item has other types or values.
    Damaged,
}

/// How parts are reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// After those that are reserved already.
    Advance,
    /// From the lead after now, half of the burst, since the limit is not in use.
    Start,
}

/// A conditional write that reserves parts. Each adds one to `seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitWrite {
    /// Adds `cost` to a TAT above `after` and below `before`.
    Advance {
        /// Time of the parts, µs.
        cost: u64,
        /// The TAT must be later.
        after: u64,
        /// The TAT must be earlier.
        before: u64,
    },
    /// Sets a TAT that is absent, or not above `until`.
    StartAt {
        /// The new TAT.
        tat: u64,
        /// The TAT must not be later.
        until: u64,
    },
}

/// What a sender does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Try a write of this kind, at the present time.
    Write(WriteKind),
    /// Too much is reserved already: wait, then begin with the first step again.
    Wait,
    /// The item is damaged: set it to this TAT if it is unchanged, then begin with the first step again.
    Repair(u64),
}

impl Step {
    /// The first step of a reservation.
    pub const FIRST: Self = Self::Write(WriteKind::Advance);
}

/// Whether a sender can use the item that has the name of its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitsCheck {
    /// The limits are equal.
    Equal,
    /// The limits differ, but were not used for a minute, so the sender's replace them.
    Replace,
    /// The limits differ and are in use.
    Conflict,
}

/// Decides whether a sender can use the item with the name of its profile. `stored` is `None` if the profile cannot be read.
pub fn check_limits(
    stored: Option<&ProviderProfile>,
    own: &ProviderProfile,
    state: LimitState,
    now: u64,
) -> LimitsCheck {
    match state {
        _ if stored.is_some_and(|stored| stored.shared_limits() == own.shared_limits()) => LimitsCheck::Equal,
        LimitState::Valid { tat, .. } if tat.saturating_add(REPLACEABLE_AFTER) > now => LimitsCheck::Conflict,
        _ => LimitsCheck::Replace,
    }
}

/// A rate limit in message parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Time of a part, µs.
    part: f64,
    /// Time of the parts that may start at once, µs.
    burst: f64,
}

impl RateLimit {
    /// Creates the limit of a profile; `None` where it has none.
    pub fn new(limits: &Limits) -> Option<Self> {
        let part = SECOND as f64 / limits.parts_per_second?;
        let burst = limits.burst_parts.map_or(SECOND as f64, |parts| parts * part).max(MIN_BURST);
        Some(Self { part, burst })
    }

    /// Returns the write of an attempt at `now`, the latest time that it may be. Each attempt needs a new one: with the time
    /// of an earlier attempt, a start could be late before it is reserved.
    pub fn write(&self, kind: WriteKind, request: Request, now: u64) -> LimitWrite {
        let (earliest, cost) = (now.saturating_add(self.lead(request)), self.cost(request.parts));
        let before = now.saturating_add(self.horizon(request));
        match kind {
            WriteKind::Advance => LimitWrite::Advance { cost, after: earliest, before },
            WriteKind::Start => LimitWrite::StartAt { tat: earliest.saturating_add(cost), until: earliest },
        }
    }

    /// Returns the step after a write that failed its condition on `state`, at `now`, the latest time that it may be.
    pub fn next_step(&self, request: Request, state: LimitState, now: u64) -> Step {
        let ahead = match state {
            LimitState::Absent => 0,
            LimitState::Valid { tat, .. } => tat.saturating_sub(now),
            LimitState::Damaged => u64::MAX,
        };
        if ahead <= self.lead(request) {
            Step::Write(WriteKind::Start)
        } else if ahead < self.horizon(request) {
            Step::Write(WriteKind::Advance)
        } else if ahead <= self.max_ahead(request) {
            Step::Wait
        } else {
            Step::Repair(now.saturating_add(REPAIRED_AHEAD))
        }
    }

    /// Returns the reservation that a write has made.
    pub fn reservation(&self, request: Request, tat: u64) -> Reservation {
        let first = tat.saturating_sub(self.cost(request.parts));
        Reservation { first, part: self.part, burst: micros(self.burst_of(request).floor()) }
    }

    /// Returns the parts that start in this time.
    pub fn parts_in(&self, time: Duration) -> f64 {
        time.as_secs_f64() * SECOND as f64 / self.part
    }

    fn cost(&self, parts: u64) -> u64 {
        micros((parts as f64 * self.part).ceil())
    }

    /// Returns the length of the window in which the parts of the longest message start, plus their own time.
    fn burst_of(&self, request: Request) -> f64 {
        self.burst + f64::from(request.longest.saturating_sub(1)) * self.part
    }

    /// Returns the time between a reservation of a limit that was not in use and its first part. About half of the burst
    /// can start at once, and there is time for the answer.
    fn lead(&self, request: Request) -> u64 {
        micros(self.burst_of(request) / 2.0)
    }

    fn horizon(&self, request: Request) -> u64 {
        HORIZON.max(micros(self.burst_of(request)))
    }

    fn max_ahead(&self, request: Request) -> u64 {
        let longest = self.horizon(request).saturating_add(self.cost(MAX_MESSAGE_PARTS));
        MAX_AHEAD.max(longest.saturating_mul(2))
    }
}

/// Parts that a sender has reserved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reservation {
    /// Time of the first part.
    first: u64,
    part: f64,
    burst: u64,
}

impl Reservation {
    /// Returns when a message of `parts` parts can start, after `earlier` parts of the reservation. A message has at
    /// least one part.
    pub fn window(&self, earlier: u64, parts: u32) -> StartWindow {
        let time = |part: u64| self.first.saturating_add(micros((part as f64 * self.part).ceil()));
        let last = time(earlier + u64::from(parts.max(1)) - 1);
        StartWindow { opens: last.saturating_sub(self.burst), closes: time(earlier) }
    }
}

/// The time within which a message can start. It is on time if it is certain that the window is open: the earliest time
/// that it may be is not before `opens`, and the latest not after `closes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartWindow {
    opens: u64,
    closes: u64,
}

impl StartWindow {
    /// Returns how long the window is closed for, if it is `earliest` now.
    pub fn opens_in(&self, earliest: u64) -> Duration {
        Duration::from_micros(self.opens.saturating_sub(earliest))
    }

    /// Returns whether the window is not yet over, if it is `latest` now.
    pub fn is_on_time(&self, latest: u64) -> bool {
        latest <= self.closes
    }
}

/// Converts to whole µs; saturates.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is never negative"
)]
fn micros(time: f64) -> u64 {
    time as u64
}

#[cfg(test)]
mod tests {
    mod properties;
    mod simulation;

    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_796_000_000 * SECOND;
    const ONE: Request = Request { parts: 1, longest: 1 };

    fn limit(parts_per_second: f64, burst_parts: Option<f64>) -> RateLimit {
        let limits = Limits { parts_per_second: Some(parts_per_second), burst_parts, ..Limits::default() };
        RateLimit::new(&limits).unwrap()
    }

    fn at(tat: u64) -> LimitState {
        LimitState::Valid { tat, seq: 1 }
    }

    #[test]
    fn the_steps_follow_from_the_theoretical_arrival_time() {
        let limit = limit(3.0, None);
        let (lead, cost) = (500_000, 333_334);
        let (advance, start) = (Step::Write(WriteKind::Advance), Step::Write(WriteKind::Start));
        let repair = Step::Repair(NOW + 5 * SECOND);
        let write = |kind| limit.write(kind, ONE, NOW);
        let after_others = LimitWrite::Advance { cost, after: NOW + lead, before: NOW + 600 * SECOND };
        assert_eq!(write(WriteKind::Advance), after_others);
        let from_now_on = LimitWrite::StartAt { tat: NOW + lead + cost, until: NOW + lead };
        assert_eq!(write(WriteKind::Start), from_now_on);
        for (state, step) in [
            (LimitState::Absent, start),
            (at(0), start),
            (at(NOW + lead), start),
            (at(NOW + lead + 1), advance),
            (at(NOW + 600 * SECOND - 1), advance),
            (at(NOW + 600 * SECOND), Step::Wait),
            (at(NOW + 3_600 * SECOND), Step::Wait),
            (at(NOW + 3_600 * SECOND + 1), repair),
            (at(u64::MAX), repair),
            (LimitState::Damaged, repair),
        ] {
            assert_eq!(limit.next_step(ONE, state, NOW), step, "{state:?}");
        }
    }

    #[test]
    fn a_message_of_several_parts_starts_as_a_whole() {
        let (limit, request) = (limit(2.0, Some(4.0)), Request { parts: 5, longest: 3 });
        // Two seconds of the burst, and one of the longest message.
        let reservation = limit.reservation(request, NOW + 5 * 500_000);
        let window = |earlier, parts| reservation.window(earlier, parts);
        assert_eq!(window(0, 3), StartWindow { opens: NOW - 2 * SECOND, closes: NOW });
        assert_eq!(window(3, 2), StartWindow { opens: NOW - SECOND, closes: NOW + 1_500_000 });
        assert_eq!(window(0, 3).opens_in(NOW - 3 * SECOND), Duration::from_secs(1));
        assert!(window(0, 3).is_on_time(NOW) && !window(0, 3).is_on_time(NOW + 1));
    }

    #[test]
    fn even_a_message_that_takes_hours_is_no_damage() {
        let limit = limit(0.001, None);
        let request = Request { parts: 20, longest: 20 };
        let LimitWrite::StartAt { tat, .. } = limit.write(WriteKind::Start, request, NOW) else { panic!() };
        assert_eq!(limit.next_step(ONE, at(tat), NOW), Step::Wait);
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        for rate in [f64::MIN_POSITIVE, 1e-9, 1_000_000.0] {
            let limit = limit(rate, Some(1e30));
            for now in [0, NOW, u64::MAX] {
                for state in [LimitState::Absent, at(0), at(NOW), at(u64::MAX)] {
                    let request = Request { parts: u64::MAX, longest: u32::MAX };
                    limit.next_step(request, state, now);
                    for kind in [WriteKind::Advance, WriteKind::Start] {
                        limit.write(kind, request, now);
                    }
                    let reservation = limit.reservation(request, now);
                    reservation.window(u64::MAX / 2, u32::MAX).opens_in(0);
                }
            }
        }
    }

    #[test]
    fn other_limits_replace_those_that_were_not_used_for_a_minute() {
        let profile = |value| serde_json::from_value::<ProviderProfile>(value).unwrap();
        let with = |limits, cap, price| {
            let carrier = json!({"name": "A", "share": 0.5, "daily_parts": cap});
            let price = json!({ "per_part": price });
            profile(json!({"name": "test", "limits": limits, "carriers": [carrier], "price": price}))
        };
        let own = with(json!({"parts_per_second": 3}), 7, 0.1);
        let priced = with(json!({"parts_per_second": 3}), 7, 0.2);
        assert_eq!(check_limits(Some(&priced), &own, at(NOW), NOW), LimitsCheck::Equal);
        let faster = with(json!({"parts_per_second": 4}), 7, 0.1);
        let capped = with(json!({"parts_per_second": 3}), 8, 0.1);
        let frugal = with(json!({"parts_per_second": 3, "spend_dollars": 1}), 7, 0.1);
        for stored in [Some(&faster), Some(&capped), Some(&frugal), None] {
            let check = |state| check_limits(stored, &own, state, NOW);
            assert_eq!(check(at(NOW - 60 * SECOND)), LimitsCheck::Replace);
            assert_eq!(check(at(NOW - 60 * SECOND + 1)), LimitsCheck::Conflict);
            assert_eq!(check(LimitState::Damaged), LimitsCheck::Replace);
        }
    }
}
