//! Limits that a run must keep, for CI: `--fail-if 'p99_latency>30s'`.

use std::str::FromStr;

use crate::figures::{FIGURES, Figure};
use crate::unit::Unit;
use crate::view::RunView;

/// A figure and the limit that it must not cross.
#[derive(Debug, Clone)]
pub struct Threshold {
    figure: &'static Figure,
    is_crossed: Comparator,
    /// In the figure's unit; times in seconds.
    limit: f64,
    /// As the user wrote it.
    text: String,
}

/// Compares a value with a limit.
type Comparator = fn(&f64, &f64) -> bool;

/// The longer signs first, so that `>=` is not parsed as `>`.
const COMPARATORS: [(&str, Comparator); 4] =
    [(">=", f64::ge), ("<=", f64::le), (">", f64::gt), ("<", f64::lt)];

/// `ms` first, which ends with `s` and begins with `m`.
const TIME_UNITS: [(&str, f64); 3] = [("ms", 0.001), ("s", 1.0), ("m", 60.0)];

fn figures() -> impl Iterator<Item = &'static Figure> {
    FIGURES.iter().copied().filter(|figure| !figure.threshold.is_empty())
}

/// Returns a line for each threshold that the view crosses; an unknown value never crosses one.
pub fn crossed(thresholds: &[Threshold], view: &RunView) -> Vec<String> {
    let check = |Threshold { figure, is_crossed, limit, text }: &Threshold| {
        let value = figure.value(view).filter(|value| is_crossed(value, limit))?;
        Some(format!("threshold crossed: {text}: it is {}", figure.unit.format_exact(value)))
    };
    thresholds.iter().filter_map(check).collect()
}

/// The long help of `--fail-if`: comparators, and every figure with its unit.
pub fn help() -> String {
    let figures = figures().map(|figure| {
        let unit = match figure.unit {
            Unit::Seconds => "time",
            Unit::Fraction => "0 to 1",
            _ => "number",
        };
        format!("  {:<20} {unit:<7} {}\n", figure.threshold, figure.label)
    });
    format!(
        "Compare by >, >=, < or <=; times need a unit (ms, s or m):\n{}Unknown values never cross a threshold.",
        figures.collect::<String>()
    )
}

/// Parses a limit; the error describes what is allowed.
fn parse_limit(unit: Unit, text: &str) -> Result<f64, String> {
    let number = |text: &str| {
        let has_digits = text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        text.parse::<f64>().ok().filter(|number| has_digits && number.is_finite())
    };
    match unit {
        Unit::Seconds => TIME_UNITS
            .iter()
            .find_map(|(unit, seconds)| text.strip_suffix(unit).map(|text| (text, seconds)))
            .and_then(|(text, seconds)| number(text.trim_end()).map(|number| number * seconds))
            .ok_or_else(|| "give a time with its unit, such as 250ms, 30s or 2m".to_owned()),
        Unit::Fraction => number(text)
            .filter(|fraction| *fraction <= 1.0)
            .ok_or_else(|| "give a fraction from 0 to 1, such as 0.2".to_owned()),
        _ => number(text).ok_or_else(|| "give a number from 0 on, such as 100".to_owned()),
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (place, sign, is_crossed) = COMPARATORS
            .iter()
            .filter_map(|(sign, comparator)| text.find(sign).map(|place| (place, *sign, *comparator)))
            .min_by_key(|(place, ..)| *place)
            .ok_or("compare a figure by >, >=, < or <=, such as 'failed_rate>0.2' or 'p99_latency>30s'")?;
        let (name, limit) = (text[..place].trim(), text[place + sign.len()..].trim());
        let figure = figures().find(|figure| figure.threshold == name).ok_or_else(|| {
            let names: Vec<&str> = figures().map(|figure| figure.threshold).collect();
            format!("the figures are {}", names.join(", "))
        })?;
        let limit = parse_limit(figure.unit, limit)?;
        Ok(Self { figure, is_crossed, limit, text: text.trim().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::reading;

    fn lines(expressions: &[&str], view: &RunView) -> Vec<String> {
        let thresholds: Vec<Threshold> = expressions.iter().map(|text| text.parse().unwrap()).collect();
        crossed(&thresholds, view)
    }

    /// 2,000 messages, 1,350 sent and 150 failed, each in 0.1 s.
    fn view() -> RunView {
        RunView::first(reading(2_000, 1_500))
    }

    #[test]
    fn each_crossed_threshold_is_reported_with_its_value() {
        assert_eq!(
            lines(&["failed_rate>0.05", "average > 50ms", "pending>=501", "sent<2000"], &view()),
            [
                "threshold crossed: failed_rate>0.05: it is 0.1000",
                "threshold crossed: average > 50ms: it is 0.100 s",
                "threshold crossed: sent<2000: it is 1,350",
            ]
        );
    }

    #[test]
    fn the_limit_itself_is_crossed_only_by_or_equal() {
        for (expression, crosses) in
            [("failed>150", false), ("failed>=150", true), ("failed<150", false), ("failed<=150", true)]
        {
            assert_eq!(lines(&[expression], &view()).len(), usize::from(crosses), "{expression}");
        }
    }

    #[test]
    fn times_are_parsed_in_their_units() {
        let limit = |text: &str| text.parse::<Threshold>().unwrap().limit;
        for (text, seconds) in
            [("p99>250ms", 0.25), ("p99>30s", 30.0), ("p99>2m", 120.0), ("p99>1.5 s", 1.5), ("p99>.5s", 0.5)]
        {
            assert!((limit(text) - seconds).abs() < 1e-9, "{text}");
        }
    }

    #[test]
    fn an_unknown_value_never_crosses_a_threshold() {
        let none = RunView::first(reading(2_000, 0));
        let unknown = ["failed_rate<1", "average<1m", "p99_latency<1m", "max<1m", "messages_per_second<1"];
        assert!(lines(&unknown, &none).is_empty());
        assert_eq!(lines(&["pending>0"], &none).len(), 1);
    }

    #[test]
    fn an_invalid_expression_is_refused_with_what_is_allowed() {
        for (text, words) in [
            ("", "compare a figure by >"),
            ("failed_rate", "compare a figure by >"),
            ("failed_rate=0.2", "compare a figure by >"),
            ("failure>1", "the figures are failed_rate, sent,"),
            (">1", "the figures are"),
            ("failed_rate>20", "a fraction from 0 to 1"),
            ("failed_rate>-0.1", "a fraction from 0 to 1"),
            ("failed_rate>nan", "a fraction from 0 to 1"),
            ("failed>inf", "a number from 0 on"),
            ("failed>+1", "a number from 0 on"),
            ("failed>10s", "a number from 0 on"),
            ("average>1", "a time with its unit"),
            ("average>1h", "a time with its unit"),
            ("average>s", "a time with its unit"),
            ("average>1>2", "a time with its unit"),
        ] {
            let error = text.parse::<Threshold>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn every_figure_of_the_help_can_be_named() {
        assert_eq!(figures().count(), 16);
        for figure in figures() {
            let limit = if figure.unit == Unit::Seconds { "1s" } else { "1" };
            assert!(
                format!("{}>{limit}", figure.threshold).parse::<Threshold>().is_ok(),
                "{}",
                figure.threshold
            );
            assert!(help().contains(&format!("  {} ", figure.threshold)), "{}", help());
        }
        assert!(help().lines().all(|line| line.len() <= 70), "{}", help());
    }
}
