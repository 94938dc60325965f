//! The figures of two runs side by side.

use std::borrow::Cow;
use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use stentor_cli::format;
use stentor_run_view::bill::LowerBound;
use stentor_run_view::failures::FailuresOfCode;
use stentor_run_view::figures::{self, Better, Figure, SENDER_CONCURRENCY, SENDER_FAILURE_RATE, SENDER_WAIT};
use stentor_run_view::provider::profile_list;
use stentor_run_view::senders::SenderRecord;
use stentor_run_view::status::RunCondition;
use stentor_run_view::unit::{UNKNOWN, Unit};
use stentor_run_view::view::RunView;

/// Related figures of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FigureGroup {
    /// Heading of the group.
    pub title: &'static str,
    /// Its figures.
    pub figures: Vec<Pair>,
}

/// A figure of both runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Pair {
    /// Label of the figure.
    pub name: Cow<'static, str>,
    /// Unit of the values: a share goes from 0 to 1, a ratio can exceed 1, and `per_message` is for each message with an outcome.
    #[serde(serialize_with = "serialize_kind")]
    #[schemars(schema_with = "kind_schema")]
    pub kind: Unit,
    /// Values of the first run and of the second.
    pub values: [PairValue; 2],
    /// Whether each value is a sum of which a part is unknown, so that the true one is greater, or may be.
    pub at_least: [bool; 2],
    /// The second less the first; null where it is unknown.
    pub difference: Option<f64>,
    /// The second as a multiple of the first; null where it is unknown.
    pub ratio: Option<f64>,
    /// Which direction is an improvement.
    #[serde(skip)]
    pub better: Better,
}

/// One run's value.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PairValue {
    /// A setting in words.
    Text(String),
    /// A number; null where it is unknown.
    Number(Option<f64>),
}

/// Names of units in the JSON of a comparison, which are older than the registry.
const KINDS: [(&str, &[Unit]); 8] = [
    ("text", &[Unit::Text]),
    ("count", &[Unit::Count]),
    ("seconds", &[Unit::Seconds, Unit::Duration]),
    ("per_second", &[Unit::Rate]),
    ("share", &[Unit::Fraction]),
    ("ratio", &[Unit::Ratio]),
    ("per_message", &[Unit::PerMessage]),
    ("dollars", &[Unit::Dollars]),
];

/// Compares the second view with the first, in the order in which people read it.
pub fn compare(views: [&RunView; 2]) -> Vec<FigureGroup> {
    let number = |figure: &'static Figure| Pair::number(figure, views);
    let text = |name, of: &dyn Fn(&RunView) -> String| Pair::text(name, views.map(of));
    let group = |title, figures: &[&'static Figure]| FigureGroup {
        title,
        figures: figures.iter().copied().map(number).collect(),
    };
    let settings = vec![
        number(&figures::TOTAL),
        text("characters of a text", &body_length),
        text("seed", &|view| view.reading.record.plan.seed().to_string()),
        number(&figures::SENDERS_OF_RUN),
        text(SENDER_WAIT.label, &|view| range(view, &SENDER_WAIT, |wait| format!("{wait} s"))),
        text(SENDER_FAILURE_RATE.label, &|view| range(view, &SENDER_FAILURE_RATE, format::percent)),
        text("deliveries at once, each", &|view| range(view, &SENDER_CONCURRENCY, |count| count.to_string())),
    ];
    let mut result = group(
        "Result",
        &[
            &figures::SENT,
            &figures::FAILED,
            &figures::FAILED_RATE,
            &figures::PENDING,
            &figures::OUTCOME_SECONDS,
            &figures::SECONDS_FROM_CREATION,
            &figures::OVERALL_THROUGHPUT,
        ],
    );
    result.figures.insert(0, text("state", &|view| RunCondition::of(view).word().to_lowercase()));
    // AWS's bill is separate.
    let provider = views.iter().any(|view| profile_list(view).is_some()).then(|| {
        let mut provider = group(
            "Provider",
            &[
                &figures::PROVIDER_LIMIT,
                &figures::PROVIDER_PARTS,
                &figures::PROVIDER_PARTS_PER_SECOND,
                &figures::PROVIDER_LIMIT_USED,
                &figures::PROVIDER_FORFEITED,
                &figures::PROVIDER_DOLLARS,
            ],
        );
        let profile = text("profile", &|view| profile_list(view).unwrap_or_else(|| UNKNOWN.to_owned()));
        provider.figures.insert(0, profile);
        provider
    });
    let failures = FigureGroup { title: "Failures by code", figures: failures(views) };
    let groups = vec![
        FigureGroup { title: "Settings", figures: settings },
        result,
        failures,
        group("Time to a share of messages sent", &figures::REACHED_TABLE),
        group("Delivery", &figures::DELIVERY_TABLE),
        group("Creation to end", &figures::LATENCY_TABLE),
        group("Faults", &[&figures::DUPLICATES, &figures::RELEASED, &figures::DAMAGED_TALLIES]),
        group(
            "Cost",
            &[
                &figures::REQUESTS_PER_MESSAGE,
                &figures::QUEUE_REQUESTS_PER_MESSAGE,
                &figures::WRITE_UNITS_PER_MESSAGE,
                &figures::DOLLARS,
                &figures::DOLLARS_PER_MILLION,
            ],
        ),
    ];
    groups.into_iter().chain(provider).filter(|group| !group.figures.is_empty()).collect()
}

/// The failed messages of each code, in the order in which the runs list them.
fn failures(views: [&RunView; 2]) -> Vec<Pair> {
    let runs = views.map(RunView::failures);
    let mut seen = BTreeSet::new();
    let coded = views.map(RunView::coded_failures);
    let codes = coded.iter().flatten().map(|failures| failures.code.clone());
    let pair = |code: String| {
        let count = |run: &Vec<FailuresOfCode>| {
            run.iter().find(|failures| failures.code == code).map_or(0, |failures| failures.count)
        };
        let counts = [&runs[0], &runs[1]].map(count).map(LowerBound::from);
        Pair::of_values(Cow::Owned(code), Unit::Count, Better::Lower, counts)
    };
    codes.filter(|code| seen.insert(code.clone())).map(pair).collect()
}

impl Pair {
    fn text(name: &'static str, texts: [String; 2]) -> Self {
        let values = texts.map(PairValue::Text);
        let (name, kind, better) = (Cow::Borrowed(name), Unit::Text, Better::Neither);
        Self { name, kind, values, at_least: [false; 2], difference: None, ratio: None, better }
    }

    fn number(figure: &'static Figure, views: [&RunView; 2]) -> Self {
        // The groups name the distribution.
        let name = if figure.unit == Unit::Seconds { figure.short() } else { figure.label };
        // A duration as a person reads it would hide changes below a second.
        let kind = if figure.unit == Unit::Duration { Unit::Seconds } else { figure.unit };
        Self::of_values(Cow::Borrowed(name), kind, figure.better, views.map(figure.value))
    }

    fn of_values(name: Cow<'static, str>, kind: Unit, better: Better, sums: [LowerBound<f64>; 2]) -> Self {
        let [first, second] = sums.map(|sum| sum.amount.filter(|_| !sum.at_least));
        let both = first.zip(second);
        Self {
            name,
            kind,
            values: sums.map(|sum| PairValue::Number(sum.amount)),
            at_least: sums.map(|sum| sum.amount.is_some() && sum.at_least),
            difference: both.map(|(first, second)| second - first),
            ratio: both.filter(|(first, _)| *first > 0.0).map(|(first, second)| second / first),
            better,
        }
    }

    /// Both values as text.
    pub fn texts(&self) -> [String; 2] {
        [0, 1].map(|run| {
            let text = match &self.values[run] {
                PairValue::Text(text) => text.clone(),
                PairValue::Number(number) => self.kind.format_or(*number, UNKNOWN),
            };
            if self.at_least[run] { format!(">= {text}") } else { text }
        })
    }

    /// The change from the first to the second as text: `=`, `+12.5%`, or `-` where it is unknown.
    pub fn change(&self) -> String {
        let [first, second] = self.texts();
        match (self.difference, self.ratio) {
            _ if first == second && first != UNKNOWN && self.at_least == [false; 2] => "=".to_owned(),
            (Some(difference), _) if matches!(self.kind, Unit::Fraction | Unit::Ratio) => {
                format!("{:+.1} points", 100.0 * difference)
            }
            (_, Some(ratio)) if ratio >= 10.0 => format!("x {}", format::rate(ratio)),
            (_, Some(ratio)) => format!("{:+.1}%", 100.0 * (ratio - 1.0)),
            (Some(difference), None) => format!("+{}", self.kind.format(difference)),
            (None, None) => UNKNOWN.to_owned(),
        }
    }

    /// Whether the second run is better; `None` where neither is.
    pub fn is_better(&self) -> Option<bool> {
        let difference = self.difference.filter(|_| self.change() != "=")?;
        match self.better {
            Better::Higher => Some(difference > 0.0),
            Better::Lower => Some(difference < 0.0),
            Better::Neither => None,
        }
    }
}

fn body_length(view: &RunView) -> String {
    let length = view.reading.record.plan.length();
    let max = format::thousands(length.max.into());
    if length.exact { format!("exactly {max}") } else { format!("up to {max}") }
}

/// A setting of all senders of the run; the least and the greatest where they differ.
fn range(view: &RunView, setting: &Figure<SenderRecord>, format: impl Fn(f64) -> String) -> String {
    let mut values: Vec<f64> = view.run_senders().filter_map(|sender| setting.value(sender)).collect();
    values.sort_by(f64::total_cmp);
    match (values.first(), values.last()) {
        (Some(least), Some(greatest)) if least < greatest => {
            format!("{} to {}", format(*least), format(*greatest))
        }
        (Some(all), _) => format(*all),
        _ => UNKNOWN.to_owned(),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn serialize_kind<S: Serializer>(unit: &Unit, serializer: S) -> Result<S::Ok, S::Error> {
    let kind = KINDS.iter().find(|(_, units)| units.contains(unit)).map_or("count", |(kind, _)| kind);
    serializer.serialize_str(kind)
}

fn kind_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": KINDS.map(|(kind, _)| kind) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_run_view::fixtures::{fail_with, reading};

    fn pair(views: [&RunView; 2], name: &str) -> Pair {
        let mut pairs = compare(views).into_iter().flat_map(|group| group.figures);
        pairs.find(|pair| pair.name == name).unwrap()
    }

    #[test]
    fn the_change_of_the_second_run_is_rated_by_the_figure() {
        let (small, large) = (RunView::first(reading(1_000, 1_000)), RunView::first(reading(2_000, 2_000)));
        let sent = pair([&small, &large], "sent");
        assert_eq!((sent.change().as_str(), sent.is_better()), ("+100.0%", Some(true)));
        let failed = pair([&small, &large], "failed");
        assert_eq!((failed.change().as_str(), failed.is_better()), ("+100.0%", Some(false)));
        let rate = pair([&small, &large], "failed of outcomes");
        assert_eq!((rate.change().as_str(), rate.is_better()), ("=", None));
    }

    #[test]
    fn failures_of_both_runs_are_compared_by_code_where_one_has_codes() {
        let plain = RunView::first(reading(1_000, 1_000));
        let mut coded = reading(1_000, 0);
        fail_with(&mut coded, &[("BLOCKED", 2), ("UNREACHABLE", 5)]);
        let coded = RunView::first(coded);
        let names = |views| -> Vec<String> {
            let groups: Vec<FigureGroup> = compare(views);
            let group = groups.into_iter().find(|group| group.title == "Failures by code");
            group.into_iter().flat_map(|group| group.figures).map(|pair| pair.name.into_owned()).collect()
        };
        assert_eq!(names([&plain, &plain]), Vec::<String>::new());
        assert_eq!(names([&plain, &coded]), ["UNREACHABLE", "BLOCKED"]);
        let mixed = pair([&coded, &plain], "UNREACHABLE");
        assert_eq!((mixed.texts(), mixed.is_better()), (["5".into(), "0".into()], Some(true)));
    }

    #[test]
    fn a_change_below_a_second_is_a_change() {
        let (shorter, longer) =
            (RunView::first(reading(1_000, 1_000)), RunView::first(reading(1_003, 1_003)));
        let duration = pair([&shorter, &longer], "first to last outcome");
        assert_eq!(
            (duration.texts(), duration.change()),
            (["99.900 s".into(), "100.200 s".into()], "+0.3%".into())
        );
    }
}
