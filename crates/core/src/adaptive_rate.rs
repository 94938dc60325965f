//! The rate at which entries are sent to a service that throttles: statements of a table, or messages of a queue.
//!
//! The rate follows from the share of entries that the service throttles. Where it is above a small target, more is
//! sent than the service accepts, and the rate falls; where it is below, the service may accept more, and the rate rises.
//! So almost everything that the service accepts is used, and few entries are throttled. There is no limit until
//! the first entry is throttled.
//!
//! Sources: the token bucket that throttled responses switch on and that learns from measured rates is that of the AWS
//! SDKs' adaptive retry mode (AWS SDKs and Tools Reference Guide, "Retry behavior"; `ClientRateLimiter` of
//! aws-smithy-runtime). Its CUBIC law halves the use of a table with four hot partitions, since every single throttle
//! cuts the rate by 30 %. Here the cut is proportional to the throttled share, as in Data Center TCP (RFC 8257). The
//! target grows as a program's rate falls, so that programs with low rates gain from those with high ones (Kelly,
//! Maulloo and Tan, "Rate control for communication networks", 1998). As in RFC 7661, a rate rises only while it
//! delays calls.

use std::time::Duration;

/// The shortest time over which the throttled share is measured.
const WINDOW: Duration = Duration::from_millis(250);
/// The longest time, where few entries are sent.
const MAX_WINDOW: Duration = Duration::from_secs(1);
/// From this number of entries on, a share is significant.
const SIGNIFICANT: u64 = 100;

/// Change of the rate in a window, as a share of it, per difference between target and throttled share. From 1 on the
/// rate would oscillate, because it affects the share only in the next window.
const GAIN: f64 = 0.5;
/// The target at [`TARGET_RATE`].
const TARGET: f64 = 0.008;
/// The rate of a single program on a new table, entries per second.
const TARGET_RATE: f64 = 4_000.0;
/// Limits of the target, for programs with high and low rates.
const TARGETS: (f64, f64) = (0.003, 0.08);

/// From this throttled share on, the rate becomes the accepted rate at once.
const OVERLOAD: f64 = 0.1;
/// The largest decrease in a window: a single window can be an exception.
const MAX_DECREASE: f64 = 0.5;
/// The number of windows without throttling after which the rate increases faster in each window.
const CLEAN_WINDOWS_BEFORE_ACCELERATION: u32 = 3;
/// The largest increase in a window.
const MAX_INCREASE: f64 = 0.2;

/// The lowest rate, entries per second: a batch of statements. Calls to a service that accepts less back off one by one.
const MIN_RATE: f64 = 25.0;
/// How much can be sent at once after a pause, as the time in which that many entries come at the rate.
const BURST: Duration = Duration::from_millis(50);

/// The shortest delay. The rounded time of a rest of an entry can be zero, and would never end.
const MIN_DELAY: Duration = Duration::from_millis(1);

/// Weight of the last window in the mean of the accepted rate.
const SMOOTH: f64 = 0.2;
/// Throttling has ended when nothing was throttled for this time.
const THROTTLING_ENDS: Duration = Duration::from_secs(10);

/// A rate that adapts to what a service accepts. All times are since any fixed time, and never decrease.
#[derive(Debug, Default)]
pub struct AdaptiveRate {
    /// Entries per second; `None` before the first throttled entry.
    limit: Option<f64>,
    /// Entries that may be sent at once; negative after a batch until its time is over.
    tokens: f64,
    refilled_at: Duration,
    window: Window,
    /// Windows without throttling since the last with it.
    clean_windows: u32,
    /// The rate of the windows before the limit, entries per second: each window halves it, unless more was sent in it.
    sent_per_second: f64,
    accepted_per_second: f64,
    throttled: Option<ThrottledTime>,
    /// How long it was throttled before that.
    throttled_before: Duration,
    last_accepted_at: Option<Duration>,
}

/// What happened since the last change of the rate.
#[derive(Debug, Default)]
struct Window {
    /// `None` until the first entry is sent.
    started_at: Option<Duration>,
    /// Entries sent while there is no limit.
    sent: u64,
    accepted: u64,
    throttled: u64,
    /// Whether the rate delayed a call.
    is_limiting: bool,
}

/// When entries were throttled, without a pause.
#[derive(Debug, Clone, Copy)]
struct ThrottledTime {
    first: Duration,
    last: Duration,
}

/// A service that throttles now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttling {
    /// How long it has throttled without a pause of seconds.
    pub lasted: Duration,
    /// Entries per second that it accepts from this program, averaged over some windows.
    pub accepted_per_second: f64,
}

impl AdaptiveRate {
    /// Takes the right to send a batch now, or returns how long to wait before the next attempt.
    pub fn try_send(&mut self, now: Duration, entries: usize) -> Result<(), Duration> {
        let Some(limit) = self.limit else {
            self.window.started_at.get_or_insert(now);
            self.window.sent += entries as u64;
            return Ok(());
        };
        self.end_window_if(now, |elapsed, _| elapsed >= MAX_WINDOW);
        self.window.started_at.get_or_insert(now);
        let refill = now.saturating_sub(self.refilled_at).as_secs_f64() * limit;
        self.tokens = (self.tokens + refill).min(limit * BURST.as_secs_f64());
        self.refilled_at = now;
        if self.tokens < 0.0 {
            self.window.is_limiting = true;
            return Err(Duration::from_secs_f64(-self.tokens / limit).max(MIN_DELAY));
        }
        self.tokens -= entries as f64;
        Ok(())
    }

    /// Records how many entries of a batch the service accepted, and how many it throttled.
    pub fn record(&mut self, now: Duration, accepted: usize, throttled: usize) {
        self.window.started_at.get_or_insert(now);
        self.window.accepted += accepted as u64;
        self.window.throttled += throttled as u64;
        if accepted > 0 {
            self.last_accepted_at = Some(now);
        }
        if throttled > 0 {
            let first = self.throttling(now).and(self.throttled).map_or(now, |time| time.first);
            if first == now {
                self.throttled_before = self.throttled_for();
            }
            self.throttled = Some(ThrottledTime { first, last: now });
            if self.limit.is_none() {
                self.start_limit(now);
            }
        }
        self.end_window_if(now, |elapsed, entries| {
            elapsed >= MAX_WINDOW || elapsed >= WINDOW && entries >= SIGNIFICANT
        });
    }

    /// Whether the service throttles, or did so within the last seconds.
    pub fn throttling(&self, now: Duration) -> Option<Throttling> {
        let time = self.throttled.filter(|time| now.saturating_sub(time.last) < THROTTLING_ENDS)?;
        let lasted = time.last.saturating_sub(time.first);
        Some(Throttling { lasted, accepted_per_second: self.accepted_per_second })
    }

    /// Returns how many entries per second may be sent; `None` before the first throttled entry.
    pub fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// How long the service has throttled in all.
    pub fn throttled_for(&self) -> Duration {
        self.throttled_before
            + self.throttled.map_or(Duration::ZERO, |time| time.last.saturating_sub(time.first))
    }

    /// When the service last accepted an entry.
    pub fn last_accepted_at(&self) -> Option<Duration> {
        self.last_accepted_at
    }

    /// Starts with what was sent in this window or those before. That is more than the service accepts. But a rate that started
    /// low beside programs with high rates would be unfair for minutes, and one that is too high falls within a second.
    fn start_limit(&mut self, now: Duration) {
        let seconds = self.elapsed(now).max(WINDOW).as_secs_f64();
        let sent = self.window.sent as f64 / seconds;
        self.limit = Some(sent.max(self.sent_per_second).max(MIN_RATE));
        self.accepted_per_second = self.window.accepted as f64 / seconds;
        (self.tokens, self.refilled_at) = (0.0, now);
        self.window = Window::default();
    }

    fn elapsed(&self, now: Duration) -> Duration {
        now.saturating_sub(self.window.started_at.unwrap_or(now))
    }

    /// Adapts the rate and starts the next window, if the condition holds for the window's time and entries.
    fn end_window_if(&mut self, now: Duration, is_over: impl Fn(Duration, u64) -> bool) {
        let elapsed = self.elapsed(now);
        if !is_over(elapsed, self.window.accepted + self.window.throttled) {
            return;
        }
        // A pause after its entries does not belong to the window.
        let elapsed = elapsed.min(MAX_WINDOW);
        let window = std::mem::take(&mut self.window);
        // In a window of late responses nothing may be sent.
        self.sent_per_second = (window.sent as f64 / elapsed.as_secs_f64()).max(self.sent_per_second / 2.0);
        let Some(limit) = self.limit.filter(|_| window.accepted > 0) else {
            // A service that accepts nothing shows no rate. Its calls back off one by one.
            return;
        };
        let accepted = window.accepted as f64 / elapsed.as_secs_f64();
        self.accepted_per_second += SMOOTH * (accepted - self.accepted_per_second);
        self.clean_windows = if window.throttled > 0 { 0 } else { self.clean_windows.saturating_add(1) };
        let share = window.throttled as f64 / (window.accepted + window.throttled) as f64;
        let difference = target(limit) - share;
        let adapted = if share >= OVERLOAD {
            accepted.clamp(limit * MAX_DECREASE, limit)
        } else if difference < 0.0 {
            limit * (1.0 + GAIN * difference)
        } else if window.is_limiting {
            let faster = 1 + self.clean_windows.saturating_sub(CLEAN_WINDOWS_BEFORE_ACCELERATION);
            limit * (1.0 + (GAIN * difference * f64::from(faster)).min(MAX_INCREASE))
        } else {
            limit
        };
        self.limit = Some(adapted.max(MIN_RATE));
    }
}

/// The throttled share at which a rate stays as it is.
fn target(rate: f64) -> f64 {
    (TARGET * (TARGET_RATE / rate).cbrt()).clamp(TARGETS.0, TARGETS.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(5);

    /// Sends as much as the rate permits for that many seconds, to a service that accepts `capacity` entries a second
    /// with short bursts, from `start` on. Returns how many were accepted and throttled.
    fn send(rate: &mut AdaptiveRate, start: u64, seconds: u64, capacity: f64) -> (usize, usize) {
        let (mut accepted, mut throttled) = (0, 0);
        let mut left = 0.0;
        let mut now = Duration::from_secs(start);
        while now < Duration::from_secs(start + seconds) {
            left = (left + capacity * STEP.as_secs_f64()).min((capacity * 0.1).max(50.0));
            // At most 40,000 entries a second.
            for _ in 0..8 {
                if rate.try_send(now, 25).is_err() {
                    break;
                }
                let some = (0..25)
                    .filter(|_| {
                        let is_left = left >= 1.0;
                        left -= f64::from(u8::from(is_left));
                        is_left
                    })
                    .count();
                rate.record(now, some, 25 - some);
                (accepted, throttled) = (accepted + some, throttled + 25 - some);
            }
            now += STEP;
        }
        (accepted, throttled)
    }

    #[test]
    fn nothing_is_limited_before_the_first_throttled_entry() {
        let mut rate = AdaptiveRate::default();
        for step in 0..10_000 {
            assert_eq!(rate.try_send(STEP * step, 25), Ok(()));
            rate.record(STEP * step, 25, 0);
        }
        assert_eq!(rate.throttling(STEP * 10_000), None);
    }

    #[test]
    fn the_first_limit_is_the_rate_before_it() {
        // 5,000 entries a second, of which the first throttled one comes in the middle of a window or at its start.
        for steps in [20, 51, 52, 80] {
            let mut rate = AdaptiveRate::default();
            for step in 0..steps {
                rate.try_send(STEP * step, 25).unwrap();
                rate.record(STEP * step, 25, 0);
            }
            rate.try_send(STEP * steps, 25).unwrap();
            rate.record(STEP * steps, 0, 25);
            let limit = rate.limit.unwrap();
            assert!((2_000.0..=6_000.0).contains(&limit), "{limit} after {steps} batches");
        }
    }

    #[test]
    fn late_responses_keep_the_first_limit_near_the_rate_before_it() {
        let mut rate = AdaptiveRate::default();
        for step in 0..50 {
            rate.try_send(STEP * step, 25).unwrap();
        }
        // 500 ms in which responses arrive and nothing is sent.
        for step in 50..150 {
            rate.record(STEP * step, 5, 0);
        }
        rate.record(STEP * 150, 0, 25);
        let limit = rate.limit.unwrap();
        assert!((1_000.0..=6_000.0).contains(&limit), "{limit}");
    }

    #[test]
    fn the_rate_follows_a_capacity_that_falls_and_rises() {
        let mut rate = AdaptiveRate::default();
        let mut start = 0;
        for capacity in [4_000.0, 500.0, 8_000.0, 100.0, 4_000.0] {
            // Up to 80 times the rate before.
            send(&mut rate, start, 40, capacity);
            let (accepted, throttled) = send(&mut rate, start + 40, 60, capacity);
            let used = accepted as f64 / 60.0 / capacity;
            let refused = throttled as f64 / (accepted + throttled) as f64;
            assert!(used > 0.95 && refused < 0.05, "{capacity}: used {used:.3}, throttled {refused:.3}");
            start += 100;
        }
    }

    #[test]
    fn a_service_that_accepts_nothing_for_a_while_changes_no_rate() {
        let mut rate = AdaptiveRate::default();
        send(&mut rate, 0, 10, 4_000.0);
        let learned = rate.limit;
        for step in 0..1_000 {
            rate.record(Duration::from_secs(10) + STEP * step, 0, 25);
        }
        assert_eq!(rate.limit, learned);
    }

    #[test]
    fn a_rate_that_delays_nothing_does_not_rise() {
        let mut rate = AdaptiveRate::default();
        send(&mut rate, 0, 10, 4_000.0);
        let learned = rate.limit;
        for second in 11..200 {
            assert_eq!(rate.try_send(Duration::from_secs(second), 25), Ok(()));
            rate.record(Duration::from_secs(second), 25, 0);
        }
        assert_eq!(rate.limit, learned);
    }

    #[test]
    fn throttling_lasts_from_the_first_throttled_entry_until_seconds_after_the_last() {
        let mut rate = AdaptiveRate::default();
        let at = Duration::from_secs;
        for second in 10..=22 {
            rate.record(at(second), 100, 1);
        }
        assert_eq!(rate.throttling(at(22)).unwrap().lasted, at(12));
        assert_eq!(rate.throttling(at(31)).unwrap().lasted, at(12));
        assert_eq!(rate.throttling(at(32)), None);
        rate.record(at(40), 100, 1);
        assert_eq!(rate.throttling(at(40)).unwrap().lasted, at(0));
        rate.record(at(41), 100, 1);
        assert_eq!(rate.throttled_for(), at(13));
    }
}
