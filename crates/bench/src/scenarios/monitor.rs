//! The monitor, while it shows a run of a million messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use stentor_core::run::{BodyLength, Plan};
use stentor_fake_aws::FakeAws;
use stentor_test_support::{Function, Process, now_ms};

use super::function::{self, milliseconds};
use super::{Bench, Scenario};
use crate::fill::{put_heartbeat, put_run_record};
use crate::measure::peak_kib_of;
use crate::programs::{STACK, Target};
use crate::report::Figure;
use crate::stream::Stream;
use crate::viewers::Viewers;

const MILLION: u32 = 1_000_000;

/// Number of shards, and of senders.
const SHARDS: u8 = 8;

/// Batches of a thousand records that each shard has counted before the monitor starts.
const BATCHES_BEFORE: u32 = 110;

/// Records that each shard counts per second.
const A_SECOND: u32 = 125;

/// Duration of the measurement.
const WATCHED: Duration = Duration::from_secs(20);

/// Number of concurrently open pages.
const VIEWERS: usize = 500;

/// Maximum time until the first frame.
const TIME_LIMIT: Duration = Duration::from_secs(10);

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "monitor",
        figures: &[
            Figure::at_most("start to first frame", "ms", 300.0),
            Figure::at_most("CPU, -t 5, 200x60", "% of a core", 1.0),
            Figure::at_most("memory", "MiB", 40.0),
            Figure::at_most("requests", "an interval", 5.0),
        ],
        play: on_a_terminal,
    },
    Scenario {
        name: "monitor-web",
        figures: &[
            Figure::at_most("CPU, -t 1, 500 viewers", "% of a core", 10.0),
            Figure::shown("memory, 500 viewers", "MiB"),
            Figure::at_most("requests, 500 viewers", "an interval", 5.0),
            Figure::at_least("updates", "a viewer and interval", 0.9),
        ],
        play: on_a_page,
    },
];

fn on_a_terminal(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    let mut run = LiveRun::start(bench)?;
    let started = Instant::now();
    let mut view = bench.programs.monitor(&run.target(), "-t 5").start_on_terminal(200, 60);
    while !view.text().contains("RUNNING") {
        ensure!(started.elapsed() < TIME_LIMIT, "the monitor shows no run:\n{}", view.text());
        std::thread::sleep(Duration::from_millis(2));
    }
    let first_frame = started.elapsed();
    let [cpu, memory, requests] = watch(&mut run, view.program(), 5.0)?;
    Ok(vec![milliseconds(first_frame), cpu, memory, requests])
}

fn on_a_page(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    let mut run = LiveRun::start(bench)?;
    let mut page = bench.programs.monitor(&run.target(), "serve 0 -t 1").start_page();
    let viewers = Viewers::connect(page.address().parse()?, VIEWERS)?;
    let updates = viewers.updates();
    let [cpu, memory, requests] = watch(&mut run, page.program(), 1.0)?;
    let updates = (viewers.updates() - updates) as f64 / WATCHED.as_secs_f64();
    Ok(vec![cpu, memory, requests, updates / VIEWERS as f64])
}

/// Watches a monitor that refreshes every `interval` seconds. Returns its CPU (% of a core), its memory (MiB) and its
/// requests per interval.
fn watch(run: &mut LiveRun, monitor: &Process, interval: f64) -> anyhow::Result<[f64; 3]> {
    let (cpu, asked) = (monitor.cpu_time(), run.monitor_requests());
    std::thread::sleep(WATCHED);
    let (cpu, asked) = (monitor.cpu_time().saturating_sub(cpu), run.monitor_requests() - asked);
    run.check_running()?;
    let peak = peak_kib_of(monitor.id()).context("the monitor has ended")?;
    let watched = WATCHED.as_secs_f64();
    Ok([100.0 * cpu.as_secs_f64() / watched, f64::from(peak) / 1_024.0, asked as f64 * interval / watched])
}

/// A run in a fake with a thousand outcomes a second. Dropping it stops the run.
struct LiveRun {
    fake: Arc<FakeAws>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl LiveRun {
    fn start(bench: &Bench) -> anyhow::Result<Self> {
        let fake = Arc::new(FakeAws::start(STACK, Duration::ZERO)?);
        let function = function::start(bench, &fake)?;
        // The records counted so far took that time, at a thousand a second.
        let began = now_ms() - u64::from(BATCHES_BEFORE) * 1_000 * 1_000 / u64::from(A_SECOND);
        let mut shards = Vec::new();
        for shard in 0..SHARDS {
            shards.push(Stream::usual(f64::from(A_SECOND))?.in_shard(shard).since(began));
        }
        let length = BodyLength { max: 100, exact: false };
        put_run_record(&fake, &Plan::new(shards[0].run(), 1, MILLION, length)?, began)?;
        let mut run = RunDriver { function, shards, fake: Arc::clone(&fake), sent: 0 };
        for _ in 0..BATCHES_BEFORE {
            run.count(1_000)?;
        }
        let ends = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ends);
        let thread = std::thread::spawn(move || run.go_on(&ended));
        Ok(Self { fake, ends, thread: Some(thread) })
    }

    fn target(&self) -> Target {
        Target::of(&self.fake)
    }

    /// Counts the requests of the monitor. A warm function makes none of these.
    fn monitor_requests(&self) -> u64 {
        let stats = self.fake.stats();
        let operations = ["Query", "GetItem", "GetQueueAttributes"];
        operations.iter().map(|operation| stats.of(operation).requests).sum()
    }

    /// Fails if the run has stopped, since the monitor then has less to show.
    fn check_running(&mut self) -> anyhow::Result<()> {
        match self.thread.take_if(|thread| thread.is_finished()) {
            Some(ended) => ended.join().map_err(|_| anyhow!("the thread of the run panicked"))?,
            None => Ok(()),
        }
    }
}

impl Drop for LiveRun {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes the tallies and heartbeats of a run.
struct RunDriver {
    function: Function,
    shards: Vec<Stream>,
    fake: Arc<FakeAws>,
    /// Messages that each sender has sent.
    sent: u64,
}

impl RunDriver {
    /// Counts a batch in each shard, and writes the heartbeat of each sender.
    fn count(&mut self, records: u32) -> anyhow::Result<()> {
        self.sent += u64::from(records);
        for (number, shard) in self.shards.iter_mut().enumerate() {
            function::count(&self.function, shard.batch(records))?;
            put_heartbeat(&self.fake, &format!("sender-{number}"), self.sent, now_ms())?;
        }
        Ok(())
    }

    fn go_on(&mut self, ends: &AtomicBool) -> anyhow::Result<()> {
        while !ends.load(Ordering::Relaxed) {
            self.count(A_SECOND)?;
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    }
}
