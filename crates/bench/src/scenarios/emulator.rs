//! Stentor next to other programs, on the emulator, whose speed is the limit.

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;
use stentor_test_support::{Emulator, Stack};

use super::play::LENGTH;
use super::{Bench, Scenario};
use crate::measure::measure;
use crate::programs::Target;
use crate::report::Figure;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "emulator-producers",
        figures: &[
            Figure::shown("producer", "messages/s"),
            Figure::shown("boto3 model", "messages/s"),
            Figure::shown("producer against the boto3 model", "times"),
        ],
        play: producers,
    },
    Scenario {
        name: "emulator-senders",
        figures: &[
            Figure::shown("sender", "messages/s"),
            Figure::shown("sqs-consumer", "messages/s"),
            Figure::shown("32 x sqs-consumer, outcomes in batches", "messages/s"),
            Figure::shown("boto3 model", "messages/s"),
            Figure::shown("sender against sqs-consumer", "times"),
            Figure::shown("sender against 32 x sqs-consumer", "times"),
            Figure::shown("sender against the boto3 model", "times"),
        ],
        play: senders,
    },
];

/// MiniStack's queue becomes slower with the number of its messages.
const WAITING: u32 = 2_000;
const MANY: u32 = 10_000;
const FEW: u32 = 1_000;

fn producers(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    let peers = bench.peers()?;
    let ours =
        produced(MANY, |target| bench.programs.producer(target, &format!("-m {MANY} -l {LENGTH} --seed 1")))?;
    let boto3 = produced(FEW, |target| peers.boto3_producer(target, FEW, LENGTH))?;
    Ok(vec![ours, boto3, ours / boto3])
}

fn senders(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    let peers = bench.peers()?;
    let ours = sent(bench, WAITING, |target| bench.programs.sender(target, "-w 0 -c 1000 --idle-timeout 1"))?;
    let consumer = sent(bench, WAITING, |target| peers.sqs_consumer(target))?;
    let consumers = sent(bench, WAITING, |target| peers.sqs_consumers(target))?;
    let boto3 = sent(bench, FEW, |target| peers.boto3_sender(target))?;
    Ok(vec![ours, consumer, consumers, boto3, ours / consumer, ours / consumers, ours / boto3])
}

/// Deploys a stack for one measurement, so that no other slows it down.
fn stack() -> (Stack, Target) {
    let stack = Stack::deploy();
    let target =
        Target { endpoint: Emulator::shared().url(), stack: stack.name().to_owned(), certificate: None };
    (stack, target)
}

/// Messages per second, as the program reports them.
fn produced(messages: u32, program: impl FnOnce(&Target) -> Command) -> anyhow::Result<f64> {
    let (_stack, target) = stack();
    let measured = measure(vec![program(&target)])?;
    let line = measured.stdout[0].lines().last().context("a producer prints a line")?;
    let output: Value = serde_json::from_str(line).with_context(|| format!("a producer printed {line}"))?;
    let seconds = output["seconds"].as_f64().context("a producer prints `seconds`")?;
    Ok(f64::from(messages) / seconds)
}

/// Messages per second, from the first outcome in the table to the last.
fn sent(bench: &Bench, messages: u32, program: impl FnOnce(&Target) -> Command) -> anyhow::Result<f64> {
    let (stack, target) = stack();
    measure(vec![bench.programs.producer(&target, &format!("-m {messages} -l {LENGTH} --seed 1"))])?;
    measure(vec![program(&target)])?;
    let items = stack.aws().scan(&format!("{}-messages", stack.name()));
    let concluded: Vec<f64> =
        items.iter().filter_map(|item| item["concluded_at"]["N"].as_str()?.parse().ok()).collect();
    ensure!(concluded.len() == messages as usize, "{} of {messages} have an outcome", concluded.len());
    let first = concluded.iter().copied().fold(f64::INFINITY, f64::min);
    let last = concluded.iter().copied().fold(0.0, f64::max);
    Ok(f64::from(messages) / (last - first).max(1.0) * 1_000.0)
}
