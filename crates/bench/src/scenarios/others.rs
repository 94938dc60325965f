//! Stentor beside the raw loader and the peers, on the sink.

use super::play::{LENGTH, produce, produce_by, send, send_by};
use super::{Bench, Scenario};
use crate::report::Figure;
use crate::sink::Latency;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "producers",
        figures: &[
            Figure::shown("producer", "messages/s"),
            Figure::shown("raw loader", "messages/s"),
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
            Figure::shown("raw loader", "messages/s"),
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
    let ours = produce(bench, MANY, Latency::default())?.messages_per_second();
    let raw = produce_by(MANY, Latency::default(), |place| {
        let line = format!("--messages {MANY} --length {LENGTH} --concurrency 32");
        bench.programs.raw_loader("produce", place, &line)
    })?
    .messages_per_second();
    let boto3 = produce_by(FEW, Latency::default(), |place| {
        peers.boto3_producer(&place.endpoint, &place.stack, FEW, LENGTH)
    })?;
    let cpu = boto3.measured.cpu_seconds / boto3.messages * 1e6;
    let boto3 = boto3.messages_per_second();
    Ok(vec![ours, raw, boto3, ours / boto3, cpu])
}

fn senders(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    let peers = bench.peers()?;
    let none = Latency::default();
    let ours = send(bench, MANY, none, 1, "-w 0 -c 1000")?.messages_per_second();
    let raw =
        send_by(MANY, none, |place| vec![bench.programs.raw_loader("send", place, "--concurrency 32")])?;
    let raw = raw.messages_per_second();
    let consumer = send_by(FEW, none, |place| vec![peers.sqs_consumer(&place.endpoint, &place.stack)])?;
    let consumer = consumer.messages_per_second();
    let consumers = send_by(SOME, none, |place| vec![peers.sqs_consumers(&place.endpoint, &place.stack)])?;
    let consumers = consumers.messages_per_second();
    let boto3 = send_by(FEW, none, |place| vec![peers.boto3_sender(&place.endpoint, &place.stack)])?;
    let boto3 = boto3.messages_per_second();
    Ok(vec![ours, raw, consumer, consumers, boto3, ours / consumer, ours / consumers, ours / boto3])
}
