//! The server's side of HTTP/1.1 on a raw socket, which a fault can slow down or reset.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use socket2::SockRef;

/// A request, as AWS's SDK sends it.
#[derive(Debug)]
pub(crate) struct Request {
    /// Method, target and version, such as `POST / HTTP/1.1`.
    pub(crate) line: String,
    /// By lower-case name.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Whether the time of its signature is within five minutes of now.
    pub(crate) fn is_signed_recently(&self) -> bool {
        const MOST: SignedDuration = SignedDuration::from_mins(5);
        // Such as 20261130T131500Z.
        let signed_at = self.headers.get("x-amz-date").and_then(|date| date.parse::<Timestamp>().ok());
        signed_at.is_none_or(|at| Timestamp::now().duration_since(at).abs() < MOST)
    }

    /// Sends the request with this body to another server. Returns status and body of the response, if there is one.
    pub(crate) fn forward(&self, agent: &ureq::Agent, upstream: &str, body: &[u8]) -> Option<(u16, String)> {
        let mut forwarded = agent.post(upstream);
        for name in ["authorization", "content-type", "x-amz-target", "x-amz-date"] {
            if let Some(value) = self.headers.get(name) {
                forwarded = forwarded.header(name, value);
            }
        }
        let mut response = forwarded.send(body).ok()?;
        let body = response.body_mut().with_config().limit(u64::MAX).read_to_string().ok()?;
        Some((response.status().as_u16(), body))
    }
}

/// Returns a client that returns responses of every status.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

/// The connection of a client.
#[derive(Debug)]
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    /// Wraps the stream of an accepted connection.
    pub(crate) fn of(stream: TcpStream) -> Self {
        Self { reader: BufReader::new(stream) }
    }

    /// Reads the next request. Returns `None` once the connection is closed.
    pub(crate) fn request(&mut self) -> Option<Request> {
        let line = self.line()?;
        let mut headers = HashMap::new();
        while let Some((name, value)) = self.line()?.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(Some(0), |value| value.parse().ok())?;
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).ok()?;
        Some(Request { line, headers, body })
    }

    /// Sends a response. Returns `None` once the connection is closed.
    pub(crate) fn respond(&mut self, status: u16, headers: &[(&str, &str)], body: &str) -> Option<()> {
        self.reader.get_mut().write_all(response(status, headers, body).as_bytes()).ok()
    }

    /// Sends a response in small pieces over about that time. Returns `None` once the connection is closed.
    pub(crate) fn drip(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
        over: Duration,
    ) -> Option<()> {
        const PIECES: usize = 20;
        let response = response(status, headers, body);
        for piece in response.as_bytes().chunks(response.len().div_ceil(PIECES)) {
            self.reader.get_mut().write_all(piece).ok()?;
            std::thread::sleep(over.div_f64(PIECES as f64));
        }
        Some(())
    }

    /// Returns the stream, from which no more than whole requests were read.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.reader.into_inner()
    }

    /// Resets the connection, as a failing network does.
    pub(crate) fn reset(self) {
        // Closing a socket without time to linger resets it.
        let _ = SockRef::from(self.reader.get_ref()).set_linger(Some(Duration::ZERO));
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    }
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]).collect();
    let length = body.len();
    format!("HTTP/1.1 {status} Words\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}
