//! The second stage: simulates the delivery of each message as soon as a slot is free.

use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use stentor_aws::Error;
use stentor_aws::clock::Clock;
use stentor_core::delivery::{DeliveryModel, Outcome};
use stentor_core::message::MessageId;
use stentor_core::provider::code::FailureCode;
use stentor_core::provider::profile::{OTHER_CARRIER, ProviderProfile};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::allowance::{Allowances, TakenUnits};
use crate::in_flight::{DeliveryStart, InFlightMessage};
use crate::reservation::{Admitted, StartReservations};
use crate::run_seeds::RunSeeds;
use crate::settlement::Settlement;
use crate::state::SenderState;

/// The longest backoff after a failed attempt, seconds.
const MAX_BACKOFF: u64 = 60;

/// A message with its outcome.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub in_flight: InFlightMessage,
    pub result: DeliveryResult,
}

/// The outcome of a message, and how it was reached.
#[derive(Debug)]
pub(crate) struct DeliveryResult {
    /// Why the message failed; `None` for a success.
    pub reason: Option<FailureCode>,
    /// Its carrier, if the provider has carriers.
    pub carrier: Option<String>,
    /// Duration of the delivery; `None` if the message failed without one.
    pub delivery_ms: Option<u64>,
    /// Time of the outcome, ms since the epoch.
    pub at: u64,
}

/// The end of a delivery attempt.
#[derive(Debug)]
enum AttemptEnd {
    Outcome(DeliveryResult),
    /// It failed, and the message is released for another attempt after this time.
    Retry(Duration),
}

impl DeliveryResult {
    pub(crate) fn outcome(&self) -> Outcome {
        if self.reason.is_some() { Outcome::Failed } else { Outcome::Sent }
    }
}

#[derive(Debug)]
pub(crate) struct DeliveryStage {
    pub model: DeliveryModel,
    pub state: Rc<SenderState>,
    pub provider: Option<Arc<ProviderProfile>>,
    pub run_seeds: RunSeeds,
    /// Age from which a message is not delivered.
    pub ttl: Option<Duration>,
    /// The provider's caps and spend limit, if it has any.
    pub allowances: Option<Rc<Allowances>>,
    /// The provider's rate limit.
    pub rate_limit: Option<StartReservations>,
    /// Attempts before a message counts as failed.
    pub max_attempts: u32,
    /// One permit for each concurrent delivery.
    pub slots: Semaphore,
    pub stop: CancellationToken,
    pub clock: Clock,
    pub errors: UnboundedSender<Error>,
}

impl DeliveryStage {
    /// Delivers each message in a task. Releases those that are unfinished when `stop` is cancelled.
    pub(crate) async fn run(
        self,
        mut input: UnboundedReceiver<InFlightMessage>,
        output: UnboundedSender<Delivered>,
    ) {
        let stage = Rc::new(self);
        while let Some(message) = input.recv().await {
            let (stage, output) = (Rc::clone(&stage), output.clone());
            // There are thousands of these tasks. The future of an async function keeps a moved argument twice, so
            // `run_until_cancelled` would double a delivery's memory. A delivery that has ended has its outcome.
            spawn_local(async move {
                let end = tokio::select! {
                    biased;
                    end = stage.deliver(&message) => end,
                    () = stage.stop.cancelled() => None,
                };
                match end {
                    Some(AttemptEnd::Outcome(result)) => {
                        // The outcome stage ends after the last delivery.
                        let _ = output.send(Delivered { in_flight: message, result });
                    }
                    Some(AttemptEnd::Retry(backoff)) => message.settle(Settlement::ReleaseAfter(backoff)),
                    // Dropping a message releases it.
                    None => {}
                }
            });
        }
    }

    /// Runs one delivery attempt. What only a provider needs is boxed, so that other deliveries need no memory for it.
    ///
    /// Returns `None` if the message was not started: its lease had expired, or the sender ends.
    async fn deliver(&self, message: &InFlightMessage) -> Option<AttemptEnd> {
        let slot = self.slots.acquire().await.ok()?;
        // A cancelled delivery frees its slot for a message that still waits.
        if self.stop.is_cancelled() {
            return None;
        }
        let carrier = self.draw_carrier(message.id()).await?;
        if self.is_expired(message) {
            return Box::pin(self.refuse(message, FailureCode::TTL_EXPIRED, carrier)).await;
        }
        let taken = match self.take_allowance(message, carrier.as_deref()).await? {
            Ok(taken) => taken,
            Err(code) => return Box::pin(self.refuse(message, code, carrier)).await,
        };
        let _admitted = match self.start(message).await? {
            Ok(admitted) => admitted,
            Err(code) => return Box::pin(self.refuse(message, code, carrier)).await,
        };
        if self.stop.is_cancelled() {
            return None;
        }
        taken.spend();
        if self.provider.is_some() {
            let carrier = carrier.as_deref().unwrap_or(OTHER_CARRIER);
            self.state.begin_parts(message.id().run(), carrier, message.parts());
        }
        let attempt = message.attempt().min(self.max_attempts);
        let planned = self.model.plan_delivery(message.id(), attempt);
        let start = Instant::now();
        if !planned.wait.is_zero() {
            sleep(planned.wait).await;
        }
        let delivery_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        drop(slot);
        message.end_delivery();
        if planned.failure.is_some_and(|failure| failure.is_temporary)
            && message.attempt() < self.max_attempts
        {
            return Some(AttemptEnd::Retry(backoff(message.attempt())));
        }
        let reason = planned.failure.map(|failure| failure.code);
        let (delivery_ms, at) = (Some(delivery_ms), self.clock.now_ms());
        Some(AttemptEnd::Outcome(DeliveryResult { reason, carrier, delivery_ms, at }))
    }

    /// Marks the delivery as started, with a rate limit at a reserved time, or returns the code of a message that is too old
    /// by then. Returns `None` if the message must not be delivered.
    async fn start(&self, message: &InFlightMessage) -> Option<Result<Option<Admitted>, FailureCode>> {
        let Some(rate_limit) = &self.rate_limit else {
            return (message.start_delivery(|| true).await == DeliveryStart::Started).then_some(Ok(None));
        };
        Box::pin(async {
            tokio::select! {
                admitted = rate_limit.start(message) => {
                    let admitted = admitted?;
                    Some(if self.is_expired(message) { Err(FailureCode::TTL_EXPIRED) } else { Ok(Some(admitted)) })
                }
                () = self.expired(message) => Some(Err(FailureCode::TTL_EXPIRED)),
            }
        })
        .await
    }

    /// Draws the carrier of a message; `Some(None)` if the provider has no carriers. Returns `None` after an error, which
    /// ends the sender.
    async fn draw_carrier(&self, id: MessageId) -> Option<Option<String>> {
        let Some(provider) = self.provider.as_deref().filter(|provider| !provider.carriers.is_empty()) else {
            return Some(None);
        };
        let seed = self.ok_or_report(Box::pin(self.run_seeds.get(id.run())).await)?;
        Some(Some(provider.draw_carrier(id, seed).to_owned()))
    }

    /// Whether a message is too old to be delivered. One of unknown age is not.
    fn is_expired(&self, message: &InFlightMessage) -> bool {
        self.time_left(message).is_some_and(|left| left.is_zero())
    }

    /// Waits until a message is too old to be delivered.
    async fn expired(&self, message: &InFlightMessage) {
        while let Some(left) = self.time_left(message) {
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
        pending::<()>().await;
    }

    /// Returns how long a message can still be started; `None` without a time to live, or if its age is unknown.
    fn time_left(&self, message: &InFlightMessage) -> Option<Duration> {
        let (ttl, created_at) = self.ttl.zip(message.created_at())?;
        let age = Duration::from_millis(self.clock.now_ms().saturating_sub(created_at));
        Some((ttl + Duration::from_millis(1)).saturating_sub(age))
    }

    /// Takes the message's parts and price from the provider's caps and spend limit, or returns the code of the one that
    /// refuses. Returns `None` after an error, which ends the sender.
    async fn take_allowance(
        &self,
        message: &InFlightMessage,
        carrier: Option<&str>,
    ) -> Option<Result<TakenUnits, FailureCode>> {
        let Some(allowances) = &self.allowances else { return Some(Ok(TakenUnits::default())) };
        let taking = allowances.take(carrier.unwrap_or(OTHER_CARRIER), message.parts());
        self.ok_or_report(Box::pin(taking).await)
    }

    /// Returns the value; an error ends the sender.
    fn ok_or_report<T>(&self, result: Result<T, Error>) -> Option<T> {
        // Only the first error of the pipeline is received.
        result.map_err(|error| self.errors.send(error)).ok()
    }

    /// Fails a message that is not delivered: no further attempt is made.
    async fn refuse(
        &self,
        message: &InFlightMessage,
        reason: FailureCode,
        carrier: Option<String>,
    ) -> Option<AttemptEnd> {
        if message.start_delivery(|| true).await != DeliveryStart::Started {
            return None;
        }
        message.end_delivery();
        let (reason, at) = (Some(reason), self.clock.now_ms());
        Some(AttemptEnd::Outcome(DeliveryResult { reason, carrier, delivery_ms: None, at }))
    }
}

/// Computes the time between a failed attempt and the next: 1 s, 2 s, 4 s …
fn backoff(attempt: u32) -> Duration {
    let seconds = 1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(MAX_BACKOFF);
    Duration::from_secs(seconds.clamp(1, MAX_BACKOFF))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use stentor_aws::boot_instant::BootInstant;
    use stentor_core::delivery::{DistributionKind, FailureRate, WaitDistribution};
    use stentor_core::run::RunId;
    use stentor_fake_aws::FakeAws;
    use stentor_sign_in::{Destination, Endpoint};
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::task::{LocalSet, yield_now};
    use tokio::time::{advance, pause};

    use super::*;
    use crate::Connections;
    use crate::in_flight::InFlight;
    use crate::lease::Lease;
    use crate::settings::Settings;

    /// A stage whose deliveries take a second.
    async fn stage(fake: &FakeAws, stop: &CancellationToken) -> DeliveryStage {
        let endpoint = Endpoint::Local(fake.port());
        let destination =
            Destination { stack: "drill".parse().unwrap(), endpoint, region: None, profile: None };
        let settings = Settings::of(&crate::Args::parse_from(["sender"])).unwrap();
        let opening = Connections::open(destination, CancellationToken::new(), &settings);
        let connections = Rc::new(opening.await.unwrap().0);
        let wait = WaitDistribution::new(DistributionKind::Constant, 1.0, 0.0).unwrap();
        let failure_rate = FailureRate::new(0.0).unwrap();
        DeliveryStage {
            model: DeliveryModel { wait, failure_rate, causes: Vec::new(), seed: 0 },
            state: Rc::new(SenderState::new()),
            provider: Some(Arc::new(ProviderProfile::from_toml("name = \"test\"").unwrap())),
            run_seeds: RunSeeds::new(&connections),
            ttl: None,
            allowances: None,
            rate_limit: None,
            max_attempts: 1,
            slots: Semaphore::new(1),
            stop: stop.clone(),
            clock: connections.session.clock().clone(),
            errors: unbounded_channel().0,
        }
    }

    #[tokio::test]
    async fn a_delivery_that_ends_as_the_sender_stops_keeps_its_outcome() {
        let (fake, stop) = (FakeAws::start("drill", Duration::ZERO).unwrap(), CancellationToken::new());
        let stage = stage(&fake, &stop).await;
        let state = Rc::clone(&stage.state);
        let (in_flight, _settlements) = InFlight::new(Rc::clone(&state));
        pause();
        let test = async {
            let (input, messages) = unbounded_channel();
            let (output, mut delivered) = unbounded_channel();
            spawn_local(stage.run(messages, output));
            let (id, now) = (MessageId::new(RunId::from_parts(1, 1), 0).unwrap(), BootInstant::now());
            let lease = Lease::new("receipt".to_owned().into(), now, Duration::from_secs(60));
            input.send(in_flight.add(id, 1, 1, lease, now).unwrap()).unwrap();
            // A delivery that begins counts its parts.
            while state.activity.borrow().runs.is_empty() {
                yield_now().await;
            }
            // A timer is exact to a millisecond.
            advance(Duration::from_millis(1_001)).await;
            // The delivery is woken by its timer and by this before it is polled.
            stop.cancel();
            drop(input);
            let delivered = delivered.recv().await.expect("the delivery has an outcome");
            assert_eq!(delivered.result.delivery_ms, Some(1_001));
        };
        LocalSet::new().run_until(test).await;
    }

    #[test]
    fn the_backoff_doubles_up_to_its_maximum() {
        assert_eq!([1, 2, 3, 6, 7, 100].map(|attempt| backoff(attempt).as_secs()), [1, 2, 4, 32, 60, 60]);
    }
}
