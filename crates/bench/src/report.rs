//! Figures, their goals, and the table of results.

use serde::Serialize;
use stentor_cli::format::thousands;

/// A measured figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Its name in the table.
    pub name: &'static str,
    /// What it is counted in.
    unit: &'static str,
    goal: Goal,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// No goal; shown for comparison.
    Shown,
}

impl Figure {
    /// Defines a figure that should be at most that value.
    pub const fn at_most(name: &'static str, unit: &'static str, most: f64) -> Self {
        Self { name, unit, goal: Goal::AtMost(most) }
    }

    /// Defines a figure that should be at least that value.
    pub const fn at_least(name: &'static str, unit: &'static str, least: f64) -> Self {
        Self { name, unit, goal: Goal::AtLeast(least) }
    }

    /// Defines a figure without a goal.
    pub const fn shown(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, goal: Goal::Shown }
    }
}

/// The result of a figure over several runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    scenario: &'static str,
    figure: &'static str,
    unit: &'static str,
    median: f64,
    min: f64,
    max: f64,
    /// Whether the median meets the goal; `None` without a goal.
    pub met: Option<bool>,
    goal: String,
}

impl Line {
    /// Summarises the values of a figure, at least one.
    pub fn of(scenario: &'static str, figure: &Figure, mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
        let (met, goal) = match figure.goal {
            Goal::AtMost(most) => (Some(median <= most), format!("<= {}", number(most))),
            Goal::AtLeast(least) => (Some(median >= least), format!(">= {}", number(least))),
            Goal::Shown => (None, String::new()),
        };
        Self {
            scenario,
            figure: figure.name,
            unit: figure.unit,
            median,
            min: values[0],
            max: values[values.len() - 1],
            met,
            goal,
        }
    }
}

/// Formats the figures as rows of a table with their goals.
pub fn table(lines: &[Line]) -> String {
    let mut rows =
        vec![["scenario", "figure", "median", "min .. max", "unit", "goal", ""].map(str::to_owned)];
    let mut last = "";
    for line in lines {
        let scenario = if line.scenario == last { "" } else { line.scenario };
        last = line.scenario;
        rows.push([
            scenario.to_owned(),
            line.figure.to_owned(),
            number(line.median),
            format!("{} .. {}", number(line.min), number(line.max)),
            line.unit.to_owned(),
            line.goal.clone(),
            line.met.map_or("", |met| if met { "met" } else { "MISSED" }).to_owned(),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Formats a number with its significant digits and separated thousands.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        value if value < 1.0 => 4,
        value if value < 10.0 => 2,
        value if value < 1_000.0 => 1,
        _ => 0,
    };
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let (whole, rest) = (thousands(whole.parse().unwrap_or(u64::MAX)), rest.trim_end_matches('0'));
    let sign = if value < 0.0 { "-" } else { "" };
    if rest.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_median_minimum_and_maximum() {
        let line = Line::of("s", &Figure::at_most("f", "u", 2.0), vec![9.0, 1.0, 2.0]);
        assert_eq!((line.median, line.min, line.max, line.met), (2.0, 1.0, 9.0, Some(true)));
        let even = Line::of("s", &Figure::at_least("f", "u", 2.0), vec![1.0, 2.0]);
        assert_eq!((even.median, even.met), (1.5, Some(false)));
    }

    #[test]
    fn the_table_has_a_row_per_figure_and_marks_missed_goals() {
        let lines = [
            Line::of("s", &Figure::at_most("requests", "a message", 0.141), vec![0.142]),
            Line::of("s", &Figure::shown("speed", "messages/s"), vec![1_234_567.0]),
        ];
        let text = table(&lines);
        let rows: Vec<_> = text.lines().collect();
        assert_eq!(rows.len(), 3);
        assert!(rows[1].ends_with("<= 0.141  MISSED"), "{text}");
        assert!(rows[2].contains("1,234,567"), "{text}");
    }

    #[test]
    fn numbers_are_formatted_with_their_significant_digits() {
        let read = [0.0, 0.14, 1.5, 16.04, 999.96, 31_234.4, -1_234.0].map(number);
        assert_eq!(read, ["0", "0.14", "1.5", "16", "1,000", "31,234", "-1,234"]);
    }
}
