//! A session with AWS: who we are, where it answers, and how long we go on asking.
//!
//! The SDK's own retries are off. A retry must be seen where it matters (a message that was perhaps
//! queued twice is marked), must outlast the SDK's budget in an outage of minutes, and must also cover
//! single entries of a batch; so there is one loop for all of it, `Session::call_batch`.
//!
//! A program opens its session by the command line and all that the SDK looks through (`cli`), a function by
//! its environment alone (`lambda`).

#[cfg(feature = "programs")]
mod cli;
mod lambda;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::config::BehaviorVersion;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::error::{AttemptError, Error};
use super::meter::Meter;
use super::names::StackName;
use stentor_core::usage::Usage;

#[cfg(feature = "programs")]
pub use cli::{Destination, Endpoint};

/// How long to go on asking.
#[derive(Debug, Clone, Copy)]
struct RetryBudget {
    /// For the very first answer.
    first_answer: Duration,
    /// From the first failure of a call that is not answered, once there was an answer.
    outage: Duration,
}

/// A person is waiting for the first answer; after it, a rehearsal survives an outage of minutes.
#[cfg(any(test, feature = "programs"))]
const CLI_BUDGET: RetryBudget =
    RetryBudget { first_answer: Duration::from_millis(3_500), outage: Duration::from_secs(600) };

/// A function must answer well within its own time limit (60 s); its event comes again.
const LAMBDA_BUDGET: RetryBudget =
    RetryBudget { first_answer: Duration::from_secs(20), outage: Duration::from_secs(20) };

/// The longest a single try may take; a long poll waits a few seconds of it.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(12);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A program that was told to stop tries this long to write what it has done, and to give back what it holds.
const SHUTDOWN_BUDGET: Duration = Duration::from_secs(5);

/// An outage is told to the user once it has lasted this long: most failures are over before.
const WARN_AFTER: Duration = Duration::from_secs(2);

/// Failures closer together than this belong to one outage.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// A session with AWS.
#[derive(Debug)]
pub struct Session {
    stack: StackName,
    region: String,
    endpoint: String,
    config: SdkConfig,
    meter: Meter,
    budget: RetryBudget,
    /// The program has been told to stop.
    ending: CancellationToken,
    answered: AtomicBool,
    /// When a failure was last worth telling.
    last_failure: Mutex<Option<Instant>>,
}

impl Session {
    fn from_config(
        config: SdkConfig,
        stack: StackName,
        budget: RetryBudget,
        ending: CancellationToken,
    ) -> Result<Self, Error> {
        let region = config.region().ok_or(Error::NoRegion)?.to_string();
        let endpoint = config.endpoint_url().map_or_else(|| format!("AWS in {region}"), str::to_owned);
        Ok(Self {
            stack,
            region,
            endpoint,
            config,
            meter: Meter::default(),
            budget,
            ending,
            answered: AtomicBool::new(false),
            last_failure: Mutex::default(),
        })
    }

    /// The stack whose resources are used.
    pub fn stack(&self) -> &StackName {
        &self.stack
    }

    /// The region whose resources are used.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What answers, for a person to read: an address, or AWS in a region.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What has been asked of the services in this session.
    pub fn usage(&self) -> Usage {
        self.meter.usage()
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    #[cfg(feature = "programs")]
    pub(super) fn queue_client(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::config::Builder::from(&self.config);
        aws_sdk_sqs::Client::from_conf(config.interceptor(self.meter.sqs_interceptor()).build())
    }

    pub(super) fn table_client(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::config::Builder::from(&self.config);
        aws_sdk_dynamodb::Client::from_conf(config.interceptor(self.meter.dynamodb_interceptor()).build())
    }

    pub(crate) fn not_deployed(&self, resource: &str) -> Error {
        Error::NotDeployed {
            stack: self.stack.to_string(),
            region: self.region.clone(),
            resource: resource.to_owned(),
            endpoint: self.endpoint.clone(),
        }
    }

    /// Asks until there is an answer to a single question; see [`Session::call_batch`].
    pub(crate) async fn call<A>(
        &self,
        call: &'static str,
        resource: &str,
        send: impl AsyncFn() -> Result<A, AttemptError>,
    ) -> Result<A, Error> {
        let mut answers =
            self.call_batch(call, resource, vec![()], async |_, _| Ok(vec![Some(send().await?)])).await?;
        Ok(answers.pop().expect("one question has one answer"))
    }

    /// Asks until every entry has an answer, and returns the answers in the order of the entries.
    ///
    /// `send` is given the entries still open, and whether some of them may have been carried out by an
    /// earlier try; it returns an answer for each, `None` for what must be asked again.
    ///
    /// # Errors
    /// What `send` calls final; no first answer within seconds; no answer for minutes after one.
    pub(crate) async fn call_batch<E, A>(
        &self,
        call: &'static str,
        resource: &str,
        entries: Vec<E>,
        send: impl AsyncFn(&[E], PriorAttempt) -> Result<Vec<Option<A>>, AttemptError>,
    ) -> Result<Vec<A>, Error> {
        let mut batch = Batch::new(entries);
        let mut repeated = PriorAttempt(false);
        let mut failing: Option<Instant> = None;
        let mut delays = delays();
        loop {
            let why = match self.try_once(Box::pin(send(batch.open(), repeated))).await {
                Ok(answers) => {
                    if batch.settle(answers) > 0 {
                        failing = None;
                        delays = self::delays();
                    }
                    if batch.open().is_empty() {
                        return Ok(batch.into_answers());
                    }
                    repeated = PriorAttempt(true);
                    format!("{} entries were not carried out", batch.open().len())
                }
                Err(AttemptError::Throttled(why)) => why,
                Err(
                    AttemptError::ServerError(why)
                    | AttemptError::Expired(why)
                    | AttemptError::NoResponse(why),
                ) => {
                    repeated = PriorAttempt(true);
                    why
                }
                Err(AttemptError::NotFound) => return Err(self.not_deployed(resource)),
                Err(AttemptError::ConditionFailed) => {
                    return Err(Error::Rejected { call, code: "condition".into(), message: "failed".into() });
                }
                Err(AttemptError::Permanent(error)) => return Err(error),
            };
            let since = *failing.get_or_insert_with(Instant::now);
            self.check_budget(call, &why, since.elapsed())?;
            let delay = sleep(delays.next().unwrap_or(LONGEST_DELAY));
            tokio::select! {
                () = delay => {}
                () = self.ending.cancelled(), if !self.ending.is_cancelled() => {}
            }
        }
    }

    /// One try; before the first answer, within the time that one may take.
    async fn try_once<A>(
        &self,
        send: impl Future<Output = Result<A, AttemptError>>,
    ) -> Result<A, AttemptError> {
        if self.answered.load(Ordering::Relaxed) {
            return send.await;
        }
        let no_answer =
            |why| AttemptError::Permanent(Error::Unreachable { endpoint: self.endpoint.clone(), why });
        let result = timeout(self.budget.first_answer, send).await.unwrap_or_else(|_| {
            let seconds = self.budget.first_answer.as_secs_f64();
            Err(no_answer(format!("nothing came within {seconds} s")))
        });
        match result {
            Err(AttemptError::NoResponse(why)) => Err(no_answer(why)),
            Err(AttemptError::Expired(why)) => Err(AttemptError::Permanent(Error::BadCredentials { why })),
            Err(AttemptError::Permanent(error @ Error::Unreachable { .. })) => {
                Err(AttemptError::Permanent(error))
            }
            result => {
                self.answered.store(true, Ordering::Relaxed);
                result
            }
        }
    }

    /// Gives up where an outage has lasted too long; tells of it once.
    fn check_budget(&self, call: &'static str, why: &str, lasted: Duration) -> Result<(), Error> {
        tracing::debug!(call, why, "no answer, asking again");
        let outage = if self.ending.is_cancelled() { SHUTDOWN_BUDGET } else { self.budget.outage };
        if lasted >= outage {
            return Err(Error::RetriesExhausted {
                call,
                endpoint: self.endpoint.clone(),
                why: why.to_owned(),
                seconds: lasted.as_secs(),
            });
        }
        if lasted >= WARN_AFTER && self.should_warn() {
            let minutes = self.budget.outage.as_secs() / 60;
            tracing::warn!("{call} fails at {} ({why}); trying for up to {minutes} minutes", self.endpoint);
        }
        Ok(())
    }

    /// Whether no failure was worth telling for a while: many calls fail in one outage.
    fn should_warn(&self) -> bool {
        let now = Instant::now();
        let mut last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(now).is_none_or(|last| now.duration_since(last) >= WARN_INTERVAL)
    }
}

/// Whether an earlier try may have been carried out without its answer coming through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PriorAttempt(pub bool);

const LONGEST_DELAY: Duration = Duration::from_secs(5);

fn delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(LONGEST_DELAY)
        .with_jitter()
        .without_max_times()
        .build()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build()
}

/// The SDK's behaviour that this code was written for.
fn behaviour() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::config::Region;
    use std::cell::{Cell, RefCell};

    fn session() -> Session {
        let config = SdkConfig::builder().region(Region::from_static("eu-west-1")).build();
        Session::from_config(config, "drill".parse().unwrap(), CLI_BUDGET, CancellationToken::new()).unwrap()
    }

    fn down<A>() -> Result<A, AttemptError> {
        Err(AttemptError::NoResponse("connection refused".to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn entries_that_failed_are_asked_again_and_marked_as_repeated() {
        let asked = RefCell::new(Vec::new());
        let send = async |open: &[u32], repeated: PriorAttempt| {
            asked.borrow_mut().push((open.to_vec(), repeated.0));
            // One entry a try.
            Ok((0..open.len()).map(|place| (place == 0).then_some(open[place] * 10)).collect())
        };
        assert_eq!(session().call_batch("Call", "table", vec![1, 2, 3], send).await.unwrap(), [10, 20, 30]);
        assert_eq!(asked.into_inner(), [(vec![1, 2, 3], false), (vec![2, 3], true), (vec![3], true)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_call_was_not_carried_out_and_a_lost_answer_may_have_been() {
        let session = session();
        for (attempt_error, marked) in [
            (AttemptError::Throttled as fn(String) -> AttemptError, false),
            (AttemptError::ServerError, true),
        ] {
            let tries = RefCell::new(Vec::new());
            let send = async |_: &[()], repeated: PriorAttempt| {
                tries.borrow_mut().push(repeated.0);
                if tries.borrow().len() == 1 {
                    Err(attempt_error("busy".to_owned()))
                } else {
                    Ok(vec![Some(())])
                }
            };
            session.call_batch("Call", "table", vec![()], send).await.unwrap();
            assert_eq!(tries.into_inner(), [false, marked]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_first_answer_it_says_so_within_five_seconds() {
        let start = Instant::now();
        let silent = async || std::future::pending().await;
        let silent = session().call::<()>("Call", "table", silent).await;
        assert!(matches!(silent, Err(Error::Unreachable { .. })));
        assert!(start.elapsed() < Duration::from_secs(5));
        let refused = session().call::<()>("Call", "table", async || down()).await;
        assert!(matches!(refused, Err(Error::Unreachable { .. })));
        let expired = async || Err(AttemptError::Expired("the token expired".to_owned()));
        let expired = session().call::<()>("Call", "table", expired).await;
        assert!(matches!(expired, Err(Error::BadCredentials { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_first_answer_an_outage_is_borne_for_ten_minutes() {
        let session = session();
        session.call("Call", "table", async || Ok(())).await.unwrap();
        let start = Instant::now();
        let back = async || if start.elapsed() < Duration::from_secs(590) { down() } else { Ok(()) };
        session.call("Call", "table", back).await.unwrap();
        let gave_up = session.call::<()>("Call", "table", async || down()).await;
        assert!(matches!(gave_up, Err(Error::RetriesExhausted { seconds: 600..=610, .. })), "{gave_up:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_told_to_stop_gives_up_within_seconds() {
        let session = session();
        session.call("Call", "table", async || Ok(())).await.unwrap();
        let ending = session.ending.clone();
        let start = Instant::now();
        let told = async {
            sleep(Duration::from_secs(30)).await;
            ending.cancel();
        };
        let (gave_up, ()) = tokio::join!(session.call::<()>("Call", "table", async || down()), told);
        assert!(matches!(gave_up, Err(Error::RetriesExhausted { .. })), "{gave_up:?}");
        assert!(start.elapsed() < Duration::from_secs(36), "{:?}", start.elapsed());
        // What fails only now still gets its last effort.
        let start = Instant::now();
        let back = async || if start.elapsed() < Duration::from_secs(2) { down() } else { Ok(()) };
        session.call("Call", "table", back).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_service_is_an_answer_and_waiting_is_no_spin() {
        let tries = Cell::new(0);
        let start = Instant::now();
        let busy = async || {
            tries.set(tries.get() + 1);
            if start.elapsed() < Duration::from_secs(60) {
                Err(AttemptError::Throttled("busy".to_owned()))
            } else {
                Ok(())
            }
        };
        session().call("Call", "table", busy).await.unwrap();
        assert!(tries.get() < 40, "{} tries in a minute", tries.get());
    }

    #[tokio::test(start_paused = true)]
    async fn one_outage_is_news_once() {
        let session = session();
        assert!(session.should_warn());
        assert!(!session.should_warn());
        sleep(WARN_INTERVAL).await;
        assert!(session.should_warn());
    }
}
