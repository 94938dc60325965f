//! What all viewers share: one memory of the run, and each update written once for them all.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use stentor_cli::format;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::prometheus;
use crate::update::Update;
use stentor_run_view::view::{Answer, Known, Place, State};

/// The broadcast that the reader writes on, and every viewer reads.
#[derive(Debug)]
pub(crate) struct Broadcast {
    place: Place,
    every: Duration,
    began: Instant,
    known: Mutex<Known>,
    /// The present view as an event of the stream.
    update: watch::Sender<Bytes>,
}

impl Broadcast {
    pub(crate) fn new(place: Place, every: Duration) -> Self {
        let broadcast = Self {
            place,
            every,
            began: Instant::now(),
            known: Mutex::default(),
            update: watch::Sender::new(Bytes::new()),
        };
        broadcast.tell(&broadcast.known());
        broadcast
    }

    /// Takes in what came, and tells every viewer.
    pub(crate) fn learn(&self, answer: Answer) {
        let mut known = self.known();
        known.learn(answer, self.now());
        self.tell(&known);
    }

    /// How the run stands now.
    pub(crate) fn state(&self) -> State {
        self.known().state(self.now(), self.every)
    }

    /// Tells every viewer once more, since time alone has changed how the run stands.
    pub(crate) fn republish(&self) {
        self.tell(&self.known());
    }

    fn tell(&self, known: &Known) {
        let update = Update::of(known, &self.place, self.now(), self.every);
        self.update.send_replace(format!("event: update\ndata: {}\n\n", format::json_line(&update)).into());
    }

    /// The present view, and each later one.
    pub(crate) fn updates(&self) -> watch::Receiver<Bytes> {
        self.update.subscribe()
    }

    /// The time by this broadcast's clock, by which updates tell when their data came, as an event of the stream.
    pub(crate) fn clock(&self) -> Bytes {
        format!("event: clock\ndata: {:.3}\n\n", self.now().as_secs_f64()).into()
    }

    /// The last snapshot as JSON; while there is none, why.
    pub(crate) fn snapshot(&self) -> Result<String, String> {
        let known = self.known();
        match &known.data {
            Some(data) => Ok(format::json_line(&data.snapshot)),
            None => Err(known.state(self.now(), self.every).why),
        }
    }

    /// Why the answers are not fresh; `None` while they are.
    pub(crate) fn silence(&self) -> Option<String> {
        self.known().silence(self.now(), self.every)
    }

    /// All figures in Prometheus' text format.
    pub(crate) fn metrics(&self) -> String {
        prometheus::render(&self.known(), &self.place, self.now(), self.every)
    }

    /// Since the broadcast was put up.
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
