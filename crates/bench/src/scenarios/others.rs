//! Stentor next to other programs, on the fake.

use std::process::Command;
use std::time::Duration;

use super::play::{LENGTH, produce, produce_by, send, send_by};
use super::{Bench, Scenario};
use crate::programs::Target;
use crate::report::Figure;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "producers",
        figures: &[
            Figure::shown("producer", "messages/s"),
            Figure::shown("boto3 model", "messages/s"),
            Figure::at_least("producer against the boto3 model", "times", 60.0),
            Figure::shown("CPU, boto3 model", "µs a message"),
        ],
        play: producers,
    },
    Scenario {
        name: "senders-beside",
        figures: &[
            Figure::shown("sender", "messages/s"),
            Figure::shown("sqs-consumer", "messages/s"),
            Figure::shown("32 x sqs-consumer, conclusions in batches", "messages/s"),
            Figure::shown("boto3 model", "messages/s"),
            Figure::at_least("sender against sqs-consumer", "times", 15.0),
            Figure::at_least("sender against 32 x sqs-consumer", "times", 15.0),
            Figure::at_least("sender against the boto3 model", "times", 100.0),
        ],
        play: senders,
    },
];

/// Slow peers get fewer messages.
const MANY: u32 = 100_000;
const SOME: u32 = 20_000;
const FEW: u32 = 2_000;

fn producers(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    let peers = bench.peers()?;
    let ours = produce(bench, MANY, Duration::ZERO)?.messages_per_second();
    let boto3 = produce_by(FEW, Duration::ZERO, |target| peers.boto3_producer(target, FEW, LENGTH))?;
    let cpu = boto3.measured.cpu_seconds / boto3.messages * 1e6;
    let boto3 = boto3.messages_per_second();
    Ok(vec![ours, boto3, ours / boto3, cpu])
}

fn senders(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    let peers = bench.peers()?;
    let speed_of = |messages, program: &dyn Fn(&Target) -> Command| {
        send_by(messages, Duration::ZERO, |target| vec![program(target)])
            .map(|played| played.messages_per_second())
    };
    let ours = send(bench, MANY, Duration::ZERO, 1, "-w 0 -c 1000")?.messages_per_second();
    let consumer = speed_of(FEW, &|target| peers.sqs_consumer(target))?;
    let consumers = speed_of(SOME, &|target| peers.sqs_consumers(target))?;
    let boto3 = speed_of(FEW, &|target| peers.boto3_sender(target))?;
    Ok(vec![ours, consumer, consumers, boto3, ours / consumer, ours / consumers, ours / boto3])
}
