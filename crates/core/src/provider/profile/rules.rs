//! The rules of a provider profile. A profile is checked wherever it is read.

use std::collections::HashSet;
use std::fmt;
use std::ops::RangeInclusive;

use thiserror::Error;

use super::ProviderProfile;
use crate::delivery::{DistributionKind, WaitDistribution};
use crate::escape::excerpt;
use crate::provider::allowance::utc_offset_seconds;

/// Maximum time to live, seconds: a year.
pub const MAX_TTL: f64 = 31_536_000.0;

/// Maximum number of carriers. Each is stored in the item of the shared limit and in the usage records of every sender.
const MAX_CARRIERS: usize = 64;
/// Maximum number of failure codes: as many as a tally distinguishes.
const MAX_CODES: usize = 16;
/// The highest price and fee of a part, dollars.
const MAX_PRICE: f64 = 1_000.0;
/// Tolerance for a sum of shares above 1, since decimal fractions are not exact.
pub(super) const ROUNDING: f64 = 1e-9;

/// A value that a provider profile cannot have.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{key}`: {why}")]
pub struct InvalidProfile {
    pub(super) key: Key,
    pub(super) why: String,
}

/// The place of a value in a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Empty for the top level.
    pub table: &'static str,
    /// Place among the tables of this name, for `[[carriers]]` and `[[failures]]`.
    pub index: Option<usize>,
    pub field: &'static str,
}

impl Key {
    const fn top(field: &'static str) -> Self {
        Self { table: "", index: None, field }
    }

    const fn of(table: &'static str, field: &'static str) -> Self {
        Self { table, index: None, field }
    }

    const fn at(table: &'static str, index: usize, field: &'static str) -> Self {
        Self { table, index: Some(index), field }
    }

    pub(super) fn error(self, why: impl Into<String>) -> InvalidProfile {
        InvalidProfile { key: self, why: why.into() }
    }

    /// Rejects a text that does not match.
    fn text(self, text: &str, is_valid: bool, expected: &str) -> Result<(), InvalidProfile> {
        if is_valid {
            return Ok(());
        }
        Err(self.error(format!("'{}' is invalid, expected {expected}", excerpt(text, 40))))
    }

    /// Rejects a number outside the range. NaN is outside any.
    fn number(
        self,
        value: Option<f64>,
        range: RangeInclusive<f64>,
        expected: &str,
    ) -> Result<(), InvalidProfile> {
        match value {
            Some(value) if !range.contains(&value) => {
                Err(self.error(format!("{value} is out of range, expected {expected}")))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.table, self.index) {
            ("", _) => f.write_str(self.field),
            (table, None) => write!(f, "{table}.{}", self.field),
            (table, Some(index)) => write!(f, "{table}[{index}].{}", self.field),
        }
    }
}

/// Checks all values of a profile.
pub(super) fn check(profile: &ProviderProfile) -> Result<(), InvalidProfile> {
    check_texts(profile)?;
    check_limits(profile)?;
    check_delivery(profile)?;
    Key::of("price", "per_part").number(profile.price.per_part, 0.0..=MAX_PRICE, "0 to 1,000 dollars")?;
    check_carriers(profile)?;
    check_failures(profile)
}

/// Whether a text is the name of a profile.
pub(super) fn is_name(text: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(is_valid)
}

fn is_printable(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.chars().count())
        && text.trim() == text
        && crate::escape::escape_control(text) == text
}

fn check_texts(profile: &ProviderProfile) -> Result<(), InvalidProfile> {
    let name = &profile.name;
    Key::top("name").text(name, is_name(name), "1 to 32 of a to z, 0 to 9 and -")?;
    for (field, text, max) in [("source", &profile.source, 400), ("as_of", &profile.as_of, 32)] {
        let text = text.as_deref().unwrap_or("-");
        let expected = format!("1 to {max} printable characters");
        Key::top(field).text(text, is_printable(text, max), &expected)?;
    }
    Ok(())
}

fn check_limits(profile: &ProviderProfile) -> Result<(), InvalidProfile> {
    const LEAST: f64 = f64::MIN_POSITIVE;
    let limits = &profile.limits;
    let key = |field| Key::of("limits", field);
    let rate = limits.parts_per_second;
    key("parts_per_second").number(rate, 0.001..=1e6, "0.001 to 1,000,000 parts per second")?;
    key("burst_parts").number(limits.burst_parts, LEAST..=1e9, "more than 0 to 1,000,000,000 parts")?;
    let ttl = limits.ttl_seconds;
    key("ttl_seconds").number(ttl, LEAST..=MAX_TTL, "more than 0 to 31,536,000 seconds")?;
    key("spend_dollars").number(limits.spend_dollars, LEAST..=1e9, "more than 0 to 1,000,000,000 dollars")?;
    if let Some(ttl) = ttl {
        limits.check_ttl(ttl).map_err(|why| key("ttl_seconds").error(why))?;
    }
    Ok(())
}

impl super::Limits {
    /// Rejects a time to live, in seconds, within which the limit allows no part.
    pub fn check_ttl(&self, ttl: f64) -> Result<(), String> {
        match self.parts_per_second.map(f64::recip) {
            Some(one_part) if ttl < one_part => {
                Err(format!("{ttl} s is shorter than the {one_part} s that one part takes at the limit"))
            }
            _ => Ok(()),
        }
    }
}

fn check_delivery(profile: &ProviderProfile) -> Result<(), InvalidProfile> {
    let delivery = &profile.delivery;
    let checked = |field, mean, spread| {
        let wait = WaitDistribution::new(DistributionKind::Constant, mean, spread);
        wait.map(drop).map_err(|error| Key::of("delivery", field).error(error.to_string()))
    };
    checked("mean_seconds", delivery.mean_seconds.unwrap_or(0.0), 0.0)?;
    checked("spread", 0.0, delivery.spread.unwrap_or(0.0))
}

fn check_carriers(profile: &ProviderProfile) -> Result<(), InvalidProfile> {
    let mut names = HashSet::new();
    let mut total = 0.0;
    for (index, carrier) in profile.carriers.iter().enumerate() {
        let key = |field| Key::at("carriers", index, field);
        if index == MAX_CARRIERS {
            return Err(key("name").error(format!("more carriers than {MAX_CARRIERS}")));
        }
        let name = &carrier.name;
        key("name").text(name, is_printable(name, 32), "1 to 32 printable characters")?;
        if !names.insert(name) {
            return Err(key("name").error(format!("the carrier '{name}' is listed twice")));
        }
        check_share(key("share"), carrier.share, &mut total)?;
        key("fee_per_part").number(carrier.fee_per_part, 0.0..=MAX_PRICE, "0 to 1,000 dollars")?;
        if let Some(offset) = &carrier.utc_offset {
            let is_valid = utc_offset_seconds(offset).is_some();
            key("utc_offset").text(offset, is_valid, "a UTC offset from -14:00 to +14:00, such as -08:00")?;
        }
    }
    Ok(())
}

fn check_failures(profile: &ProviderProfile) -> Result<(), InvalidProfile> {
    let mut codes = HashSet::new();
    let mut total = 0.0;
    for (index, failure) in profile.failures.iter().enumerate() {
        let key = |field| Key::at("failures", index, field);
        if index == MAX_CODES {
            return Err(key("code").error(format!("more failure codes than {MAX_CODES}")));
        }
        if !codes.insert(failure.code) {
            return Err(key("code").error(format!("the code {} is listed twice", failure.code)));
        }
        check_share(key("share"), failure.share, &mut total)?;
    }
    Ok(())
}

/// Checks a share, and the sum of the shares so far.
fn check_share(key: Key, share: f64, total: &mut f64) -> Result<(), InvalidProfile> {
    key.number(Some(share), 0.0..=1.0, "0 to 1")?;
    *total += share;
    if *total > 1.0 + ROUNDING {
        return Err(key.error(format!("the shares up to this one add up to {total}, expected at most 1")));
    }
    Ok(())
}
