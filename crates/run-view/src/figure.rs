//! A figure of the registry: its name, label, unit and computation.

use schemars::Schema;

use crate::bill::LowerBound;
use crate::metric::Metric;
use crate::unit::{UNKNOWN, Unit};
use crate::view::RunView;

/// A figure of a run, or of something else that has figures.
#[derive(Debug)]
pub struct Figure<S: 'static = RunView> {
    /// Its place in the JSON of a report, joined by dots; what is below `snapshot` is printed by `--json` too. Empty where
    /// the JSON does not have it.
    pub path: &'static str,
    /// What people read.
    pub label: &'static str,
    /// A shorter label for tables of related figures; empty where `label` is short enough.
    pub short: &'static str,
    /// Unit of its value, which decides how it is formatted.
    pub unit: Unit,
    /// Whether a count or a flag may be unknown.
    pub optional: bool,
    /// Which direction is an improvement.
    pub better: Better,
    /// Name in `--fail-if`; empty where it cannot be a threshold.
    pub threshold: &'static str,
    /// Its sample for Prometheus.
    pub metric: Option<Metric>,
    /// Explanation for help texts, the JSON schema and Prometheus.
    pub help: &'static str,
    /// Computes it.
    pub value: fn(&S) -> LowerBound<f64>,
    /// Where it is unknown, a lower bound that a threshold compares instead: infinite where there will never be a value.
    pub lower_bound: fn(&S) -> Option<f64>,
}

/// Which direction of a figure is an improvement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// A higher value.
    Higher,
    /// A lower value.
    Lower,
    /// Neither: it describes the run.
    Neither,
}

impl<S> Figure<S> {
    pub(crate) const DEFAULT: Self = Self {
        path: "",
        label: "",
        short: "",
        unit: Unit::Count,
        optional: false,
        better: Better::Neither,
        threshold: "",
        metric: None,
        help: "",
        value: |_| LowerBound { amount: None, at_least: false },
        lower_bound: |_| None,
    };

    /// Returns the schema of its value in JSON.
    pub(crate) fn schema(&self) -> Schema {
        self.unit.schema(self.help, self.optional)
    }

    /// The value as far as it is known.
    pub fn value(&self, subject: &S) -> Option<f64> {
        (self.value)(subject).amount
    }

    /// The value as text, marked where it is a lower bound; `-` where it is unknown.
    pub fn text(&self, subject: &S) -> String {
        self.text_with(subject, Unit::format)
    }

    /// The value as text without a unit, for a narrow column whose heading names it.
    pub fn compact_text(&self, subject: &S) -> String {
        self.text_with(subject, Unit::format_compact)
    }

    fn text_with(&self, subject: &S, format: fn(Unit, f64) -> String) -> String {
        match (self.value)(subject) {
            LowerBound { amount: None, .. } => UNKNOWN.to_owned(),
            LowerBound { amount: Some(value), at_least: false } => format(self.unit, value),
            LowerBound { amount: Some(value), at_least: true } => {
                format!("at least {}", format(self.unit, value))
            }
        }
    }

    /// The heading of a column of compact texts; that of a rate names the unit, which they leave out.
    pub fn heading(&self) -> String {
        if self.unit == Unit::Rate { format!("{}/s", self.label) } else { self.label.to_owned() }
    }

    /// The label in a table of related figures.
    pub fn short(&self) -> &'static str {
        if self.short.is_empty() { self.label } else { self.short }
    }

    /// Its key in a JSON object at `parent`; `None` where it is not in there.
    pub fn key_below(&self, parent: &str) -> Option<&'static str> {
        self.path.strip_prefix(parent)?.strip_prefix('.')
    }
}

impl Figure {
    /// A count as a percentage of the planned messages.
    pub fn percentage_of_total(&self, view: &RunView) -> String {
        let total = view.reading.total().max(1) as f64;
        Unit::Fraction.format_or(self.value(view).map(|count| count / total), UNKNOWN)
    }
}

/// Defines each figure as a static, and the list of all.
macro_rules! figures {
    ($(#[$about:meta])* $list:ident of $subject:ty: $($name:ident { help: $help:literal, $($field:ident: $value:expr,)* })*) => {
        $(
            #[doc = $help]
            #[allow(clippy::needless_update, reason = "some figures set every field")]
            pub static $name: Figure<$subject> = Figure { help: $help, $($field: $value,)* ..Figure::DEFAULT };
        )*
        $(#[$about])*
        pub static $list: &[&Figure<$subject>] = &[$(&$name),*];
    };
}
pub(crate) use figures;
