//! The bill of a run: counted where the programs reported their usage, estimated where AWS alone could count.

use schemars::JsonSchema;
use serde::Serialize;
use stentor_cli::format;
use stentor_core::cost::{self, AggregatorModel, AggregatorUsage, BillingItem, Price, Prices};
use stentor_core::usage::{ProgramKind, Usage, UsageRecord};

use crate::senders::{SenderRecord, SenderState};
use crate::view::RunView;

/// The duration of an invocation was not measured on AWS: it is a round number above the CPU time of a local one.
const INVOCATION_MS: f64 = 10.0;

/// A program reports its usage when it ends; after this time, ms, it has done so or never will.
const REPORT_MS: u64 = 3_000;

/// What the bill leaves out.
const LEFT_OUT: [&str; 4] = [
    "the machines that the programs run on, and their network traffic",
    "storage of the tables, and CloudWatch's logs",
    "requests of monitors, at most five a poll, and look-ups of other monitors",
    "any free tier",
];

/// Where the settings of the function come from.
const RECORDED: &str =
    "the batching window, the function's memory and its architecture are those that the deployment recorded";
const NOT_RECORDED: &str = "the batching window, the function's memory and its architecture are the defaults of the stack's template, as far as the deployment recorded none";

const ASSUMPTIONS: [&str; 4] = [
    "each shard of the stream that has a tally had a batch every batching window from the first outcome to the last, more where batches of 1,000 were full, and no more batches than messages",
    "an invocation is billed for 10 ms",
    "each put of a tally took the write units that the tally would take now, at its largest",
    "the function's reads of its tallies cost nothing: a warm function makes none",
];

/// Why the reported usage of senders is not all of it: state; subject in the singular and plural; rest of the sentence.
const OPEN_SENDERS: [(Option<SenderState>, [&str; 2], &str); 4] = [
    (
        Some(SenderState::Alive),
        ["sender is running", "senders are running"],
        ": usage is reported at least once a minute and at the end.",
    ),
    (Some(SenderState::Lost), ["sender is", "senders are"], " silent: the last usage is unknown."),
    (Some(SenderState::Ended), ["sender", "senders"], " ended without reporting all usage on this run."),
    (None, ["sender", "senders"], " had not ended at the last report, and the heartbeat has expired since."),
];

/// A sum of which a part may be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct LowerBound<T> {
    /// The known part; null where nothing is known.
    pub amount: Option<T>,
    /// Whether the true sum is greater, or may be.
    pub at_least: bool,
}

/// The bill of a run, in US dollars.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Bill {
    /// Usage that the programs counted.
    pub counted: CountedUsage,
    /// Usage of the aggregator, which is estimated.
    pub estimated: EstimatedUsage,
    /// One line for each billed item.
    #[serde(rename = "parts")]
    pub lines: Vec<CostLine>,
    /// Sum of the lines; null where no program has reported its usage.
    pub dollars: LowerBound<f64>,
    /// The sum in proportion for a million messages; null while the run is active, or where a tally is damaged.
    pub dollars_per_million: LowerBound<f64>,
    /// Costs that the bill does not include.
    pub left_out: Vec<&'static str>,
    /// The prices of the bill.
    pub prices: PriceList,
}

/// Usage as the programs counted it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CountedUsage {
    /// Each program of the run.
    pub programs: Vec<ProgramUsage>,
    /// Requests to SQS and `DynamoDB`.
    pub requests: LowerBound<u64>,
    /// Requests to SQS, which bills each.
    pub queue_requests: LowerBound<u64>,
    /// Write units of `DynamoDB`.
    pub write_units: LowerBound<f64>,
    /// Read units of `DynamoDB`.
    pub read_units: LowerBound<f64>,
    /// Why the sums are too low, in sentences; empty where they are final.
    pub missing: Vec<String>,
}

/// Usage of one program on the run; null where it is unknown.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProgramUsage {
    /// ID of the program; for a sender, its name.
    pub id: String,
    /// Kind of the program.
    pub program: Option<ProgramKind>,
    /// Requests to SQS and `DynamoDB`.
    pub requests: Option<u64>,
    /// Requests to SQS, which bills each.
    pub queue_requests: Option<u64>,
    /// Write units of `DynamoDB`.
    pub write_units: Option<f64>,
    /// Read units of `DynamoDB`.
    pub read_units: Option<f64>,
}

/// Estimated usage of the aggregator.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EstimatedUsage {
    /// The estimate.
    #[serde(flatten)]
    pub usage: AggregatorUsage,
    /// The values that the estimate is made from.
    pub assumed: AggregatorModel,
    /// The assumptions in words.
    pub assumptions: Vec<&'static str>,
}

/// A line of the bill.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CostLine {
    /// What is billed.
    pub name: &'static str,
    /// The price that applies.
    pub price: BillingItem,
    /// Whether the quantity is estimated rather than counted.
    pub estimated: bool,
    /// Billed units.
    pub quantity: LowerBound<f64>,
    /// Quantity times price.
    pub dollars: LowerBound<f64>,
}

/// The prices of a bill.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PriceList {
    /// Region of the list prices.
    pub region: &'static str,
    /// When they were looked up.
    pub date: &'static str,
    /// Each price, before any free tier.
    pub list: Vec<Price>,
}

impl<T> LowerBound<T> {
    /// A sum that is known in full.
    pub fn exact(amount: T) -> Self {
        Self { amount: Some(amount), at_least: false }
    }

    /// Derives another sum from the known part.
    pub fn and_then<U>(self, derive: impl FnOnce(T) -> Option<U>) -> LowerBound<U> {
        LowerBound { amount: self.amount.and_then(derive), at_least: self.at_least }
    }
}

impl<T: std::iter::Sum> LowerBound<T> {
    /// Adds up what is known; `None` where nothing is.
    pub fn sum(parts: impl Iterator<Item = Option<T>>) -> Self {
        let parts: Vec<Option<T>> = parts.collect();
        let at_least = parts.iter().any(Option::is_none);
        let known = parts.iter().any(Option::is_some);
        Self { amount: known.then(|| parts.into_iter().flatten().sum()), at_least }
    }

    /// The same sum, of which a part is unknown if `may_be_more`.
    pub fn or_more_if(self, may_be_more: bool) -> Self {
        Self { at_least: self.at_least || may_be_more, ..self }
    }
}

impl From<Option<f64>> for LowerBound<f64> {
    fn from(amount: Option<f64>) -> Self {
        Self { amount, at_least: false }
    }
}

impl From<u64> for LowerBound<f64> {
    fn from(count: u64) -> Self {
        Self::exact(count as f64)
    }
}

impl From<LowerBound<u64>> for LowerBound<f64> {
    fn from(sum: LowerBound<u64>) -> Self {
        sum.and_then(|amount| Some(amount as f64))
    }
}

impl Bill {
    /// The bill as far as the view's usage records go.
    pub(crate) fn of(view: &RunView) -> Self {
        let (counted, estimated) = (CountedUsage::of(view), EstimatedUsage::of(view));
        let prices = view.bills.prices.on(view.reading.deployment.architecture());
        let lines = lines(&counted, &estimated.usage, view.reading.looked_up, &prices);
        let dollars = LowerBound {
            // The aggregator's estimate alone would be no sum.
            amount: counted
                .queue_requests
                .amount
                .map(|_| lines.iter().filter_map(|line| line.dollars.amount).sum()),
            at_least: lines.iter().any(|line| line.dollars.at_least),
        };
        let outcomes = view.reading.outcomes();
        // A damaged tally counts too few messages: each would seem too expensive.
        let is_countable = view.phase.has_ended() && outcomes > 0 && view.reading.damaged.is_empty();
        let per_million = |dollars: f64| is_countable.then(|| dollars * 1e6 / outcomes as f64);
        Self {
            counted,
            estimated,
            lines,
            dollars,
            dollars_per_million: dollars.and_then(per_million),
            left_out: LEFT_OUT.to_vec(),
            prices: PriceList { region: cost::REGION, date: cost::DATE, list: prices.all().to_vec() },
        }
    }
}

fn lines(
    counted: &CountedUsage,
    aggregator: &AggregatorUsage,
    looked_up: u64,
    prices: &Prices,
) -> Vec<CostLine> {
    use BillingItem::{GbSeconds, Invocations, QueueRequests, ReadUnits, WriteUnits};
    let line = |name, price, estimated, quantity: LowerBound<f64>| {
        let dollars = quantity.and_then(|quantity| Some(prices.dollars(price, quantity)));
        CostLine { name, price, estimated, quantity, dollars }
    };
    let counted_line = |name, price, quantity| line(name, price, false, quantity);
    let estimated_line = |name, price, quantity| line(name, price, true, LowerBound::exact(quantity));
    // A message is smaller than the 4 KB of a read unit.
    let lookups = (looked_up > 0)
        .then(|| counted_line("look-ups of this monitor", ReadUnits, LowerBound::from(looked_up)));
    let lines = [
        counted_line("requests to the queue", QueueRequests, counted.queue_requests.into()),
        counted_line("writes of the tables", WriteUnits, counted.write_units),
        counted_line("reads of the tables", ReadUnits, counted.read_units),
        estimated_line("writes of the tallies", WriteUnits, aggregator.write_units),
        estimated_line("invocations of the function", Invocations, aggregator.invocations),
        estimated_line("time of the function", GbSeconds, aggregator.gb_seconds),
    ];
    lines.into_iter().chain(lookups).collect()
}

impl CountedUsage {
    fn of(view: &RunView) -> Self {
        let records = &view.reading.usage;
        let silent = view.run_senders().filter(|sender| !records.iter().any(|usage| usage.id == sender.name));
        let silent = silent.map(|sender| ProgramUsage::of(&sender.name, Some(ProgramKind::Sender), None));
        let reported =
            records.iter().map(|record| ProgramUsage::of(&record.id, record.program, record.usage));
        let programs: Vec<ProgramUsage> = reported.chain(silent).collect();
        let mut missing = incomplete_records(view, open_producers(view), view.run_senders());
        let is_open = !missing.is_empty();
        let lacks_units = |program: &ProgramUsage| {
            program.requests.is_some() && (program.write_units.is_none() || program.read_units.is_none())
        };
        if programs.iter().any(lacks_units) {
            let lacking =
                "A response of DynamoDB did not include its capacity units, as an emulator's may not.";
            missing.push(lacking.to_owned());
        }
        Self {
            requests: LowerBound::sum(programs.iter().map(|program| program.requests)).or_more_if(is_open),
            queue_requests: LowerBound::sum(programs.iter().map(|program| program.queue_requests))
                .or_more_if(is_open),
            write_units: LowerBound::sum(programs.iter().map(|program| program.write_units))
                .or_more_if(is_open),
            read_units: LowerBound::sum(programs.iter().map(|program| program.read_units))
                .or_more_if(is_open),
            missing,
            programs,
        }
    }
}

/// Explains which producers have not reported all their usage.
fn open_producers(view: &RunView) -> impl Iterator<Item = String> {
    let open = view.reading.usage.iter().filter(|record| is_open_producer(record)).count();
    let subjects = ["producer is running, or was", "producers are running, or were"];
    let open = counted_reason(open, subjects, " killed, or failed: the last usage is unknown.");
    let none = (!has_producer(view)).then(|| "No producer has reported its usage.".to_owned());
    none.into_iter().chain(open)
}

/// Explains why the usage that these senders have reported is not all of it, or will grow; `others` about other programs.
pub(crate) fn incomplete_records<'s>(
    view: &RunView,
    others: impl Iterator<Item = String>,
    senders: impl Iterator<Item = &'s SenderRecord>,
) -> Vec<String> {
    let goes_on = (!view.phase.has_ended()).then(|| "The run goes on.".to_owned());
    let open: Vec<Option<SenderState>> =
        senders.filter(|sender| !sender.is_accounted).map(|sender| sender.state).collect();
    let senders = OPEN_SENDERS.into_iter().filter_map(|(state, subjects, rest)| {
        counted_reason(open.iter().filter(|of| **of == state).count(), subjects, rest)
    });
    let unreadable = view.reading.usage.iter().filter(|record| record.usage.is_none()).count();
    let unreadable = counted_reason(unreadable, ["usage record", "usage records"], " cannot be read.");
    goes_on.into_iter().chain(others).chain(senders).chain(unreadable).collect()
}

/// A sentence about `count` subjects; `None` about none.
fn counted_reason(count: usize, [one, many]: [&str; 2], rest: &str) -> Option<String> {
    let subject = if count == 1 { one } else { many };
    (count > 0).then(|| format!("{} {subject}{rest}", format::thousands(count as u64)))
}

/// Returns whether every program that is still there at `now_ms`, ms since the epoch, has reported its usage.
pub fn is_final(view: &RunView, now_ms: u64) -> bool {
    let reading = &view.reading;
    let is_alive = view.run_senders().any(SenderRecord::is_alive);
    // It may have worked on the run, which its usage record shows.
    let has_just_ended = view.senders.iter().any(|sender| has_just_ended(sender, now_ms));
    let is_open = !has_producer(view) || reading.usage.iter().any(is_open_producer);
    let awaits_producer = is_open && reading.record.finished_at.is_some_and(|at| may_report(at, now_ms));
    !is_alive && !has_just_ended && !awaits_producer
}

/// Whether a sender has ended and will report its usage within seconds of `now_ms`.
pub(crate) fn has_just_ended(sender: &SenderRecord, now_ms: u64) -> bool {
    let ended_at = sender.heartbeat.as_ref().and_then(|heartbeat| heartbeat.ended_at);
    !sender.is_accounted && ended_at.is_some_and(|at| may_report(at, now_ms))
}

/// Whether a program that ended at this time may still report its usage at `now_ms`.
fn may_report(ended_at: u64, now_ms: u64) -> bool {
    now_ms.saturating_sub(ended_at) < REPORT_MS
}

/// A usage record without its program's kind may be a producer's.
fn has_producer(view: &RunView) -> bool {
    view.reading.usage.iter().any(|usage| usage.program != Some(ProgramKind::Sender))
}

/// Unreadable records are reported separately.
fn is_open_producer(usage: &UsageRecord) -> bool {
    usage.program != Some(ProgramKind::Sender) && !usage.has_ended && usage.usage.is_some()
}

impl ProgramUsage {
    fn of(id: &str, program: Option<ProgramKind>, usage: Option<Usage>) -> Self {
        Self {
            id: id.to_owned(),
            program,
            requests: usage.map(|usage| usage.requests),
            queue_requests: usage.map(|usage| usage.queue_requests),
            write_units: usage.and_then(|usage| usage.write_units),
            read_units: usage.and_then(|usage| usage.read_units),
        }
    }
}

impl EstimatedUsage {
    fn of(view: &RunView) -> Self {
        let (tally_units, deployment) = (&view.reading.tally_units, &view.reading.deployment);
        let shards = tally_units.len() as f64;
        let units: u64 = tally_units.iter().sum();
        let assumed = AggregatorModel {
            shards,
            window_seconds: deployment.batching_window().as_secs_f64(),
            tally_units: units as f64 / shards.max(1.0),
            invocation_ms: INVOCATION_MS,
            memory_mb: deployment.function_memory_mb().into(),
        };
        let usage = assumed.of(view.reading.outcomes() as f64, view.outcome_seconds().unwrap_or_default());
        let settings = if deployment.is_recorded() { RECORDED } else { NOT_RECORDED };
        Self { usage, assumed, assumptions: [&ASSUMPTIONS[..1], &[settings], &ASSUMPTIONS[1..]].concat() }
    }
}
