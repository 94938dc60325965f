//! A fake of SQS and DynamoDB: a server in this process with the queues and tables of one stack in memory.
//!
//! It responds correctly and at almost no cost, so that measurements show the cost of a program and not that of
//! an emulator. It rejects every field, condition and operation that it does not support.
//!
//! Tests can inject [`Fault`]s into the calls of DynamoDB. [`http`] is the server alone, for other fakes.

mod capacity;
mod dynamodb;
mod expression;
mod faults;
pub mod http;
mod item;
mod on_demand;
mod parser;
mod partiql;
mod queue;
mod response;
mod server;
mod sqs;
mod stats;
mod table;
mod token;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Notify;

use capacity::{CallRates, TableCapacity};
use dynamodb::Tables;
pub use faults::Fault;
use faults::FaultQueue;
use http::HttpServer;
pub use item::AttributeValue;
pub use on_demand::{OnDemandTable, PARTITION_UNITS};
use sqs::Queues;
pub use stats::{OperationStats, OutcomeLag, RequestStats};

/// A check of the calls to DynamoDB, by operation and input. An error is recorded as a violation, and the call fails.
pub type CallCheck = fn(&str, &Value) -> Result<(), String>;

/// One of the two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// `STACK-messages`, with the key `id`.
    Messages,
    /// `STACK-metrics`, with the keys `run` and `part`.
    Metrics,
}

/// A running fake. Dropping it stops the server.
#[derive(Debug)]
pub struct FakeAws {
    server: HttpServer,
    shared: Arc<Shared>,
}

/// The state that all connections share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    latency_us: AtomicU64,
    throttles: AtomicBool,
    /// Wake receives that wait for messages, by [`sqs::QueueKind`].
    arrivals: [Notify; 2],
}

#[derive(Debug)]
struct State {
    tables: Tables,
    queues: Queues,
    stats: RequestStats,
    faults: FaultQueue,
    call_check: Option<CallCheck>,
    violations: Vec<String>,
}

impl Shared {
    /// Locks the state, also after a panic of the server's thread.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeAws {
    /// Starts a fake on a free loopback port, with the empty tables and queues of the stack of that name. Every call
    /// takes `latency` longer than by itself.
    pub fn start(stack: &str, latency: Duration) -> io::Result<Self> {
        let listener = HttpServer::bind()?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let state = State {
            tables: Tables::new(format!("{stack}-messages"), format!("{stack}-metrics")),
            queues: Queues::new(format!("{stack}-queue"), format!("{stack}-dlq"), &endpoint),
            stats: RequestStats::default(),
            faults: FaultQueue::default(),
            call_check: None,
            violations: Vec::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            latency_us: AtomicU64::new(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)),
            throttles: AtomicBool::new(false),
            arrivals: [Notify::new(), Notify::new()],
        });
        let server = HttpServer::serve("fake-aws", listener, Arc::clone(&shared))?;
        Ok(Self { server, shared })
    }

    /// Its endpoint URL, such as `http://127.0.0.1:12345`.
    pub fn endpoint(&self) -> String {
        self.server.url()
    }

    /// The port of its endpoint.
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// Sets the visibility timeout of the queues, in whole seconds, for receives that give none.
    pub fn set_visibility_timeout(&self, timeout: Duration) {
        self.shared.state().queues.visibility_timeout = timeout;
    }

    /// Throttles every call from now on, or none.
    pub fn set_throttles(&self, throttles: bool) {
        self.shared.throttles.store(throttles, Ordering::Relaxed);
    }

    /// Limits the writes of both tables to those that a new [`OnDemandTable`] accepts from now on.
    pub fn set_on_demand(&self, partition_units: f64) {
        let mut state = self.shared.state();
        for table in [TableKind::Messages, TableKind::Metrics] {
            state.tables.get_mut(table).capacity = Some(TableCapacity::new(partition_units));
        }
    }

    /// Adds to the time of the on-demand tables, which grow with it.
    pub fn advance_on_demand(&self, time: Duration) {
        let mut state = self.shared.state();
        for table in [TableKind::Messages, TableKind::Metrics] {
            if let Some(capacity) = &mut state.tables.get_mut(table).capacity {
                capacity.advanced += time;
            }
        }
    }

    /// Limits each operation of the queues to that many calls per second, and as many at once after a pause.
    pub fn set_queue_rate(&self, calls_per_second: f64) {
        self.shared.state().queues.call_rates = Some(CallRates::new(calls_per_second));
    }

    /// Returns the statistics since the start.
    pub fn stats(&self) -> RequestStats {
        self.shared.state().stats.clone()
    }

    /// Returns how many messages of the main queue are visible, and how many are in flight.
    pub fn backlog(&self) -> (usize, usize) {
        self.shared.state().queues.get(sqs::QueueKind::Main).backlog(Instant::now())
    }

    /// Returns the size of the largest item of the metrics table, bytes.
    pub fn largest_metrics_item(&self) -> usize {
        self.shared.state().tables.get(TableKind::Metrics).items().map(item::Item::size).max().unwrap_or(0)
    }

    /// Counts the items of the messages table by status.
    pub fn statuses(&self) -> BTreeMap<String, usize> {
        let mut statuses = BTreeMap::new();
        for item in self.shared.state().tables.get(TableKind::Messages).items() {
            let status = match item.get("status") {
                Some(AttributeValue::S(status)) => status.into_owned(),
                _ => "none".to_owned(),
            };
            *statuses.entry(status).or_default() += 1;
        }
        statuses
    }

    /// Returns when the deliveries of each sender began, ms since the epoch, as far as their outcome is recorded.
    pub fn delivery_starts_by_sender(&self) -> BTreeMap<String, Vec<u64>> {
        let state = self.shared.state();
        let mut by_sender = BTreeMap::<String, Vec<u64>>::new();
        for item in state.tables.get(TableKind::Messages).items() {
            let number = |name: &str| match item.get(name) {
                Some(AttributeValue::N(digits)) => digits.parse::<u64>().ok(),
                _ => None,
            };
            let start = number("concluded_at")
                .zip(number("delivery_ms"))
                .and_then(|(concluded_at, delivery_ms)| concluded_at.checked_sub(delivery_ms));
            if let (Some(start), Some(AttributeValue::S(sender))) = (start, item.get("sender")) {
                by_sender.entry(sender.into_owned()).or_default().push(start);
            }
        }
        by_sender
    }

    /// Returns when the delivery of each message began whose outcome is recorded, ms since the epoch, in order.
    pub fn delivery_starts(&self) -> Vec<u64> {
        let mut starts: Vec<u64> = self.delivery_starts_by_sender().into_values().flatten().collect();
        starts.sort_unstable();
        starts
    }

    /// Allocates memory for that many more messages, in the table and on the main queue.
    pub fn reserve(&self, messages: usize) {
        let mut state = self.shared.state();
        state.tables.get_mut(TableKind::Messages).reserve(messages);
        state.queues.get(sqs::QueueKind::Main).reserve(messages);
    }

    /// Puts an item without counting a call. Fails where DynamoDB would reject it.
    pub fn put_item(&self, table: TableKind, attributes: &[(&str, AttributeValue)]) -> Result<(), String> {
        let mut state = self.shared.state();
        let table = state.tables.get_mut(table);
        let key =
            table.key(|name| attributes.iter().find(|(own, _)| *own == name).map(|(_, value)| value))?;
        let item = item::Item::of(attributes.iter().map(|(name, value)| (*name, value)))?;
        table.put(&key, item)
    }

    /// Sends a message to the main queue without counting a call.
    pub fn send_message(&self, body: &str) {
        self.shared.state().queues.get(sqs::QueueKind::Main).send(body, queue::md5(body));
        self.shared.arrivals[sqs::QueueKind::Main as usize].notify_one();
    }

    /// Returns an item of the metrics table in DynamoDB's JSON.
    pub fn metrics_item(&self, run: &str, part: &str) -> Option<Value> {
        let key = table::Key { hash: run.into(), range: part.into() };
        let state = self.shared.state();
        state.tables.get(TableKind::Metrics).get(&key).and_then(|item| serde_json::to_value(item).ok())
    }

    /// Sets how the next calls to DynamoDB fail, one after the other. All later calls succeed.
    pub fn inject(&self, faults: &[Fault]) {
        self.shared.state().faults.next = faults.iter().copied().collect();
    }

    /// Carries out all late calls, and lets all further calls succeed.
    pub fn recover(&self) {
        let mut state = self.shared.state();
        for (operation, body) in state.faults.clear() {
            state.carry_out(&operation, &body, Instant::now());
        }
    }

    /// Sets how to kill the process that signs its calls with that access key.
    pub fn register_caller(&self, access_key: &str, kill: impl Fn() + Send + Sync + 'static) {
        self.shared.state().faults.callers.insert(access_key.to_owned(), Arc::new(kill));
    }

    /// Checks every further call to DynamoDB before its fault and its execution.
    pub fn set_call_check(&self, check: CallCheck) {
        self.shared.state().call_check = Some(check);
    }

    /// Returns the calls so far that were invalid, unsupported or failed the check.
    pub fn violations(&self) -> Vec<String> {
        self.shared.state().violations.clone()
    }

    /// Records the items of all further calls of `PutItem`.
    pub fn record_puts(&self) {
        self.shared.state().tables.recorded_puts.get_or_insert_default();
    }

    /// Takes the recorded items, oldest first, in DynamoDB's JSON.
    pub fn take_recorded_puts(&self) -> Vec<Value> {
        let mut state = self.shared.state();
        state.tables.recorded_puts.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
