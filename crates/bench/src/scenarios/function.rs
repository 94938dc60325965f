//! The function as it is deployed, invoked as by Lambda, with tallies in the fake.

use std::time::Duration;

use anyhow::{Context, anyhow};
use stentor_fake_aws::FakeAws;
use stentor_test_support::Function;

use super::{Bench, Scenario};
use crate::measure::cpu_of;
use crate::programs::STACK;
use crate::report::Figure;
use crate::stream::Stream;

/// The largest batch that the stack's template allows.
const BATCH: u32 = 1_000;

/// Messages of the runs whose tallies are measured.
const MILLION: u32 = 1_000_000;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "function",
        figures: &[
            Figure::at_most("size of the program", "bytes", 6.0 * 1_024.0 * 1_024.0),
            Figure::at_most("start to first request", "ms", 25.0),
            Figure::at_most("CPU, 1,000 records", "ms a batch", 5.0),
            Figure::at_most("writes", "a batch", 1.0),
        ],
        play: instance,
    },
    Scenario {
        name: "function-tallies",
        figures: &[
            Figure::at_most("tally of a million messages, exponential times over an hour", "bytes", 4_096.0),
            Figure::at_most("write units, 1,000 messages/s over 8 shards", "a put", 2.0),
            Figure::at_most("write units, 50 messages/s over 4 shards", "a put", 2.0),
        ],
        play: |bench| {
            Ok(vec![widest_tally(bench)?, units_a_put(bench, 1_000, 8)?, units_a_put(bench, 50, 4)?])
        },
    },
];

/// Starts a new instance that counts into a fake.
pub(super) fn start(bench: &Bench, fake: &FakeAws) -> anyhow::Result<Function> {
    let table = format!("{STACK}-metrics");
    Ok(Function::start_program(bench.function()?, &fake.endpoint(), &table, "test"))
}

pub(super) fn count(function: &Function, batch: String) -> anyhow::Result<()> {
    function.invoke_with(batch).map(drop).map_err(|error| anyhow!("the function failed: {error}"))
}

fn instance(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    const STARTS: usize = 11;
    const BATCHES: u32 = 200;
    let program = bench.function()?;
    let size = std::fs::metadata(program).context("the function was just built")?.len();
    let fake = FakeAws::start(STACK, Duration::ZERO)?;
    let mut starts = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        starts.push(start(bench, &fake)?.cold_start());
    }
    starts.sort();
    // Both measurements include the start and the warm-up of the instance.
    let (few, _) = count_batches(bench, 1)?;
    let (many, writes) = count_batches(bench, 1 + BATCHES)?;
    let cpu_ms = (many - few) / f64::from(BATCHES) * 1_000.0;
    Ok(vec![size as f64, milliseconds(starts[STARTS / 2]), cpu_ms, writes])
}

/// Measures an instance that counts that many batches of a run: CPU seconds, and writes per batch.
fn count_batches(bench: &Bench, batches: u32) -> anyhow::Result<(f64, f64)> {
    let fake = FakeAws::start(STACK, Duration::ZERO)?;
    let mut stream = Stream::usual(1_000.0)?;
    let cpu = cpu_of(|| {
        let function = start(bench, &fake)?;
        (0..batches).try_for_each(|_| count(&function, stream.batch(BATCH)))
    })?;
    Ok((cpu, fake.stats().of("PutItem").requests as f64 / f64::from(batches)))
}

pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Measures the item size of a tally of a million messages with widely spread times, bytes.
fn widest_tally(bench: &Bench) -> anyhow::Result<f64> {
    let fake = FakeAws::start(STACK, Duration::ZERO)?;
    let function = start(bench, &fake)?;
    let mut stream = Stream::wide(1_000.0)?;
    for _ in 0..MILLION / BATCH {
        count(&function, stream.batch(BATCH))?;
    }
    Ok(fake.largest_metrics_item() as f64)
}

/// Measures the average write units of a put of a shard's tally, in a run of a million messages at that rate
/// and with a batch per second. All shards are alike, so one is measured.
pub(super) fn units_a_put(bench: &Bench, messages_per_second: u32, shards: u32) -> anyhow::Result<f64> {
    let fake = FakeAws::start(STACK, Duration::ZERO)?;
    let function = start(bench, &fake)?;
    let mut stream = Stream::usual(f64::from(messages_per_second) / f64::from(shards))?;
    let concluded_in = |seconds: u32| seconds * messages_per_second / shards;
    for second in 0..MILLION / messages_per_second {
        count(&function, stream.batch(concluded_in(second + 1) - concluded_in(second)))?;
    }
    let stats = fake.stats();
    Ok(stats.write_units / stats.of("PutItem").requests as f64)
}
