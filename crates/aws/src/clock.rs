//! The one clock of a program: its wall clock, corrected by the `Date` of the services' responses.
//!
//! The wall clock is read at the start; from then on the time that has elapsed is added, suspended time included. So all times
//! of a program agree with each other, also after the wall clock was set, and those of programs on different machines
//! agree within 1.5 s. No request is made for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use aws_smithy_types::date_time::Format;
use aws_types::SdkConfig;
use aws_types::sdk_config::TimeSource;
use stentor_core::clock_offset::{ClockOffset, DatedResponse};
use stentor_core::format::duration;

use crate::boot_instant::BootInstant;

const SECOND: i64 = 1_000_000;

/// A wall clock that moves by more than this against the elapsed time was set, µs.
const JUMP: u64 = 250_000;

/// A smaller correction is not reported, µs: clocks that are synchronised differ by tens of milliseconds.
const REPORTED_FROM: i64 = 500_000;

/// The clock of a session. All times that are stored, or compared with stored ones, come from it.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Mutex<ClockState>>);

#[derive(Debug)]
struct ClockState {
    base: MachineTime,
    offset: ClockOffset,
    has_reported_correction: bool,
    has_reported_date: bool,
}

/// A moment by both clocks of the machine.
#[derive(Debug, Clone, Copy)]
struct MachineTime {
    /// By the wall clock, which somebody may set; µs since the epoch.
    wall: i64,
    /// By the clock that nobody sets.
    elapsed: BootInstant,
}

impl Clock {
    /// Starts at the time of the wall clock, which is read again only to notice that it was set.
    pub fn start() -> Self {
        Self(Arc::new(Mutex::new(ClockState::new(MachineTime::now()))))
    }

    /// Returns the current time, ms since the epoch.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.lock().now(BootInstant::now()) / 1_000).unwrap_or(0)
    }

    /// Returns the earliest and the latest time that it may be, µs since the epoch: both are this machine's time while no
    /// response had a valid `Date`.
    pub fn bounds_us(&self) -> [u64; 2] {
        let bounds = self.lock().bounds(BootInstant::now());
        bounds.map(|bound| u64::try_from(bound).unwrap_or(0))
    }

    /// Returns how long to wait with a request that halves the interval of [`Self::bounds_us`]. `None` while no response had a
    /// valid `Date`.
    pub fn until_rollover(&self) -> Option<Duration> {
        let clock = self.lock();
        let now = clock.base.wall_at(BootInstant::now());
        let wait = clock.offset.next_rollover(now)?.saturating_sub(now);
        Some(Duration::from_micros(wait.unsigned_abs()))
    }

    /// Returns what is added to this machine's clock, in seconds; `None` where it is not corrected.
    pub fn correction_seconds(&self) -> Option<f64> {
        let milliseconds = self.lock().correction(BootInstant::now())? / 1_000;
        Some(milliseconds as f64 / 1_000.0)
    }

    /// Lets the SDK sign requests with this clock's time. Its own correction would accept any `Date`.
    pub(crate) fn sign(&self, config: SdkConfig) -> SdkConfig {
        let config = config.into_builder().disable_clock_skew_correction(true);
        config.time_source(self.clone()).build()
    }

    fn lock(&self) -> MutexGuard<'_, ClockState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.now_ms())
    }
}

impl ClockState {
    fn new(base: MachineTime) -> Self {
        Self {
            base,
            offset: ClockOffset::default(),
            has_reported_correction: false,
            has_reported_date: false,
        }
    }

    fn now(&self, elapsed: BootInstant) -> i64 {
        self.base.wall_at(elapsed).saturating_add(self.correction(elapsed).unwrap_or(0))
    }

    fn bounds(&self, elapsed: BootInstant) -> [i64; 2] {
        let wall = self.base.wall_at(elapsed);
        self.offset.interval(wall).map_or([wall; 2], |interval| interval.map(|by| wall.saturating_add(by)))
    }

    fn correction(&self, elapsed: BootInstant) -> Option<i64> {
        self.offset.correction(self.base.wall_at(elapsed))
    }

    /// Takes in the `Date` of a response. Where the wall clock was set since the last one, it is read again, and the
    /// offset starts afresh. Until this moment the elapsed time goes on from the earlier reading, so no time is wrong.
    fn observe(&mut self, sent: BootInstant, received: MachineTime, date: Option<&str>) {
        let parsed = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        let Some(date) = parsed.and_then(|date| date.secs().checked_mul(SECOND)) else {
            return self.warn_of_date("without a valid Date", received.elapsed);
        };
        let was_set = received.wall.abs_diff(self.base.wall_at(received.elapsed)) > JUMP;
        let (base, mut offset) =
            if was_set { (received, ClockOffset::default()) } else { (self.base, self.offset) };
        let (sent_at, received_at) = (base.wall_at(sent), base.wall_at(received.elapsed));
        if !offset.observe(&DatedResponse { date, sent_at, received_at }) {
            let what = format!("with the Date {}, more than 24 h off,", date_time(date));
            return self.warn_of_date(&what, received.elapsed);
        }
        (self.base, self.offset) = (base, offset);
        if let Some(by) = self.correction(received.elapsed)
            && by.abs() >= REPORTED_FROM
            && !std::mem::replace(&mut self.has_reported_correction, true)
        {
            let difference = duration(by.unsigned_abs() as f64 / SECOND as f64);
            let direction = if by > 0 { "behind" } else { "ahead of" };
            tracing::warn!("this machine's clock is {difference} {direction} AWS; times are corrected");
        }
    }

    fn warn_of_date(&mut self, what: &str, elapsed: BootInstant) {
        if !std::mem::replace(&mut self.has_reported_date, true) {
            tracing::warn!(
                "a response {what} is not used to correct this machine's clock, {} (a proxy may have changed the Date); no \
                 further warnings about dates",
                date_time(self.base.wall_at(elapsed))
            );
        }
    }
}

impl MachineTime {
    /// Reads both clocks three times, and returns the pair whose readings are closest together: a thread that waits for a core
    /// between two readings pairs the times of different moments.
    fn now() -> Self {
        let read = || {
            let elapsed = BootInstant::now();
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (BootInstant::now() - elapsed, Self { wall: micros(wall), elapsed })
        };
        let (mut shortest, mut closest) = read();
        for _ in 0..2 {
            let (time, reading) = read();
            if time < shortest {
                (shortest, closest) = (time, reading);
            }
        }
        closest
    }

    /// The wall clock's time at an earlier or later moment, had it not been set in between.
    fn wall_at(&self, elapsed: BootInstant) -> i64 {
        self.wall
            .saturating_add(micros(elapsed - self.elapsed))
            .saturating_sub(micros(self.elapsed - elapsed))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A time for a message, in RFC 3339.
fn date_time(us_since_epoch: i64) -> DateTime {
    DateTime::from_millis(us_since_epoch / 1_000)
}

/// Interceptor that reads the `Date` of every response, errors included.
#[derive(Debug)]
pub(crate) struct DateReader(pub(crate) Clock);

/// When a request was sent.
#[derive(Debug)]
struct SentAt(BootInstant);

impl Storable for SentAt {
    type Storer = StoreReplace<Self>;
}

impl Intercept for DateReader {
    fn name(&self) -> &'static str {
        "DateReader"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(SentAt(BootInstant::now()));
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(SentAt(sent)) = config.load::<SentAt>() {
            let date = context.response().headers().get("date");
            self.0.lock().observe(*sent, MachineTime::now(), date);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 30 November 2026, 13:00:00 UTC.
    const START: i64 = 1_796_043_600 * SECOND;
    const HOUR: i64 = 3_600 * SECOND;

    /// A clock and the moment of its start.
    struct Started {
        clock: ClockState,
        start: BootInstant,
    }

    impl Started {
        fn at(wall: i64) -> Self {
            let start = BootInstant::now();
            Self { clock: ClockState::new(MachineTime { wall, elapsed: start }), start }
        }

        /// The clock's time `after` µs since its start, and the correction in it.
        fn after(&self, after: i64) -> (i64, Option<i64>) {
            let elapsed = self.start + Duration::from_micros(after.unsigned_abs());
            (self.clock.now(elapsed), self.clock.correction(elapsed))
        }

        /// Takes in a response `after` µs since the start, 2 ms after its request.
        fn respond(&mut self, after: i64, wall: i64, date: Option<&str>) {
            let after = Duration::from_micros(after.unsigned_abs());
            let sent = self.start + after.saturating_sub(Duration::from_millis(2));
            self.clock.observe(sent, MachineTime { wall, elapsed: self.start + after }, date);
        }
    }

    fn http_date(us: i64) -> String {
        DateTime::from_secs(us.div_euclid(SECOND)).fmt(Format::HttpDate).unwrap()
    }

    #[test]
    fn a_wrong_clock_is_corrected_by_the_first_response() {
        for off in [-HOUR, -180 * SECOND, 180 * SECOND, HOUR] {
            let mut wrong = Started::at(START + off);
            wrong.respond(SECOND, START + off + SECOND, Some(&http_date(START + SECOND)));
            let (now, correction) = wrong.after(10 * SECOND);
            assert!((now - (START + 10 * SECOND)).abs() <= SECOND, "{off}: {now}");
            assert!(correction.is_some() && wrong.clock.has_reported_correction);
        }
    }

    #[test]
    fn the_bounds_contain_the_time_and_are_the_wall_clock_before_the_first_response() {
        let mut wrong = Started::at(START - HOUR);
        assert_eq!(wrong.clock.bounds(wrong.start), [START - HOUR; 2]);
        wrong.respond(SECOND, START - HOUR + SECOND, Some(&http_date(START + SECOND)));
        let [earliest, latest] = wrong.clock.bounds(wrong.start + Duration::from_secs(1));
        assert!(earliest <= START + SECOND && START + SECOND <= latest, "{earliest} {latest}");
        assert!((latest - earliest - SECOND).abs() <= 2_000, "{}", latest - earliest);
    }

    #[test]
    fn a_right_clock_stays_as_it_is() {
        let mut right = Started::at(START);
        for ms in (0..5_000).step_by(37) {
            let now = START + ms * 1_000;
            right.respond(ms * 1_000, now, Some(&http_date(now - 1_000)));
        }
        assert_eq!(right.after(5 * SECOND), (START + 5 * SECOND, None));
        assert!(!right.clock.has_reported_correction && !right.clock.has_reported_date);
    }

    #[test]
    fn a_wall_clock_that_is_set_moves_no_time() {
        let mut clock = Started::at(START);
        clock.respond(500_000, START + 500_000, Some(&http_date(START)));
        // From now on the wall clock is an hour ahead.
        assert_eq!(clock.after(SECOND), (START + SECOND, None));
        clock.respond(1_500_000, START + HOUR + 1_500_000, Some(&http_date(START + SECOND)));
        let (now, correction) = clock.after(2 * SECOND);
        assert!((now - (START + 2 * SECOND)).abs() <= SECOND, "{now}");
        assert!(correction.is_some_and(|by| (by + HOUR).abs() <= SECOND), "{correction:?}");
        // And right again.
        clock.respond(3_500_000, START + 3_500_000, Some(&http_date(START + 3 * SECOND)));
        assert_eq!(clock.after(4 * SECOND), (START + 4 * SECOND, None));
    }

    #[test]
    fn a_missing_or_impossible_date_changes_nothing() {
        let mut clock = Started::at(START);
        let far = http_date(START + 27 * HOUR);
        for date in [None, Some(""), Some("yesterday"), Some("\u{1b}[2J"), Some(far.as_str())] {
            clock.respond(SECOND, START + SECOND, date);
            assert_eq!(clock.after(4 * SECOND), (START + 4 * SECOND, None));
            assert!(clock.clock.has_reported_date);
        }
        // Even if the wall clock was set meanwhile.
        clock.respond(2 * SECOND, START + HOUR, Some(&far));
        assert_eq!(clock.after(4 * SECOND), (START + 4 * SECOND, None));
    }
}
