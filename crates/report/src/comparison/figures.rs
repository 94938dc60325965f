//! The figures of two runs, side by side.

use serde::Serialize;
use stentor_cli::format;

use crate::{Distribution, Report};
use stentor_cli::format::{percent, seconds};
use stentor_run_view::bill::{AtLeast, CountedPart};
use stentor_run_view::senders::Worker;

/// Figures that belong together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Section {
    pub title: &'static str,
    pub figures: Vec<Figure>,
}

/// A figure of both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    pub name: &'static str,
    pub kind: Kind,
    /// Of the first run and of the second.
    pub values: [Value; 2],
    /// Where it is a sum of which a part is not known: it is more than that, or may be.
    pub at_least: [bool; 2],
    /// What the second has more than the first, in what the figure counts; null where that cannot be told.
    pub difference: Option<f64>,
    /// The second as a multiple of the first; null where that cannot be told.
    pub ratio: Option<f64>,
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Text,
    /// Messages, senders and the like.
    Count,
    Seconds,
    PerSecond,
    /// 0 to 1.
    Share,
    /// So many for each message concluded.
    PerMessage,
    Dollars,
}

/// A run's part of a figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    Text(String),
    /// Null where it is not known.
    Number(Option<f64>),
}

/// All sections, in the order in which they are read.
pub fn sections(runs: &[Report; 2]) -> Vec<Section> {
    let both = Both(runs);
    let section = |title, figures| Section { title, figures };
    vec![
        section("Settings", settings(both)),
        section("Result", results(both)),
        section("Delivery", times(both, |run| &run.delivery)),
        section("Creation to end", times(both, |run| &run.latency)),
        section("Faults", faults(both)),
        section("Cost", costs(both)),
    ]
}

fn settings(both: Both<'_>) -> Vec<Figure> {
    let seconds = |seconds: f64| format!("{seconds} s");
    vec![
        both.count("messages", |run| run.plan.total),
        both.text("characters of a text", texts),
        both.text("seed", |run| run.plan.seed.to_string()),
        both.count("senders", |run| run.senders.len() as u64),
        both.text("mean wait", move |run| range(run, |sender| sender.wait, seconds)),
        both.text("failure rate", |run| range(run, |sender| sender.failure_rate, percent)),
        both.text("deliveries at once, each", |run| {
            range(run, |sender| sender.concurrency.map(f64::from), |count| format!("{count}"))
        }),
    ]
}

fn results(both: Both<'_>) -> Vec<Figure> {
    vec![
        both.text("state", |run| run.result.word.to_lowercase()),
        both.count("sent", |run| run.snapshot.sent),
        both.count("failed", |run| run.snapshot.failed),
        both.number("failed of concluded", Kind::Share, |run| run.result.failed_rate),
        both.count("pending", |run| run.snapshot.pending),
        both.number("first to last conclusion", Kind::Seconds, |run| run.result.seconds),
        both.number("creation to last conclusion", Kind::Seconds, |run| run.result.seconds_from_creation),
        both.number("messages a second", Kind::PerSecond, messages_per_second),
    ]
}

fn times(both: Both<'_>, of: fn(&Report) -> &Distribution) -> Vec<Figure> {
    let figure = |name, which: fn(&Distribution) -> Option<f64>| {
        both.number(name, Kind::Seconds, move |run| which(of(run)))
    };
    vec![
        figure("average", |times| times.mean),
        figure("p50", |times| times.p50),
        figure("p90", |times| times.p90),
        figure("p99", |times| times.p99),
        figure("max", |times| times.max),
    ]
}

fn faults(both: Both<'_>) -> Vec<Figure> {
    vec![
        both.sum("duplicates of these senders", Kind::Count, |run| run.faults.duplicates.as_f64()),
        both.sum("given back by these senders", Kind::Count, |run| run.faults.released.as_f64()),
        both.count("damaged tallies", |run| run.faults.damaged_tallies.len() as u64),
    ]
}

fn costs(both: Both<'_>) -> Vec<Figure> {
    let a_message = |name, of: fn(&CountedPart) -> AtLeast<f64>| {
        both.sum(name, Kind::PerMessage, move |run| {
            let spent = of(&run.cost.counted);
            // Before the end much is spent on what is not concluded, and a damaged tally counts too few.
            let is_whole = run.snapshot.complete && run.snapshot.broken.is_empty();
            spent.with(spent.amount.filter(|_| is_whole).map(|spent| spent / concluded(run) as f64))
        })
    };
    vec![
        a_message("requests a message", |spent| spent.requests.as_f64()),
        a_message("queue requests a message", |spent| spent.queue_requests.as_f64()),
        a_message("write units a message", |spent| spent.write_units),
        both.sum("dollars", Kind::Dollars, |run| run.cost.dollars),
        both.sum("dollars a million messages", Kind::Dollars, |run| run.cost.dollars_per_million),
    ]
}

/// The runs that figures are taken of.
#[derive(Debug, Clone, Copy)]
struct Both<'r>(&'r [Report; 2]);

impl Both<'_> {
    fn text(self, name: &'static str, of: impl Fn(&Report) -> String) -> Figure {
        let values = self.0.each_ref().map(|run| Value::Text(of(run)));
        Figure { name, kind: Kind::Text, values, at_least: [false; 2], difference: None, ratio: None }
    }

    fn count(self, name: &'static str, of: impl Fn(&Report) -> u64) -> Figure {
        self.number(name, Kind::Count, |run| Some(of(run) as f64))
    }

    fn number(self, name: &'static str, kind: Kind, of: impl Fn(&Report) -> Option<f64>) -> Figure {
        self.sum(name, kind, |run| AtLeast { amount: of(run), at_least: false })
    }

    fn sum(self, name: &'static str, kind: Kind, of: impl Fn(&Report) -> AtLeast<f64>) -> Figure {
        let sums = self.0.each_ref().map(of);
        let [first, second] = sums.map(|sum| sum.amount.filter(|_| !sum.at_least));
        let both = first.zip(second);
        Figure {
            name,
            kind,
            values: sums.map(|sum| Value::Number(sum.amount)),
            at_least: sums.map(|sum| sum.amount.is_some() && sum.at_least),
            difference: both.map(|(first, second)| second - first),
            ratio: both.filter(|(first, _)| *first > 0.0).map(|(first, second)| second / first),
        }
    }
}

impl Figure {
    /// What each run's part is, as it is read.
    pub fn texts(&self) -> [String; 2] {
        [0, 1].map(|run| {
            let text = match &self.values[run] {
                Value::Text(text) => text.clone(),
                Value::Number(None) => "-".to_owned(),
                Value::Number(Some(number)) => self.kind.show(*number),
            };
            if self.at_least[run] { format!(">= {text}") } else { text }
        })
    }

    /// How the second differs from the first, as it is read: `=`, `+12.5%`, or `-` where that cannot be told.
    pub fn change(&self) -> String {
        let [first, second] = self.texts();
        match (self.difference, self.ratio) {
            _ if first == second && first != "-" && self.at_least == [false; 2] => "=".to_owned(),
            (Some(difference), _) if self.kind == Kind::Share => {
                format!("{:+.1} points", 100.0 * difference)
            }
            (_, Some(ratio)) if ratio >= 10.0 => format!("x {}", format::rate(ratio)),
            (_, Some(ratio)) => format!("{:+.1}%", 100.0 * (ratio - 1.0)),
            (Some(difference), None) => format!("+{}", self.kind.show(difference)),
            (None, None) => "-".to_owned(),
        }
    }
}

impl Kind {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float-to-int cast saturates"
    )]
    fn show(self, number: f64) -> String {
        match self {
            Self::Count | Self::Text => format::thousands(number.round() as u64),
            Self::Seconds => seconds(Some(number)),
            Self::PerSecond => format::rate(number),
            Self::Share => percent(number),
            Self::PerMessage => format!("{number:.3}"),
            Self::Dollars => format::dollars(number),
        }
    }
}

fn texts(run: &Report) -> String {
    let length = format::thousands(run.plan.length.into());
    if run.plan.exact_length { format!("exactly {length}") } else { format!("up to {length}") }
}

/// A setting of all the senders; from the least to the greatest where they differ.
fn range(run: &Report, of: fn(&Worker) -> Option<f64>, show: impl Fn(f64) -> String) -> String {
    let mut settings: Vec<f64> = run.senders.iter().filter_map(of).collect();
    settings.sort_by(f64::total_cmp);
    match (settings.first(), settings.last()) {
        (Some(least), Some(greatest)) if least < greatest => {
            format!("{} to {}", show(*least), show(*greatest))
        }
        (Some(all), _) => show(*all),
        _ => "-".to_owned(),
    }
}

/// From the first conclusion to the last.
fn messages_per_second(run: &Report) -> Option<f64> {
    let seconds = run.result.seconds.filter(|seconds| *seconds > 0.0)?;
    Some(concluded(run) as f64 / seconds)
}

fn concluded(run: &Report) -> u64 {
    run.snapshot.sent.saturating_add(run.snapshot.failed)
}
