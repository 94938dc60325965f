//! A proxy between the programs and the emulator that understands what they say, and injects the faults that
//! AWS really has. A seed decides which call is struck.

mod fault;
mod surgery;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

pub use fault::{Call, Fault, Service, Weather};
use surgery::{Surgery, nothing_done};

use crate::Emulator;
use crate::http::{Connection, Request};

/// Longer than a program waits for one answer.
const SILENCE: Duration = Duration::from_secs(13);
const LATENCY: Duration = Duration::from_secs(2);
const OUTAGE: Duration = Duration::from_secs(3);

/// A proxy at work, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    agent: ureq::Agent,
    upstream: String,
    chance: Mutex<ChaCha8Rng>,
    weather: Mutex<Weather>,
    injected: Mutex<BTreeMap<Fault, u64>>,
    /// How often each operation was called on each resource.
    calls: Mutex<BTreeMap<(Service, String, String), u64>>,
    /// Until when connections are refused.
    outage: Mutex<Option<Instant>>,
    /// By their clients' addresses.
    connections: Mutex<BTreeMap<SocketAddr, TcpStream>>,
    /// Copies of received messages, to be delivered a second time.
    copies: Mutex<VecDeque<Value>>,
    ended: AtomicBool,
}

/// What became of a call that a fault was to strike.
struct Struck {
    reply: Reply,
    /// The fault made a difference.
    changed: bool,
}

/// What goes back to the program.
enum Reply {
    Answer(u16, String),
    /// Its bytes come over that time.
    Drip(u16, String, Duration),
    /// The connection is reset.
    Reset,
    /// The connection stays open for that time, and then closes.
    Silence(Duration),
}

impl Proxy {
    /// A proxy before the tests' emulator, with nothing going wrong yet.
    pub fn start(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("it is bound");
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let shared = Arc::new(Shared {
            agent: config.into(),
            upstream: Emulator::shared().url(),
            chance: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
            weather: Mutex::default(),
            injected: Mutex::default(),
            calls: Mutex::default(),
            outage: Mutex::default(),
            connections: Mutex::default(),
            copies: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || served.listen(listener, address));
        Self { address, shared }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on this goes wrong.
    pub fn set_weather(&self, weather: Weather) {
        *lock(&self.shared.weather) = weather;
    }

    /// Refuses connections for that time, and resets those that are open.
    pub fn break_off(&self, lasting: Duration) {
        self.shared.break_off(lasting);
    }

    /// How often each fault has struck.
    pub fn injected(&self) -> BTreeMap<Fault, u64> {
        lock(&self.shared.injected).clone()
    }

    /// How often this fault has struck.
    pub fn count(&self, fault: Fault) -> u64 {
        self.injected().get(&fault).copied().unwrap_or(0)
    }

    /// Every call that came through: service, operation, and the table or queue. A `PartiQL` batch goes by its
    /// verb as well, as `BatchExecuteStatement/INSERT`.
    pub fn calls(&self) -> BTreeSet<(Service, String, String)> {
        lock(&self.shared.calls).keys().cloned().collect()
    }

    /// All calls that came, whatever became of them.
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
    /// Takes connections; during an outage there is no listener, so that they are refused.
    fn listen(self: Arc<Self>, mut listener: TcpListener, address: SocketAddr) {
        listener.set_nonblocking(true).expect("a socket can be so");
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
                listener.set_nonblocking(true).expect("a socket can be so");
            }
            let Ok((connection, client)) = listener.accept() else {
                sleep(Duration::from_millis(2));
                continue;
            };
            connection.set_nonblocking(false).expect("a socket can be so");
            let _ = connection.set_nodelay(true);
            let Ok(held) = connection.try_clone() else { continue };
            lock(&self.connections).insert(client, held);
            let served = Arc::clone(&self);
            std::thread::spawn(move || {
                let mut connection = Connection::of(connection);
                let is_reset = served.converse(&mut connection).is_none();
                // A connection is closed when nobody holds it any more.
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

    /// Answers until the client closes the connection or nobody shall use it any more; `None` where it is to be
    /// reset.
    fn converse(&self, connection: &mut Connection) -> Option<()> {
        const HEADERS: [(&str, &str); 1] = [("Content-Type", "application/x-amz-json-1.0")];
        while let Some(request) = connection.request() {
            match self.reply(&request) {
                Reply::Answer(status, body) => connection.answer(status, &HEADERS, &body)?,
                Reply::Drip(status, body, over) => connection.drip(status, &HEADERS, &body, over)?,
                Reply::Silence(lasting) => {
                    sleep(lasting);
                    return Some(());
                }
                Reply::Reset => return None,
            }
        }
        Some(())
    }

    fn reply(&self, request: &Request) -> Reply {
        let Some(call) = call(request) else {
            return self.forward(request, &request.body);
        };
        self.note(&call);
        let struck = lock(&self.weather).strike(&call, self.chance_of_a_call());
        let Some(fault) = struck else {
            return self.with_copies(&call, self.forward(request, &request.body));
        };
        let struck = self.strike(fault, &call, request);
        if struck.changed {
            *lock(&self.injected).entry(fault).or_default() += 1;
        }
        struck.reply
    }

    /// A lone fault strikes the first call it can strike: what is to be shown is shown.
    fn chance_of_a_call(&self) -> f64 {
        if lock(&self.injected).is_empty() { 0.0 } else { lock(&self.chance).random() }
    }

    /// What the fault makes of the call.
    fn strike(&self, fault: Fault, call: &Call, request: &Request) -> Struck {
        let refuse = |status, code: &str| {
            Reply::Answer(status, json!({"__type": code, "message": "struck by the proxy"}).to_string())
        };
        let done = || self.forward(request, &request.body);
        let reply = match fault {
            Fault::InternalError => refuse(500, "InternalServerError"),
            Fault::Unavailable => refuse(503, "ServiceUnavailable"),
            Fault::ProvisionedThroughputExceeded => refuse(400, "ProvisionedThroughputExceededException"),
            Fault::DynamoThrottling => refuse(400, "com.amazon.coral.availability#ThrottlingException"),
            Fault::RequestLimitExceeded => refuse(400, "RequestLimitExceeded"),
            Fault::RequestThrottled => refuse(403, "com.amazonaws.sqs#RequestThrottled"),
            Fault::SqsThrottling => refuse(400, "ThrottlingException"),
            Fault::OverLimit => refuse(403, "com.amazonaws.sqs#OverLimit"),
            Fault::ExpiredToken => refuse(400, "ExpiredTokenException"),
            Fault::ResetBefore => Reply::Reset,
            Fault::AnswerLost => {
                done();
                Reply::Reset
            }
            Fault::InternalErrorAfterwards => {
                done();
                refuse(500, "InternalServerError")
            }
            Fault::Silence => Reply::Silence(SILENCE),
            Fault::SlowDrip => match done() {
                Reply::Answer(status, body) => Reply::Drip(status, body, LATENCY),
                other => other,
            },
            Fault::Latency => {
                let reply = done();
                sleep(LATENCY);
                reply
            }
            Fault::Refused => {
                self.break_off(OUTAGE);
                Reply::Reset
            }
            Fault::DeliveredTwice => return self.deliver_twice(request),
            Fault::CountsTooLow => return self.altered(request, |told| miscount(told, |_| 0)),
            Fault::CountsTooHigh => return self.altered(request, |told| miscount(told, |count| count + 3)),
            Fault::EntryFailed
            | Fault::EntryThrottled
            | Fault::EntryAnswerLost
            | Fault::StaleReceipt
            | Fault::StatementThrottled
            | Fault::StatementThroughputExceeded
            | Fault::StatementLimitExceeded
            | Fault::StatementFailed
            | Fault::StatementConflict
            | Fault::StatementAnswerLost
            | Fault::ItemNotReturned
            | Fault::UnprocessedKeys => return self.operate(fault, call, request),
        };
        Struck { reply, changed: true }
    }

    /// Lets a part of a batch fail.
    fn operate(&self, fault: Fault, call: &Call, request: &Request) -> Struck {
        let Some(surgery) = Surgery::new(fault, call, || lock(&self.chance).random()) else {
            return Struck { reply: self.forward(request, &request.body), changed: false };
        };
        match surgery.request(call) {
            None => Struck {
                reply: Reply::Answer(200, surgery.answer(call, nothing_done()).to_string()),
                changed: true,
            },
            Some(left) => {
                let reply = self.forward(request, left.to_string().as_bytes());
                alter(reply, |told| *told = surgery.answer(call, told.take()))
            }
        }
    }

    /// Keeps a copy of a message that is received, for the next who receives.
    fn deliver_twice(&self, request: &Request) -> Struck {
        let mut changed = false;
        let struck = self.altered(request, |told| {
            if let Some(message) = told["Messages"].get(0) {
                lock(&self.copies).push_back(message.clone());
                changed = true;
            }
        });
        Struck { changed, ..struck }
    }

    /// Forwards a call, and tells the program something else than the service did.
    fn altered(&self, request: &Request, how: impl FnOnce(&mut Value)) -> Struck {
        alter(self.forward(request, &request.body), how)
    }

    /// Adds a copy to what is received, where there is one and room for it.
    fn with_copies(&self, call: &Call, reply: Reply) -> Reply {
        let Reply::Answer(200, body) = &reply else { return reply };
        if call.operation != "ReceiveMessage" || lock(&self.copies).is_empty() {
            return reply;
        }
        let mut told: Value = serde_json::from_str(body).unwrap_or_default();
        let mut messages = told["Messages"].as_array().cloned().unwrap_or_default();
        let most = call.input["MaxNumberOfMessages"].as_u64().unwrap_or(1);
        if (messages.len() as u64) < most {
            messages.extend(lock(&self.copies).pop_front());
        }
        told["Messages"] = messages.into();
        Reply::Answer(200, told.to_string())
    }

    fn forward(&self, request: &Request, body: &[u8]) -> Reply {
        let mut forwarded = self.agent.post(&self.upstream);
        for name in ["authorization", "content-type", "x-amz-target", "x-amz-date"] {
            if let Some(value) = request.headers.get(name) {
                forwarded = forwarded.header(name, value);
            }
        }
        let Ok(mut told) = forwarded.send(body) else { return Reply::Reset };
        match told.body_mut().with_config().limit(u64::MAX).read_to_string() {
            Ok(body) => Reply::Answer(told.status().as_u16(), body),
            Err(_) => Reply::Reset,
        }
    }

    fn note(&self, call: &Call) {
        let verb = call.statement().and_then(|text| text.split(' ').next());
        let operation = verb.map_or(call.operation.clone(), |verb| format!("{}/{verb}", call.operation));
        let resource = call.resource().unwrap_or_default().to_owned();
        *lock(&self.calls).entry((call.service, operation, resource)).or_default() += 1;
    }
}

/// Changes an answer, where it is one.
fn alter(reply: Reply, how: impl FnOnce(&mut Value)) -> Struck {
    let Reply::Answer(200, body) = &reply else { return Struck { reply, changed: false } };
    let told: Value = serde_json::from_str(body).unwrap_or_default();
    let mut altered = told.clone();
    how(&mut altered);
    Struck { changed: altered != told, reply: Reply::Answer(200, altered.to_string()) }
}

fn miscount(told: &mut Value, wrong: impl Fn(u64) -> u64) {
    for (name, count) in told["Attributes"].as_object_mut().into_iter().flatten() {
        if let Some(right) = count.as_str().and_then(|text| text.parse().ok())
            && name.starts_with("ApproximateNumberOf")
        {
            *count = wrong(right).to_string().into();
        }
    }
}

fn call(request: &Request) -> Option<Call> {
    let (service, operation) = request.headers.get("x-amz-target")?.split_once('.')?;
    let service = match service {
        "AmazonSQS" => Service::Sqs,
        "DynamoDB_20120810" => Service::DynamoDb,
        _ => return None,
    };
    Some(Call {
        service,
        operation: operation.to_owned(),
        input: serde_json::from_slice(&request.body).ok()?,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
