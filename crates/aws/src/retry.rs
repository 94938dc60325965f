//! Retries of calls and of single entries of a batch.
//!
//! The SDK's own retries are off. A retry must be visible where it matters (a message that may have been sent twice is
//! marked), must outlast the SDK's budget in an outage of minutes, and must also cover single entries of a batch that
//! was answered with 200. So there is one loop for all of it, `Session::call_batch`.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::{Instant, sleep, timeout};

use crate::batch::{Batch, EntryResults, Progress};
use crate::error::{AttemptError, Error};
use crate::limiter::RateLimiter;
use crate::session::Session;

/// How long a call is retried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryBudget {
    /// Limit for the first answer of a session.
    pub(crate) first_answer: Duration,
    /// Limit for an outage after it, from a call's first failed attempt.
    pub(crate) outage: Duration,
}

/// A person waits for the first answer; after it, a rehearsal survives an outage of minutes.
#[cfg(any(test, feature = "programs"))]
pub(crate) const CLI_BUDGET: RetryBudget =
    RetryBudget { first_answer: Duration::from_millis(3_500), outage: Duration::from_secs(600) };

/// A function must answer well within its own timeout (60 s); Lambda repeats its event.
pub(crate) const LAMBDA_BUDGET: RetryBudget =
    RetryBudget { first_answer: Duration::from_secs(20), outage: Duration::from_secs(20) };

/// Limit for an outage after a shutdown was requested: time to record outcomes and release messages.
const SHUTDOWN_BUDGET: Duration = Duration::from_secs(5);

/// Outages shorter than this are not reported: most failures are over before.
const WARN_AFTER: Duration = Duration::from_secs(2);

/// Failures closer together than this belong to one outage, which is reported once.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// A service that has accepted entries within this time before an attempt is not overloaded as a whole.
const RECENT: Duration = Duration::from_secs(1);

/// The longest delay between two attempts.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// Whether an earlier attempt may have been carried out although its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PriorAttempt(pub bool);

impl Session {
    /// Repeats a call without entries until it is answered; see `Session::call_batch`.
    pub(crate) async fn call<A>(
        &self,
        call: &'static str,
        resource: &str,
        send: impl AsyncFn() -> Result<A, AttemptError>,
    ) -> Result<A, Error> {
        let mut answers =
            self.call_batch(call, resource, None, vec![()], async |_, _| Ok(vec![Ok(send().await?)])).await?;
        Ok(answers.pop().expect("one entry has one answer"))
    }

    /// Repeats a call until every entry has an answer, and returns the answers in the order of the entries.
    ///
    /// `send` gets the entries without an answer, and whether an earlier attempt may have carried some of them out;
    /// it returns an answer for each, or why an entry is to be repeated. `limiter` delays each attempt. Fails on a
    /// permanent error of `send`, without a first answer within seconds, and without an answer for the retry budget. A
    /// service that throttles entries while it accepts others answers.
    pub(crate) async fn call_batch<E, A>(
        &self,
        call: &'static str,
        resource: &str,
        limiter: Option<&RateLimiter>,
        entries: Vec<E>,
        send: impl AsyncFn(&[E], PriorAttempt) -> Result<EntryResults<A>, AttemptError>,
    ) -> Result<Vec<A>, Error> {
        let mut batch = Batch::new(entries);
        let mut prior = PriorAttempt(false);
        let mut failing_since: Option<Instant> = None;
        let mut delays = delays();
        #[cfg(feature = "programs")]
        let mut is_signed_again = false;
        loop {
            if let Some(limiter) = limiter {
                limiter.wait(batch.open().len()).await;
            }
            let (sent, sent_at) = (batch.open().len(), Instant::now());
            let result = self.attempt(Box::pin(send(batch.open(), prior))).await;
            let result = result.map(|results| batch.settle(results));
            let is_throttled = record(limiter, sent, &result);
            let why = match result {
                Ok(_) if batch.open().is_empty() => return Ok(batch.into_answers()),
                Ok(Progress { answered, throttled }) => {
                    if answered > 0 {
                        failing_since = None;
                        delays = self::delays();
                    }
                    prior.0 |= throttled < batch.open().len();
                    format!("{} entries were not carried out", batch.open().len())
                }
                #[cfg(feature = "programs")]
                Err(AttemptError::Permanent(Error::BadCredentials { .. }))
                    if self.signs_with_wrong_time() && !std::mem::replace(&mut is_signed_again, true) =>
                {
                    continue;
                }
                Err(error) => {
                    prior.0 |= error.may_be_carried_out();
                    self.retry_reason(error, call, resource, sent_at)?
                }
            };
            let since = failing_since.get_or_insert_with(Instant::now);
            if let Some(accepted_at) =
                limiter.filter(|_| is_throttled).and_then(RateLimiter::last_accepted_at)
            {
                *since = (*since).max(accepted_at);
                if accepted_at + RECENT >= sent_at {
                    // The limiter finds the rate, so that a long delay would only leave capacity unused.
                    delays = self::delays();
                }
            }
            let lasted = since.elapsed();
            self.check_budget(call, &why, lasted)?;
            let delay = delays.next().unwrap_or(MAX_DELAY).min(self.max_delay());
            tokio::select! {
                () = sleep(delay) => {}
                () = self.shutdown.cancelled(), if !self.shutdown.is_cancelled() => {}
            }
        }
    }

    /// Returns why an attempt failed, for a failure that another attempt may resolve; else the error of the call.
    fn retry_reason(
        &self,
        error: AttemptError,
        call: &'static str,
        resource: &str,
        sent_at: Instant,
    ) -> Result<String, Error> {
        match error {
            AttemptError::Throttled(why)
            | AttemptError::ServerError(why)
            | AttemptError::NoCredentials(why)
            | AttemptError::ConnectionLost(why)
            | AttemptError::NoResponse(why) => Ok(why),
            AttemptError::Expired(why) => {
                self.renewal.iter().for_each(|renewal| renewal.reject(sent_at));
                Ok(why)
            }
            AttemptError::Proxy(error) => Ok(error.to_string()),
            AttemptError::NotFound => Err(self.not_deployed(resource)),
            AttemptError::ConditionFailed => {
                Err(Error::Rejected { call, code: "condition".into(), message: "failed".into() })
            }
            AttemptError::Permanent(Error::BadCredentials { why, .. }) => {
                Err(Error::BadCredentials { origin: self.credential_source(), why })
            }
            AttemptError::Permanent(error) => Err(error),
        }
    }

    /// Makes one attempt; until the session's first answer, within the limit for that.
    async fn attempt<A>(
        &self,
        send: impl Future<Output = Result<A, AttemptError>>,
    ) -> Result<A, AttemptError> {
        if self.answered.load(Ordering::Relaxed) {
            return send.await;
        }
        let first_attempt = *self.first_attempt.get_or_init(Instant::now);
        let unreachable = |why| {
            let (endpoint, region) = (self.endpoint().to_owned(), self.region().to_owned());
            AttemptError::Permanent(Error::Unreachable { endpoint, region, why })
        };
        let result = timeout(self.budget.first_answer, send).await.unwrap_or_else(|_| {
            let seconds = self.budget.first_answer.as_secs_f64();
            Err(unreachable(format!("no answer within {seconds} s")))
        });
        match result {
            Err(AttemptError::NoResponse(why)) => Err(unreachable(self.without_tls(&why).unwrap_or(why))),
            Err(AttemptError::Proxy(error)) => Err(AttemptError::Permanent(error.into())),
            Err(AttemptError::Expired(why)) => {
                Err(AttemptError::Permanent(Error::BadCredentials { origin: None, why }))
            }
            Err(AttemptError::NoCredentials(why)) => Err(AttemptError::NoCredentials(why)),
            // Other than a refused connection, this may succeed at once.
            Err(AttemptError::ConnectionLost(why)) if first_attempt.elapsed() < self.budget.first_answer => {
                Err(AttemptError::ConnectionLost(why))
            }
            Err(AttemptError::ConnectionLost(why)) => Err(unreachable(why)),
            Err(AttemptError::Permanent(error @ Error::Unreachable { .. })) => {
                Err(AttemptError::Permanent(error))
            }
            result => {
                self.answered.store(true, Ordering::Relaxed);
                result
            }
        }
    }

    /// Returns a better reason for a failed TLS handshake with an endpoint that answered it in plain text.
    fn without_tls(&self, why: &str) -> Option<String> {
        let host = self.endpoint().strip_prefix("https://")?;
        // That is rustls' name for it.
        let is_plain = why.contains("InvalidContentType");
        is_plain.then(|| format!("the endpoint does not speak TLS, use http://{host}"))
    }

    /// Fails once an outage has lasted longer than the budget allows; warns of it once.
    fn check_budget(&self, call: &'static str, why: &str, lasted: Duration) -> Result<(), Error> {
        tracing::debug!(call, why, "attempt failed, retrying");
        let limit = if self.shutdown.is_cancelled() { SHUTDOWN_BUDGET } else { self.budget.outage };
        if lasted >= limit {
            return Err(Error::RetriesExhausted {
                call,
                endpoint: self.endpoint().to_owned(),
                origin: self.failing_source(),
                why: why.to_owned(),
                seconds: lasted.as_secs(),
            });
        }
        if lasted >= WARN_AFTER && self.should_warn() {
            let minutes = self.budget.outage.as_secs() / 60;
            tracing::warn!(
                "{call} fails at {} ({why}); retrying for up to {minutes} minutes",
                self.endpoint()
            );
        }
        Ok(())
    }

    /// The longest delay before the next attempt: before the first answer, a person waits.
    fn max_delay(&self) -> Duration {
        if self.answered.load(Ordering::Relaxed) { MAX_DELAY } else { Duration::from_secs(1) }
    }

    /// Whether the last warning is old enough: many calls fail in one outage.
    fn should_warn(&self) -> bool {
        let now = Instant::now();
        let mut last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(now).is_none_or(|last| now.duration_since(last) >= WARN_INTERVAL)
    }
}

/// Records the result of an attempt, and returns whether entries were throttled.
fn record(limiter: Option<&RateLimiter>, sent: usize, result: &Result<Progress, AttemptError>) -> bool {
    let (accepted, throttled) = match result {
        Ok(progress) => (progress.answered, progress.throttled),
        Err(AttemptError::Throttled(_)) => (0, sent),
        Err(_) => (0, 0),
    };
    if let Some(limiter) = limiter {
        limiter.record(accepted, throttled);
    }
    throttled > 0
}

fn delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(MAX_DELAY)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests;
