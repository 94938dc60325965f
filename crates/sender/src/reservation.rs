//! Reserves the starts of deliveries in the provider's rate limit, which all senders share.
//!
//! It is the stage between intake and delivery: a message that has a slot waits for a reserved start. One task reserves for
//! all messages that wait, as many as this sender's share allows. A sender has at most one reservation that it has not begun,
//! since the time of a reservation is lost if the sender ends before it: the task makes the next one when the first start of
//! the last one is due.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use stentor_aws::Error;
use stentor_aws::clock::Clock;
use stentor_aws::metrics::{LimitUpdate, StoredLimit};
use stentor_core::provider::profile::ProviderProfile;
use stentor_core::provider::rate_limit::{
    LimitState, RateLimit, Request, Reservation, ShareEstimate, StartWindow, Step,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

use crate::Connections;
use crate::in_flight::{DeliveryStart, InFlightMessage};
use crate::pipeline::report_error;
use crate::prefetch::Admission;
use crate::provider_profile::check_equal;
use crate::state::SenderState;

/// Messages to hold for the next reservation while the sender's share is unknown.
const MIN_ALLOWANCE: usize = 2;

/// The width of the clock's interval to reach at the start, µs.
const CLOCK_WIDTH: u64 = 100_000;

/// The width from which on the interval is narrowed again, µs: clocks drift apart.
const MAX_CLOCK_WIDTH: u64 = 200_000;

/// Requests to narrow the interval; each halves it.
const CLOCK_REQUESTS: usize = 5;

/// The shortest time between two attempts to narrow the interval.
const NARROW_INTERVAL: Duration = Duration::from_secs(10);

/// A sender that had no message to reserve for this long does not count the reservations of the others in the meantime.
const IDLE_TIME: Duration = Duration::from_secs(1);

/// Passes messages to the task that reserves their starts.
#[derive(Debug)]
pub(crate) struct StartReservations {
    requests: UnboundedSender<StartRequest>,
    clock: Clock,
    state: Rc<SenderState>,
}

#[derive(Debug)]
struct StartRequest {
    parts: u32,
    /// Closed if the message is dropped.
    reply: oneshot::Sender<ReservedStart>,
}

#[derive(Debug)]
struct ReservedStart {
    window: StartWindow,
    admitted: Admitted,
}

/// The messages that the limit has admitted, and how many more to receive.
#[derive(Debug)]
pub(crate) struct AdmissionGauge {
    admission: Cell<Admission>,
    changed: Notify,
}

/// A message with a reserved start, until its delivery ends.
#[derive(Debug)]
pub(crate) struct Admitted(Rc<AdmissionGauge>);

impl AdmissionGauge {
    pub(crate) fn admission(&self) -> Admission {
        self.admission.get()
    }

    /// Waits until the intake may receive more.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn update(&self, change: impl FnOnce(&mut Admission)) {
        let mut admission = self.admission.get();
        change(&mut admission);
        self.admission.set(admission);
        self.changed.notify_one();
    }
}

impl Admitted {
    fn new(gauge: &Rc<AdmissionGauge>) -> Self {
        gauge.update(|admission| admission.admitted += 1);
        Self(Rc::clone(gauge))
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.update(|admission| admission.admitted -= 1);
    }
}

impl StartReservations {
    /// Marks the delivery as started at a time that is reserved for it. Returns `None` if the message must not be
    /// delivered, since its lease has expired or the sender fails.
    pub(crate) async fn start(&self, message: &InFlightMessage) -> Option<Admitted> {
        tokio::select! {
            admitted = self.start_on_time(message) => admitted,
            () = message.expired() => None,
        }
    }

    async fn start_on_time(&self, message: &InFlightMessage) -> Option<Admitted> {
        loop {
            let (reply, reserved) = oneshot::channel();
            self.requests.send(StartRequest { parts: message.parts(), reply }).ok()?;
            let ReservedStart { window, admitted } = reserved.await.ok()?;
            sleep_until_open(&window, &self.clock).await;
            let is_on_time = || window.is_on_time(self.clock.bounds_us()[1]);
            match message.start_delivery(is_on_time).await {
                DeliveryStart::Started => return Some(admitted),
                DeliveryStart::Expired => return None,
                DeliveryStart::Late => self.state.record_forfeited(message.id().run()),
            }
        }
    }
}

/// Sleeps until it is certain that the window is open.
async fn sleep_until_open(window: &StartWindow, clock: &Clock) {
    loop {
        let closed_for = window.opens_in(clock.bounds_us()[0]);
        if closed_for.is_zero() {
            return;
        }
        sleep(closed_for).await;
    }
}

/// The task that reserves the starts.
#[derive(Debug)]
pub(crate) struct ReservationStage {
    connections: Rc<Connections>,
    profile: Arc<ProviderProfile>,
    limit: RateLimit,
    requests: UnboundedReceiver<StartRequest>,
    waiting: VecDeque<StartRequest>,
    share: ShareEstimate,
    gauge: Rc<AdmissionGauge>,
    narrowed_at: Option<Instant>,
}

impl ReservationStage {
    /// Starts the task, if the profile has a rate limit. It ends with the [`StartReservations`].
    pub(crate) fn start(
        profile: &Arc<ProviderProfile>,
        connections: &Rc<Connections>,
        state: &Rc<SenderState>,
        errors: &UnboundedSender<Error>,
    ) -> Option<(StartReservations, Rc<AdmissionGauge>)> {
        let limit = RateLimit::new(&profile.limits)?;
        let (sender, requests) = unbounded_channel();
        let admission = Cell::new(Admission { admitted: 0, allowance: MIN_ALLOWANCE });
        let gauge = Rc::new(AdmissionGauge { admission, changed: Notify::new() });
        let stage = Self {
            connections: Rc::clone(connections),
            profile: Arc::clone(profile),
            limit,
            requests,
            waiting: VecDeque::new(),
            share: ShareEstimate::default(),
            gauge: Rc::clone(&gauge),
            narrowed_at: None,
        };
        spawn_local(report_error(stage.run(), errors.clone()));
        let clock = connections.session.clock().clone();
        Some((StartReservations { requests: sender, clock, state: Rc::clone(state) }, gauge))
    }

    async fn run(mut self) -> Result<(), Error> {
        let mut reserved_at = Instant::now();
        while self.wait_for_messages().await {
            self.narrow_clock().await?;
            sleep_until(reserved_at + self.share.min_interval()).await;
            reserved_at = Instant::now();
            let waiting = self.waiting.iter().map(|request| request.parts);
            let (messages, request) = self.share.request(&self.limit, waiting);
            match self.reserve(request).await? {
                Some(reservation) => self.begin(messages, request, reservation).await,
                None => sleep(self.horizon_wait(request)).await,
            }
        }
        Ok(())
    }

    /// Waits until a message waits for its start. Returns `false` once there can be none.
    async fn wait_for_messages(&mut self) -> bool {
        let since = Instant::now();
        loop {
            while let Ok(request) = self.requests.try_recv() {
                self.waiting.push_back(request);
            }
            self.waiting.retain(|request| !request.reply.is_closed());
            if !self.waiting.is_empty() {
                break;
            }
            match self.requests.recv().await {
                Some(request) => self.waiting.push_back(request),
                None => return false,
            }
        }
        if since.elapsed() >= IDLE_TIME {
            self.share.interrupt();
        }
        true
    }

    /// Reserves parts, after repairing a damaged item. Returns `None` where too much is reserved already.
    async fn reserve(&mut self, request: Request) -> Result<Option<Reservation>, Error> {
        let metrics = &self.connections.metrics;
        let mut step = Step::FIRST;
        let mut stored = StoredLimit::default();
        loop {
            match step {
                Step::Wait => return Ok(None),
                Step::Repair(tat) => {
                    let name = &self.profile.name;
                    tracing::warn!("the rate limit of provider profile '{name}' was damaged, and is reset");
                    metrics.repair_limit(&self.profile, &stored, tat).await?;
                    step = Step::FIRST;
                }
                Step::Write(kind) => {
                    let next_write = || self.limit.write(kind, request, self.latest());
                    stored = match metrics.reserve_parts(&self.profile, next_write).await? {
                        LimitUpdate::Refused(stored) => stored,
                        LimitUpdate::Applied(stored) => {
                            if let LimitState::Valid { tat, seq } = stored.state() {
                                check_equal(&self.profile, &stored)?;
                                self.share.observe(seq);
                                return Ok(Some(self.limit.reservation(request, tat)));
                            }
                            stored
                        }
                    };
                    step = self.limit.next_step(request, stored.state(), self.latest());
                }
            }
        }
    }

    /// Passes the starts to their messages, and waits until the first window opens. It waits for messages that are dropped
    /// too: a sender whose messages become too old could otherwise reserve the limit up to the horizon, for none of them.
    async fn begin(&mut self, messages: usize, request: Request, reservation: Reservation) {
        self.allow(messages, request);
        let mut earlier = 0;
        for StartRequest { parts, reply } in self.waiting.drain(..messages) {
            let (window, admitted) = (reservation.window(earlier, parts), Admitted::new(&self.gauge));
            // A message that was dropped meanwhile leaves its parts unused.
            let _ = reply.send(ReservedStart { window, admitted });
            earlier += u64::from(parts);
        }
        let first = reservation.window(0, request.longest);
        sleep_until_open(&first, self.connections.session.clock()).await;
    }

    /// Allows the intake as many messages as this sender reserves at once, and starts in a second.
    fn allow(&self, messages: usize, request: Request) {
        let allowed = (self.share.parts_to_hold(&self.limit) * messages as f64 / request.parts as f64).ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let allowance = (allowed as usize).max(MIN_ALLOWANCE);
        self.gauge.update(|admission| admission.allowance = allowance);
    }

    /// Spreads the attempts of all senders that wait.
    fn horizon_wait(&self, request: Request) -> Duration {
        self.share.mean_wait(&self.limit, request).mul_f64(rand::rng().random_range(0.5..1.5))
    }

    /// Narrows the interval of the clock, if it is too wide for the starts to be exact.
    async fn narrow_clock(&mut self) -> Result<(), Error> {
        let clock = self.connections.session.clock();
        let width = || clock.bounds_us()[1] - clock.bounds_us()[0];
        let is_due =
            self.narrowed_at.is_none_or(|at| at.elapsed() >= NARROW_INTERVAL && width() > MAX_CLOCK_WIDTH);
        if !is_due {
            return Ok(());
        }
        for _ in 0..CLOCK_REQUESTS {
            let Some(wait) = clock.until_rollover().filter(|_| width() > CLOCK_WIDTH) else { break };
            sleep(wait).await;
            // Any cheap request, for the `Date` of its response.
            self.connections.metrics.get_limit(&self.profile.name).await?;
        }
        self.narrowed_at = Some(Instant::now());
        Ok(())
    }

    /// Returns the latest time that it may be.
    fn latest(&self) -> u64 {
        self.connections.session.clock().bounds_us()[1]
    }
}
