//! A server in this process that answers the calls of SQS and `DynamoDB` from memory, correctly and at almost no
//! cost, so that what a program takes can be measured apart from what an emulator takes.
//!
//! It has one stack, [`STACK`], and knows what Stentor's programs and simple others ask of it. Whatever it does not
//! understand it refuses: it never passes over a field, a condition or an operation.

mod answer;
mod counts;
mod dynamodb;
mod expression;
mod fill;
mod item;
mod partiql;
mod queue;
mod server;
mod sqs;
mod table;
mod token;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{Notify, oneshot};

pub use counts::{Counts, Lags, Operation};
use dynamodb::Tables;
use sqs::Queues;
use stentor_aws::names::StackName;

/// The stack that a sink has.
pub const STACK: &str = "bench";

/// How long every call takes, beside what it takes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency(pub Duration);

impl Latency {
    /// That many milliseconds.
    pub const fn of_ms(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }
}

/// A running sink; it ends where it is let go.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the connections share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    latency_us: AtomicU64,
    throttles: AtomicBool,
    /// Wakes receives that wait on the main queue, and on that of the dead letters.
    arrivals: [Notify; 2],
}

#[derive(Debug)]
struct State {
    tables: Tables,
    queues: Queues,
    counts: Counts,
}

impl Shared {
    /// A sink whose thread panicked still tells what it counted.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    /// Starts one on a free loopback port, with empty tables and queues.
    pub fn start(latency: Latency) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("a loopback port")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stack: StackName = STACK.parse()?;
        let state = State {
            tables: Tables::new(stack.messages_table(), stack.metrics_table()),
            queues: Queues::new(stack.queue(), stack.dead_letter_queue(), &format!("http://{address}")),
            counts: Counts::default(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            latency_us: AtomicU64::default(),
            throttles: AtomicBool::new(false),
            arrivals: [Notify::new(), Notify::new()],
        });
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = server::serve(listener, served) => {}
                    _ = stopped => {}
                }
            });
        })?;
        let sink = Self { address, shared, stop: Some(stop), thread: Some(thread) };
        sink.set_latency(latency);
        Ok(sink)
    }

    /// Its address, such as `http://127.0.0.1:12345`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets every call from now on take that long.
    pub fn set_latency(&self, latency: Latency) {
        let us = u64::try_from(latency.0.as_micros()).unwrap_or(u64::MAX);
        self.shared.latency_us.store(us, Ordering::Relaxed);
    }

    /// Hides what is received from now on for that time, in whole seconds, where the receive does not say.
    pub fn set_visibility_timeout(&self, timeout: Duration) {
        self.shared.state().queues.visibility_timeout = timeout;
    }

    /// Refuses every call from now on, as the services do that are asked too much; or no longer.
    pub fn set_throttles(&self, throttles: bool) {
        self.shared.throttles.store(throttles, Ordering::Relaxed);
    }

    /// What it has seen so far.
    pub fn counts(&self) -> Counts {
        self.shared.state().counts.clone()
    }

    /// What it has seen so far; it counts from nothing again.
    pub fn take_counts(&self) -> Counts {
        std::mem::take(&mut self.shared.state().counts)
    }

    /// How many messages wait on the queue, and how many are hidden.
    pub fn backlog(&self) -> (usize, usize) {
        self.shared.state().queues.main.backlog(std::time::Instant::now())
    }

    /// How large the largest item of the metrics table is, bytes.
    pub fn largest_of_metrics(&self) -> usize {
        self.shared.state().tables.metrics.items().map(item::Item::size).max().unwrap_or(0)
    }

    /// How many items of the messages table have each status.
    pub fn statuses(&self) -> std::collections::BTreeMap<String, usize> {
        let mut statuses = std::collections::BTreeMap::new();
        for item in self.shared.state().tables.messages.items() {
            let status = match item.get("status") {
                Some(item::Value::S(status)) => status.into_owned(),
                _ => "none".to_owned(),
            };
            *statuses.entry(status).or_default() += 1;
        }
        statuses
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
