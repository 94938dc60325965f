//! Dollars: what the services ask for what a run takes of them.

use std::str::FromStr;

use serde::Serialize;

/// What is billed, each by its own price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BillingItem {
    /// Requests to the queue.
    QueueRequests,
    /// Write units of the tables.
    WriteUnits,
    /// Read units of the tables.
    ReadUnits,
    /// Invocations of the function.
    Invocations,
    /// A GB of the function's memory for a second.
    GbSeconds,
}

/// A price as AWS lists it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListPrice {
    /// What it is for.
    pub billed: BillingItem,
    /// How a user names it.
    pub name: &'static str,
    /// Dollars for so many.
    pub dollars: f64,
    /// How many that buys.
    pub per: f64,
    /// What one of them is.
    pub unit: &'static str,
    /// The title of the page that tells it.
    pub source: &'static str,
}

/// Where the list prices hold.
pub const REGION: &str = "us-east-1";

/// When they were read.
pub const DATE: &str = "November 2026";

/// The list prices, before any free tier.
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
        unit: "GB-second of the function on arm64, which the stack's template takes",
        source: "AWS Lambda pricing",
    },
];

/// The most that a price may be, dollars for what the list's buys.
const DEAREST: f64 = 1e6;

/// A price that a user sets in the place of the list's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceOverride {
    billed: BillingItem,
    dollars: f64,
}

impl FromStr for PriceOverride {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, dollars)) = text.split_once('=') else {
            return Err("give NAME=DOLLARS, such as write_units=0.75".to_owned());
        };
        let Some(listed) = LIST.iter().find(|listed| listed.name == name) else {
            let names: Vec<&str> = LIST.iter().map(|listed| listed.name).collect();
            return Err(format!("the prices are {}", names.join(", ")));
        };
        let digits = dollars.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        match dollars.parse::<f64>() {
            Ok(dollars) if digits && (0.0..=DEAREST).contains(&dollars) => {
                Ok(Self { billed: listed.billed, dollars })
            }
            _ => Err("give dollars from 0 to 1000000".to_owned()),
        }
    }
}

/// The prices to reckon with: the list's, save for those that a user sets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prices {
    own: Vec<PriceOverride>,
}

/// A price that is reckoned with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Price {
    /// What AWS lists, with these dollars.
    #[serde(flatten)]
    pub listed: ListPrice,
    /// The user set it.
    pub overridden: bool,
}

impl Prices {
    /// The list's, save for these; the last of several for one thing holds.
    pub fn with(own: &[PriceOverride]) -> Self {
        Self { own: own.to_vec() }
    }

    /// Each price, in the order of the list.
    pub fn all(&self) -> [Price; 5] {
        LIST.map(|listed| {
            let own = self.own.iter().rfind(|own| own.billed == listed.billed);
            let dollars = own.map_or(listed.dollars, |own| own.dollars);
            Price { listed: ListPrice { dollars, ..listed }, overridden: own.is_some() }
        })
    }

    /// Dollars for so many of that.
    pub fn dollars(&self, billed: BillingItem, quantity: f64) -> f64 {
        let price = self.all().into_iter().find(|price| price.listed.billed == billed);
        price.map_or(0.0, |price| quantity * price.listed.dollars / price.listed.per)
    }
}

/// How the function counts a stream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AggregatorModel {
    /// Shards of the stream that have records.
    pub shards: f64,
    /// Seconds between two batches of a shard: the template's batching window.
    pub window_seconds: f64,
    /// Write units that a put of a tally takes.
    pub tally_units: f64,
    /// How long an invocation is billed, ms.
    pub invocation_ms: f64,
    /// The function's memory, MB.
    pub memory_mb: f64,
}

/// What counting takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AggregatorUsage {
    /// Invocations of the function, each of which puts a tally.
    pub invocations: f64,
    /// Write units of the tallies.
    pub write_units: f64,
    /// GB of memory for a second.
    pub gb_seconds: f64,
}

impl AggregatorModel {
    /// What it takes to count so many messages that are concluded in so many seconds.
    pub fn of(&self, messages: f64, seconds: f64) -> AggregatorUsage {
        // A batch of each shard a window, as long as messages come; a batch holds at least one record.
        let by_time = self.shards * (seconds / self.window_seconds).max(1.0);
        let invocations = by_time.min(messages);
        AggregatorUsage {
            invocations,
            write_units: invocations * self.tally_units,
            gb_seconds: invocations * self.memory_mb / 1_024.0 * self.invocation_ms / 1_000.0,
        }
    }
}

/// What a run takes of the services; `None` where that is not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BilledUsage {
    /// Requests to the queue, of all programs together.
    pub queue_requests: Option<f64>,
    /// Write units of the programs.
    pub write_units: Option<f64>,
    /// Read units of the programs.
    pub read_units: Option<f64>,
    /// What counting takes.
    pub counted: AggregatorUsage,
}

/// Dollars, part by part; `None` where that is not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dollars {
    /// Requests to the queue.
    pub queue: Option<f64>,
    /// Writes of the tables by the programs.
    pub writes: Option<f64>,
    /// Reads of the tables by the programs.
    pub reads: Option<f64>,
    /// Writes of the tallies by the function.
    pub tallies: f64,
    /// The function's invocations.
    pub invocations: f64,
    /// The function's time.
    pub function_time: f64,
}

impl Dollars {
    /// What that costs.
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

    /// All of it; `None` where a part is not known.
    pub fn total(&self) -> Option<f64> {
        let programs = self.queue? + self.writes? + self.reads?;
        Some(programs + self.tallies + self.invocations + self.function_time)
    }

    /// All that is known of it.
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
    fn a_million_messages_cost_what_the_price_lists_say() {
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
    fn a_slow_run_is_counted_no_more_often_than_messages_come_and_a_short_one_once_a_shard() {
        assert!(close(COUNTING.of(1_000.0, 1_000.0).write_units, 1_500.0));
        assert!(close(COUNTING.of(1_000.0, 0.0).invocations, 8.0));
        assert!(close(COUNTING.of(0.0, 0.0).invocations, 0.0));
    }

    #[test]
    fn with_a_part_that_is_not_known_there_is_no_total() {
        let dollars = Dollars::of(&BilledUsage { write_units: None, ..million() }, &Prices::default());
        assert_eq!((dollars.writes, dollars.total()), (None, None));
        assert!((0.12..0.2).contains(&dollars.known()), "{dollars:?}");
    }

    #[test]
    fn a_price_of_ones_own_goes_before_the_lists() {
        let own = ["write_units=1.25", "gb_seconds=0", "write_units=2.5"].map(|text| text.parse().unwrap());
        let prices = Prices::with(&own);
        assert!(close(prices.dollars(BillingItem::WriteUnits, 2e6), 5.0), "the last holds");
        assert!(close(prices.dollars(BillingItem::GbSeconds, 1e9), 0.0));
        assert!(close(prices.dollars(BillingItem::QueueRequests, 1e6), 0.40));
        let overridden = prices.all().map(|price| price.overridden);
        assert_eq!(overridden, [false, true, false, false, true]);
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in [
            "",
            "=",
            "write_units",
            "write_units=",
            "=1",
            "units=1",
            "WRITE_UNITS=1",
            "write_units=-1",
            "write_units=-0",
            "write_units=nan",
            "write_units=inf",
            "write_units=1e999",
            "write_units=1000001",
            "write_units=+1",
            "write_units= 1",
            "write_units=$1",
            "write_units=1=1",
        ] {
            assert!(text.parse::<PriceOverride>().is_err(), "{text}");
        }
        assert!("units=1".parse::<PriceOverride>().unwrap_err().contains("queue_requests"));
    }
}
