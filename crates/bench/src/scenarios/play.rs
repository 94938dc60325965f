//! Runs a producer or senders on a fake.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use stentor_core::run::{BodyLength, Plan, RunId};
use stentor_fake_aws::{FakeAws, RequestStats};
use stentor_test_support::{TlsServer, now_ms};

use super::Bench;
use crate::fill::put_run;
use crate::measure::{Measurement, measure};
use crate::programs::{STACK, Target};

/// Longest text of the messages, characters: the producer's default.
pub(super) const LENGTH: u16 = 100;

/// The measured run of a producer or of senders.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) messages: f64,
    pub(super) measured: Measurement,
    pub(super) stats: RequestStats,
    /// Time from the first message to the last, without start and end of the programs.
    pub(super) took_seconds: f64,
}

impl Played {
    pub(super) fn requests_a_message(&self) -> f64 {
        self.stats.requests() as f64 / self.messages
    }

    pub(super) fn messages_per_second(&self) -> f64 {
        self.messages / self.took_seconds
    }

    /// CPU per message beyond a run with fewer messages, µs. This excludes the start of the program.
    pub(super) fn cpu_beyond(&self, fewer: &Self) -> f64 {
        let cpu = self.measured.cpu_seconds - fewer.measured.cpu_seconds;
        cpu / (self.messages - fewer.messages) * 1e6
    }
}

/// Plays 10 and 110 thousand messages: requests, CPU, speed and connections.
pub(super) fn usual(play: impl Fn(u32) -> anyhow::Result<Played>) -> anyhow::Result<Vec<f64>> {
    let (fewer, more) = (play(10_000)?, play(110_000)?);
    Ok(vec![
        more.requests_a_message(),
        more.cpu_beyond(&fewer),
        more.messages_per_second(),
        more.stats.connections as f64,
    ])
}

/// Plays up to a million messages: CPU of each run, its growth, and the memory of the largest.
pub(super) fn growth(play: impl Fn(u32) -> anyhow::Result<Played>) -> anyhow::Result<Vec<f64>> {
    let (one, small, middle, large) = (play(1)?, play(10_000)?, play(100_000)?, play(1_000_000)?);
    let [ten_thousand, hundred_thousand, million] =
        [&small, &middle, &large].map(|played| played.cpu_beyond(&one));
    Ok(vec![ten_thousand, hundred_thousand, million, million / ten_thousand, large.measured.peak_mib])
}

/// Runs a producer of that many messages.
pub(super) fn produce(bench: &Bench, messages: u32, latency: Duration) -> anyhow::Result<Played> {
    produce_by(messages, latency, |target| {
        bench.programs.producer(target, &format!("-m {messages} -l {LENGTH} --seed 1"))
    })
}

/// Runs a producer of that many messages over TLS.
pub(super) fn produce_over_tls(bench: &Bench, messages: u32) -> anyhow::Result<Played> {
    let tls = TlsServer::start(&["127.0.0.1"])?;
    let line = format!("-m {messages} -l {LENGTH} --seed 1");
    produce_by(messages, Duration::ZERO, |target| bench.programs.producer(&target.over(&tls), &line))
}

/// Runs any program that produces that many messages.
pub(super) fn produce_by(
    messages: u32,
    latency: Duration,
    program: impl FnOnce(&Target) -> Command,
) -> anyhow::Result<Played> {
    let fake = FakeAws::start(STACK, latency)?;
    let measured = measure(vec![program(&Target::of(&fake))])?;
    let stats = fake.stats();
    let (waiting, hidden) = fake.backlog();
    let pending = fake.statuses().get("PENDING").copied().unwrap_or(0);
    ensure!(
        waiting + hidden == messages as usize && pending == messages as usize,
        "{waiting} of {messages} messages are on the queue, and {pending} in the table"
    );
    let took = stats.sending_took().context("nothing was sent")?;
    Ok(Played { messages: messages.into(), measured, took_seconds: took.as_secs_f64(), stats })
}

/// Runs senders with these arguments on that many messages.
pub(super) fn send(
    bench: &Bench,
    messages: u32,
    latency: Duration,
    senders: usize,
    line: &str,
) -> anyhow::Result<Played> {
    send_by(messages, latency, |target| {
        let line = format!("{line} --idle-timeout 1 --seed 1");
        (0..senders).map(|_| bench.programs.sender(target, &line)).collect()
    })
}

/// Runs a sender as [`send`] does, over TLS.
pub(super) fn send_over_tls(bench: &Bench, messages: u32, line: &str) -> anyhow::Result<Played> {
    let tls = TlsServer::start(&["127.0.0.1"])?;
    let line = format!("{line} --idle-timeout 1 --seed 1");
    send_by(messages, Duration::ZERO, |target| vec![bench.programs.sender(&target.over(&tls), &line)])
}

/// Runs any programs that send that many messages.
pub(super) fn send_by(
    messages: u32,
    latency: Duration,
    programs: impl FnOnce(&Target) -> Vec<Command>,
) -> anyhow::Result<Played> {
    let length = BodyLength { max: LENGTH, exact: false };
    let (fake, measured) = deliver_all(messages, length, latency, programs)?;
    let stats = fake.stats();
    let took = stats.receiving_took().context("nothing was received")?;
    Ok(Played { messages: messages.into(), measured, took_seconds: took.as_secs_f64(), stats })
}

/// Runs programs until each of that many messages has an outcome, and returns the fake too.
pub(super) fn deliver_all(
    messages: u32,
    length: BodyLength,
    latency: Duration,
    programs: impl FnOnce(&Target) -> Vec<Command>,
) -> anyhow::Result<(FakeAws, Measurement)> {
    let fake = FakeAws::start(STACK, latency)?;
    let run = RunId::from_parts(now_ms(), u128::from(messages));
    put_run(&fake, &Plan::new(run, 1, messages, length)?)?;
    let measured = measure(programs(&Target::of(&fake)))?;
    let (waiting, hidden) = fake.backlog();
    let pending = fake.statuses().get("PENDING").copied().unwrap_or(0);
    ensure!(
        waiting + hidden + pending == 0,
        "of {messages} messages {waiting} are on the queue, {hidden} in flight, and {pending} pending"
    );
    Ok((fake, measured))
}
