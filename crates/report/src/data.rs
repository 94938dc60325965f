//! What a report holds. Its JSON is the report's data; the page shows the same, and nothing else.

use serde::Serialize;
use stentor_core::cost::Prices;
use stentor_core::tally::DurationHistogram;

use stentor_cli::format::{rfc3339, try_rfc3339};
use stentor_run_view::bill::{AtLeast, Cost};
use stentor_run_view::charts::{Column, Course, Spread};
use stentor_run_view::follow::Standing;
use stentor_run_view::senders::{Worker, workers};
use stentor_run_view::snapshot::{BrokenTally, Reading, Snapshot};
use stentor_run_view::thresholds::failed_rate;
use stentor_run_view::view::{Data, Place, StateKind};

/// The version of this form: a greater one where a field is taken away or means something else.
const FORM: u32 = 1;

/// The most columns of progress, and of a distribution.
const COLUMNS: usize = 60;

/// A run, as it is kept. Times are RFC 3339 in UTC; what is not known is null.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub form: u32,
    pub made_at: String,
    pub place: Place,
    pub plan: Plan,
    pub result: Outcome,
    /// What `monitor --json` tells of the run.
    pub snapshot: Snapshot,
    pub progress: Progress,
    /// How long deliveries took.
    pub delivery: Distribution,
    /// From a message's creation to its end.
    pub latency: Distribution,
    pub senders: Vec<Worker>,
    pub faults: Faults,
    pub cost: Cost,
    /// How it was counted, in sentences.
    pub notes: Vec<&'static str>,
}

/// What the run was to be, and how it was enqueued.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub run: String,
    pub total: u64,
    /// The longest text, characters.
    pub length: u16,
    /// Every text has just that length.
    pub exact_length: bool,
    pub seed: u64,
    pub created_at: Option<String>,
    pub enqueued: u64,
    /// When all of it was enqueued.
    pub finished_at: Option<String>,
    /// From its creation to there.
    pub enqueue_seconds: Option<f64>,
}

/// How the run stands, or ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    pub is_good: bool,
    pub word: &'static str,
    pub sentence: String,
    /// Of what is concluded, 0 to 1.
    pub failed_rate: Option<f64>,
    pub first_concluded_at: Option<String>,
    pub last_concluded_at: Option<String>,
    /// From the first conclusion to the last.
    pub seconds: Option<f64>,
    /// From the run's creation to the last conclusion.
    pub seconds_from_creation: Option<f64>,
}

/// Messages a second over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// With the first conclusion.
    pub starts_at: Option<String>,
    pub seconds: f64,
    /// How long each column is.
    pub column_seconds: Option<f64>,
    /// Of the highest column, sent and failed together.
    pub peak_per_second: Option<f64>,
    pub columns: Vec<Pace>,
}

/// In a column of progress, messages a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pace {
    pub sent_per_second: f64,
    pub failed_per_second: f64,
}

/// Durations of many messages, seconds: the mean is exact, the rest within 2 %.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Distribution {
    pub count: u64,
    pub mean: Option<f64>,
    pub p50: Option<f64>,
    pub p75: Option<f64>,
    pub p90: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    /// 99.9 %.
    pub p999: Option<f64>,
    pub max: Option<f64>,
    /// Where the first column begins.
    pub from: Option<f64>,
    /// How wide each column is.
    pub column_seconds: Option<f64>,
    /// How many took as long as each column says; a fraction where the tally does not tell it finer.
    pub columns: Vec<f64>,
}

/// What went wrong on the way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Faults {
    /// Messages that these senders found concluded by another, in all their life.
    pub duplicates: AtLeast<u64>,
    /// Messages that these senders gave back, in all their life.
    pub released: AtLeast<u64>,
    /// On the stack's dead-letter queue, of whichever run.
    pub dead_letters: u64,
    /// Messages of the plan that no producer has enqueued.
    pub not_enqueued: u64,
    /// Tallies that cannot be read or kept any more: the counts are too low.
    pub damaged_tallies: Vec<BrokenTally>,
    /// For how long nothing has been concluded, where the run is not complete.
    pub idle_seconds: Option<f64>,
}

/// What every report says of its figures.
const NOTES: [&str; 5] = [
    "Messages are counted by the stream of the table, each exactly once. The counts lag by a second or two and are never too high.",
    "Means come from exact sums. Percentiles, longest times and columns are within 2 %.",
    "Times are those of the machines that wrote them; no time is below zero where their clocks differ.",
    "A sender's counts are those of all its life, not of this run alone. The table keeps them for a day after its last sign of life.",
    "Queue counts are approximate on AWS, and dead letters are those of the whole stack.",
];

impl Report {
    /// What is known of a run; `made_at` is ms since the epoch.
    pub fn of(data: &Data, place: &Place, prices: &Prices, made_at: u64) -> Self {
        let Data { reading, snapshot, .. } = data;
        let senders = workers(reading);
        let faults = Faults::of(data, &senders);
        Self {
            form: FORM,
            made_at: rfc3339(made_at),
            place: place.clone(),
            plan: Plan::of(reading),
            result: Outcome::of(data),
            snapshot: snapshot.clone(),
            progress: Progress::of(&data.course, reading.tally.first_concluded_at),
            delivery: Distribution::of(&reading.tally.delivery),
            latency: Distribution::of(&reading.tally.latency),
            cost: Cost::of(reading, data.standing, &senders, prices),
            senders,
            faults,
            notes: NOTES.to_vec(),
        }
    }
}

impl Plan {
    fn of(reading: &Reading) -> Self {
        let record = &reading.record;
        let took = record.finished_at.map(|at| at.saturating_sub(record.created_at));
        Self {
            run: record.plan.run().to_string(),
            total: record.plan.total().into(),
            length: record.plan.length().max,
            exact_length: record.plan.length().exact,
            seed: record.plan.seed(),
            created_at: try_rfc3339(record.created_at),
            enqueued: record.enqueued.into(),
            finished_at: record.finished_at.and_then(try_rfc3339),
            enqueue_seconds: took.map(seconds),
        }
    }
}

impl Outcome {
    fn of(data: &Data) -> Self {
        let state = data.state();
        let (record, tally) = (&data.reading.record, &data.reading.tally);
        let (first, last) = (tally.first_concluded_at, tally.last_concluded_at);
        Self {
            is_good: state.kind == StateKind::Good,
            word: state.word,
            sentence: state.why,
            failed_rate: failed_rate(&data.snapshot),
            first_concluded_at: first.and_then(try_rfc3339),
            last_concluded_at: last.and_then(try_rfc3339),
            seconds: first.zip(last).map(|(first, last)| seconds(last.saturating_sub(first))),
            seconds_from_creation: last.map(|last| seconds(last.saturating_sub(record.created_at))),
        }
    }
}

impl Progress {
    fn of(course: &Course, first_concluded_at: Option<u64>) -> Self {
        let whole = course.seconds();
        // The tally tells nothing finer than a second.
        let columns = course.columns(columns_for(whole));
        Self {
            starts_at: first_concluded_at.and_then(try_rfc3339),
            seconds: whole,
            column_seconds: width(whole, columns.len()),
            peak_per_second: columns.iter().map(Column::whole).reduce(f64::max).map(rounded),
            columns: columns
                .into_iter()
                .map(|column| Pace {
                    sent_per_second: rounded(column.sent),
                    failed_per_second: rounded(column.failed),
                })
                .collect(),
        }
    }
}

impl Distribution {
    fn of(times: &DurationHistogram) -> Self {
        let spread = Spread::of(times);
        let ends = spread.ends();
        let whole = ends.map_or(0.0, |(shortest, longest)| longest - shortest);
        // Nothing is told finer than a millisecond.
        let columns = spread.columns(columns_for(whole * 1_000.0));
        let quantile = |share| times.quantile_ms(share).map(seconds);
        Self {
            count: times.count(),
            mean: times.mean_ms().map(|ms| ms / 1_000.0),
            p50: quantile(0.5),
            p75: quantile(0.75),
            p90: quantile(0.9),
            p95: quantile(0.95),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: times.max_ms().map(seconds),
            from: ends.map(|(shortest, _)| shortest),
            column_seconds: width(whole, columns.len()),
            columns: columns.iter().map(|column| rounded(column.whole())).collect(),
        }
    }
}

impl Faults {
    fn of(data: &Data, senders: &[Worker]) -> Self {
        let Data { reading, snapshot, .. } = data;
        Self {
            duplicates: AtLeast::sum(senders.iter().map(|sender| sender.duplicates)),
            released: AtLeast::sum(senders.iter().map(|sender| sender.released)),
            dead_letters: reading.dead_letters,
            not_enqueued: snapshot.total.saturating_sub(snapshot.enqueued),
            damaged_tallies: snapshot.broken.clone(),
            idle_seconds: (data.standing != Standing::Complete).then_some(data.idle),
        }
    }
}

/// A column for each of so many units, up to the most that there may be.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
fn columns_for(units: f64) -> usize {
    (units.ceil() as usize).clamp(1, COLUMNS)
}

fn width(whole: f64, columns: usize) -> Option<f64> {
    (columns > 0).then(|| whole / columns as f64)
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// To a thousandth: what is shared among columns is no more exact.
fn rounded(share: f64) -> f64 {
    (share * 1_000.0).round() / 1_000.0
}
