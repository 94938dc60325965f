//! Stentor beside the raw loader and the peers, on the emulator, whose own speed is the limit there.

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;
use stentor_tests::{Emulator, Stack};

use super::play::LENGTH;
use super::{Bench, Scenario};
use crate::measure::measure;
use crate::programs::Place;
use crate::report::Figure;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "emulator-producers",
        figures: &[
            Figure::shown("producer", "messages/s"),
            Figure::shown("raw loader", "messages/s"),
            Figure::at_least("producer against the raw loader", "times", 0.9),
            Figure::shown("boto3 model", "messages/s"),
            Figure::shown("producer against the boto3 model", "times"),
        ],
        play: producers,
    },
    Scenario {
        name: "emulator-senders",
        figures: &[
            Figure::shown("sender", "messages/s"),
            Figure::shown("raw loader", "messages/s"),
            Figure::shown("sender against the raw loader", "times"),
            Figure::shown("sqs-consumer", "messages/s"),
            Figure::shown("32 x sqs-consumer, conclusions in batches", "messages/s"),
            Figure::shown("boto3 model", "messages/s"),
            Figure::shown("sender against sqs-consumer", "times"),
            Figure::shown("sender against 32 x sqs-consumer", "times"),
            Figure::shown("sender against the boto3 model", "times"),
        ],
        play: senders,
    },
];

/// What MiniStack's queue serves well: it slows down with what waits on it.
const WAITING: u32 = 2_000;
const MANY: u32 = 10_000;
const FEW: u32 = 1_000;

fn producers(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    let peers = bench.peers()?;
    let ours =
        produced(MANY, |place| bench.programs.producer(place, &format!("-m {MANY} -l {LENGTH} --seed 1")))?;
    let raw = produced(MANY, |place| {
        let line = format!("--messages {MANY} --length {LENGTH} --concurrency 32");
        bench.programs.raw_loader("produce", place, &line)
    })?;
    let boto3 = produced(FEW, |place| peers.boto3_producer(&place.endpoint, &place.stack, FEW, LENGTH))?;
    Ok(vec![ours, raw, ours / raw, boto3, ours / boto3])
}

fn senders(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    let peers = bench.peers()?;
    let ours = sent(bench, WAITING, |place| bench.programs.sender(place, "-w 0 -c 1000 --idle-timeout 1"))?;
    let raw = sent(bench, WAITING, |place| bench.programs.raw_loader("send", place, "--concurrency 16"))?;
    let consumer = sent(bench, WAITING, |place| peers.sqs_consumer(&place.endpoint, &place.stack))?;
    let consumers = sent(bench, WAITING, |place| peers.sqs_consumers(&place.endpoint, &place.stack))?;
    let boto3 = sent(bench, FEW, |place| peers.boto3_sender(&place.endpoint, &place.stack))?;
    let times = [ours / consumer, ours / consumers, ours / boto3];
    Ok([ours, raw, ours / raw, consumer, consumers, boto3].into_iter().chain(times).collect())
}

/// A stack of its own for each: what one leaves must not slow down the next.
fn stack() -> (Stack, Place) {
    let stack = Stack::deploy();
    let place = Place { endpoint: Emulator::shared().url(), stack: stack.name().to_owned() };
    (stack, place)
}

/// Messages a second, by the program's own word.
fn produced(messages: u32, program: impl FnOnce(&Place) -> Command) -> anyhow::Result<f64> {
    let (_stack, place) = stack();
    let measured = measure(vec![program(&place)])?;
    let line = measured.stdout[0].lines().last().context("a producer prints a line")?;
    let told: Value = serde_json::from_str(line).with_context(|| format!("a producer printed {line}"))?;
    let seconds = told["seconds"].as_f64().context("a producer tells its seconds")?;
    Ok(f64::from(messages) / seconds)
}

/// Messages a second, from the first conclusion in the table to the last.
fn sent(bench: &Bench, messages: u32, program: impl FnOnce(&Place) -> Command) -> anyhow::Result<f64> {
    let (stack, place) = stack();
    measure(vec![bench.programs.producer(&place, &format!("-m {messages} -l {LENGTH} --seed 1"))])?;
    measure(vec![program(&place)])?;
    let items = stack.aws().scan(&format!("{}-messages", stack.name()));
    let concluded: Vec<f64> =
        items.iter().filter_map(|item| item["concluded_at"]["N"].as_str()?.parse().ok()).collect();
    ensure!(concluded.len() == messages as usize, "{} of {messages} are concluded", concluded.len());
    let first = concluded.iter().copied().fold(f64::INFINITY, f64::min);
    let last = concluded.iter().copied().fold(0.0, f64::max);
    Ok(f64::from(messages) / (last - first).max(1.0) * 1_000.0)
}
