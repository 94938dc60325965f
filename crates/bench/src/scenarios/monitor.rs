//! The monitor, while it watches a run of a million messages that goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use stentor_aws::clock::now_ms;
use stentor_aws::names::StackName;
use stentor_core::run::{BodyLength, Plan};
use stentor_tests::Function;

use super::{Bench, Scenario};
use crate::measure::peak_kib_of;
use crate::programs::Place;
use crate::report::Figure;
use crate::sink::{Counts, Latency, STACK, Sink};
use crate::stream::Stream;
use crate::viewers::Viewers;

const MILLION: u32 = 1_000_000;

/// Shards of the stream that count, and senders at work.
const SHARDS: u8 = 8;

/// Batches of a thousand that each shard has counted before anybody looks.
const BATCHES_BEFORE: u32 = 110;

/// What each shard counts in a second.
const A_SECOND: u32 = 125;

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(20);

/// Pages that are open at once.
const VIEWERS: usize = 500;

/// How long the first frame may take to come at all.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let mut run = Going::start(bench)?;
    let started = Instant::now();
    let mut view = bench.programs.monitor(&run.place(), "-t 5").start_on_terminal(200, 60);
    while !view.text().contains("RUNNING") {
        ensure!(started.elapsed() < PATIENCE, "the monitor shows no run:\n{}", view.text());
        std::thread::sleep(Duration::from_millis(2));
    }
    let first_frame = started.elapsed();
    let monitor = view.program();
    let (cpu, asked) = (monitor.cpu_time(), run.asked());
    std::thread::sleep(WATCHED);
    let (cpu, asked) = (monitor.cpu_time().saturating_sub(cpu), run.asked() - asked);
    let peak = peak_kib_of(monitor.id()).context("the monitor has ended")?;
    run.still_goes_on()?;
    let intervals = WATCHED.as_secs_f64() / 5.0;
    Ok(vec![
        first_frame.as_secs_f64() * 1_000.0,
        100.0 * cpu.as_secs_f64() / WATCHED.as_secs_f64(),
        f64::from(peak) / 1_024.0,
        asked as f64 / intervals,
    ])
}

fn on_a_page(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    let mut run = Going::start(bench)?;
    let mut page = bench.programs.monitor(&run.place(), "serve 0 -t 1").start_page();
    let viewers = Viewers::come(page.address().parse()?, VIEWERS)?;
    let monitor = page.program();
    let (cpu, asked, updates) = (monitor.cpu_time(), run.asked(), viewers.updates());
    std::thread::sleep(WATCHED);
    let (cpu, asked) = (monitor.cpu_time().saturating_sub(cpu), run.asked() - asked);
    let updates = viewers.updates() - updates;
    run.still_goes_on()?;
    let peak = peak_kib_of(monitor.id()).context("the monitor has ended")?;
    let intervals = WATCHED.as_secs_f64();
    Ok(vec![
        100.0 * cpu.as_secs_f64() / WATCHED.as_secs_f64(),
        f64::from(peak) / 1_024.0,
        asked as f64 / intervals,
        updates as f64 / intervals / VIEWERS as f64,
    ])
}

/// A run that goes on in a sink, a thousand messages a second; it stands still where it is let go.
struct Going {
    sink: Arc<Sink>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Going {
    fn start(bench: &Bench) -> anyhow::Result<Self> {
        let sink = Arc::new(Sink::start(Latency::default())?);
        let stack: StackName = STACK.parse()?;
        let function =
            Function::start_program(bench.function()?, &sink.endpoint(), &stack.metrics_table(), "test");
        // A thousand a second: what is counted already took its time.
        let began = now_ms() - u64::from(BATCHES_BEFORE) * 1_000 * 1_000 / u64::from(A_SECOND);
        let mut shards = Vec::new();
        for shard in 0..SHARDS {
            shards.push(Stream::usual(f64::from(A_SECOND))?.in_shard(shard).since(began));
        }
        let length = BodyLength { max: 100, exact: false };
        sink.record(&Plan::new(shards[0].run(), 1, MILLION, length)?, began)?;
        let mut run = Run { function, shards, sink: Arc::clone(&sink), sent: 0 };
        for _ in 0..BATCHES_BEFORE {
            run.count(1_000)?;
        }
        let ends = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ends);
        let thread = std::thread::spawn(move || run.go_on(&ended));
        Ok(Self { sink, ends, thread: Some(thread) })
    }

    fn place(&self) -> Place {
        Place::of(&self.sink)
    }

    /// Requests that a monitor makes, and a function does not once it is warm.
    fn asked(&self) -> u64 {
        let counts: Counts = self.sink.counts();
        let operations = ["Query", "GetItem", "GetQueueAttributes"];
        operations.iter().map(|operation| counts.of(operation).requests).sum()
    }

    /// An error where the run has come to a standstill, which is less to watch.
    fn still_goes_on(&mut self) -> anyhow::Result<()> {
        match self.thread.take_if(|thread| thread.is_finished()) {
            Some(ended) => ended.join().map_err(|_| anyhow!("what brings the run on panicked"))?,
            None => Ok(()),
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What brings a run on.
struct Run {
    function: Function,
    shards: Vec<Stream>,
    sink: Arc<Sink>,
    /// What each sender has sent.
    sent: u64,
}

impl Run {
    /// Counts a batch in each shard, and has each sender give a sign of life.
    fn count(&mut self, records: u32) -> anyhow::Result<()> {
        self.sent += u64::from(records);
        for (place, shard) in self.shards.iter_mut().enumerate() {
            let counted = self.function.invoke_with(shard.batch(records));
            counted.map_err(|error| anyhow!("the function failed: {error}"))?;
            self.sink.beat(&format!("sender-{place}"), self.sent, now_ms())?;
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
