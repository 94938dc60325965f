//! The server's side of HTTP/1.1, as far as stand-ins need it: one request after the other on a connection.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::SockRef;

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// By names in small letters.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
}

/// A server on a loopback port, until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Server {
    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // It looks when the next one connects.
        let _ = TcpStream::connect(self.address);
    }
}

/// Serves each connection in a thread of its own.
pub(crate) fn serve(converse: impl Fn(Connection) + Clone + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = listener.local_addr().expect("it is bound");
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            // An answer is two small writes, and the client waits for the second.
            let _ = stream.set_nodelay(true);
            let converse = converse.clone();
            std::thread::spawn(move || converse(Connection::of(stream)));
        }
    });
    Server { address, stopped }
}

impl Connection {
    /// A connection that a client has made.
    pub(crate) fn of(stream: TcpStream) -> Self {
        Self { reader: BufReader::new(stream) }
    }

    /// The next request; `None` when the connection is closed.
    pub(crate) fn request(&mut self) -> Option<Request> {
        let path = self.line()?.split_whitespace().nth(1)?.to_owned();
        let mut headers = HashMap::new();
        while let Some((name, value)) = self.line()?.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let chunked = headers.get("transfer-encoding").is_some_and(|value| value.contains("chunked"));
        let body = if chunked {
            self.chunks()?
        } else {
            let length = headers.get("content-length").map_or(Some(0), |value| value.parse().ok())?;
            self.bytes(length)?
        };
        Some(Request { path, headers, body })
    }

    /// Answers it; `None` when the connection is closed.
    pub(crate) fn answer(&mut self, status: u16, headers: &[(&str, &str)], body: &str) -> Option<()> {
        self.reader.get_mut().write_all(answer(status, headers, body).as_bytes()).ok()
    }

    /// Answers it in small pieces, over about that time; `None` when the connection is closed.
    pub(crate) fn drip(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
        over: Duration,
    ) -> Option<()> {
        const PIECES: usize = 20;
        let answer = answer(status, headers, body);
        for piece in answer.as_bytes().chunks(answer.len().div_ceil(PIECES)) {
            self.reader.get_mut().write_all(piece).ok()?;
            std::thread::sleep(over.div_f64(PIECES as f64));
        }
        Some(())
    }

    /// Breaks it off, as a failing network does.
    pub(crate) fn reset(self) {
        // It is closed below; with no time to linger that is a reset.
        let _ = SockRef::from(self.reader.get_ref()).set_linger(Some(Duration::ZERO));
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    }

    fn bytes(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line()?, 16).ok()?;
            body.extend(self.bytes(length)?);
            self.line()?;
            if length == 0 {
                return Some(body);
            }
        }
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]).collect();
    let length = body.len();
    format!("HTTP/1.1 {status} Words\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}
