//! Credentials that a task renews before they expire.
//!
//! The SDK's cache loads credentials within the call that needs them. The call's time limit then ends a slow load, and the
//! next call starts it from the beginning. Here no call waits for a load while its credentials are valid, and no call ends
//! one.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_types::sdk_config::{SharedTimeSource, TimeSource};
use stentor_aws::{CredentialRenewal, CredentialSource};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::failure::reason;

/// Limit for one load of credentials.
pub(crate) const LOAD_LIMIT: Duration = Duration::from_secs(60);

/// Credentials are renewed this long before they expire; those that are valid for less than twice as long, half way. The
/// SDKs renew tokens as early (aws-config, `sso::token`).
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// The shortest time between two loads that the expiry demands.
const MIN_DELAY: Duration = Duration::from_secs(1);

/// The shortest time between a failed load, or one whose credentials AWS rejects, and the next.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// How long a call waits for credentials: less than an attempt may take, so that the attempt's error names them.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// The credentials of a session, and the task that renews them until this is dropped.
#[derive(Debug)]
pub(crate) struct Renewal {
    shared: Arc<Shared>,
    _task: AbortOnDropHandle<()>,
}

/// The provider of a session's credentials.
#[derive(Debug)]
struct RenewedProvider(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    source: CredentialSource,
    clock: SharedTimeSource,
    state: watch::Sender<State>,
    /// A call has found no valid credentials.
    wanted: Notify,
}

#[derive(Debug, Clone)]
struct State {
    credentials: Credentials,
    loaded_at: Instant,
    /// AWS has rejected them as expired.
    is_rejected: bool,
    /// They were expired when they were loaded. This machine's clock may be wrong, so AWS decides.
    was_expired: bool,
    /// Why the last load failed; `None` after a successful one.
    failure: Option<String>,
}

/// Why a call gets no credentials.
#[derive(Debug)]
struct RenewalError(String);

impl fmt::Display for RenewalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RenewalError {}

impl State {
    fn new(credentials: Credentials, now: SystemTime) -> Self {
        let was_expired = credentials.expiry().is_some_and(|at| at <= now);
        Self { credentials, loaded_at: Instant::now(), is_rejected: false, was_expired, failure: None }
    }

    fn is_valid(&self, now: SystemTime) -> bool {
        let is_current = self.was_expired || self.credentials.expiry().is_none_or(|at| at > now);
        is_current && !self.is_rejected
    }

    /// Returns how long after a load the next is due; `None` where only a call or a rejection demands one.
    fn delay(&self, now: SystemTime) -> Option<Duration> {
        let left = self.credentials.expiry()?.duration_since(now).unwrap_or_default();
        if left.is_zero() {
            return (self.was_expired && self.failure.is_none()).then_some(RETRY_DELAY);
        }
        let early = left.checked_sub(RENEW_BEFORE).filter(|delay| *delay > RENEW_BEFORE).unwrap_or(left / 2);
        Some(early.max(if self.failure.is_some() { RETRY_DELAY } else { MIN_DELAY }))
    }
}

/// Loads credentials within the limit.
pub(crate) async fn load(chain: &SharedCredentialsProvider) -> provider::Result {
    let chain = chain.clone();
    // In a separate task: the SDK panics on some invalid responses of the sign-in service.
    let loading = AbortOnDropHandle::new(tokio::spawn(async move { chain.provide_credentials().await }));
    match timeout(LOAD_LIMIT, loading).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(CredentialsError::unhandled("the SDK failed on an invalid response")),
        Err(_) => Err(CredentialsError::provider_timed_out(LOAD_LIMIT)),
    }
}

impl Renewal {
    /// Starts with loaded credentials, and renews them with `chain` by the time of `clock`.
    pub(crate) fn start(
        source: CredentialSource,
        chain: SharedCredentialsProvider,
        loaded: Credentials,
        clock: impl TimeSource + 'static,
    ) -> Self {
        let clock = SharedTimeSource::new(clock);
        let state = watch::Sender::new(State::new(loaded, clock.now()));
        let shared = Arc::new(Shared { source, clock, state, wanted: Notify::new() });
        let task = tokio::spawn(renew(Arc::clone(&shared), chain));
        Self { shared, _task: AbortOnDropHandle::new(task) }
    }

    pub(crate) fn provider(&self) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(RenewedProvider(Arc::clone(&self.shared)))
    }
}

impl CredentialRenewal for Renewal {
    fn source(&self) -> &CredentialSource {
        &self.shared.source
    }

    fn is_failing(&self) -> bool {
        let state = self.shared.state.borrow();
        state.failure.is_some() || state.is_rejected
    }

    fn reject(&self, sent_at: Instant) {
        let mut concerns_loaded = false;
        self.shared.state.send_if_modified(|state| {
            concerns_loaded = state.loaded_at <= sent_at;
            state.is_rejected |= concerns_loaded;
            false
        });
        if concerns_loaded {
            self.shared.wanted.notify_one();
        }
    }
}

impl ProvideCredentials for RenewedProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.credentials())
    }
}

impl Shared {
    async fn credentials(&self) -> provider::Result {
        let mut state = self.state.subscribe();
        if let Some(credentials) = self.valid() {
            return Ok(credentials);
        }
        self.wanted.notify_one();
        let changed = timeout(CALL_LIMIT, state.changed()).await;
        self.valid().ok_or_else(|| {
            let failure = state.borrow().failure.clone().filter(|_| changed.is_ok());
            let why = failure.unwrap_or_else(|| format!("no answer within {} s", CALL_LIMIT.as_secs()));
            let text = format!("credentials from {} cannot be renewed: {why}", self.source);
            CredentialsError::provider_error(RenewalError(text))
        })
    }

    fn valid(&self) -> Option<Credentials> {
        let state = self.state.borrow();
        state.is_valid(self.clock.now()).then(|| state.credentials.clone())
    }

    /// Waits until the next load is due: by the expiry, or because a call needs credentials.
    async fn due(&self, last_load: Instant) {
        let delay = self.state.borrow().delay(self.clock.now());
        let scheduled = async {
            match delay {
                Some(delay) => sleep(delay).await,
                None => std::future::pending().await,
            }
        };
        let demanded = async {
            self.wanted.notified().await;
            // The last load may have satisfied the demand.
            while self.valid().is_some() {
                self.wanted.notified().await;
            }
            sleep_until(last_load + RETRY_DELAY).await;
        };
        tokio::select! {
            () = scheduled => {}
            () = demanded => {}
        }
    }
}

/// Renews credentials without end. Warns once of an outage, early enough for the user to sign in again.
async fn renew(shared: Arc<Shared>, chain: SharedCredentialsProvider) {
    let mut last_load = Instant::now();
    loop {
        shared.due(last_load).await;
        let loaded = load(&chain).await;
        last_load = Instant::now();
        match loaded {
            Ok(credentials) => {
                shared.state.send_replace(State::new(credentials, shared.clock.now()));
            }
            Err(failure) => {
                let why = reason(&failure);
                let earlier = shared.state.borrow().failure.clone();
                if earlier.is_none() {
                    tracing::warn!("credentials from {} cannot be renewed ({why})", shared.source);
                }
                shared.state.send_modify(|state| state.failure = Some(why));
            }
        }
    }
}

#[cfg(test)]
mod tests;
