//! What all viewers share: one state of the run, and each update serialised once for all of them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use stentor_cli::format;
use stentor_run_view::reader::ReadResult;
use stentor_run_view::reading::Target;
use stentor_run_view::snapshot::Snapshot;
use stentor_run_view::state::RunState;
use stentor_run_view::status::RunStatus;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::prometheus;
use crate::update::page_update;

/// The broadcast that the reader writes, and every viewer reads.
#[derive(Debug)]
pub(crate) struct Broadcast {
    target: Target,
    interval: Duration,
    began: Instant,
    state: Mutex<RunState>,
    /// The present update as an event of the stream.
    update: watch::Sender<Bytes>,
}

impl Broadcast {
    pub(crate) fn new(target: Target, interval: Duration) -> Self {
        let broadcast = Self {
            target,
            interval,
            began: Instant::now(),
            state: Mutex::default(),
            update: watch::Sender::new(Bytes::new()),
        };
        broadcast.republish();
        broadcast
    }

    /// Takes in the result of a poll, and sends it to every viewer.
    pub(crate) fn publish(&self, result: ReadResult) {
        self.state().update(result, self.now());
        self.republish();
    }

    /// Sends the state again, for time alone may change the status.
    pub(crate) fn republish(&self) {
        let state = self.state();
        let update = page_update(&state, &self.target, self.now(), self.interval);
        self.update.send_replace(format!("event: update\ndata: {}\n\n", format::json_line(&update)).into());
    }

    /// Returns whether AWS has ever answered.
    pub(crate) fn has_answer(&self) -> bool {
        self.state().has_answer()
    }

    /// The status now.
    pub(crate) fn status(&self) -> RunStatus {
        self.state().status(self.now(), self.interval, &self.target.connection)
    }

    /// The present update, and each later one.
    pub(crate) fn updates(&self) -> watch::Receiver<Bytes> {
        self.update.subscribe()
    }

    /// The time on this broadcast's clock, which updates refer to, as an event of the stream.
    pub(crate) fn tick(&self) -> Bytes {
        format!("event: clock\ndata: {:.3}\n\n", self.now().as_secs_f64()).into()
    }

    /// The last snapshot as JSON; the reason where there is none.
    pub(crate) fn snapshot(&self) -> Result<String, String> {
        let state = self.state();
        match &state.view {
            Some(view) => Ok(format::json_line(&Snapshot::of(view))),
            None => Err(state.status(self.now(), self.interval, &self.target.connection).sentence),
        }
    }

    /// Why the last answer is too old; `None` while it is fresh.
    pub(crate) fn stale_reason(&self) -> Option<String> {
        self.state().stale_reason(self.now(), self.interval)
    }

    /// All figures in Prometheus' text format.
    pub(crate) fn metrics(&self) -> String {
        prometheus::render(&self.state(), &self.target, self.now(), self.interval)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
