//! The aggregator's real `bootstrap`, invoked as Lambda does it: by the Lambda Runtime API.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{self, Connection, Server};
use crate::programs::Built;
use crate::{Emulator, Stack};

/// How long an invocation may take.
const INVOCATION: Duration = Duration::from_secs(60);

/// How often an instance that does not answer is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The number of `kill -9`.
const SIGKILL: i32 = 9;

/// A running function instance.
#[derive(Debug)]
pub struct Function {
    life: Life,
    events: Sender<String>,
    answers: Receiver<Invoked>,
    started: Instant,
    /// When it asked for events.
    asked: Receiver<Instant>,
    _api: Server,
}

/// What came of an invocation.
#[derive(Debug, PartialEq)]
pub enum Invoked {
    /// It was answered.
    Answered(Value),
    /// It was answered with an error.
    Failed(Value),
    /// The instance was killed before it answered.
    Killed,
}

/// The way to end an instance.
#[derive(Debug, Clone)]
pub struct Life(Arc<Mutex<Child>>);

impl Life {
    /// Ends it at once, as `kill -9` does.
    pub fn end(&self) {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = process.kill();
        let _ = process.wait();
    }

    /// How it ended; `None` while it lives.
    fn ending(&self) -> Option<ExitStatus> {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        process.try_wait().expect("it is our child")
    }
}

impl Function {
    /// Starts an instance that counts into the stack's metrics table, and takes events of several shards.
    pub fn start(stack: &Stack) -> Self {
        Self::start_at(&Emulator::shared().url(), &format!("{}-metrics", stack.name()), "test")
    }

    /// Starts an instance that counts into a table at that address, where it signs with the access key.
    pub fn start_at(endpoint: &str, metrics_table: &str, access_key: &str) -> Self {
        Self::start_program(&Built::once().bootstrap, endpoint, metrics_table, access_key)
    }

    /// Starts an instance of that program.
    pub fn start_program(program: &Path, endpoint: &str, metrics_table: &str, access_key: &str) -> Self {
        let (events, queued) = channel();
        let (answered, answers) = channel();
        let (asks, asked) = channel();
        let queued = Arc::new(Mutex::new(queued));
        let api = http::serve(move |connection| {
            let _ = converse(connection, &queued, &answered, &asks);
        });
        let started = Instant::now();
        let process = Command::new(program)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "aggregator")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", access_key)
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("STENTOR_METRICS_TABLE", metrics_table)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the bootstrap starts");
        Self { life: Life(Arc::new(Mutex::new(process))), events, answers, started, asked, _api: api }
    }

    /// How long it took from its start until it first asked for an event. To be asked once, before anything else.
    #[track_caller]
    pub fn cold_start(&self) -> Duration {
        let asked = self.asked.recv_timeout(INVOCATION).expect("the function asks for an event");
        asked.duration_since(self.started)
    }

    /// Invokes it with an event: its answer, or its error.
    #[track_caller]
    pub fn invoke(&self, event: &Value) -> Result<Value, Value> {
        self.invoke_with(event.to_string())
    }

    /// Invokes it with an event's text: its answer, or its error.
    #[track_caller]
    pub fn invoke_with(&self, event: String) -> Result<Value, Value> {
        self.events.send(event).expect("the Runtime API serves");
        match self.finish() {
            Invoked::Answered(answer) => Ok(answer),
            Invoked::Failed(error) => Err(error),
            Invoked::Killed => panic!("the function was killed before it answered"),
        }
    }

    /// Invokes it with an event, and leaves it to its work.
    pub fn begin(&self, event: &Value) {
        self.events.send(event.to_string()).expect("the Runtime API serves");
    }

    /// Waits for what comes of the invocation that was begun.
    #[track_caller]
    pub fn finish(&self) -> Invoked {
        let begun = Instant::now();
        loop {
            match self.answers.recv_timeout(LOOK) {
                Ok(invoked) => return invoked,
                Err(RecvTimeoutError::Timeout) => match self.life.ending() {
                    None => assert!(begun.elapsed() < INVOCATION, "the function does not answer"),
                    Some(status) if status.signal() == Some(SIGKILL) => return Invoked::Killed,
                    Some(status) => panic!("the function ended by itself: {status}"),
                },
                Err(RecvTimeoutError::Disconnected) => panic!("the Runtime API serves no more"),
            }
        }
    }

    /// The way to end it.
    pub fn life(&self) -> &Life {
        &self.life
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.life.end();
    }
}

/// Serves the Runtime API on a connection, until that is closed or the test has ended.
fn converse(
    mut connection: Connection,
    events: &Mutex<Receiver<String>>,
    answers: &Sender<Invoked>,
    asks: &Sender<Instant>,
) -> Option<()> {
    loop {
        let request = connection.request()?;
        if request.path.ends_with("/invocation/next") {
            asks.send(Instant::now()).ok()?;
            let event = events.lock().ok()?.recv().ok()?;
            let headers = [
                ("Content-Type", "application/json"),
                ("Lambda-Runtime-Aws-Request-Id", "1"),
                ("Lambda-Runtime-Deadline-Ms", "9999999999999"),
                (
                    "Lambda-Runtime-Invoked-Function-Arn",
                    "arn:aws:lambda:us-east-1:123456789012:function:aggregator",
                ),
                ("Lambda-Runtime-Trace-Id", "Root=1"),
            ];
            connection.answer(200, &headers, &event)?;
        } else {
            let told = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
            let answered = request.path.ends_with("/response");
            answers.send(if answered { Invoked::Answered(told) } else { Invoked::Failed(told) }).ok()?;
            connection.answer(202, &[], "")?;
        }
    }
}
