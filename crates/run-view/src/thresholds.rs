//! Limits that a run must keep, for CI: `--fail-if 'p99_latency>30s'`.

use std::fmt;
use std::str::FromStr;

use stentor_cli::format;

use crate::snapshot::Snapshot;

/// A figure of a snapshot and the limit that it must not cross.
#[derive(Debug, Clone)]
pub struct Threshold {
    figure: &'static Figure,
    crossing: Crossing,
    /// Seconds for a time.
    limit: f64,
    /// As it was typed.
    text: String,
}

/// What can be judged; an unknown value is `None`.
#[derive(Debug)]
struct Figure {
    name: &'static str,
    unit: Unit,
    of: fn(&Snapshot) -> Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Told in seconds.
    Time,
    /// A share from 0 to 1.
    Share,
    /// A count, or a count a second.
    Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crossing {
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// Longest sign first, so that `>=` is not read as `>`.
const SIGNS: [(&str, Crossing); 4] =
    [(">=", Crossing::AtLeast), ("<=", Crossing::AtMost), (">", Crossing::Above), ("<", Crossing::Below)];

/// `ms` before `s` and `m`, which it ends and begins with.
const TIMES: [(&str, f64); 3] = [("ms", 0.001), ("s", 1.0), ("m", 60.0)];

const FIGURES: [Figure; 16] = [
    Figure { name: "failed_rate", unit: Unit::Share, of: failed_rate },
    Figure { name: "sent", unit: Unit::Number, of: |now| Some(now.sent as f64) },
    Figure { name: "failed", unit: Unit::Number, of: |now| Some(now.failed as f64) },
    Figure { name: "pending", unit: Unit::Number, of: |now| Some(now.pending as f64) },
    Figure { name: "dead_letters", unit: Unit::Number, of: |now| Some(now.dead_letters as f64) },
    Figure { name: "messages_per_second", unit: Unit::Number, of: |now| now.messages_per_second },
    Figure { name: "average", unit: Unit::Time, of: |now| now.average_seconds },
    Figure { name: "p50", unit: Unit::Time, of: |now| now.delivery_seconds.p50 },
    Figure { name: "p90", unit: Unit::Time, of: |now| now.delivery_seconds.p90 },
    Figure { name: "p99", unit: Unit::Time, of: |now| now.delivery_seconds.p99 },
    Figure { name: "max", unit: Unit::Time, of: |now| now.delivery_seconds.max },
    Figure { name: "average_latency", unit: Unit::Time, of: |now| now.average_latency_seconds },
    Figure { name: "p50_latency", unit: Unit::Time, of: |now| now.latency_seconds.p50 },
    Figure { name: "p90_latency", unit: Unit::Time, of: |now| now.latency_seconds.p90 },
    Figure { name: "p99_latency", unit: Unit::Time, of: |now| now.latency_seconds.p99 },
    Figure { name: "max_latency", unit: Unit::Time, of: |now| now.latency_seconds.max },
];

/// The share of what is concluded that failed.
pub fn failed_rate(now: &Snapshot) -> Option<f64> {
    let concluded = now.sent.saturating_add(now.failed);
    (concluded > 0).then(|| now.failed as f64 / concluded as f64)
}

/// The lines that tell which of the thresholds the snapshot crosses; none where all are kept.
pub fn crossed(thresholds: &[Threshold], now: &Snapshot) -> Vec<String> {
    thresholds.iter().filter_map(|threshold| threshold.crossed(now)).collect()
}

impl Threshold {
    /// What to status where it is crossed; a value not known yet crosses nothing.
    fn crossed(&self, now: &Snapshot) -> Option<String> {
        let value = (self.figure.of)(now)?;
        let crossed = match self.crossing {
            Crossing::Above => value > self.limit,
            Crossing::AtLeast => value >= self.limit,
            Crossing::Below => value < self.limit,
            Crossing::AtMost => value <= self.limit,
        };
        crossed.then(|| format!("threshold crossed: {self}: it is {}", self.figure.unit.tell(value)))
    }
}

impl Unit {
    fn tell(self, value: f64) -> String {
        match self {
            Self::Time => format!("{value:.3} s"),
            Self::Share => format!("{value:.4}"),
            Self::Number => format::rate(value),
        }
    }

    /// Reads a limit; the error says what is allowed.
    fn read(self, text: &str) -> Result<f64, String> {
        let number = |text: &str| {
            let digits = text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
            text.parse::<f64>().ok().filter(|number| digits && number.is_finite())
        };
        match self {
            Self::Time => TIMES
                .iter()
                .find_map(|(unit, seconds)| text.strip_suffix(unit).map(|text| (text, seconds)))
                .and_then(|(text, seconds)| number(text.trim_end()).map(|number| number * seconds))
                .ok_or_else(|| "give a time with its unit, such as 250ms, 30s or 2m".to_owned()),
            Self::Share => number(text)
                .filter(|share| *share <= 1.0)
                .ok_or_else(|| "give a share from 0 to 1, such as 0.2".to_owned()),
            Self::Number => number(text).ok_or_else(|| "give a number from 0 on, such as 100".to_owned()),
        }
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (place, sign, crossing) = SIGNS
            .iter()
            .filter_map(|(sign, crossing)| text.find(sign).map(|place| (place, *sign, *crossing)))
            .min_by_key(|(place, sign, _)| (*place, std::cmp::Reverse(sign.len())))
            .ok_or("compare a figure by >, >=, < or <=, such as 'failed_rate>0.2' or 'p99_latency>30s'")?;
        let (name, limit) = (text[..place].trim(), text[place + sign.len()..].trim());
        let figure = FIGURES.iter().find(|figure| figure.name == name).ok_or_else(|| {
            let names: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
            format!("the figures are {}", names.join(", "))
        })?;
        let limit = figure.unit.read(limit)?;
        Ok(Self { figure, crossing, limit, text: text.trim().to_owned() })
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::reading;

    fn told(expressions: &[&str], now: &Snapshot) -> Vec<String> {
        let thresholds: Vec<Threshold> = expressions.iter().map(|text| text.parse().unwrap()).collect();
        crossed(&thresholds, now)
    }

    /// 2,000 messages, 1,350 sent and 150 failed, each in 0.1 s.
    fn now() -> Snapshot {
        reading(2_000, 1_500).snapshot(None, String::new())
    }

    #[test]
    fn each_crossed_threshold_is_told_with_its_value() {
        assert_eq!(
            told(&["failed_rate>0.05", "average > 50ms", "pending>=501", "sent<2000"], &now()),
            [
                "threshold crossed: failed_rate>0.05: it is 0.1000",
                "threshold crossed: average > 50ms: it is 0.100 s",
                "threshold crossed: sent<2000: it is 1,350",
            ]
        );
    }

    #[test]
    fn a_limit_itself_is_crossed_only_where_the_sign_says_so() {
        for (expression, crosses) in
            [("failed>150", false), ("failed>=150", true), ("failed<150", false), ("failed<=150", true)]
        {
            assert_eq!(told(&[expression], &now()).len(), usize::from(crosses), "{expression}");
        }
    }

    #[test]
    fn times_are_read_in_their_units() {
        let limit = |text: &str| text.parse::<Threshold>().unwrap().limit;
        for (text, seconds) in
            [("p99>250ms", 0.25), ("p99>30s", 30.0), ("p99>2m", 120.0), ("p99>1.5 s", 1.5), ("p99>.5s", 0.5)]
        {
            assert!((limit(text) - seconds).abs() < 1e-9, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_yet_crosses_nothing() {
        let none = reading(2_000, 0).snapshot(None, String::new());
        let unknown = ["failed_rate<1", "average<1m", "p99_latency<1m", "max<1m", "messages_per_second<1"];
        assert!(told(&unknown, &none).is_empty());
        assert_eq!(told(&["pending>0"], &none).len(), 1);
    }

    #[test]
    fn an_expression_that_is_none_says_what_is_allowed() {
        for (text, words) in [
            ("", "compare a figure by >"),
            ("failed_rate", "compare a figure by >"),
            ("failed_rate=0.2", "compare a figure by >"),
            ("failure>1", "the figures are failed_rate, sent,"),
            (">1", "the figures are"),
            ("failed_rate>20", "a share from 0 to 1"),
            ("failed_rate>-0.1", "a share from 0 to 1"),
            ("failed_rate>nan", "a share from 0 to 1"),
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
    fn every_figure_can_be_named() {
        for figure in &FIGURES {
            let limit = if figure.unit == Unit::Time { "1s" } else { "1" };
            assert!(format!("{}>{limit}", figure.name).parse::<Threshold>().is_ok(), "{}", figure.name);
        }
    }
}
