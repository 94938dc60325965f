//! Elapsed time that includes the time for which the machine was suspended.

use std::ops::{Add, Sub};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// On Linux, `CLOCK_MONOTONIC`, and with it [`std::time::Instant`], stops while the machine is suspended.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::Boottime;

/// On macOS, `CLOCK_MONOTONIC` continues during sleep (clock_gettime(3)); [`std::time::Instant`] stops there too.
/// Other systems may stop this clock: there, a suspended machine is not noticed.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

/// A moment on a clock that continues while the machine is suspended, as the visibility timeouts of SQS do. No change of
/// the wall clock affects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootInstant(Duration);

impl BootInstant {
    /// Returns the current moment.
    pub fn now() -> Self {
        let time = clock_gettime(CLOCK);
        let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
        Self(Duration::new(seconds.unwrap_or_default(), nanoseconds.unwrap_or_default()))
    }
}

impl Add<Duration> for BootInstant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub for BootInstant {
    type Output = Duration;

    /// Returns the time from `earlier` to this moment; zero if `earlier` is later.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_elapses_and_is_never_negative() {
        let start = BootInstant::now();
        std::thread::sleep(Duration::from_millis(5));
        let later = BootInstant::now();
        assert!(later - start >= Duration::from_millis(5));
        assert_eq!(start - later, Duration::ZERO);
        assert!(start + Duration::from_secs(60) > later);
    }
}
