//! Figures of a report as they stand in its page: each names its place in the data, and has its value as it is there.

use maud::{Markup, html};
use serde::Serialize;
use serde_json::Value;
use stentor_cli::format;
use stentor_core::escape;

use stentor_run_view::bill::AtLeast;

/// In what a figure is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Count,
    /// A number that is a name, as a seed is.
    Plain,
    /// A quantity that need not be whole.
    Amount,
    /// Seconds, to the millisecond.
    Seconds,
    /// Seconds, as a person tells them.
    Span,
    /// Messages a second.
    Rate,
    /// A share from 0 to 1.
    Share,
    Dollars,
    /// Dollars to a millionth, so that those of a bill stand below each other.
    Bill,
    /// Dollars with all their digits.
    Price,
}

/// What stands for what is not known.
const UNKNOWN: &str = "–";

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Plain => "plain",
            Self::Amount => "amount",
            Self::Seconds => "seconds",
            Self::Span => "span",
            Self::Rate => "rate",
            Self::Share => "share",
            Self::Dollars => "dollars",
            Self::Bill => "bill",
            Self::Price => "price",
        }
    }

    /// The unit of that name.
    #[cfg(test)]
    pub fn named(name: &str) -> Option<Self> {
        [
            Self::Count,
            Self::Plain,
            Self::Amount,
            Self::Seconds,
            Self::Span,
            Self::Rate,
            Self::Share,
            Self::Dollars,
            Self::Bill,
            Self::Price,
        ]
        .into_iter()
        .find(|unit| unit.name() == name)
    }

    /// A number as every surface shows it.
    pub fn text(self, value: &Value) -> String {
        let Some(number) = value.as_f64() else { return UNKNOWN.to_owned() };
        match self {
            Self::Count => value.as_u64().map_or_else(|| format::quantity(number), format::thousands),
            Self::Plain => value.to_string(),
            Self::Amount => format::quantity(number),
            Self::Seconds => format::seconds(Some(number)),
            Self::Span => format::duration(number),
            Self::Rate => format::rate(number),
            Self::Share => format::percent(number),
            Self::Dollars => format::dollars(number),
            Self::Bill => format!("${number:.6}"),
            Self::Price => price(number),
        }
    }
}

/// All digits, and cents at least.
fn price(dollars: f64) -> String {
    let digits = dollars.to_string();
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    if decimals < 2 { format!("${dollars:.2}") } else { format!("${digits}") }
}

/// A number, at `path` in the data: names and places, joined by dots.
pub fn figure(path: &str, value: impl Serialize, unit: Unit) -> Markup {
    // Numbers are always JSON, and null is what stands for those that none can tell.
    let value = serde_json::to_value(value).unwrap_or_default();
    html! { data.number data-figure=(path) data-unit=(unit.name()) value=(value) { (unit.text(&value)) } }
}

/// A sum, and whether it may be more.
pub fn sum<T: Serialize + Copy>(path: &str, sum: AtLeast<T>, unit: Unit) -> Markup {
    html! {
        @if sum.at_least && sum.amount.is_some() { span.least { "at least " } }
        (figure(&format!("{path}.amount"), sum.amount, unit))
    }
}

/// A text, at `path` in the data, which may come from anywhere.
pub fn text(path: &str, text: &str) -> Markup {
    html! { bdi data-text=(path) { (escape::escape_control(text)) } }
}

/// A timestamp, at `path` in the data.
pub fn timestamp(path: &str, rfc3339: Option<&str>) -> Markup {
    let told = rfc3339.and_then(|at| Some(format!("{} {} UTC", at.get(..10)?, at.get(11..19)?)));
    html! {
        @if let Some((at, told)) = rfc3339.zip(told) {
            time.number data-time=(path) datetime=(at) { (told) }
        } @else {
            span data-time=(path) { (UNKNOWN) }
        }
    }
}
