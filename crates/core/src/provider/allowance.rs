//! Daily caps and the monthly spend limit: counters that all senders share, of which each sender reserves blocks.

mod block;
mod calendar;

pub use block::{Counted, LocalAllowance, Reservation, ReserveResult, TakeResult};
pub use calendar::utc_offset_seconds;

use self::calendar::{DAY, Date};
use super::profile::{Carrier, ProviderProfile};

/// How long a counter is stored after its day or month, seconds: seven days.
const RETENTION: i64 = 7 * DAY;

const MICROS: f64 = 1_000_000.0;

/// A daily cap in parts, or the monthly spend limit in micro-dollars.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowance {
    /// Key of the counters without the date.
    prefix: String,
    period: Period,
    /// Units in each period.
    limit: u64,
    /// Units a second that the provider's rate limit permits all senders together.
    per_second: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Period {
    /// From midnight at this offset from UTC, seconds.
    Day { utc_offset: i64 },
    /// From the first of the month, UTC.
    Month,
}

/// The counter of one allowance for one day or month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// Sort key of its item, `<profile>#<carrier>#<date>` or `<profile>#spend#<month>`.
    pub key: String,
    /// Units that all senders may use together.
    pub limit: u64,
    /// When the day or month ends, seconds since the epoch.
    pub ends_at: u64,
    /// When the item may be deleted, seconds since the epoch.
    pub expires_at: u64,
}

impl Allowance {
    /// Returns the daily cap of a carrier, in parts, if it has one.
    pub fn daily_cap(profile: &ProviderProfile, carrier: &Carrier) -> Option<Self> {
        Some(Self {
            prefix: format!("{}#{}", profile.name, carrier.name),
            period: Period::Day { utc_offset: carrier.utc_offset_seconds() },
            limit: carrier.daily_parts?,
            per_second: profile.limits.parts_per_second,
        })
    }

    /// Returns the monthly spend limit of a profile, in micro-dollars, if it has one.
    pub fn spend_limit(profile: &ProviderProfile) -> Option<Self> {
        let fee = profile.carriers.iter().filter_map(|carrier| carrier.fee_per_part).fold(0.0, f64::max);
        let most_per_part = (profile.price.per_part.unwrap_or(0.0) + fee) * MICROS;
        Some(Self {
            prefix: format!("{}#spend", profile.name),
            period: Period::Month,
            limit: whole(profile.limits.spend_dollars? * MICROS, f64::floor),
            per_second: profile.limits.parts_per_second.map(|parts| parts * most_per_part),
        })
    }

    /// Returns the counter at a time, ms since the epoch.
    pub fn counter_at(&self, now_ms: u64) -> Counter {
        let now = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX / 2);
        let (name, ends_at) = match self.period {
            Period::Day { utc_offset } => {
                let day = (now + utc_offset).div_euclid(DAY);
                (Date::of_day(day).to_string(), (day + 1) * DAY - utc_offset)
            }
            Period::Month => {
                let date = Date::of_day(now.div_euclid(DAY));
                (date.month_name(), date.next_month().day_number() * DAY)
            }
        };
        let seconds = |seconds: i64| u64::try_from(seconds).unwrap_or(0);
        Counter {
            key: format!("{}#{name}", self.prefix),
            limit: self.limit,
            ends_at: seconds(ends_at),
            expires_at: seconds(ends_at + RETENTION),
        }
    }
}

/// Returns the price of a message to a carrier in micro-dollars, rounded up.
pub fn message_price(profile: &ProviderProfile, carrier: &str, parts: u32) -> u64 {
    whole(profile.dollars_per_part(carrier) * MICROS * f64::from(parts), f64::ceil)
}

/// Rounds micro-dollars to a whole number. One that is whole except for the error of the multiplication stays.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is not negative")]
fn whole(micros: f64, round: fn(f64) -> f64) -> u64 {
    let nearest = micros.round();
    let is_whole = (micros - nearest).abs() <= nearest * 1e-12;
    (if is_whole { nearest } else { round(micros) }).max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carrier(daily_parts: Option<u64>, utc_offset: Option<&str>) -> Carrier {
        let (name, utc_offset) = ("T-Mobile".to_owned(), utc_offset.map(str::to_owned));
        Carrier { name, share: 0.36, fee_per_part: Some(0.0045), daily_parts, utc_offset }
    }

    fn profile(spend_dollars: Option<f64>, carriers: Vec<Carrier>) -> ProviderProfile {
        let mut profile: ProviderProfile =
            serde_json::from_str(r#"{"name": "us", "price": {"per_part": 0.0083}}"#).unwrap();
        profile.limits.spend_dollars = spend_dollars;
        profile.carriers = carriers;
        profile
    }

    /// Seconds of 2026-11-30 00:00 UTC.
    const NOVEMBER_30: u64 = 1_795_996_800;

    #[test]
    fn a_day_begins_at_midnight_of_the_offset() {
        let key_at = |offset: Option<&str>, seconds: u64| {
            let capped = carrier(Some(200_000), offset);
            let cap = Allowance::daily_cap(&profile(None, vec![]), &capped).unwrap();
            let counter = cap.counter_at(seconds * 1_000);
            assert!(counter.ends_at > seconds && counter.ends_at <= seconds + 86_400);
            assert_eq!((counter.limit, counter.expires_at), (200_000, counter.ends_at + 7 * 86_400));
            counter.key
        };
        assert_eq!(key_at(None, NOVEMBER_30), "us#T-Mobile#2026-11-30");
        assert_eq!(key_at(None, NOVEMBER_30 - 1), "us#T-Mobile#2026-11-29");
        assert_eq!(key_at(Some("-08:00"), NOVEMBER_30 + 8 * 3_600), "us#T-Mobile#2026-11-30");
        assert_eq!(key_at(Some("-08:00"), NOVEMBER_30 + 8 * 3_600 - 1), "us#T-Mobile#2026-11-29");
        assert_eq!(key_at(Some("+05:30"), NOVEMBER_30 - 5 * 3_600 - 1_800), "us#T-Mobile#2026-11-30");
        assert_eq!(key_at(Some("+05:30"), NOVEMBER_30 - 5 * 3_600 - 1_801), "us#T-Mobile#2026-11-29");
        assert_eq!(Allowance::daily_cap(&profile(None, vec![]), &carrier(None, None)), None);
    }

    #[test]
    fn a_month_is_that_of_utc() {
        let spend = Allowance::spend_limit(&profile(Some(1.0), vec![])).unwrap();
        let last = spend.counter_at((NOVEMBER_30 + 86_399) * 1_000 + 999);
        assert_eq!((last.key.as_str(), last.limit), ("us#spend#2026-11", 1_000_000));
        assert_eq!(last.ends_at, NOVEMBER_30 + 86_400);
        let next = spend.counter_at(last.ends_at * 1_000);
        assert_eq!((next.key.as_str(), next.ends_at), ("us#spend#2026-12", last.ends_at + 31 * 86_400));
        let january = spend.counter_at(next.ends_at * 1_000);
        assert_eq!((january.key.as_str(), january.ends_at), ("us#spend#2027-01", next.ends_at + 31 * 86_400));
        assert_eq!(Allowance::spend_limit(&profile(None, vec![])), None);
    }

    #[test]
    fn a_message_costs_whole_micro_dollars_rounded_up() {
        let carriers = vec![carrier(None, None)];
        let mut us = profile(None, carriers);
        assert_eq!(message_price(&us, "T-Mobile", 1), 12_800);
        assert_eq!(message_price(&us, "T-Mobile", 3), 38_400);
        assert_eq!(message_price(&us, "OTHER", 1), 8_300);
        us.price.per_part = Some(0.000_000_4);
        assert_eq!(message_price(&us, "OTHER", 1), 1);
        assert_eq!(message_price(&us, "OTHER", 3), 2);
        us.price.per_part = None;
        assert_eq!(message_price(&us, "OTHER", 3), 0);
        for cents in 1..2_000_u32 {
            us.price.per_part = Some(f64::from(cents) / 1e4);
            assert_eq!(message_price(&us, "OTHER", 7), u64::from(cents) * 700, "{cents}");
        }
        us.limits.spend_dollars = Some(0.29);
        assert_eq!(Allowance::spend_limit(&us).unwrap().limit, 290_000);
    }

    #[test]
    fn impossible_numbers_do_not_panic() {
        let spend = Allowance::spend_limit(&profile(Some(f64::MAX), vec![])).unwrap();
        assert_eq!(spend.limit, u64::MAX);
        for now in [0, u64::MAX] {
            let _ = spend.counter_at(now);
            let _ = Allowance::daily_cap(&profile(None, vec![]), &carrier(Some(1), Some("-14:00")))
                .unwrap()
                .counter_at(now);
        }
    }
}
