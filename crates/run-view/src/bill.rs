//! What a run cost: counted where the programs told, estimated where nobody counts, and never made up.

use serde::Serialize;
use stentor_cli::format;
use stentor_core::cost::{
    self, AggregatorModel, AggregatorUsage, BilledUsage, BillingItem, Dollars, Price, Prices,
};
use stentor_core::usage::{ProgramKind, Usage, UsageRecord};

use super::senders::{Life, Worker, workers};
use crate::follow::Standing;
use crate::snapshot::Reading;

/// How the stack's template sets the function (`infra/template.yaml`: `BatchingWindow`, `FunctionMemory`); what an
/// invocation takes was measured on no AWS, and is a round number above what the function takes of CPU.
const WINDOW_SECONDS: f64 = 1.0;
const MEMORY_MB: f64 = 256.0;
const INVOCATION_MS: f64 = 10.0;

/// A program tells what it spent as soon as it has ended its work; so long after that, ms, it has, or never will.
const TELLING_MS: u64 = 3_000;

/// What the bill leaves out.
const LEFT_OUT: [&str; 4] = [
    "the machines that the programs run on, and what they send over the network",
    "storage of the tables, and CloudWatch's logs",
    "what monitors ask for, five requests an interval at most",
    "any free tier",
];

/// A sum of which a part may not be known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AtLeast<T> {
    /// What is known of it; null where nothing is.
    pub amount: Option<T>,
    /// It is more than that, or may be.
    pub at_least: bool,
}

/// What a run cost, in dollars of the United States.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    pub counted: CountedPart,
    pub estimated: EstimatedPart,
    pub parts: Vec<Part>,
    pub dollars: AtLeast<f64>,
    /// In proportion, for a million messages like those concluded; null while the run goes on, or
    /// where a tally is damaged.
    pub dollars_per_million: AtLeast<f64>,
    pub left_out: Vec<&'static str>,
    pub prices: PriceList,
}

/// What the programs counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CountedPart {
    pub programs: Vec<Spent>,
    pub requests: AtLeast<u64>,
    pub queue_requests: AtLeast<u64>,
    pub write_units: AtLeast<f64>,
    pub read_units: AtLeast<f64>,
    /// Why the sums are too low, in sentences; empty where they are whole.
    pub missing: Vec<String>,
}

/// What a program spent on the run; null where it was not told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spent {
    pub id: String,
    pub program: Option<ProgramKind>,
    pub requests: Option<u64>,
    pub queue_requests: Option<u64>,
    pub write_units: Option<f64>,
    pub read_units: Option<f64>,
}

/// The function's part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EstimatedPart {
    #[serde(flatten)]
    pub takes: AggregatorUsage,
    pub assumed: AggregatorModel,
    pub assumptions: Vec<&'static str>,
}

/// A part of the bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    pub name: &'static str,
    pub price: BillingItem,
    /// Nobody counted it.
    pub estimated: bool,
    pub quantity: AtLeast<f64>,
    pub dollars: AtLeast<f64>,
}

/// The prices that were reckoned with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PriceList {
    pub region: &'static str,
    pub date: &'static str,
    pub list: Vec<Price>,
}

const ASSUMPTIONS: [&str; 5] = [
    "each shard of the stream that has a tally had a batch every batching window from the first conclusion to the last, and no more batches than messages",
    "the batching window and the function's memory are those of the stack's template",
    "an invocation is billed for 10 ms",
    "each put of a tally took as many write units as the tally would take now, at its largest",
    "the function's reads of its tallies, of which a warm one makes none, cost nothing",
];

impl<T> AtLeast<T> {
    fn whole(amount: T) -> Self {
        Self { amount: Some(amount), at_least: false }
    }

    /// As it is, or more.
    fn or_more(self, more: bool) -> Self {
        Self { at_least: self.at_least || more, ..self }
    }

    /// The same of something else that is counted by it.
    pub fn with<U>(self, amount: Option<U>) -> AtLeast<U> {
        AtLeast { amount, at_least: self.at_least }
    }
}

impl AtLeast<u64> {
    pub fn as_f64(self) -> AtLeast<f64> {
        self.with(self.amount.map(|amount| amount as f64))
    }
}

impl<T: Copy + std::iter::Sum> AtLeast<T> {
    /// The sum of what is known; of none at all there is none.
    pub fn sum(parts: impl Iterator<Item = Option<T>>) -> Self {
        let parts: Vec<Option<T>> = parts.collect();
        let known = parts.iter().flatten().count();
        let amount = (known > 0).then(|| parts.iter().flatten().copied().sum());
        Self { amount, at_least: known < parts.len() }
    }
}

impl Cost {
    pub fn of(reading: &Reading, standing: Standing, senders: &[Worker], prices: &Prices) -> Self {
        let counted = CountedPart::of(reading, standing, senders);
        let estimated = EstimatedPart::of(reading);
        let takes = estimated.takes;
        let dollars = Dollars::of(
            &BilledUsage {
                queue_requests: counted.queue_requests.as_f64().amount,
                write_units: counted.write_units.amount,
                read_units: counted.read_units.amount,
                counted: takes,
            },
            prices,
        );
        let queue_requests = counted.queue_requests.as_f64();
        let parts = vec![
            Part::counted("requests to the queue", BillingItem::QueueRequests, queue_requests, dollars.queue),
            Part::counted(
                "writes of the tables",
                BillingItem::WriteUnits,
                counted.write_units,
                dollars.writes,
            ),
            Part::counted("reads of the tables", BillingItem::ReadUnits, counted.read_units, dollars.reads),
            Part::estimated(
                "writes of the tallies",
                BillingItem::WriteUnits,
                takes.write_units,
                dollars.tallies,
            ),
            Part::estimated(
                "invocations of the function",
                BillingItem::Invocations,
                takes.invocations,
                dollars.invocations,
            ),
            Part::estimated(
                "time of the function",
                BillingItem::GbSeconds,
                takes.gb_seconds,
                dollars.function_time,
            ),
        ];
        let sum = AtLeast {
            // An estimate of the function's part alone would be no sum.
            amount: dollars.queue.is_some().then(|| dollars.known()),
            at_least: parts.iter().any(|part| part.dollars.at_least),
        };
        let concluded = reading.tally.total();
        // A damaged tally counts too few messages: each would seem to cost too much.
        let is_over = standing != Standing::GoesOn && concluded > 0 && reading.broken.is_empty();
        let million = sum.amount.filter(|_| is_over).map(|dollars| dollars * 1e6 / concluded as f64);
        Self {
            parts,
            dollars: sum,
            dollars_per_million: sum.with(million),
            counted,
            estimated,
            left_out: LEFT_OUT.to_vec(),
            prices: PriceList { region: cost::REGION, date: cost::DATE, list: prices.all().to_vec() },
        }
    }
}

impl CountedPart {
    fn of(reading: &Reading, standing: Standing, senders: &[Worker]) -> Self {
        let is_told = |name: &str| reading.accounts.iter().any(|account| account.id == name);
        let without = senders.iter().filter(|sender| !is_told(&sender.sender));
        let programs: Vec<Spent> = reading
            .accounts
            .iter()
            .map(Spent::told)
            .chain(without.map(|sender| Spent::untold(&sender.sender, ProgramKind::Sender)))
            .collect();
        let open = open_accounts(reading, standing, senders);
        let is_open = !open.is_empty();
        let sum = |of: fn(&Spent) -> Option<f64>| AtLeast::sum(programs.iter().map(of)).or_more(is_open);
        let count = |of: fn(&Spent) -> Option<u64>| AtLeast::sum(programs.iter().map(of)).or_more(is_open);
        let (write_units, read_units) = (sum(|spent| spent.write_units), sum(|spent| spent.read_units));
        let untold = programs.iter().any(|spent| {
            spent.requests.is_some() && (spent.write_units.is_none() || spent.read_units.is_none())
        });
        let units = untold.then(|| {
            "An answer of the tables did not tell what units it took, as an emulator's may not.".to_owned()
        });
        Self {
            requests: count(|spent| spent.requests),
            queue_requests: count(|spent| spent.queue_requests),
            write_units,
            read_units,
            missing: open.into_iter().chain(units).collect(),
            programs,
        }
    }
}

/// Why what the programs told is not all that they spent, or will spend.
fn open_accounts(reading: &Reading, standing: Standing, senders: &[Worker]) -> Vec<String> {
    let with = |state: Option<Life>| {
        let open = senders.iter().filter(|sender| sender.state == state && !sender.accounted);
        open.count() as u64
    };
    let producers = reading.accounts.iter().filter(|account| is_open_producer(account)).count() as u64;
    let named = |count: u64, one: &str, many: &str| {
        (count > 0).then(|| {
            if count == 1 { format!("1 {one}") } else { format!("{} {many}", format::thousands(count)) }
        })
    };
    let unreadable = reading.accounts.iter().filter(|account| account.usage.is_none()).count() as u64;
    [
        (standing == Standing::GoesOn).then(|| "The run goes on.".to_owned()),
        (!has_producer(reading)).then(|| "No producer has told what it spent.".to_owned()),
        named(
            producers,
            "producer goes on, or was killed, or failed: what it spent last is not known.",
            "producers go on, or were killed, or failed: what they spent last is not known.",
        ),
        named(
            with(Some(Life::Alive)),
            "sender goes on, and tells what it spent once a minute and when it ends.",
            "senders go on, and tell what they spent once a minute and when they end.",
        ),
        named(
            with(Some(Life::Silent)),
            "sender fell silent without an end: what it spent last is not known.",
            "senders fell silent without an end: what they spent last is not known.",
        ),
        named(
            with(Some(Life::Ended)),
            "sender ended and has not told all that it spent on this run.",
            "senders ended and have not told all that they spent on this run.",
        ),
        named(
            with(None),
            "sender had not ended when it last told what it spent, and the table knows no more of it.",
            "senders had not ended when they last told what they spent, and the table knows no more of them.",
        ),
        named(unreadable, "account cannot be read.", "accounts cannot be read."),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A program that is there has yet to tell what it spent.
pub fn is_awaited(reading: &Reading) -> bool {
    let is_recent = |at: u64| reading.at_ms.saturating_sub(at) < TELLING_MS;
    let alive = workers(reading).iter().any(|sender| sender.state == Some(Life::Alive));
    let ended = reading.beats.iter().filter_map(|beat| beat.ended_at).any(is_recent);
    let producer = !has_producer(reading) || reading.accounts.iter().any(is_open_producer);
    alive || ended || (producer && reading.record.finished_at.is_some_and(is_recent))
}

/// An account that does not tell its program may be a producer's.
fn has_producer(reading: &Reading) -> bool {
    reading.accounts.iter().any(|account| account.program != Some(ProgramKind::Sender))
}

/// One that cannot be read is told of by itself.
fn is_open_producer(account: &UsageRecord) -> bool {
    account.program != Some(ProgramKind::Sender) && !account.has_ended && account.usage.is_some()
}

impl Spent {
    fn told(account: &UsageRecord) -> Self {
        let usage: Option<Usage> = account.usage;
        Self {
            id: account.id.clone(),
            program: account.program,
            requests: usage.map(|usage| usage.requests),
            queue_requests: usage.map(|usage| usage.queue_requests),
            write_units: usage.and_then(|usage| usage.write_units),
            read_units: usage.and_then(|usage| usage.read_units),
        }
    }

    fn untold(id: &str, program: ProgramKind) -> Self {
        Self {
            id: id.to_owned(),
            program: Some(program),
            requests: None,
            queue_requests: None,
            write_units: None,
            read_units: None,
        }
    }
}

impl EstimatedPart {
    fn of(reading: &Reading) -> Self {
        let tally = &reading.tally;
        let ms = tally.first_concluded_at.zip(tally.last_concluded_at);
        let seconds = ms.map_or(0.0, |(first, last)| last.saturating_sub(first) as f64 / 1_000.0);
        let shards = reading.tally_units.len() as f64;
        let units: u64 = reading.tally_units.iter().sum();
        let assumed = AggregatorModel {
            shards,
            window_seconds: WINDOW_SECONDS,
            tally_units: units as f64 / shards.max(1.0),
            invocation_ms: INVOCATION_MS,
            memory_mb: MEMORY_MB,
        };
        Self { takes: assumed.of(tally.total() as f64, seconds), assumed, assumptions: ASSUMPTIONS.to_vec() }
    }
}

impl Part {
    fn counted(name: &'static str, price: BillingItem, quantity: AtLeast<f64>, dollars: Option<f64>) -> Self {
        Self { name, price, estimated: false, quantity, dollars: quantity.with(dollars) }
    }

    fn estimated(name: &'static str, price: BillingItem, quantity: f64, dollars: f64) -> Self {
        let (quantity, dollars) = (AtLeast::whole(quantity), AtLeast::whole(dollars));
        Self { name, price, estimated: true, quantity, dollars }
    }
}
