//! Concurrent clients of the monitor's page, each of which reads its stream of events.

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

/// Maximum time until every client has its first update.
const TIME_LIMIT: Duration = Duration::from_secs(20);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The start of an event with an update.
const UPDATE: &[u8] = b"event: update\n";

/// The end of an event (HTML Living Standard, "Server-sent events").
const END: &[u8] = b"\n\n";

/// Connected clients. Dropping it closes their connections.
#[derive(Debug)]
pub struct Viewers {
    counters: Arc<ViewerCounters>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct ViewerCounters {
    /// Viewers that have received an update.
    present: AtomicUsize,
    updates: AtomicU64,
}

impl Viewers {
    /// Connects `count` clients, and waits until each has received an update of the run.
    pub fn connect(to: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let counters = Arc::new(ViewerCounters::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&counters);
        let thread = std::thread::Builder::new().name("viewers".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut viewers = JoinSet::new();
                for _ in 0..count {
                    viewers.spawn(view(to, Arc::clone(&shared)));
                }
                let _ = stopped.await;
            });
        })?;
        let viewers = Self { counters, stop: Some(stop), thread: Some(thread) };
        let start = Instant::now();
        while viewers.counters.present.load(Ordering::Relaxed) < count {
            let present = viewers.counters.present.load(Ordering::Relaxed);
            ensure!(start.elapsed() < TIME_LIMIT, "only {present} of {count} viewers see the run");
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(viewers)
    }

    /// Updates that all clients together have received so far.
    pub fn updates(&self) -> u64 {
        self.counters.updates.load(Ordering::Relaxed)
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

/// Reads a stream of events to its end. Retries until the page is served.
async fn view(to: SocketAddr, counters: Arc<ViewerCounters>) -> anyhow::Result<()> {
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
                counters.updates.fetch_add(1, Ordering::Relaxed);
                if std::mem::take(&mut is_new) {
                    counters.present.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}
