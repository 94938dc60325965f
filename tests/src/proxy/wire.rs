//! As much of HTTP/1.1 as the programs speak to AWS: requests with a length, kept-alive connections.

use std::io::{BufRead, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Request {
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Reads the next request; `None` when the connection is closed, or speaks something else.
    pub(crate) fn read(from: &mut impl BufRead) -> Option<Self> {
        line(from)?;
        let mut headers = Vec::new();
        loop {
            let header = line(from)?;
            let Some((name, value)) = header.split_once(':') else { break };
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self { headers, body: Vec::new() };
        let length = request.header("content-length").map_or(Some(0), |length| length.parse().ok())?;
        request.body.resize(length, 0);
        from.read_exact(&mut request.body).ok()?;
        Some(request)
    }
}

fn line(from: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    from.read_line(&mut line).ok().filter(|read| *read > 0)?;
    Some(line.trim_end().to_owned())
}

/// An answer in the AWS JSON protocol.
pub(crate) fn answer(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Told\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Writes an answer in small pieces, over about that time.
pub(crate) fn drip(connection: &mut TcpStream, answer: &[u8], over: Duration) -> Option<()> {
    const PIECES: u32 = 20;
    for piece in answer.chunks(answer.len().div_ceil(PIECES as usize).max(1)) {
        connection.write_all(piece).ok()?;
        std::thread::sleep(over / PIECES);
    }
    Some(())
}
