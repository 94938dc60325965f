//! List prices of AWS, and the cost of a run.

use serde::Serialize;

use crate::deployment::Architecture;

/// An item of AWS's bill, with a price per unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BillingItem {
    /// Requests to SQS.
    QueueRequests,
    /// Write request units of `DynamoDB`.
    WriteUnits,
    /// Read request units of `DynamoDB`.
    ReadUnits,
    /// Invocations of the aggregator.
    Invocations,
    /// Compute time of the aggregator: seconds times GB of memory.
    GbSeconds,
}

/// A list price of AWS: `dollars` for `per` units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListPrice {
    /// The item that the price is for.
    pub billed: BillingItem,
    /// The name on the command line, as in `--price write_units=0.75`.
    pub name: &'static str,
    /// US dollars for `per` units.
    pub dollars: f64,
    /// The number of units that the price is for.
    pub per: f64,
    /// The unit, for display.
    pub unit: &'static str,
    /// The title of AWS's page with the price.
    pub source: &'static str,
}

/// The region of the list prices.
pub const REGION: &str = "us-east-1";

/// The month in which the list prices were read.
pub const DATE: &str = "November 2026";

/// The list prices, without the free tier; those of the function are for arm64.
pub const LIST: [ListPrice; 5] = [
    ListPrice {
        billed: BillingItem::QueueRequests,
        name: "queue_requests",
        dollars: 0.40,
        per: 1e6,
        unit: "requests to a standard queue, each of up to 64 KiB",
        source: "Amazon SQS pricing",
    },
    ListPrice {
        billed: BillingItem::WriteUnits,
        name: "write_units",
        dollars: 0.625,
        per: 1e6,
        unit: "write units, each of up to 1 KB",
        source: "Amazon DynamoDB pricing for on-demand capacity",
    },
    ListPrice {
        billed: BillingItem::ReadUnits,
        name: "read_units",
        dollars: 0.125,
        per: 1e6,
        unit: "read units, each of up to 4 KB",
        source: "Amazon DynamoDB pricing for on-demand capacity",
    },
    ListPrice {
        billed: BillingItem::Invocations,
        name: "invocations",
        dollars: 0.20,
        per: 1e6,
        unit: "invocations of the function",
        source: "AWS Lambda pricing",
    },
    ListPrice {
        billed: BillingItem::GbSeconds,
        name: "gb_seconds",
        dollars: 0.000_013_333_4,
        per: 1.0,
        unit: "GB-second of the function on arm64",
        source: "AWS Lambda pricing",
    },
];

/// The list price of a function's time on `x86_64`.
const X86_64: ListPrice =
    ListPrice { dollars: 0.000_016_666_7, unit: "GB-second of the function on x86_64", ..LIST[4] };

/// The highest price override, dollars for [`ListPrice::per`] units.
pub const MAX_PRICE: f64 = 1e6;

/// The name of the price that a simulated provider charges for a part, as in `--price provider_part=0.01`.
const PROVIDER_PART: &str = "provider_part";

/// A price from the user that replaces a list price, or the price of a provider profile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceOverride {
    priced: PricedItem,
    dollars: f64,
}

/// What an override is the price of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PricedItem {
    /// An item of AWS's bill.
    Aws(BillingItem),
    /// A message part, without the carrier's fee.
    ProviderPart,
}

impl PriceOverride {
    /// Overrides the price of that name, in dollars from 0 to [`MAX_PRICE`]. The error lists the names there are.
    pub fn new(name: &str, dollars: f64) -> Result<Self, String> {
        if name == PROVIDER_PART {
            return Ok(Self { priced: PricedItem::ProviderPart, dollars });
        }
        let Some(listed) = LIST.iter().find(|listed| listed.name == name) else {
            let names: Vec<&str> = LIST.iter().map(|listed| listed.name).chain([PROVIDER_PART]).collect();
            return Err(format!("expected one of these prices: {}", names.join(", ")));
        };
        Ok(Self { priced: PricedItem::Aws(listed.billed), dollars })
    }
}

/// The list prices with the user's overrides.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prices {
    overrides: Vec<PriceOverride>,
    architecture: Architecture,
}

/// A price in effect.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Price {
    /// The list price, with the dollars in effect.
    #[serde(flatten)]
    pub listed: ListPrice,
    /// Whether the user replaced the list price.
    pub overridden: bool,
}

impl Prices {
    /// Creates the prices; of several overrides of one price, the last one applies.
    pub fn with(overrides: &[PriceOverride]) -> Self {
        Self { overrides: overrides.to_vec(), architecture: Architecture::default() }
    }

    /// Returns the same prices for a function of that architecture.
    pub fn on(&self, architecture: Architecture) -> Self {
        Self { architecture, ..self.clone() }
    }

    /// Returns every price, in the order of [`LIST`].
    pub fn all(&self) -> [Price; 5] {
        LIST.map(|listed| {
            let is_on_x86 =
                listed.billed == BillingItem::GbSeconds && self.architecture == Architecture::X86_64;
            let listed = if is_on_x86 { X86_64 } else { listed };
            let replaced = self.override_of(PricedItem::Aws(listed.billed));
            let dollars = replaced.unwrap_or(listed.dollars);
            Price { listed: ListPrice { dollars, ..listed }, overridden: replaced.is_some() }
        })
    }

    /// Returns the user's price of a part, which replaces that of every provider profile; `None` without one.
    pub fn provider_part(&self) -> Option<f64> {
        self.override_of(PricedItem::ProviderPart)
    }

    fn override_of(&self, priced: PricedItem) -> Option<f64> {
        self.overrides.iter().rfind(|price| price.priced == priced).map(|price| price.dollars)
    }

    /// Returns the cost of `quantity` units of an item, in dollars.
    pub fn dollars(&self, billed: BillingItem, quantity: f64) -> f64 {
        let price = self.all().into_iter().find(|price| price.listed.billed == billed);
        price.map_or(0.0, |price| quantity * price.listed.dollars / price.listed.per)
    }
}

/// Assumptions about the aggregator, which does not count its own usage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AggregatorModel {
    /// Shards of the table's stream with records.
    pub shards: f64,
    /// The time between two batches of a shard: the batching window.
    pub window_seconds: f64,
    /// Write units of one write of a tally.
    pub tally_units: f64,
    /// The billed duration of an invocation, ms.
    pub invocation_ms: f64,
    /// The memory size, MB.
    pub memory_mb: f64,
}

/// The estimated usage of the aggregator for a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AggregatorUsage {
    /// Invocations, each of which writes one tally.
    pub invocations: f64,
    /// Write units for the tallies.
    pub write_units: f64,
    /// Compute time, seconds times GB of memory.
    pub gb_seconds: f64,
}

/// The time between two polls of a shard without a batching window: Lambda polls four times a second (AWS Lambda Developer
/// Guide, "Using AWS Lambda with Amazon DynamoDB").
const POLL_SECONDS: f64 = 0.25;

/// Records in a batch, at most: the template's batch size.
const BATCH_SIZE: f64 = 1_000.0;

impl AggregatorModel {
    /// Estimates the usage for `messages` messages whose outcomes are recorded over `seconds`.
    pub fn of(&self, messages: f64, seconds: f64) -> AggregatorUsage {
        // Each shard has one batch a window while there are records; a batch has at least one record and at most its size.
        let by_time = self.shards * (seconds / self.window_seconds.max(POLL_SECONDS)).max(1.0);
        let invocations = by_time.max(messages / BATCH_SIZE).min(messages);
        AggregatorUsage {
            invocations,
            write_units: invocations * self.tally_units,
            gb_seconds: invocations * self.memory_mb / 1_024.0 * self.invocation_ms / 1_000.0,
        }
    }
}

/// The billed usage of a run; `None` where it is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BilledUsage {
    /// SQS requests of all programs.
    pub queue_requests: Option<f64>,
    /// Write units of all programs.
    pub write_units: Option<f64>,
    /// Read units of all programs.
    pub read_units: Option<f64>,
    /// Usage of the aggregator.
    pub counted: AggregatorUsage,
}

/// The cost of a run in dollars, by part; `None` where the usage is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dollars {
    /// SQS requests.
    pub queue: Option<f64>,
    /// `DynamoDB` writes of the programs.
    pub writes: Option<f64>,
    /// `DynamoDB` reads of the programs.
    pub reads: Option<f64>,
    /// `DynamoDB` writes of the aggregator.
    pub tallies: f64,
    /// Invocations of the aggregator.
    pub invocations: f64,
    /// Compute time of the aggregator.
    pub function_time: f64,
}

impl Dollars {
    /// Computes the cost of `run`.
    pub fn of(run: &BilledUsage, prices: &Prices) -> Self {
        let price = |billed, quantity: Option<f64>| quantity.map(|some| prices.dollars(billed, some));
        Self {
            queue: price(BillingItem::QueueRequests, run.queue_requests),
            writes: price(BillingItem::WriteUnits, run.write_units),
            reads: price(BillingItem::ReadUnits, run.read_units),
            tallies: prices.dollars(BillingItem::WriteUnits, run.counted.write_units),
            invocations: prices.dollars(BillingItem::Invocations, run.counted.invocations),
            function_time: prices.dollars(BillingItem::GbSeconds, run.counted.gb_seconds),
        }
    }

    /// Returns the sum of all parts, or `None` if a part is unknown.
    pub fn total(&self) -> Option<f64> {
        let programs = self.queue? + self.writes? + self.reads?;
        Some(programs + self.tallies + self.invocations + self.function_time)
    }

    /// Returns the sum of the parts that are known.
    pub fn known(&self) -> f64 {
        let programs: f64 = [self.queue, self.writes, self.reads].into_iter().flatten().sum();
        programs + self.tallies + self.invocations + self.function_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTING: AggregatorModel = AggregatorModel {
        shards: 8.0,
        window_seconds: 1.0,
        tally_units: 1.5,
        invocation_ms: 10.0,
        memory_mb: 128.0,
    };

    /// A million messages at 1,000 a second.
    fn million() -> BilledUsage {
        BilledUsage {
            queue_requests: Some(300_000.0),
            write_units: Some(2_000_000.0),
            read_units: Some(0.0),
            counted: COUNTING.of(1e6, 1_000.0),
        }
    }

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-6
    }

    #[test]
    fn a_million_messages_cost_as_the_list_prices() {
        let dollars = Dollars::of(&million(), &Prices::default());
        assert!(close(dollars.queue.unwrap(), 0.12), "{dollars:?}");
        assert!(close(dollars.writes.unwrap(), 1.25), "{dollars:?}");
        // 8 tallies of 1.5 units a second, for a thousand seconds.
        assert!(close(dollars.tallies, 8.0 * 1.5 * 1_000.0 * 0.625 / 1e6), "{dollars:?}");
        // 8,000 invocations of an eighth of a GB for 10 ms.
        assert!(close(dollars.invocations, 8_000.0 * 0.2 / 1e6), "{dollars:?}");
        assert!(close(dollars.function_time, 8_000.0 * 0.125 * 0.010 * 0.000_013_333_4), "{dollars:?}");
        let parts = 0.12 + 1.25 + dollars.tallies + dollars.invocations + dollars.function_time;
        assert!(close(dollars.total().unwrap(), parts) && close(dollars.known(), parts));
    }

    #[test]
    fn invocations_are_at_most_one_a_message_and_at_least_one_a_shard() {
        assert!(close(COUNTING.of(1_000.0, 1_000.0).write_units, 1_500.0));
        assert!(close(COUNTING.of(1_000.0, 0.0).invocations, 8.0));
        assert!(close(COUNTING.of(0.0, 0.0).invocations, 0.0));
    }

    #[test]
    fn a_window_gathers_records_up_to_the_size_of_a_batch() {
        let over = |window_seconds, messages, seconds| {
            AggregatorModel { window_seconds, ..COUNTING }.of(messages, seconds).invocations
        };
        assert!(close(over(5.0, 50_000.0, 1_000.0), 1_600.0));
        assert!(close(over(300.0, 1e6, 1_000.0), 1_000.0), "a thousand records end a window early");
        assert!(close(over(0.0, 1e6, 1_000.0), 32_000.0), "four polls a second of each shard");
    }

    #[test]
    fn the_time_of_a_function_costs_more_on_x86() {
        let price = |prices: &Prices| prices.all()[4];
        let (arm, x86) = (Prices::default(), Prices::default().on(Architecture::X86_64));
        assert!(close(x86.dollars(BillingItem::GbSeconds, 1e6), 16.6667));
        assert!(price(&x86).listed.unit.ends_with("x86_64") && price(&arm).listed.unit.contains("arm64"));
        let own = Prices::with(&[PriceOverride::new("gb_seconds", 1.0).unwrap()]).on(Architecture::X86_64);
        assert!(close(own.dollars(BillingItem::GbSeconds, 2.0), 2.0) && price(&own).overridden);
    }

    #[test]
    fn an_unknown_part_leaves_no_total() {
        let dollars = Dollars::of(&BilledUsage { write_units: None, ..million() }, &Prices::default());
        assert_eq!((dollars.writes, dollars.total()), (None, None));
        assert!((0.12..0.2).contains(&dollars.known()), "{dollars:?}");
    }

    #[test]
    fn an_override_replaces_the_list_price() {
        let own = [("write_units", 1.25), ("gb_seconds", 0.0), ("write_units", 2.5)]
            .map(|(name, dollars)| PriceOverride::new(name, dollars).unwrap());
        let prices = Prices::with(&own);
        assert!(close(prices.dollars(BillingItem::WriteUnits, 2e6), 5.0), "the last holds");
        assert!(close(prices.dollars(BillingItem::GbSeconds, 1e9), 0.0));
        assert!(close(prices.dollars(BillingItem::QueueRequests, 1e6), 0.40));
        let overridden = prices.all().map(|price| price.overridden);
        assert_eq!(overridden, [false, true, false, false, true]);
    }

    #[test]
    fn an_unknown_price_is_rejected_with_those_there_are() {
        assert!(PriceOverride::new("units", 1.0).unwrap_err().contains("queue_requests"));
    }
}
