//! Values of a report's data in its page: each element names its path in the data.

use maud::{Markup, html};
use serde_json::{Value, json};
use stentor_core::escape;
use stentor_run_view::figures::Figure;
use stentor_run_view::unit::Unit;

use crate::data::Report;

/// Text of an unknown value.
const UNKNOWN: &str = "–";

/// A report and its data, from which the page takes every value by its path: names and indices, joined by dots.
#[derive(Debug)]
pub struct Page<'r> {
    /// The report.
    pub report: &'r Report,
    data: Value,
}

impl<'r> Page<'r> {
    /// Serialises the report.
    pub fn of(report: &'r Report) -> Self {
        let data =
            serde_json::to_value(report).expect("a report is numbers and texts, which are always JSON");
        Self { report, data }
    }

    fn at(&self, path: &str) -> &Value {
        self.data.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or(&Value::Null)
    }

    /// Whether there is a value at the path: a number, or a sum of which something is known.
    pub fn has(&self, path: &str) -> bool {
        let value = self.at(path);
        !value.get("amount").unwrap_or(value).is_null()
    }

    /// The number at the path, or the sum there, which may be a lower bound.
    pub fn number(&self, path: &str, unit: Unit) -> Markup {
        let value = self.at(path);
        let Some(amount) = value.get("amount") else { return number(path, value, unit) };
        html! {
            @if value["at_least"] == true && !amount.is_null() { span.least { "at least " } }
            (number(&format!("{path}.amount"), amount, unit))
        }
    }

    /// A cell of a table for each of these numbers of the object at the path.
    pub fn cells(&self, path: &str, fields: &[(&str, Unit)]) -> Markup {
        html! { @for (field, unit) in fields { td { (self.number(&format!("{path}.{field}"), *unit)) } } }
    }

    /// The count at the path in thousandths of a total.
    pub fn thousandths(&self, path: &str, total: &str) -> f64 {
        let count = |path| self.at(path).as_f64().unwrap_or(0.0);
        1_000.0 * count(path) / count(total).max(1.0)
    }

    /// A figure of the registry.
    pub fn figure(&self, figure: &Figure) -> Markup {
        self.number(figure.path, figure.unit)
    }

    /// The text at the path, which may come from anywhere.
    pub fn text(&self, path: &str) -> Markup {
        html! { bdi data-text=(path) { (escape::escape_control(self.at(path).as_str().unwrap_or_default())) } }
    }

    /// The timestamp at the path.
    pub fn timestamp(&self, path: &str) -> Markup {
        timestamp(path, self.at(path).as_str())
    }
}

fn number(path: &str, value: &Value, unit: Unit) -> Markup {
    html! { data.number data-figure=(path) data-unit=[json!(unit).as_str()] value=(value) { (number_text(value, unit)) } }
}

/// A number of the data as every surface shows it.
pub fn number_text(value: &Value, unit: Unit) -> String {
    match value.as_u64() {
        // A seed needs all its digits.
        Some(number) if unit == Unit::Identifier => number.to_string(),
        _ => unit.format_or(value.as_f64(), UNKNOWN),
    }
}

/// A timestamp, at `path` in the data.
pub fn timestamp(path: &str, rfc3339: Option<&str>) -> Markup {
    let text = rfc3339.and_then(|at| Some(format!("{} {} UTC", at.get(..10)?, at.get(11..19)?)));
    html! {
        @if let Some((at, text)) = rfc3339.zip(text) {
            time.number data-time=(path) datetime=(at) { (text) }
        } @else {
            span data-time=(path) { (UNKNOWN) }
        }
    }
}
