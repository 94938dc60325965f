//! The complete pipeline on the fake: the cost of a million messages.

use std::time::Duration;

use anyhow::{Context, ensure};
use stentor_core::cost::{AggregatorModel, BilledUsage, Dollars, Prices};

use super::function::units_a_put;
use super::{Bench, Scenario};
use crate::measure::measure;
use crate::programs::{STACK, Target};
use crate::report::Figure;
use stentor_fake_aws::FakeAws;

/// Approximate latency of a call to AWS.
const LATENCY: Duration = Duration::from_millis(20);

/// Returns the aggregator's settings as in the stack's template, for that many shards and that many write units
/// per put. The function's run time is negligible.
fn counting(shards: u32, tally_units: f64) -> AggregatorModel {
    AggregatorModel {
        shards: shards.into(),
        window_seconds: 1.0,
        tally_units,
        invocation_ms: 10.0,
        memory_mb: 256.0,
    }
}

/// Returns the figures of each scenario of the chain: the cost, and the usage it is computed from.
const fn figures(dollars: Figure) -> [Figure; 6] {
    [
        dollars,
        Figure::shown("requests to the queue", "a message"),
        Figure::shown("write units", "a message"),
        Figure::shown("read units", "a message"),
        Figure::shown("write units, tally", "a put"),
        Figure::shown("writes of tallies", "$ a million"),
    ]
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "cost-1000",
        figures: &figures(Figure::at_most("1,000 messages/s over 8 shards", "$ a million", 1.42)),
        play: |bench| play(bench, 20_000, 1_000, 8, "-w 0.5 -c 100", 8),
    },
    Scenario {
        name: "cost-50",
        figures: &figures(Figure::at_most("50 messages/s over 4 shards", "$ a million", 1.60)),
        play: |bench| play(bench, 1_000, 50, 4, "-w 0.5 -c 10", 4),
    },
];

/// Runs a rate-limited producer and several senders for about 20 s. The senders' idle time at the end counts.
fn play(
    bench: &Bench,
    messages: u32,
    rate: u32,
    senders: usize,
    line: &str,
    shards: u32,
) -> anyhow::Result<Vec<f64>> {
    let fake = FakeAws::start(STACK, LATENCY)?;
    let target = Target::of(&fake);
    let mut commands =
        vec![bench.programs.producer(&target, &format!("-m {messages} --rate {rate} --seed 1"))];
    let line = format!("{line} --idle-timeout 3");
    commands.extend((0..senders).map(|_| bench.programs.sender(&target, &line)));
    measure(commands)?;
    let pending = fake.statuses().get("PENDING").copied().unwrap_or(0);
    ensure!(fake.backlog() == (0, 0) && pending == 0, "{pending} messages are still pending");
    let stats = fake.stats();
    let a_message = |count: f64| count / f64::from(messages);
    let queue_requests = a_message(stats.queue_requests() as f64);
    let (write_units, read_units) = (a_message(stats.write_units), a_message(stats.read_units));
    let counting = counting(shards, units_a_put(bench, rate, shards)?);
    let million = BilledUsage {
        queue_requests: Some(queue_requests * 1e6),
        write_units: Some(write_units * 1e6),
        read_units: Some(read_units * 1e6),
        counted: counting.of(1e6, 1e6 / f64::from(rate)),
    };
    let dollars = Dollars::of(&million, &Prices::default());
    let total = dollars.total().context("the fake counts all of it")?;
    Ok(vec![total, queue_requests, write_units, read_units, counting.tally_units, dollars.tallies])
}
