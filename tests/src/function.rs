//! The aggregator's real `bootstrap`, invoked as Lambda does it: by the Lambda Runtime API.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::Value;

use crate::programs::Built;
use crate::{Emulator, Stack};

/// How long an invocation may take.
const INVOCATION: Duration = Duration::from_secs(60);

/// A running function instance.
#[derive(Debug)]
pub struct Function {
    process: Child,
    events: Sender<String>,
    answers: Receiver<Result<Value, Value>>,
}

impl Function {
    /// Starts an instance that counts into the stack's metrics table, and takes events of several shards.
    pub fn start(stack: &Stack) -> Self {
        let api = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = api.local_addr().expect("it is bound");
        let (events, queued) = channel();
        let (answered, answers) = channel();
        std::thread::spawn(move || serve(&api, &queued, &answered));
        let process = Command::new(&Built::once().bootstrap)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "aggregator")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_ENDPOINT_URL", Emulator::shared().url())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("STENTOR_METRICS_TABLE", format!("{}-metrics", stack.name()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the bootstrap starts");
        Self { process, events, answers }
    }

    /// Invokes it with an event: its answer, or its error.
    pub fn invoke(&self, event: &Value) -> Result<Value, Value> {
        self.events.send(event.to_string()).expect("the Runtime API serves");
        self.answers.recv_timeout(INVOCATION).expect("the function answers")
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves the Runtime API: one connection after the other, one invocation at a time.
fn serve(api: &TcpListener, events: &Receiver<String>, answers: &Sender<Result<Value, Value>>) {
    for connection in api.incoming() {
        let Ok(connection) = connection else { return };
        if converse(connection, events, answers).is_none() {
            return;
        }
    }
}

/// `None` when the test has ended.
fn converse(
    mut connection: TcpStream,
    events: &Receiver<String>,
    answers: &Sender<Result<Value, Value>>,
) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    while let Some((path, body)) = request(&mut reader) {
        if path.ends_with("/invocation/next") {
            let event = events.recv().ok()?;
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Lambda-Runtime-Aws-Request-Id: 1\r\nLambda-Runtime-Deadline-Ms: 9999999999999\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:0:function:aggregator\r\n\
                 Lambda-Runtime-Trace-Id: Root=1\r\n\r\n",
                event.len()
            );
            connection.write_all((head + &event).as_bytes()).ok()?;
        } else {
            let told = serde_json::from_slice(&body).unwrap_or(Value::Null);
            answers.send(if path.ends_with("/response") { Ok(told) } else { Err(told) }).ok()?;
            connection.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").ok()?;
        }
    }
    Some(())
}

/// A request's path and body; `None` when the connection is closed.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split_whitespace().nth(1)?.to_owned();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|read| *read > 0)?;
        let header = header.trim().to_ascii_lowercase();
        match header.split_once(':') {
            None => break,
            Some(("content-length", value)) => length = value.trim().parse().ok()?,
            Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
            Some(_) => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        while let Some(chunk) = chunk(reader).filter(|chunk| !chunk.is_empty()) {
            body.extend(chunk);
        }
    } else {
        body.resize(length, 0);
        reader.read_exact(&mut body).ok()?;
    }
    Some((path, body))
}

fn chunk(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut size = String::new();
    reader.read_line(&mut size).ok()?;
    let mut chunk = vec![0; usize::from_str_radix(size.trim(), 16).ok()? + 2];
    reader.read_exact(&mut chunk).ok()?;
    chunk.truncate(chunk.len() - 2);
    Some(chunk)
}
