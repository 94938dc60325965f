//! The aggregator's `bootstrap`, invoked through a fake of the Lambda Runtime API.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::{Response, StatusCode};
use serde_json::Value;
use stentor_fake_aws::http::{CloseConnection, Handler, HttpRequest, HttpResponse, HttpServer};
use tokio::sync::mpsc;

use crate::build::ProgramPaths;
use crate::{Emulator, Stack};

/// Maximum duration of an invocation.
const INVOCATION_TIMEOUT: Duration = Duration::from_secs(60);

/// Interval at which a function that does not respond is checked for its end.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

const SIGKILL: i32 = 9;

/// A running instance of the function. It is killed when this is dropped.
#[derive(Debug)]
pub struct Function {
    process: FunctionProcess,
    events: mpsc::UnboundedSender<String>,
    results: Receiver<InvocationResult>,
    started: Instant,
    /// Times of the function's requests for events.
    requests: Receiver<Instant>,
    _api: HttpServer,
}

/// The result of an invocation.
#[derive(Debug, PartialEq)]
pub enum InvocationResult {
    /// The function responded.
    Answered(Value),
    /// The function reported an error.
    Failed(Value),
    /// The function was killed before its response.
    Killed,
}

/// The process of an instance.
#[derive(Debug, Clone)]
pub struct FunctionProcess(Arc<Mutex<Child>>);

impl FunctionProcess {
    /// Kills it with SIGKILL, and waits for its end.
    pub fn kill(&self) {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = process.kill();
        let _ = process.wait();
    }

    /// Returns the exit status, or `None` while the process runs.
    fn status(&self) -> Option<ExitStatus> {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        process.try_wait().expect("it is our child")
    }
}

impl Function {
    /// Starts an instance that writes to the stack's metrics table and takes events of several shards.
    pub fn start(stack: &Stack) -> Self {
        Self::start_at(&Emulator::shared().url(), &format!("{}-metrics", stack.name()), "test")
    }

    /// Starts an instance that writes to a table at that endpoint and signs with that access key.
    pub fn start_at(endpoint: &str, metrics_table: &str, access_key: &str) -> Self {
        Self::start_program(&ProgramPaths::get().bootstrap, endpoint, metrics_table, access_key)
    }

    /// Starts an instance of that program.
    pub fn start_program(program: &Path, endpoint: &str, metrics_table: &str, access_key: &str) -> Self {
        let (events, queued) = mpsc::unbounded_channel();
        let (result_sender, results) = channel();
        let (request_sender, requests) = channel();
        let handler = RuntimeApi { events: queued.into(), results: result_sender, requests: request_sender };
        let api = HttpServer::bind()
            .and_then(|listener| HttpServer::serve("runtime-api", listener, Arc::new(handler)))
            .expect("a loopback port is free");
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
        let process = FunctionProcess(Arc::new(Mutex::new(process)));
        Self { process, events, results, started, requests, _api: api }
    }

    /// Waits for the first request for an event, and returns the time since the start. Call it once, before any
    /// invocation.
    #[track_caller]
    pub fn cold_start(&self) -> Duration {
        let requested =
            self.requests.recv_timeout(INVOCATION_TIMEOUT).expect("the function asks for an event");
        requested.duration_since(self.started)
    }

    /// Invokes the function with an event, and returns its response or its error.
    #[track_caller]
    pub fn invoke(&self, event: &Value) -> Result<Value, Value> {
        self.invoke_with(event.to_string())
    }

    /// Invokes the function with an event as JSON, and returns its response or its error.
    #[track_caller]
    pub fn invoke_with(&self, event: String) -> Result<Value, Value> {
        self.events.send(event).expect("the Runtime API runs");
        match self.finish() {
            InvocationResult::Answered(response) => Ok(response),
            InvocationResult::Failed(error) => Err(error),
            InvocationResult::Killed => panic!("the function was killed before its response"),
        }
    }

    /// Invokes the function with an event, without waiting for the result.
    pub fn begin(&self, event: &Value) {
        self.events.send(event.to_string()).expect("the Runtime API runs");
    }

    /// Waits for the result of the invocation in progress.
    #[track_caller]
    pub fn finish(&self) -> InvocationResult {
        let begun = Instant::now();
        loop {
            match self.results.recv_timeout(CHECK_INTERVAL) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) => match self.process.status() {
                    None => assert!(begun.elapsed() < INVOCATION_TIMEOUT, "the function does not respond"),
                    Some(status) if status.signal() == Some(SIGKILL) => return InvocationResult::Killed,
                    Some(status) => panic!("the function ended by itself: {status}"),
                },
                Err(RecvTimeoutError::Disconnected) => panic!("the Runtime API has ended"),
            }
        }
    }

    /// Returns the process.
    pub fn process(&self) -> &FunctionProcess {
        &self.process
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.process.kill();
    }
}

/// A fake of the Lambda Runtime API for one instance.
struct RuntimeApi {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
    results: Sender<InvocationResult>,
    requests: Sender<Instant>,
}

impl Handler for RuntimeApi {
    async fn handle(&self, request: HttpRequest) -> Result<HttpResponse, CloseConnection> {
        let path = request.uri().path();
        if path.ends_with("/invocation/next") {
            self.requests.send(Instant::now()).map_err(|_| CloseConnection)?;
            let event = self.events.lock().await.recv().await.ok_or(CloseConnection)?;
            let response = Response::builder()
                .header("Content-Type", "application/json")
                .header("Lambda-Runtime-Aws-Request-Id", "1")
                .header("Lambda-Runtime-Deadline-Ms", "9999999999999")
                .header(
                    "Lambda-Runtime-Invoked-Function-Arn",
                    "arn:aws:lambda:us-east-1:123456789012:function:aggregator",
                )
                .header("Lambda-Runtime-Trace-Id", "Root=1");
            return Ok(response.body(Full::from(event)).expect("the headers are valid"));
        }
        let body = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
        let is_response = path.ends_with("/response");
        let result =
            if is_response { InvocationResult::Answered(body) } else { InvocationResult::Failed(body) };
        self.results.send(result).map_err(|_| CloseConnection)?;
        let mut accepted = HttpResponse::default();
        *accepted.status_mut() = StatusCode::ACCEPTED;
        Ok(accepted)
    }
}
