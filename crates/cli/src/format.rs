//! Numbers, durations, times and JSON as the programs print them.

#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use stentor_core::escape::escape_with;
pub use stentor_core::format::{duration, thousands};

/// A result as one line of JSON, without characters that a terminal interprets.
pub fn json_line(result: &impl Serialize) -> String {
    let json = serde_json::to_string(result).expect("results are numbers and texts, which are always JSON");
    // JSON itself escapes only what lies below the space; such characters stand in strings alone.
    escape_with(&json, |c, out| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}").expect("a String takes all that is written");
        }
    })
}

/// A number of things that have a regular plural: `1 message`, `1,000 messages`.
pub fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// A rate of messages a second, rounded to what can be read at a glance.
pub fn rate(per_second: f64) -> String {
    if per_second < 10.0 { format!("{per_second:.1}") } else { thousands(per_second.round() as u64) }
}

/// A quantity that need not be whole: three digits of a small one, `0.0391`; thousands set apart, `1,235`.
pub fn quantity(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 {
        return thousands(value.round() as u64);
    }
    let decimals = if value >= 10.0 {
        1
    } else if value >= 1.0 {
        2
    } else {
        first_decimal(value) + 2
    };
    format!("{value:.decimals$}")
}

/// Dollars: cents from a dollar on, `$1,234.57`, and three digits below, `$0.0117`.
pub fn dollars(dollars: f64) -> String {
    if dollars >= 0.995 {
        let cents = (dollars * 100.0).round() as u64;
        return format!("${}.{:02}", thousands(cents / 100), cents % 100);
    }
    if dollars < 1e-9 {
        return "$0.00".to_owned();
    }
    let decimals = first_decimal(dollars) + 2;
    format!("${dollars:.decimals$}")
}

/// Which decimal place is the first that is not zero, of a number between 0 and 1; no further than the ninth.
fn first_decimal(number: f64) -> usize {
    (1..9_u8).find(|place| number * 10_f64.powi(i32::from(*place)) >= 1.0).map_or(9, usize::from)
}

/// Seconds to the millisecond, `0.500 s`; `-` for an unknown value.
pub fn seconds(seconds: Option<f64>) -> String {
    seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.3} s"))
}

/// A fraction from 0 to 1 as a percentage: `12.5%`.
pub fn percent(fraction: f64) -> String {
    format!("{:.1}%", 100.0 * fraction)
}

/// A time in ms since the epoch as RFC 3339, UTC, to the millisecond; empty for times that RFC 3339 cannot express.
pub fn rfc3339(ms_since_epoch: u64) -> String {
    try_rfc3339(ms_since_epoch).unwrap_or_default()
}

/// As [`rfc3339`], with `None` for times that RFC 3339 cannot express.
pub fn try_rfc3339(ms_since_epoch: u64) -> Option<String> {
    timestamp(ms_since_epoch).map(|at| format!("{at:.3}"))
}

/// A time zone, for times on a terminal. JSON and reports have UTC.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// Returns the zone of `TZ` or else of this machine, and UTC if that cannot be read.
    pub fn local() -> Self {
        Self(TimeZone::system())
    }

    /// A time in ms since the epoch as a time of day with its offset: `14:20:31+01:00`; `-` for times that RFC 3339
    /// cannot express.
    pub fn time(&self, ms_since_epoch: u64) -> String {
        self.format(ms_since_epoch, "%H:%M:%S%:z")
    }

    /// As [`Self::time`], with the date: `2026-11-30 14:20:31+01:00`.
    pub fn date_and_time(&self, ms_since_epoch: u64) -> String {
        self.format(ms_since_epoch, "%Y-%m-%d %H:%M:%S%:z")
    }

    fn format(&self, ms_since_epoch: u64, format: &str) -> String {
        timestamp(ms_since_epoch)
            .map_or("-".to_owned(), |at| at.to_zoned_datetime(self.0.clone()).strftime(format).to_string())
    }
}

fn timestamp(ms_since_epoch: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(ms_since_epoch).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_core::escape::escape_control;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn one_is_singular() {
        let texts = [0, 1, 2, 1_000].map(|number| counted(number, "message"));
        assert_eq!(texts, ["0 messages", "1 message", "2 messages", "1,000 messages"]);
    }

    #[test]
    fn spans_and_rates_read_at_a_glance() {
        for (seconds, text) in [
            (0.0, "0.0 s"),
            (0.44, "0.4 s"),
            (9.96, "10 s"),
            (119.0, "119 s"),
            (200.0, "3 min 20 s"),
            (7_500.0, "2 h 5 min"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!((rate(0.25), rate(1_234.5)), ("0.2".to_owned(), "1,235".to_owned()));
    }

    #[test]
    fn quantities_and_dollars_have_the_digits_that_matter() {
        for (number, text) in [
            (0.0, "0"),
            (6_004.0, "6,004"),
            (1_234.5, "1,235"),
            (12.34, "12.3"),
            (1.25, "1.25"),
            (0.039_06, "0.0391"),
        ] {
            assert_eq!(quantity(number), text);
        }
        for (number, text) in [
            (0.0, "$0.00"),
            (1.395, "$1.40"),
            (0.999, "$1.00"),
            (1_234.567, "$1,234.57"),
            (0.625, "$0.625"),
            (0.011_74, "$0.0117"),
            (0.000_013_333_4, "$0.0000133"),
            (1e-30, "$0.00"),
        ] {
            assert_eq!(dollars(number), text);
        }
    }

    #[test]
    fn local_times_have_their_offset() {
        let zone = Zone(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        assert_eq!(zone.time(1_795_602_030_123), "11:20:30+01:00");
        assert_eq!(zone.date_and_time(1_782_813_600_000), "2026-06-30 12:00:00+02:00");
        assert_eq!(Zone::UTC.date_and_time(0), "1970-01-01 00:00:00+00:00");
        assert_eq!(Zone::UTC.time(u64::MAX), "-");
    }

    #[test]
    fn json_reads_back_and_cannot_attack_a_terminal_either() {
        let hostile = "\u{1b}]0;x\u{7}\n\u{7f}\u{9b}2J\u{202e} Grüße \\u{9b}";
        let written = json_line(&hostile);
        assert!(!written.chars().any(|c| escape_control(&c.to_string()) != c.to_string()), "{written:?}");
        assert!(written.contains("\\u009b2J\\u202e Grüße"), "{written}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), hostile);
    }
}
