//! Tests of the reads of idle senders. They run the whole ending of a sender against a fake, on a clock that the test sets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::mpsc;

use clap::Parser;
use futures::future::join_all;
use stentor_aws::MetricsTable;
use stentor_core::delivery::Outcome;
use stentor_core::run::{BodyLength, Plan};
use stentor_core::usage::{SenderUsage, Usage};
use stentor_fake_aws::FakeAws;
use stentor_sign_in::{Destination, Endpoint};
use stentor_tally::{OutcomeEvent, ShardTally, Tally};
use tokio::task::spawn_blocking;
use tokio::time::advance;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::in_flight::InFlight;
use crate::settings::Settings;
use crate::state::{RunActivity, RunCounts, SenderState};
use crate::stop::{DrainCondition, IdlePolicy};
use crate::{Args, Connections};

/// The time that the clock is set forward at once.
const STEP: Duration = Duration::from_millis(250);

/// Messages of the run, of which the tallies lack one.
const TOTAL: u32 = 100_000;

/// Shards of the stream of a new table.
const SHARDS: u32 = 4;

#[test]
fn the_estimated_senders_are_the_inverse_of_the_share() {
    for (total, received, expected) in [
        (1_000, 1_000, 1.0),
        (1_000, 1_200, 1.0),
        (1_000, 250, 4.0),
        (100_000, 1, MAX_SENDERS),
        (1_000, 0, MAX_SENDERS),
        (0, 5, 1.0),
    ] {
        let senders = senders_of(total, received);
        assert!((senders - expected).abs() < 1e-9, "{received} of {total}: {senders}");
    }
}

#[test]
fn the_time_of_a_read_by_each_grows_with_senders_and_units() {
    let cases = [(0.0, 5, 0), (100.0, 5, 500), (1_000.0, 5, 5_000), (1_000.0, 50, 50_000)];
    for (senders, units, ms) in cases {
        assert_eq!(read_time(senders, units), Duration::from_millis(ms), "{senders} senders, {units} units");
    }
}

/// Read units in each second of the test's clock, and what was requested in all of them.
struct Load {
    units: Vec<f64>,
    queries: u64,
    requests: u64,
}

/// A stack on a fake, with connections that all senders share.
struct Drill {
    fake: FakeAws,
    connections: Connections,
    run: RunId,
}

impl Drill {
    async fn start() -> Self {
        let fake = FakeAws::start("drill", Duration::ZERO).unwrap();
        let stack = "drill".parse().unwrap();
        let destination =
            Destination { stack, endpoint: Endpoint::Local(fake.port()), region: None, profile: None };
        let args = Args::parse_from(["sender"]);
        let settings = Settings::of(&args).unwrap();
        let (connections, _) =
            Connections::open(destination, CancellationToken::new(), &settings).await.unwrap();
        let run = RunId::from_parts(1, 1);
        let plan = Plan::new(run, 7, TOTAL, BodyLength { max: 100, exact: false }).unwrap();
        let metrics = &connections.metrics;
        metrics.create_run(&plan, 1).await.unwrap();
        metrics.mark_finished(&plan, 2).await.unwrap();
        metrics.set_latest(run, 1).await.unwrap();
        for shard in 0..SHARDS {
            put_tally(metrics, run, shard, TOTAL / SHARDS - u32::from(shard == 0)).await;
        }
        Self { fake, connections, run }
    }

    /// A sender that has been idle since the start, and received that many messages before.
    async fn drain(&self, received: u64) {
        let state = Rc::new(SenderState::new());
        let (in_flight, _settlements) = InFlight::new(Rc::clone(&state));
        let activity: &RefCell<RunActivity> = &state.activity;
        if received > 0 {
            let counts = RunCounts { received, ..RunCounts::default() };
            activity.borrow_mut().runs = BTreeMap::from([(self.run, counts)]);
        }
        let idle_policy = IdlePolicy::UntilRunsComplete;
        let condition =
            DrainCondition { connections: &self.connections, in_flight: &in_flight, activity, idle_policy };
        condition.wait_until_drained().await.unwrap();
    }

    /// Lets as many senders as there are entries wait for this time, or until all have ended.
    async fn load(&self, received: &[u64], time: Duration) -> Load {
        let before = self.fake.stats();
        let mut units = vec![0.0];
        let clock = async {
            for step in 1..=time.as_millis() / STEP.as_millis() {
                advance(STEP).await;
                self.settle().await;
                if step % 4 == 0 {
                    let read = self.fake.stats().read_units - before.read_units;
                    units.push(read);
                }
            }
        };
        tokio::select! {
            () = clock => {}
            _ = join_all(received.iter().map(|received| self.drain(*received))) => {}
        }
        let after = self.fake.stats();
        Load {
            units: units.windows(2).map(|pair| pair[1] - pair[0]).collect(),
            queries: after.of("Query").requests - before.of("Query").requests,
            requests: after.requests() - before.requests(),
        }
    }

    /// Waits until all requests have been answered, in real time: the clock of the test stands still.
    async fn settle(&self) {
        let mut unchanged = 0;
        let mut last = 0;
        while unchanged < 3 {
            spawn_blocking(|| std::thread::sleep(Duration::from_millis(1))).await.unwrap();
            let (sent, answered) = (self.connections.session.usage().requests, self.fake.stats().requests());
            unchanged = if sent == answered && sent == last { unchanged + 1 } else { 0 };
            last = sent;
        }
    }
}

async fn put_tally(metrics: &MetricsTable, run: RunId, shard: u32, outcomes: u32) {
    let mut tally = Tally::default();
    for i in 0..outcomes {
        tally.count(&OutcomeEvent {
            outcome: if i % 10 == 9 { Outcome::Failed } else { Outcome::Sent },
            created_at: Some(1),
            concluded_at: Some(1_000 + u64::from(i)),
            delivery_ms: Some(u64::from(i % 2_000)),
            parts: None,
            reason: None,
        });
    }
    let after = ShardTally { checkpoint: Some("1".parse().unwrap()), tally };
    metrics.put_shard_tally(run, &shard.to_string(), &ShardTally::default(), &after).await.unwrap();
}

/// Keeps a paused clock from advancing by itself while requests are under way: tokio does not while a blocking task runs.
fn hold_clock() -> mpsc::Sender<()> {
    let (hold, released) = mpsc::channel();
    spawn_blocking(move || released.recv());
    hold
}

#[tokio::test(start_paused = true)]
async fn idle_senders_do_not_throttle_the_partition_of_their_run() {
    let is_full = std::env::var_os("STENTOR_TESTS").is_some();
    let cases: &[u64] = if is_full { &[1, 100, 1_000] } else { &[1, 100] };
    for senders in cases.iter().copied() {
        let _hold = hold_clock();
        let drill = Drill::start().await;
        // Most of a partition is the usage records, which an idle sender does not read.
        let usage = Usage { requests: 1, queue_requests: 1, write_units: Some(1.0), read_units: Some(1.0) };
        for sender in 0..senders {
            let id = RunId::from_parts(2, sender.into()).to_string();
            let metrics = &drill.connections.metrics;
            metrics.put_usage(drill.run, &id, &usage, Some(SenderUsage::default()), false).await.unwrap();
        }
        let received = vec![u64::from(TOTAL) / senders; usize::try_from(senders).unwrap()];
        let load = drill.load(&received, Duration::from_secs(60)).await;
        let peak = load.units.iter().copied().fold(0.0, f64::max);
        let sum: f64 = load.units.iter().sum();
        let each = load.queries as f64 / senders as f64;
        eprintln!(
            "{senders} senders, 60 s: {} queries, {:.0} read units, at most {peak} in a second; {} requests",
            load.queries, sum, load.requests
        );
        // From 10 to 60 s, at most one each 10 s.
        assert!((4.0..=5.0).contains(&each), "{each} queries of each sender");
        assert!(peak < 3_000.0 && peak <= 8.0 * senders as f64, "{peak} units in a second");
    }
}

/// How long a sender stays that has received that many messages of a complete run.
async fn time_to_end_of_one(received: u64) -> Duration {
    let _hold = hold_clock();
    let drill = Drill::start().await;
    put_tally(&drill.connections.metrics, drill.run, SHARDS, 1).await;
    let start = Instant::now();
    drill.load(&[received], Duration::from_secs(60)).await;
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_lone_sender_ends_ten_seconds_after_its_last_message() {
    let took = time_to_end_of_one(TOTAL.into()).await;
    assert!((10.0..11.0).contains(&took.as_secs_f64()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_received_nothing_ends_within_seconds_of_the_others() {
    let took = time_to_end_of_one(0).await;
    assert!((10.0..16.0).contains(&took.as_secs_f64()), "{took:?}");
}
