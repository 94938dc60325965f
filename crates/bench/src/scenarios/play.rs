//! What the scenarios have in common: a producer or some senders on a sink.

use std::process::Command;

use anyhow::{Context, ensure};
use stentor_aws::clock::now_ms;
use stentor_core::run::{BodyLength, Plan, RunId};

use super::Bench;
use crate::measure::{Measured, measure};
use crate::programs::Place;
use crate::sink::{Counts, Latency, Sink};

/// Longest text of the messages, characters: the producer's default.
pub(super) const LENGTH: u16 = 100;

/// What a producer or some senders took for some messages.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) messages: f64,
    pub(super) measured: Measured,
    pub(super) counts: Counts,
    /// From the first message to the last, without what comes before and after.
    pub(super) took_seconds: f64,
}

impl Played {
    pub(super) fn requests_a_message(&self) -> f64 {
        self.counts.requests() as f64 / self.messages
    }

    pub(super) fn messages_per_second(&self) -> f64 {
        self.messages / self.took_seconds
    }

    /// CPU a message that more messages took, µs: what a program takes to start is in both.
    pub(super) fn cpu_beyond(&self, fewer: &Self) -> f64 {
        let cpu = self.measured.cpu_seconds - fewer.measured.cpu_seconds;
        cpu / (self.messages - fewer.messages) * 1e6
    }
}

/// A producer of so many messages.
pub(super) fn produce(bench: &Bench, messages: u32, latency: Latency) -> anyhow::Result<Played> {
    produce_by(messages, latency, |place| {
        bench.programs.producer(place, &format!("-m {messages} -l {LENGTH} --seed 1"))
    })
}

/// Anything that produces so many messages.
pub(super) fn produce_by(
    messages: u32,
    latency: Latency,
    program: impl FnOnce(&Place) -> Command,
) -> anyhow::Result<Played> {
    let sink = Sink::start(latency)?;
    let measured = measure(vec![program(&Place::of(&sink))])?;
    let counts = sink.counts();
    let (waiting, hidden) = sink.backlog();
    let pending = sink.statuses().get("PENDING").copied().unwrap_or(0);
    ensure!(
        waiting + hidden == messages as usize && pending == messages as usize,
        "{waiting} of {messages} messages are on the queue, and {pending} in the table"
    );
    let took = counts.producing_took().context("nothing was sent")?;
    Ok(Played { messages: messages.into(), measured, took_seconds: took.as_secs_f64(), counts })
}

/// Some senders for so many messages, with flags as typed.
pub(super) fn send(
    bench: &Bench,
    messages: u32,
    latency: Latency,
    senders: usize,
    line: &str,
) -> anyhow::Result<Played> {
    send_by(messages, latency, |place| {
        let line = format!("{line} --idle-timeout 1 --seed 1");
        (0..senders).map(|_| bench.programs.sender(place, &line)).collect()
    })
}

/// Anything that sends so many messages.
pub(super) fn send_by(
    messages: u32,
    latency: Latency,
    programs: impl FnOnce(&Place) -> Vec<Command>,
) -> anyhow::Result<Played> {
    let sink = Sink::start(latency)?;
    let run = RunId::from_parts(now_ms(), u128::from(messages));
    sink.fill(&Plan::new(run, 1, messages, BodyLength { max: LENGTH, exact: false })?)?;
    let measured = measure(programs(&Place::of(&sink)))?;
    let counts = sink.counts();
    let (waiting, hidden) = sink.backlog();
    let pending = sink.statuses().get("PENDING").copied().unwrap_or(0);
    ensure!(
        waiting + hidden + pending == 0,
        "of {messages} messages {waiting} still wait, {hidden} are held, and {pending} are pending"
    );
    let took = counts.sending_took().context("nothing was received")?;
    Ok(Played { messages: messages.into(), measured, took_seconds: took.as_secs_f64(), counts })
}
