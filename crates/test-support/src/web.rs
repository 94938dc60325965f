//! Plain HTTP requests to a monitor's live page.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::build::checkout;
use crate::process::{Process, Program};
use crate::python::python_with;
use crate::time_limit;

/// A monitor that serves its live page.
#[derive(Debug)]
pub struct Page {
    running: Process,
    /// Host and port of the page.
    address: String,
}

/// A response of the page.
#[derive(Debug)]
pub struct PageResponse {
    /// Status code, such as 200.
    pub status: u16,
    head: String,
    /// Response body.
    pub body: String,
}

/// An open stream of server-sent events.
#[derive(Debug)]
pub struct Events(BufReader<TcpStream>);

impl Program {
    /// Starts `monitor serve`, and waits until it prints the address of its page.
    #[track_caller]
    pub fn start_page(self) -> Page {
        let mut running = self.start();
        let start = Instant::now();
        loop {
            let said = running.stderr_so_far();
            let rest = said.split_once("watching on http://").and_then(|(_, rest)| rest.split_once("/ "));
            if let Some((place, _)) = rest {
                // Without the base path.
                let address = place.split('/').next().unwrap_or(place);
                return Page { address: address.to_owned(), running };
            }
            let is_late = start.elapsed() > time_limit();
            assert!(running.is_running() && !is_late, "it does not print the address of its page: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Page {
    /// Host and port of the page.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the URL of the page.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Returns the monitor's process.
    pub fn program(&mut self) -> &mut Process {
        &mut self.running
    }

    /// Returns the monitor's process, and consumes the page.
    pub fn into_program(self) -> Process {
        self.running
    }

    /// Sends a GET request for that path.
    #[track_caller]
    pub fn get(&self, path: &str) -> PageResponse {
        self.ask("GET", path, &[("Host", &self.address)])
    }

    /// Sends a request with that method and only these headers.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> PageResponse {
        let mut connection = self.connect();
        let headers: String =
            headers.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]).collect();
        write!(connection, "{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n")
            .expect("it takes a request");
        let mut text = String::new();
        connection.read_to_string(&mut text).expect("it answers in UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer has headers");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        PageResponse { status: status.expect("a status"), head: head.to_owned(), body: body.to_owned() }
    }

    /// Opens the stream of events.
    #[track_caller]
    pub fn listen(&self) -> Events {
        let mut connection = self.connect();
        write!(connection, "GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", self.address)
            .expect("it takes a request");
        Events(BufReader::new(connection))
    }

    #[track_caller]
    fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(&self.address).expect("the page takes connections");
        connection.set_read_timeout(Some(time_limit())).expect("a connection has a timeout");
        connection
    }
}

impl PageResponse {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers.find_map(|(other, value)| other.eq_ignore_ascii_case(name).then_some(value))
    }

    /// Parses the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// Parses the body, metrics in Prometheus' text format, with the parser of Prometheus' client library.
    /// Returns `type`, `help` and `samples {name, labels, value}` by the name of each family.
    #[track_caller]
    pub fn metrics(&self) -> Value {
        let folder = checkout().join("tests/prometheus");
        let python =
            python_with(Some(&folder.join("requirements.txt"))).expect("the parser can be installed");
        let mut parser = Command::new(python)
            .arg("-B")
            .arg(folder.join("parse.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        parser.stdin.take().expect("a pipe").write_all(self.body.as_bytes()).expect("it reads");
        let parsed = parser.wait_with_output().expect("it ends");
        assert!(parsed.status.success(), "the parser refuses {}", self.body);
        serde_json::from_slice(&parsed.stdout).expect("it prints JSON")
    }
}

impl Events {
    /// Waits for the next update of the page; other events are skipped.
    #[track_caller]
    pub fn update(&mut self) -> Value {
        loop {
            let (name, data) = self.event();
            if name == "update" {
                return serde_json::from_str(&data).expect("an update is JSON");
            }
        }
    }

    /// Waits for the next event, and returns its name and data.
    #[track_caller]
    pub fn event(&mut self) -> (String, String) {
        let (mut name, mut data) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line).expect("the stream continues");
            assert!(read > 0, "the stream has ended");
            match line.trim_end().split_once(": ") {
                Some(("event", value)) => value.clone_into(&mut name),
                Some(("data", value)) => value.clone_into(&mut data),
                // An empty line ends an event. All other lines are headers and chunk sizes.
                _ if line == "\n" && !name.is_empty() => return (name, data),
                _ => {}
            }
        }
    }

    /// Waits for an update that satisfies the condition.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let update = self.update();
            if is_so(&update) {
                return update;
            }
            assert!(start.elapsed() < time_limit(), "{what} does not come; the last was {update}");
        }
    }

    /// Waits for the end of the stream.
    #[track_caller]
    pub fn end(mut self) {
        let mut rest = Vec::new();
        // A reset also ends the stream.
        let _ = self.0.read_to_end(&mut rest);
    }
}
