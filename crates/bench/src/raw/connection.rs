//! One kept-alive HTTP/1.1 connection, as little of it as the services need.

use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where the services are: `http://HOST:PORT`.
#[derive(Debug, Clone)]
pub struct Endpoint(String);

impl FromStr for Endpoint {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let authority = text.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        match authority {
            Some(authority) if authority.contains(':') && !authority.contains('/') => {
                Ok(Self(authority.to_owned()))
            }
            _ => bail!("an endpoint is written http://HOST:PORT"),
        }
    }
}

impl Endpoint {
    pub(super) fn authority(&self) -> &str {
        &self.0
    }
}

/// A connection that is made when it is needed, and made again when the other side has closed it.
#[derive(Debug)]
pub struct Connection {
    endpoint: Endpoint,
    stream: Option<TcpStream>,
    /// What was read of an answer.
    buffer: Vec<u8>,
    requests: u64,
}

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Where the body begins, and how long it is.
    body: usize,
    length: usize,
    closes: bool,
}

impl Connection {
    /// A connection that will lead there.
    pub fn to(endpoint: &Endpoint) -> Self {
        Self { endpoint: endpoint.clone(), stream: None, buffer: Vec::with_capacity(16 * 1024), requests: 0 }
    }

    /// How many requests were made.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Makes one request, and returns the body of its answer, which has to be a 200.
    pub async fn call(&mut self, request: &[u8]) -> anyhow::Result<Vec<u8>> {
        // A kept-alive connection may be closed at any time. It was so before this request reached anyone, where
        // not one byte of an answer comes; on a new connection the same would be a failure.
        let kept = self.stream.is_some();
        let head = match self.ask(request).await? {
            Some(head) => head,
            None if kept => {
                self.ask(request).await?.context("the connection was closed without an answer")?
            }
            None => bail!("the connection was closed without an answer"),
        };
        self.requests += 1;
        if head.closes {
            self.stream = None;
        }
        let body = &self.buffer[head.body..head.body + head.length];
        ensure!(head.status == 200, "an answer of {}: {}", head.status, String::from_utf8_lossy(body));
        Ok(body.to_vec())
    }

    /// Asks, and reads the whole answer into the buffer; `None` where the connection was closed instead.
    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Option<Head>> {
        self.buffer.clear();
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(self.endpoint.authority()).await;
                let stream = stream.with_context(|| format!("cannot reach {}", self.endpoint.authority()))?;
                stream.set_nodelay(true)?;
                none.insert(stream)
            }
        };
        let mut head: Option<Head> = None;
        let mut closed = stream.write_all(request).await.is_err();
        while !closed {
            if head.is_none() {
                head = read_head(&self.buffer)?;
            }
            if head.as_ref().is_some_and(|head| self.buffer.len() >= head.body + head.length) {
                return Ok(head);
            }
            closed = !matches!(stream.read_buf(&mut self.buffer).await, Ok(1..));
        }
        self.stream = None;
        ensure!(self.buffer.is_empty(), "the connection was closed in the middle of an answer");
        Ok(None)
    }
}

/// Reads the head of an answer; `None` while it is not complete.
fn read_head(answer: &[u8]) -> anyhow::Result<Option<Head>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&answer[..end]).context("the head of an answer is no text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let mut head = Head {
        status: status.context("an answer without a status")?,
        body: end + 4,
        length: 0,
        closes: false,
    };
    let mut told = false;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            head.length = value.parse().context("a Content-Length that is no number")?;
            told = true;
        } else if name.eq_ignore_ascii_case("connection") {
            head.closes = value.eq_ignore_ascii_case("close");
        }
    }
    ensure!(told, "an answer without Content-Length");
    Ok(Some(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\nConnection: Close\r\n\r\n{}";
        let head = Head { status: 400, body: answer.len() - 2, length: 2, closes: true };
        assert_eq!(read_head(answer).unwrap(), Some(head));
        assert_eq!(read_head(&answer[..answer.len() - 4]).unwrap(), None);
        assert!(read_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "nothing says where it ends");
    }

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        for good in ["http://127.0.0.1:4566", "http://localhost:1/"] {
            assert!(good.parse::<Endpoint>().is_ok(), "{good}");
        }
        for bad in
            ["", "127.0.0.1:4566", "https://127.0.0.1:4566", "http://localhost", "http://localhost:1/x"]
        {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
