//! Many who look at the monitor's page at once: each holds its stream of events open, and reads along.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How long the first update of each may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What tells a viewer of the run.
const UPDATE: &[u8] = b"event: update\n";

/// What ends an event (HTML Living Standard, "Server-sent events").
const END: &[u8] = b"\n\n";

/// Viewers, until they are let go.
#[derive(Debug)]
pub struct Viewers {
    seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Viewers that saw anything.
    present: AtomicUsize,
    updates: AtomicU64,
}

impl Viewers {
    /// So many open the page's stream there; returns once each has been told of the run.
    pub fn come(to: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let seen = Arc::new(Seen::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&seen);
        let thread = std::thread::Builder::new().name("viewers".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut viewers = JoinSet::new();
                for _ in 0..count {
                    viewers.spawn(view(to, Arc::clone(&shared)));
                }
                let _ = stopped.await;
            });
        })?;
        let viewers = Self { seen, stop: Some(stop), thread: Some(thread) };
        let start = Instant::now();
        while viewers.seen.present.load(Ordering::Relaxed) < count {
            let present = viewers.seen.present.load(Ordering::Relaxed);
            ensure!(start.elapsed() < PATIENCE, "only {present} of {count} viewers see the run");
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(viewers)
    }

    /// Updates that all of them have got so far.
    pub fn updates(&self) -> u64 {
        self.seen.updates.load(Ordering::Relaxed)
    }
}

impl Drop for Viewers {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads a stream of events to its end; the page may not be served yet.
async fn view(to: SocketAddr, seen: Arc<Seen>) -> anyhow::Result<()> {
    let mut stream = loop {
        match TcpStream::connect(to).await {
            Ok(stream) => break stream,
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    };
    let request = format!("GET /events HTTP/1.1\r\nHost: {to}\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (mut unread, mut is_new) = (Vec::with_capacity(32 * 1_024), true);
    loop {
        let count = stream.read_buf(&mut unread).await.context("the stream breaks")?;
        ensure!(count > 0, "the stream ends");
        while let Some(end) = unread.windows(END.len()).position(|bytes| bytes == END) {
            let event: Vec<u8> = unread.drain(..end + END.len()).collect();
            if event.windows(UPDATE.len()).any(|bytes| bytes == UPDATE) {
                seen.updates.fetch_add(1, Ordering::Relaxed);
                if std::mem::take(&mut is_new) {
                    seen.present.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}
