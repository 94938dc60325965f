//! Units of figures, and how a value of each is formatted.

use schemars::{Schema, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stentor_cli::format;

/// Text of an unknown value.
pub const UNKNOWN: &str = "-";

/// Unit of a figure; pages name it as serde does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A whole number, with thousands separators.
    Count,
    /// A number that identifies something, such as a seed.
    Identifier,
    /// A quantity with fractions.
    Quantity,
    /// Seconds to the millisecond.
    Seconds,
    /// Seconds in words, such as `3 min 20 s`.
    Duration,
    /// Seconds since an event.
    Age,
    /// Messages a second.
    Rate,
    /// A fraction from 0 to 1, formatted in percent.
    Fraction,
    /// A fraction that can exceed 1, formatted in percent.
    Ratio,
    /// Units for each message.
    PerMessage,
    /// US dollars, in as many digits as matter.
    Dollars,
    /// US dollars to a millionth, so that the lines of a bill align.
    BillDollars,
    /// US dollars with all their digits.
    Price,
    /// 0 or 1.
    Flag,
    /// Words; only comparisons have them.
    Text,
}

impl Unit {
    /// A value as every surface shows it.
    pub fn format(self, value: f64) -> String {
        match self {
            Self::Count => format::thousands(to_count(value.round())),
            Self::Identifier | Self::Flag | Self::Text => value.to_string(),
            Self::Quantity => format::quantity(value),
            Self::Seconds => format::seconds(Some(value)),
            Self::Duration => format::duration(value),
            Self::Age => format!("{value:.0} s ago"),
            Self::Rate => format!("{}/s", format::rate(value)),
            Self::Fraction | Self::Ratio => format::percent(value),
            Self::PerMessage => format!("{value:.3}"),
            Self::Dollars => format::dollars(value),
            Self::BillDollars => format!("${value:.6}"),
            Self::Price => price(value),
        }
    }

    /// Formats a value, or returns the text for an unknown one.
    pub fn format_or(self, value: Option<f64>, unknown: &str) -> String {
        value.map_or_else(|| unknown.to_owned(), |value| self.format(value))
    }

    /// A value beside the limit that it crossed: fractions as the user writes them.
    pub fn format_exact(self, value: f64) -> String {
        match self {
            Self::Fraction => format!("{value:.4}"),
            Self::Rate => format::rate(value),
            _ => self.format(value),
        }
    }

    /// A value for a narrow column whose heading names the unit.
    pub fn format_compact(self, value: f64) -> String {
        match self {
            Self::Seconds if value >= 1_000.0 => format::rate(value),
            Self::Seconds if value >= 100.0 => format!("{value:.1}"),
            Self::Seconds => format!("{value:.3}"),
            Self::Rate => format::rate(value),
            _ => self.format(value),
        }
    }

    /// A value of this unit in JSON; null where it is unknown.
    pub fn json(self, value: Option<f64>) -> Value {
        match (self, value) {
            (_, None) => Value::Null,
            (Self::Flag, Some(value)) => (value > 0.0).into(),
            (Self::Count, Some(value)) => to_count(value).into(),
            (_, Some(value)) => value.into(),
        }
    }

    /// The JSON schema of a value of this unit; a count or a flag is null only if it is `optional`.
    pub fn schema(self, help: &str, optional: bool) -> Schema {
        match self {
            Self::Flag if optional => json_schema!({ "description": help, "type": ["boolean", "null"] }),
            Self::Flag => json_schema!({ "description": help, "type": "boolean" }),
            Self::Count if optional => {
                json_schema!({ "description": help, "type": ["integer", "null"], "minimum": 0 })
            }
            Self::Count => json_schema!({ "description": help, "type": "integer", "minimum": 0 }),
            Self::Fraction => {
                json_schema!({ "description": help, "type": ["number", "null"], "minimum": 0, "maximum": 1 })
            }
            _ => json_schema!({ "description": help, "type": ["number", "null"], "minimum": 0 }),
        }
    }
}

/// The value of a count as a whole number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
pub fn to_count(count: f64) -> u64 {
    count as u64
}

/// All digits, and cents at least.
fn price(dollars: f64) -> String {
    let digits = dollars.to_string();
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    if decimals < 2 { format!("${dollars:.2}") } else { format!("${digits}") }
}
