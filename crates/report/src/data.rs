//! What a report holds. Its JSON is the report's data, and the page shows nothing else.

mod reached;

pub use reached::Reached;
use schemars::JsonSchema;
use serde::Serialize;
use stentor_cli::format::{rfc3339, try_rfc3339};
use stentor_core::provider::parts::parts;
use stentor_run_view::bill::{Bill, LowerBound};
use stentor_run_view::charts::{ChartBin, Histogram, ThroughputChart};
use stentor_run_view::figures::{self, Figure};
use stentor_run_view::provider::ProviderBill;
use stentor_run_view::reading::{RunReading, Target};
use stentor_run_view::senders::{SenderRecord, SenderState};
use stentor_run_view::snapshot::{DamagedShard, Snapshot};
use stentor_run_view::status::{RunPhase, RunStatus, StatusLevel};
use stentor_run_view::unit::to_count;
use stentor_run_view::view::{RunView, mean_seconds, quantile_seconds, seconds};
use stentor_tally::DurationHistogram;

/// Version of the JSON's structure; a greater one removes a field or changes its meaning.
const FORM: u32 = 1;

/// The most columns of a chart.
const COLUMNS: usize = 60;

/// A report of a run. Times are RFC 3339 in UTC; unknown values are null.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "A report of a run")]
pub struct Report {
    /// Version of this structure; a greater one removes a field or changes its meaning.
    pub form: u32,
    /// When the report was made.
    pub made_at: String,
    /// The stack of the run, and where it is.
    #[serde(rename = "place")]
    pub target: Target,
    /// The run's plan and how far it was enqueued.
    pub plan: PlanSummary,
    /// State of the run, or how it ended.
    pub result: RunResult,
    /// What `monitor --json` prints of the run.
    pub snapshot: Snapshot,
    /// Messages a second over time.
    pub progress: Progress,
    /// The share of the messages that was SENT over time.
    pub reached: Reached,
    /// How long deliveries took.
    pub delivery: Distribution,
    /// Time from a message's creation to its outcome.
    pub latency: Distribution,
    /// The senders that worked on the run.
    pub senders: Vec<SenderRow>,
    /// What went wrong on the way.
    pub faults: Faults,
    /// What the run cost.
    #[serde(rename = "cost")]
    pub bill: Bill,
    /// What its simulated providers would charge, apart from the cost; null where no sender of the run had a provider.
    pub provider: Option<ProviderBill>,
    /// How it was counted, in sentences.
    pub notes: Vec<&'static str>,
}

/// The plan of a run, and how it was enqueued.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PlanSummary {
    /// ID of the run, a ULID.
    pub run: String,
    /// Planned messages.
    pub total: u64,
    /// Maximum length of a body, characters.
    pub length: u16,
    /// Whether every body has exactly that length.
    pub exact_length: bool,
    /// Text of all messages; null where each has a random one.
    pub text: Option<String>,
    /// Parts of that text as an SMS.
    pub parts: Option<u32>,
    /// Seed of the random generator.
    pub seed: u64,
    /// When the run was created.
    pub created_at: Option<String>,
    /// Messages in the table and on the queue.
    pub enqueued: u64,
    /// When the last message was enqueued.
    pub finished_at: Option<String>,
    /// From the run's creation to there.
    pub enqueue_seconds: Option<f64>,
}

/// The status of a run and its main times.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunResult {
    /// Whether the status is as expected.
    pub is_good: bool,
    /// The status: `COMPLETE`, `RUNNING`, `WAITING`, `LAGGING`, `STALLED`, `LAGGING or STALLED` or `DAMAGED`.
    pub word: &'static str,
    /// What the status is based on.
    pub sentence: String,
    /// Fraction of the outcomes that are failures.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub failed_rate: Option<f64>,
    /// Time of the first outcome.
    pub first_concluded_at: Option<String>,
    /// Time of the last outcome.
    pub last_concluded_at: Option<String>,
    /// From the first outcome to the last.
    pub seconds: Option<f64>,
    /// From the run's creation to the last outcome.
    pub seconds_from_creation: Option<f64>,
}

/// Messages a second over time.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Progress {
    /// Start of the first column: the first outcome.
    pub starts_at: Option<String>,
    /// Length of all columns.
    pub seconds: f64,
    /// Length of each column.
    pub column_seconds: Option<f64>,
    /// Rate of the highest column, sent and failed together.
    pub peak_per_second: Option<f64>,
    /// The columns.
    #[schemars(length(max = 60))]
    pub columns: Vec<ColumnRate>,
}

/// Messages a second in a column of progress.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct ColumnRate {
    /// Messages sent a second.
    pub sent_per_second: f64,
    /// Messages failed a second.
    pub failed_per_second: f64,
}

/// Durations of many messages in seconds. The mean is exact, the rest within 2 %.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Distribution {
    /// Number of durations.
    pub count: u64,
    /// Mean, exact.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 75th percentile.
    pub p75: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    pub p999: Option<f64>,
    /// Longest duration.
    pub max: Option<f64>,
    /// Start of the first column.
    pub from: Option<f64>,
    /// Width of each column.
    pub column_seconds: Option<f64>,
    /// Messages in each column; a fraction where the tally's bins are wider than the columns.
    #[schemars(length(max = 60))]
    pub columns: Vec<f64>,
}

/// A sender that worked on the run. Its counts are those of its whole life; values are null where its heartbeat has
/// expired.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SenderRow {
    /// Name of the sender.
    pub sender: String,
    /// State of the sender.
    pub state: Option<SenderState>,
    /// When it started.
    pub started_at: Option<String>,
    /// Time of its last heartbeat.
    pub seen_at: Option<String>,
    /// Mean duration of its simulated deliveries, seconds.
    pub wait: Option<f64>,
    /// Fraction of its deliveries that it lets fail.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub failure_rate: Option<f64>,
    /// Deliveries at once.
    pub concurrency: Option<u32>,
    /// Messages sent.
    pub sent: Option<u64>,
    /// Messages failed.
    pub failed: Option<u64>,
    /// Messages received after their outcome was recorded.
    pub duplicates: Option<u64>,
    /// Messages released unfinished.
    pub released: Option<u64>,
    /// Messages with a body that is not Stentor's; the sender that receives one first counts it.
    pub invalid: Option<u64>,
    /// Leases that expired while it had the message, for example while its process was paused.
    pub leases_expired: Option<u64>,
    /// Outcomes a second since its start.
    pub messages_per_second: Option<f64>,
    /// Whether it ended and reported its whole usage on the run.
    pub accounted: bool,
}

/// What went wrong on the way.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Faults {
    /// Messages that these senders received after their outcome was recorded, since these senders started.
    pub duplicates: LowerBound<u64>,
    /// Messages that these senders released unfinished, since these senders started.
    pub released: LowerBound<u64>,
    /// Leases that expired while these senders had the message, since these senders started.
    pub leases_expired: LowerBound<u64>,
    /// Messages with a body that is not Stentor's, which these senders received first, since these senders started.
    pub invalid: LowerBound<u64>,
    /// Messages on the stack's dead-letter queue, of all runs.
    pub dead_letters: u64,
    /// Batches of the stack's stream that were discarded, of all runs; null if unknown.
    pub discarded_batches: Option<u64>,
    /// What that means and what to do; null where there are none.
    pub discard_warning: Option<String>,
    /// Messages of the plan that no producer has enqueued.
    pub not_enqueued: u64,
    /// Tallies that cannot be decoded: the counts are too low.
    pub damaged_tallies: Vec<DamagedShard>,
    /// Time since the last outcome; null where the run is complete.
    pub idle_seconds: Option<f64>,
}

/// How the figures of every report are counted.
const NOTES: [&str; 5] = [
    "Messages are counted by the stream of the table, each exactly once. The counts lag by a second or two and are never too high.",
    "Means come from exact sums. Percentiles, longest times and columns are within 2 %.",
    "Times are those of the machines that recorded them. Displayed durations are never negative, even where clocks differ.",
    "A sender's counts are those of its whole life, not of this run alone. The table keeps them for a day after its last heartbeat.",
    "Queue counts are approximate on AWS, and dead letters are those of the whole stack.",
];

impl Report {
    /// Reports a view; `made_at` is ms since the epoch.
    pub fn of(view: &RunView, target: &Target, made_at: u64) -> Self {
        let reading = &view.reading;
        Self {
            form: FORM,
            made_at: rfc3339(made_at),
            target: target.clone(),
            plan: PlanSummary::of(reading),
            result: RunResult::of(view, target),
            snapshot: Snapshot::of(view),
            progress: Progress::of(&view.throughput, reading.tally.first_concluded_at),
            reached: Reached::of(view),
            delivery: Distribution::of(&reading.tally.delivery),
            latency: Distribution::of(&reading.tally.latency),
            senders: view.run_senders().map(SenderRow::of).collect(),
            faults: Faults::of(view, target),
            bill: view.bill().clone(),
            provider: view.provider_bill().cloned(),
            notes: NOTES.to_vec(),
        }
    }
}

impl PlanSummary {
    fn of(reading: &RunReading) -> Self {
        let record = &reading.record;
        Self {
            run: record.plan.run().to_string(),
            total: reading.total(),
            length: record.plan.length().max,
            exact_length: record.plan.length().exact,
            text: record.plan.text().map(ToString::to_string),
            parts: record.plan.text().map(|text| parts(text.as_str())),
            seed: record.plan.seed(),
            created_at: try_rfc3339(record.created_at),
            enqueued: record.enqueued.into(),
            finished_at: record.finished_at.and_then(try_rfc3339),
            enqueue_seconds: record.finished_at.map(|at| seconds(at.saturating_sub(record.created_at))),
        }
    }
}

impl RunResult {
    fn of(view: &RunView, target: &Target) -> Self {
        let (status, tally) = (RunStatus::of(view, &target.connection), &view.reading.tally);
        Self {
            is_good: status.level != StatusLevel::Bad,
            word: status.word,
            sentence: status.sentence,
            failed_rate: figures::FAILED_RATE.value(view),
            first_concluded_at: tally.first_concluded_at.and_then(try_rfc3339),
            last_concluded_at: tally.last_concluded_at.and_then(try_rfc3339),
            seconds: figures::OUTCOME_SECONDS.value(view),
            seconds_from_creation: figures::SECONDS_FROM_CREATION.value(view),
        }
    }
}

impl Progress {
    fn of(chart: &ThroughputChart, first_outcome_at: Option<u64>) -> Self {
        let seconds = chart.seconds();
        // The tally's buckets are a second wide at least.
        let bins = chart.bins(columns_for(seconds));
        Self {
            starts_at: first_outcome_at.and_then(try_rfc3339),
            seconds,
            column_seconds: width(seconds, bins.len()),
            peak_per_second: bins.iter().map(ChartBin::total).reduce(f64::max).map(rounded),
            columns: bins
                .into_iter()
                .map(|bin| ColumnRate {
                    sent_per_second: rounded(bin.sent),
                    failed_per_second: rounded(bin.failed),
                })
                .collect(),
        }
    }
}

impl Distribution {
    fn of(times: &DurationHistogram) -> Self {
        let histogram = Histogram::new(times);
        let range = histogram.range();
        let whole = range.map_or(0.0, |(shortest, longest)| longest - shortest);
        // Durations are recorded in milliseconds.
        let bins = histogram.bins(columns_for(whole * 1_000.0));
        let quantile = |quantile| quantile_seconds(times, quantile);
        Self {
            count: times.count(),
            mean: mean_seconds(times),
            p50: quantile(0.5),
            p75: quantile(0.75),
            p90: quantile(0.9),
            p95: quantile(0.95),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: quantile(1.0),
            from: range.map(|(shortest, _)| shortest),
            column_seconds: width(whole, bins.len()),
            columns: bins.iter().map(|bin| rounded(bin.total())).collect(),
        }
    }
}

impl SenderRow {
    fn of(record: &SenderRecord) -> Self {
        let heartbeat = record.heartbeat.as_ref();
        Self {
            sender: record.name.clone(),
            state: record.state,
            started_at: heartbeat.and_then(|heartbeat| try_rfc3339(heartbeat.started_at)),
            seen_at: heartbeat.and_then(|heartbeat| try_rfc3339(heartbeat.seen_at)),
            wait: heartbeat.map(|heartbeat| heartbeat.wait),
            failure_rate: heartbeat.map(|heartbeat| heartbeat.failure_rate),
            concurrency: heartbeat.map(|heartbeat| heartbeat.concurrency),
            sent: heartbeat.map(|heartbeat| heartbeat.sent),
            failed: heartbeat.map(|heartbeat| heartbeat.failed),
            duplicates: heartbeat.map(|heartbeat| heartbeat.duplicates),
            released: heartbeat.map(|heartbeat| heartbeat.released),
            invalid: heartbeat.map(|heartbeat| heartbeat.invalid),
            leases_expired: heartbeat.map(|heartbeat| heartbeat.leases_expired),
            messages_per_second: record.lifetime_rate(),
            accounted: record.is_accounted,
        }
    }
}

impl Faults {
    fn of(view: &RunView, target: &Target) -> Self {
        let count = |figure: &Figure| (figure.value)(view).and_then(|count| Some(to_count(count)));
        Self {
            duplicates: count(&figures::DUPLICATES),
            released: count(&figures::RELEASED),
            leases_expired: count(&figures::LEASES_EXPIRED),
            invalid: count(&figures::INVALID),
            dead_letters: view.reading.dead_letters,
            discarded_batches: view.reading.discarded_batches,
            discard_warning: view.discard_warning(&target.connection),
            not_enqueued: count(&figures::NOT_ENQUEUED).amount.unwrap_or_default(),
            damaged_tallies: view.reading.damaged.iter().map(DamagedShard::from).collect(),
            idle_seconds: (view.phase != RunPhase::Complete).then(|| view.reading.idle_seconds()),
        }
    }
}

/// One column for each unit, up to the maximum.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
fn columns_for(units: f64) -> usize {
    (units.ceil() as usize).clamp(1, COLUMNS)
}

fn width(whole: f64, columns: usize) -> Option<f64> {
    (columns > 0).then(|| whole / columns as f64)
}

/// To a thousandth: what is divided among columns is no more exact.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
