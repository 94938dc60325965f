//! Limits that a run must keep, for CI: `--fail-if 'p99_latency>30s'`.

use std::str::FromStr;

use stentor_cli::{parse_fraction, parse_number, parse_seconds};

use stentor_run_view::figures::{FIGURES, Figure};
use stentor_run_view::unit::Unit;
use stentor_run_view::view::RunView;

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

fn figures() -> impl Iterator<Item = &'static Figure> {
    FIGURES.iter().copied().filter(|figure| !figure.threshold.is_empty())
}

/// Returns a line for each threshold that the view crosses; an unknown value never crosses one, unless a lower bound of
/// it does.
pub(crate) fn crossed(thresholds: &[Threshold], view: &RunView) -> Vec<String> {
    thresholds.iter().filter_map(|threshold| threshold.check(view)).collect()
}

impl Threshold {
    /// Returns the line that reports the threshold if the view crosses it.
    fn check(&self, view: &RunView) -> Option<String> {
        let Self { figure, is_crossed, limit, text } = self;
        let is = match figure.value(view) {
            Some(value) if !is_crossed(&value, limit) => return None,
            Some(value) if text.ends_with('%') => format!("is {:.2}%", 100.0 * value),
            Some(value) => format!("is {}", figure.unit.format_exact(value)),
            None => {
                let least = (figure.lower_bound)(view)?;
                // A lower bound only decides where every greater value is across the limit too.
                if !is_crossed(&least, limit) || !is_crossed(&f64::INFINITY, limit) {
                    return None;
                }
                if least.is_infinite() {
                    "was never reached".to_owned()
                } else {
                    format!("is {} at least", figure.unit.format(least))
                }
            }
        };
        Some(format!("threshold crossed: {text}: it {is}"))
    }
}

/// The long help of `--fail-if`: comparators, and every figure with its unit.
pub(crate) fn help() -> String {
    let figures = figures().map(|figure| {
        let unit = match figure.unit {
            Unit::Seconds | Unit::Duration => "time",
            Unit::Fraction => "rate",
            _ => "number",
        };
        format!("  {:<20} {unit:<7} {}\n", figure.threshold, figure.label)
    });
    format!(
        "Compare by >, >=, < or <=; times need a unit (ms, s, m or h):\n{}\
         Unknown values never cross a threshold. A share that is not reached\n\
         counts as the time so far, and as infinite once the run has ended.",
        figures.collect::<String>()
    )
}

/// Parses a limit; the error describes what is allowed. A plain number does not show what a time's unit is meant to be.
fn parse_limit(unit: Unit, text: &str) -> Result<f64, String> {
    const TIME: &str = "expected a time with its unit, such as 250ms, 30s, 2m or 1h";
    let from_zero = 0.0..=f64::MAX;
    match unit {
        Unit::Seconds | Unit::Duration if !text.ends_with(char::is_alphabetic) => Err(TIME.to_owned()),
        Unit::Seconds | Unit::Duration => parse_seconds(text, &from_zero, TIME),
        Unit::Fraction => {
            parse_fraction(text, &(0.0..=1.0), "expected a rate from 0 to 1, such as 0.2 or 20%")
        }
        _ => parse_number(text, &from_zero, "expected a number of at least 0, such as 100 or 10k"),
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (place, sign, is_crossed) = COMPARATORS
            .iter()
            .filter_map(|(sign, comparator)| text.find(sign).map(|place| (place, *sign, *comparator)))
            .min_by_key(|(place, ..)| *place)
            .ok_or("compare a figure by >, >=, < or <=, such as 'failed_rate>20%' or 'p99_latency>30s'")?;
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
    use stentor_run_view::fixtures::reading;
    use stentor_run_view::status::RunPhase;

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
            lines(
                &["failed_rate>0.05", "failed_rate>5%", "average > 50ms", "pending>=501", "sent<2000"],
                &view()
            ),
            [
                "threshold crossed: failed_rate>0.05: it is 0.1000",
                "threshold crossed: failed_rate>5%: it is 10.00%",
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
    fn limits_are_parsed_in_their_units() {
        let limit = |text: &str| text.parse::<Threshold>().unwrap().limit;
        for (text, value) in [
            ("p99>250ms", 0.25),
            ("p99>30s", 30.0),
            ("p99>2m", 120.0),
            ("p99>10m", 600.0),
            ("p99>1h", 3_600.0),
            ("p99>1.5 s", 1.5),
            ("p99>.5s", 0.5),
            ("failed_rate>=20%", 0.2),
            ("sent<1,000", 1_000.0),
            ("pending>10k", 10_000.0),
            ("messages_per_second<0.5", 0.5),
        ] {
            assert!((limit(text) - value).abs() < 1e-9, "{text}");
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
    fn a_share_that_is_not_reached_counts_as_the_time_so_far_and_at_the_end_as_infinite() {
        // 1,350 of 2,000 are SENT: 50 % after 111 s, 90 % not yet, 99 s after the run's creation.
        let mut view = view();
        let limits =
            ["reached_p50>1m", "reached_p90>98s", "reached_p90>=99s", "reached_p99>2m", "reached_p90<1h"];
        assert_eq!(
            lines(&limits, &view),
            [
                "threshold crossed: reached_p50>1m: it is 111 s",
                "threshold crossed: reached_p90>98s: it is 99 s at least",
                "threshold crossed: reached_p90>=99s: it is 99 s at least",
            ]
        );
        for phase in [RunPhase::Complete, RunPhase::Stalled] {
            view.phase = phase;
            assert_eq!(
                lines(&["reached_p50<1h", "reached_p90>1000h", "reached_p99<1h"], &view),
                [
                    "threshold crossed: reached_p50<1h: it is 111 s",
                    "threshold crossed: reached_p90>1000h: it was never reached",
                ]
            );
        }
    }

    #[test]
    fn an_invalid_expression_is_refused_with_what_is_allowed() {
        for (text, words) in [
            ("", "compare a figure by >"),
            ("failed_rate", "compare a figure by >"),
            ("failed_rate=0.2", "compare a figure by >"),
            ("failure>1", "the figures are failed_rate, sent,"),
            (">1", "the figures are"),
            ("failed_rate>20", "a rate from 0 to 1"),
            ("failed_rate>120%", "a rate from 0 to 1"),
            ("failed_rate>0,2", "0,2 could be 0.2 or 2"),
            ("failed_rate>-0.1", "a rate from 0 to 1"),
            ("failed_rate>nan", "a rate from 0 to 1"),
            ("failed>inf", "a number of at least 0"),
            ("failed>-1", "a number of at least 0"),
            ("failed>1.000", "1.000 could be 1 or 1,000"),
            ("failed>10s", "a number of at least 0"),
            ("average>1", "a time with its unit"),
            ("average>5x", "a time with its unit"),
            ("average>1.500s", "1.500s could be 1.5s or 1,500s"),
            ("average>s", "a time with its unit"),
            ("average>1>2", "a time with its unit"),
        ] {
            let error = text.parse::<Threshold>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn every_figure_of_the_help_can_be_named() {
        assert_eq!(figures().count(), 21);
        for figure in figures() {
            let is_time = matches!(figure.unit, Unit::Seconds | Unit::Duration);
            let limit = if is_time { "1s" } else { "1" };
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
