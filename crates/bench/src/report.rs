//! Figures, their goals, and the table of them.

use serde::Serialize;

/// Something that is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// What it is counted in.
    pub unit: &'static str,
    /// What it should come to.
    pub goal: Goal,
}

/// What a figure should come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
    /// It is shown for comparison.
    Shown,
}

impl Figure {
    /// A figure that should be that or less.
    pub const fn at_most(name: &'static str, unit: &'static str, most: f64) -> Self {
        Self { name, unit, goal: Goal::AtMost(most) }
    }

    /// A figure that should be that or more.
    pub const fn at_least(name: &'static str, unit: &'static str, least: f64) -> Self {
        Self { name, unit, goal: Goal::AtLeast(least) }
    }

    /// A figure for comparison.
    pub const fn shown(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, goal: Goal::Shown }
    }
}

/// What a figure came to in several runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What was played.
    pub scenario: &'static str,
    /// What was measured.
    pub figure: &'static str,
    /// What it is counted in.
    pub unit: &'static str,
    /// The middle one of the runs' values, or the mean of the two in the middle.
    pub median: f64,
    /// The least of them.
    pub min: f64,
    /// The greatest of them.
    pub max: f64,
    /// Whether the median is as the goal says; `None` where there is none.
    pub met: Option<bool>,
    /// The goal, as it is read.
    pub goal: String,
}

impl Line {
    /// Sums up the values of a figure, at least one.
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

/// The figures as rows of a table, the goal beside each.
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

/// A number in as many digits as tell something, thousands apart.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        value if value < 1.0 => 4,
        value if value < 10.0 => 2,
        value if value < 1_000.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let rest = rest.trim_end_matches('0');
    let digits = whole.trim_start_matches('-').len();
    let mut spaced = String::new();
    for (place, digit) in whole.trim_start_matches('-').chars().enumerate() {
        if place > 0 && (digits - place).is_multiple_of(3) {
            spaced.push(',');
        }
        spaced.push(digit);
    }
    let sign = if value < 0.0 { "-" } else { "" };
    if rest.is_empty() { format!("{sign}{spaced}") } else { format!("{sign}{spaced}.{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_counts_and_the_spread_is_told() {
        let line = Line::of("s", &Figure::at_most("f", "u", 2.0), vec![9.0, 1.0, 2.0]);
        assert_eq!((line.median, line.min, line.max, line.met), (2.0, 1.0, 9.0, Some(true)));
        let even = Line::of("s", &Figure::at_least("f", "u", 2.0), vec![1.0, 2.0]);
        assert_eq!((even.median, even.met), (1.5, Some(false)));
    }

    #[test]
    fn the_table_has_a_row_a_figure_and_names_what_is_missed() {
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
    fn numbers_have_as_many_digits_as_tell_something() {
        let read = [0.0, 0.14, 1.5, 16.04, 999.96, 31_234.4, -1_234.0].map(number);
        assert_eq!(read, ["0", "0.14", "1.5", "16", "1,000", "31,234", "-1,234"]);
    }
}
