//! A proxy between the programs and the emulator that reads their calls and injects faults that AWS has. A seed
//! decides which calls fail.

mod fault;
pub(crate) mod http;
mod permit;
mod response_edit;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

pub use fault::{Call, FaultPlan, ProxyFault, Service};
use http::{Connection, Request};
use permit::Permits;
use response_edit::{ResponseEdit, empty_response, miscount};

use crate::Emulator;

/// Longer than a program waits for a response.
const SILENCE: Duration = Duration::from_secs(13);
const LATENCY: Duration = Duration::from_secs(2);
const OUTAGE: Duration = Duration::from_secs(3);

/// A running proxy. Dropping it stops it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    agent: ureq::Agent,
    upstream: String,
    rng: Mutex<ChaCha8Rng>,
    plan: Mutex<FaultPlan>,
    injected: Mutex<BTreeMap<ProxyFault, u64>>,
    permits: Permits,
    /// Calls by operation.
    calls: Mutex<BTreeMap<String, u64>>,
    /// When connections are accepted again.
    outage: Mutex<Option<Instant>>,
    /// By the address of the client.
    connections: Mutex<BTreeMap<SocketAddr, TcpStream>>,
    /// Copies of received messages, for a second delivery.
    copies: Mutex<VecDeque<Value>>,
    /// How far the `Date` of the responses is ahead, seconds; `None` for responses without one.
    date_ahead: Mutex<Option<u64>>,
    ended: AtomicBool,
}

/// The result of a fault that was applied to a call.
struct Injection {
    reply: Reply,
    /// The fault had an effect.
    changed: bool,
}

/// What the proxy sends to the program.
enum Reply {
    Respond(u16, String),
    /// The response's bytes are spread over that time.
    Drip(u16, String, Duration),
    /// The connection is reset.
    Reset,
    /// The connection stays open for that time, and then closes.
    Silence(Duration),
}

impl Proxy {
    /// Starts a proxy in front of the tests' emulator, without faults.
    pub fn start(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            agent: http::agent(),
            upstream: Emulator::shared().url(),
            rng: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
            plan: Mutex::default(),
            injected: Mutex::default(),
            permits: Permits::default(),
            calls: Mutex::default(),
            outage: Mutex::default(),
            connections: Mutex::default(),
            copies: Mutex::default(),
            date_ahead: Mutex::new(Some(0)),
            ended: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || served.listen(listener, address));
        Self { address, shared }
    }

    /// Returns the port that the proxy listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Injects the faults of that plan into all further calls.
    pub fn inject(&self, plan: FaultPlan) {
        *lock(&self.shared.plan) = plan;
    }

    /// Sends further responses with a `Date` that is ahead by these seconds, or without one.
    pub fn set_date_ahead(&self, seconds: Option<u64>) {
        *lock(&self.shared.date_ahead) = seconds;
    }

    /// Refuses connections for that time, and closes those that are open.
    pub fn break_off(&self, lasting: Duration) {
        self.shared.break_off(lasting);
    }

    /// Returns how often each fault was injected.
    pub fn injected(&self) -> BTreeMap<ProxyFault, u64> {
        lock(&self.shared.injected).clone()
    }

    /// Returns how often a fault was injected.
    pub fn count(&self, fault: ProxyFault) -> u64 {
        self.injected().get(&fault).copied().unwrap_or(0)
    }

    /// Returns the operations of the calls so far.
    pub fn calls(&self) -> BTreeSet<String> {
        lock(&self.shared.calls).keys().cloned().collect()
    }

    /// Counts all calls, failed ones included.
    pub fn requests(&self) -> u64 {
        lock(&self.shared.calls).values().sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    /// Accepts connections. During an outage there is no listener, so that they are refused.
    fn listen(self: Arc<Self>, mut listener: TcpListener, address: SocketAddr) {
        listener.set_nonblocking(true).expect("a socket has this mode");
        while !self.ended.load(Ordering::Relaxed) {
            if let Some(until) = lock(&self.outage).take() {
                drop(listener);
                for connection in lock(&self.connections).values() {
                    let _ = connection.shutdown(std::net::Shutdown::Both);
                }
                sleep(until.saturating_duration_since(Instant::now()));
                listener = loop {
                    match TcpListener::bind(address) {
                        Ok(listener) => break listener,
                        Err(_) if self.ended.load(Ordering::Relaxed) => return,
                        Err(_) => sleep(Duration::from_millis(20)),
                    }
                };
                listener.set_nonblocking(true).expect("a socket has this mode");
            }
            let Ok((connection, client)) = listener.accept() else {
                sleep(Duration::from_millis(2));
                continue;
            };
            connection.set_nonblocking(false).expect("a socket has this mode");
            let _ = connection.set_nodelay(true);
            let Ok(held) = connection.try_clone() else { continue };
            lock(&self.connections).insert(client, held);
            let served = Arc::clone(&self);
            std::thread::spawn(move || {
                let mut connection = Connection::of(connection);
                let is_reset = served.converse(&mut connection).is_none();
                // The socket is closed when its last handle is dropped.
                lock(&served.connections).remove(&client);
                if is_reset {
                    connection.reset();
                }
            });
        }
    }

    fn break_off(&self, lasting: Duration) {
        *lock(&self.outage) = Some(Instant::now() + lasting);
    }

    /// Responds until the client or a fault closes the connection. Returns `None` if the connection is to be
    /// reset.
    fn converse(&self, connection: &mut Connection) -> Option<()> {
        while let Some(request) = connection.request() {
            let reply = self.reply(&request);
            let date = self.date();
            let date = date.as_deref().map(|date| ("Date", date));
            let headers: Vec<_> =
                [("Content-Type", "application/x-amz-json-1.0")].into_iter().chain(date).collect();
            match reply {
                Reply::Respond(status, body) => connection.respond(status, &headers, &body)?,
                Reply::Drip(status, body, over) => connection.drip(status, &headers, &body, over)?,
                Reply::Silence(lasting) => {
                    sleep(lasting);
                    return Some(());
                }
                Reply::Reset => return None,
            }
        }
        Some(())
    }

    fn date(&self) -> Option<String> {
        let ahead = Duration::from_secs((*lock(&self.date_ahead))?);
        DateTimePrinter::new().timestamp_to_rfc9110_string(&(Timestamp::now() + ahead)).ok()
    }

    fn reply(&self, request: &Request) -> Reply {
        let Some(call) = Call::of(request) else {
            return self.forward(request, &request.body);
        };
        *lock(&self.calls).entry(call.operation.clone()).or_default() += 1;
        if !request.is_signed_recently() {
            // As AWS does, and no emulator.
            return refuse(400, "InvalidSignatureException");
        }
        if let Some(refusal) = self.permits.refusal(&call) {
            return refusal;
        }
        let fault = lock(&self.plan).choose(&call, self.draw());
        let Some(fault) = fault else {
            return self.with_copies(&call, self.forward(request, &request.body));
        };
        let injection = self.inject(fault, &call, request);
        if injection.changed {
            *lock(&self.injected).entry(fault).or_default() += 1;
        }
        injection.reply
    }

    /// Draws a number from 0 to 1. It is 0 until a fault was injected, so that every plan injects at least one.
    fn draw(&self) -> f64 {
        if lock(&self.injected).is_empty() { 0.0 } else { lock(&self.rng).random() }
    }

    /// Applies a fault to a call.
    fn inject(&self, fault: ProxyFault, call: &Call, request: &Request) -> Injection {
        let done = || self.forward(request, &request.body);
        let reply = match fault {
            ProxyFault::InternalError => refuse(500, "InternalServerError"),
            ProxyFault::Unavailable => refuse(503, "ServiceUnavailable"),
            ProxyFault::ProvisionedThroughputExceeded => {
                refuse(400, "ProvisionedThroughputExceededException")
            }
            ProxyFault::DynamoThrottling => refuse(400, "com.amazon.coral.availability#ThrottlingException"),
            ProxyFault::RequestLimitExceeded => refuse(400, "RequestLimitExceeded"),
            ProxyFault::RequestThrottled => refuse(403, "com.amazonaws.sqs#RequestThrottled"),
            ProxyFault::SqsThrottling => refuse(400, "ThrottlingException"),
            ProxyFault::OverLimit => refuse(403, "com.amazonaws.sqs#OverLimit"),
            ProxyFault::ExpiredToken => refuse(400, "ExpiredTokenException"),
            ProxyFault::ResetBefore | ProxyFault::ResetAtStart => Reply::Reset,
            ProxyFault::AnswerLost => {
                done();
                Reply::Reset
            }
            ProxyFault::InternalErrorAfterwards => {
                done();
                refuse(500, "InternalServerError")
            }
            ProxyFault::Silence => Reply::Silence(SILENCE),
            ProxyFault::SlowDrip => match done() {
                Reply::Respond(status, body) => Reply::Drip(status, body, LATENCY),
                other => other,
            },
            ProxyFault::Latency => {
                let reply = done();
                sleep(LATENCY);
                reply
            }
            ProxyFault::Refused => {
                self.break_off(OUTAGE);
                Reply::Reset
            }
            ProxyFault::DeliveredTwice => return self.deliver_twice(request),
            ProxyFault::CountsTooLow => return self.edited(request, |response| miscount(response, |_| 0)),
            ProxyFault::CountsTooHigh => {
                return self.edited(request, |response| miscount(response, |count| count + 3));
            }
            ProxyFault::EntryFailed
            | ProxyFault::EntryThrottled
            | ProxyFault::EntryAnswerLost
            | ProxyFault::StaleReceipt
            | ProxyFault::StatementThrottled
            | ProxyFault::StatementThroughputExceeded
            | ProxyFault::StatementLimitExceeded
            | ProxyFault::StatementFailed
            | ProxyFault::StatementConflict
            | ProxyFault::StatementAnswerLost
            | ProxyFault::ItemNotReturned
            | ProxyFault::UnprocessedKeys => return self.edit_batch(fault, call, request),
        };
        Injection { reply, changed: true }
    }

    /// Makes some entries of a batch fail.
    fn edit_batch(&self, fault: ProxyFault, call: &Call, request: &Request) -> Injection {
        let Some(edit) = ResponseEdit::new(fault, call, || lock(&self.rng).random()) else {
            return Injection { reply: self.forward(request, &request.body), changed: false };
        };
        match edit.request(call) {
            None => Injection {
                reply: Reply::Respond(200, edit.response(call, empty_response()).to_string()),
                changed: true,
            },
            Some(left) => {
                let reply = self.forward(request, left.to_string().as_bytes());
                edit_response(reply, |response| *response = edit.response(call, response.take()))
            }
        }
    }

    /// Copies a received message for a later receive.
    fn deliver_twice(&self, request: &Request) -> Injection {
        let mut changed = false;
        let injection = self.edited(request, |response| {
            if let Some(message) = response["Messages"].get(0) {
                lock(&self.copies).push_back(message.clone());
                changed = true;
            }
        });
        Injection { changed, ..injection }
    }

    /// Forwards a call, and edits its response.
    fn edited(&self, request: &Request, how: impl FnOnce(&mut Value)) -> Injection {
        edit_response(self.forward(request, &request.body), how)
    }

    /// Adds a copied message to the response of a receive, where it has space.
    fn with_copies(&self, call: &Call, reply: Reply) -> Reply {
        let Reply::Respond(200, body) = &reply else { return reply };
        if call.operation != "ReceiveMessage" || lock(&self.copies).is_empty() {
            return reply;
        }
        let mut response: Value = serde_json::from_str(body).unwrap_or_default();
        let mut messages = response["Messages"].as_array().cloned().unwrap_or_default();
        let most = call.input["MaxNumberOfMessages"].as_u64().unwrap_or(1);
        if (messages.len() as u64) < most {
            messages.extend(lock(&self.copies).pop_front());
        }
        response["Messages"] = messages.into();
        Reply::Respond(200, response.to_string())
    }

    fn forward(&self, request: &Request, body: &[u8]) -> Reply {
        match request.forward(&self.agent, &self.upstream, body) {
            Some((status, body)) => Reply::Respond(status, body),
            None => Reply::Reset,
        }
    }
}

fn refuse(status: u16, code: &str) -> Reply {
    Reply::Respond(status, json!({"__type": code, "message": "injected by the proxy"}).to_string())
}

/// Edits a successful response.
fn edit_response(reply: Reply, how: impl FnOnce(&mut Value)) -> Injection {
    let Reply::Respond(200, body) = &reply else { return Injection { reply, changed: false } };
    let response: Value = serde_json::from_str(body).unwrap_or_default();
    let mut edited = response.clone();
    how(&mut edited);
    Injection { changed: edited != response, reply: Reply::Respond(200, edited.to_string()) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
