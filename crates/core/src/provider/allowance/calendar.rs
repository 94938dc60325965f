//! Dates of the Gregorian calendar, without a library: core has no time zones and no clock.

use std::fmt;

/// A day, seconds.
pub(super) const DAY: i64 = 86_400;

/// The largest offset from UTC, seconds.
const MAX_OFFSET: i64 = 14 * 3_600;

/// Days in 400 years, after which the calendar repeats.
const ERA: i64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    year: i64,
    /// 1 to 12.
    month: i64,
    /// 1 to 31.
    day: i64,
}

impl Date {
    /// Returns the date of a day since the epoch (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
    /// `civil_from_days`).
    pub(super) fn of_day(day: i64) -> Self {
        let days = day + EPOCH;
        let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Months from March, so that the leap day is the last of a year.
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: of_year - (153 * from_march + 2) / 5 + 1,
        }
    }

    /// Returns the number of days since the epoch (`days_from_civil` of the same source).
    pub(super) fn day_number(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let from_march = (self.month + 9) % 12;
        let of_year = (153 * from_march + 2) / 5 + self.day - 1;
        era * ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - EPOCH
    }

    /// Returns the first day of the month after that of the date.
    pub(super) fn next_month(self) -> Self {
        Self { year: self.year + self.month / 12, month: self.month % 12 + 1, day: 1 }
    }

    /// Returns the month as `YYYY-MM`.
    pub(super) fn month_name(self) -> String {
        format!("{:04}-{:02}", self.year, self.month)
    }
}

/// Writes `YYYY-MM-DD`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Parses an offset from UTC, `+HH:MM` or `-HH:MM` within 14 hours, to seconds; `None` for any other text.
pub fn utc_offset_seconds(text: &str) -> Option<i64> {
    let (sign, time) = match text.split_at_checked(1)? {
        ("+", time) => (1, time),
        ("-", time) => (-1, time),
        _ => return None,
    };
    let (hours, minutes) = time.split_once(':')?;
    let number = |digits: &str| -> Option<i64> {
        let is_valid = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_valid.then(|| digits.parse().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let seconds = hours * 3_600 + minutes * 60;
    (minutes < 60 && seconds <= MAX_OFFSET).then_some(sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of a month by the usual rule, as a second implementation.
    fn month_length(year: i64, month: i64) -> i64 {
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        match month {
            2 => 28 + i64::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    #[test]
    fn every_day_from_1970_to_2470_has_its_date() {
        let mut expected = Date { year: 1970, month: 1, day: 1 };
        for day in 0..500 * 365 {
            assert_eq!((Date::of_day(day), expected.day_number()), (expected, day));
            let is_last = expected.day == month_length(expected.year, expected.month);
            if is_last {
                expected = expected.next_month();
            } else {
                expected.day += 1;
            }
        }
    }

    #[test]
    fn dates_are_written_in_iso_8601() {
        let leap_day = Date::of_day(11_016);
        assert_eq!((leap_day.to_string(), leap_day.month_name()), ("2000-02-29".into(), "2000-02".into()));
        assert_eq!(Date::of_day(-1).to_string(), "1969-12-31");
    }

    #[test]
    fn an_offset_has_a_sign_hours_and_minutes_up_to_14_hours() {
        for (text, seconds) in [("-08:00", -28_800), ("+05:30", 19_800), ("+00:00", 0), ("+14:00", 50_400)] {
            assert_eq!(utc_offset_seconds(text), Some(seconds));
        }
        for text in
            ["", "Z", "08:00", "-8:00", "-08", "-0800", "+14:01", "+05:60", "+aa:00", "+-5:00", "é5:00"]
        {
            assert_eq!(utc_offset_seconds(text), None, "{text}");
        }
    }
}
