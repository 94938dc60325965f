//! A session with AWS: stack, region, endpoint, credentials and clients.
//!
//! The aggregator opens its session from its environment alone (`lambda`), a program for the local emulator (`emulator`) or
//! after signing in, which is not done here.

#[cfg(feature = "programs")]
mod emulator;
mod lambda;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_credential_types::Credentials;
#[cfg(feature = "programs")]
use aws_sdk_dynamodb::config::IdentityCache;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedCredentialsProvider, SharedInterceptor};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use stentor_core::adaptive_rate::Throttling;
use stentor_core::usage::Usage;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "programs")]
use crate::clock::{Clock, DateReader};
use crate::credentials::{CredentialRenewal, CredentialSource};
use crate::error::Error;
use crate::limiter::RateLimiter;
use crate::meter::{Meter, RequestCount};
use crate::names::StackName;
#[cfg(feature = "programs")]
use crate::retry::CLI_BUDGET;
use crate::retry::RetryBudget;

/// The longest a single attempt may take; a long poll waits a few seconds of it.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(12);
/// AWS rejects signatures whose time is five minutes off (AWS General Reference, "Signature Version 4"); one minute less,
/// since the correction is not exact.
#[cfg(feature = "programs")]
const MAX_SIGNATURE_AGE: Duration = Duration::from_secs(240);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A session with AWS. Its calls are retried by `Session::call_batch`.
#[derive(Debug)]
pub struct Session {
    stack: StackName,
    region: String,
    endpoint: String,
    config: SdkConfig,
    meter: Meter,
    #[cfg(feature = "programs")]
    clock: Clock,
    /// `None` for credentials that never change.
    pub(crate) renewal: Option<Arc<dyn CredentialRenewal>>,
    pub(crate) budget: RetryBudget,
    /// Cancelled when the program is to shut down.
    pub(crate) shutdown: CancellationToken,
    /// The services have answered at least once.
    pub(crate) answered: AtomicBool,
    /// When the first attempt of the first call began.
    pub(crate) first_attempt: OnceLock<Instant>,
    /// When a failure was last reported.
    pub(crate) last_failure: Mutex<Option<Instant>>,
    /// Writes to the messages table.
    write_limiter: RateLimiter,
    /// Messages sent to the queue.
    #[cfg(feature = "programs")]
    send_limiter: RateLimiter,
}

impl Session {
    /// Opens a program's session with a configuration that has region, HTTP client and credentials, which `renewal` renews.
    /// Once `shutdown` is cancelled, an outage is retried for a few seconds only.
    #[cfg(feature = "programs")]
    pub fn for_program(
        config: SdkConfig,
        stack: StackName,
        renewal: Arc<dyn CredentialRenewal>,
        clock: Clock,
        shutdown: CancellationToken,
    ) -> Result<Self, Error> {
        let config = config
            .into_builder()
            // `renewal` has them, and a cache would keep those that AWS has rejected.
            .identity_cache(IdentityCache::no_cache())
            .build();
        let mut session = Self::from_config(config, stack, CLI_BUDGET, shutdown, clock)?;
        session.renewal = Some(renewal);
        Ok(session)
    }

    pub(crate) fn from_config(
        config: SdkConfig,
        stack: StackName,
        budget: RetryBudget,
        shutdown: CancellationToken,
        #[cfg(feature = "programs")] clock: Clock,
    ) -> Result<Self, Error> {
        let no_region = || Error::NoRegion { endpoint: config.endpoint_url().unwrap_or("AWS").to_owned() };
        // An empty variable counts as unset.
        let region = config.region().map(ToString::to_string).filter(|region| !region.is_empty());
        let region = region.ok_or_else(no_region)?;
        // `call_batch` makes the retries.
        let config = config.into_builder().retry_config(RetryConfig::disabled()).build();
        #[cfg(feature = "programs")]
        let config = clock.sign(config);
        let endpoint = config.endpoint_url().map_or_else(|| format!("AWS in {region}"), str::to_owned);
        Ok(Self {
            stack,
            region,
            endpoint,
            config,
            meter: Meter::default(),
            #[cfg(feature = "programs")]
            clock,
            renewal: None,
            budget,
            shutdown,
            answered: AtomicBool::new(false),
            first_attempt: OnceLock::new(),
            last_failure: Mutex::default(),
            write_limiter: RateLimiter::new(),
            #[cfg(feature = "programs")]
            send_limiter: RateLimiter::new(),
        })
    }

    /// The stack whose tables and queues are used.
    pub fn stack(&self) -> &StackName {
        &self.stack
    }

    /// The region of the stack.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The endpoint URL, or `AWS in <region>`; for messages.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Requests and capacity units that this session has used.
    pub fn usage(&self) -> Usage {
        self.meter.usage()
    }

    /// The clock of everything that is stored, or compared with what is stored.
    #[cfg(feature = "programs")]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether AWS may have rejected a signature because of its time. From then on, requests are signed with the corrected
    /// time.
    #[cfg(feature = "programs")]
    pub(crate) fn signs_with_wrong_time(&self) -> bool {
        let correction = self.clock.correction_seconds();
        correction.is_some_and(|seconds| seconds.abs() > MAX_SIGNATURE_AGE.as_secs_f64())
    }

    /// Returns how many messages this session may write per second; `None` before the messages table throttles a write.
    pub fn write_limit(&self) -> Option<f64> {
        self.write_limiter.limit()
    }

    /// Returns how the messages table throttles the writes of this session; `None` if it does not.
    pub fn write_throttling(&self) -> Option<Throttling> {
        self.write_limiter.throttling()
    }

    /// Returns how long the messages table has throttled the writes of this session in all.
    pub fn write_throttled_for(&self) -> Duration {
        self.write_limiter.throttled_for()
    }

    pub(crate) fn write_limiter(&self) -> &RateLimiter {
        &self.write_limiter
    }

    #[cfg(feature = "programs")]
    pub(crate) fn send_limiter(&self) -> &RateLimiter {
        &self.send_limiter
    }

    /// Returns the source of the credentials; `None` for those that never change.
    pub(crate) fn credential_source(&self) -> Option<Box<CredentialSource>> {
        self.renewal.as_ref().map(|renewal| Box::new(renewal.source().clone()))
    }

    /// Returns the source of the credentials where these cannot be renewed.
    pub(crate) fn failing_source(&self) -> Option<Box<CredentialSource>> {
        self.credential_source().filter(|_| self.renewal.as_ref().is_some_and(|renewal| renewal.is_failing()))
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    // The interceptors are permanent: otherwise the SDK looks up before each of an interceptor's twenty hooks whether it is
    // disabled.
    #[cfg(feature = "programs")]
    pub(crate) fn queue_client(&self) -> aws_sdk_sqs::Client {
        let mut config = aws_sdk_sqs::config::Builder::from(&self.config);
        let counter = RequestCount { meter: self.meter.clone(), is_queue: true };
        config.push_interceptor(SharedInterceptor::permanent(counter));
        config.push_interceptor(SharedInterceptor::permanent(DateReader(self.clock.clone())));
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    pub(crate) fn table_client(&self) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::config::Builder::from(&self.config);
        let counter = RequestCount { meter: self.meter.clone(), is_queue: false };
        config.push_interceptor(SharedInterceptor::permanent(counter));
        #[cfg(feature = "programs")]
        config.push_interceptor(SharedInterceptor::permanent(DateReader(self.clock.clone())));
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    pub(crate) fn not_deployed(&self, resource: &str) -> Error {
        Error::NotDeployed {
            stack: self.stack.to_string(),
            region: self.region.clone(),
            resource: resource.to_owned(),
            endpoint: self.endpoint.clone(),
        }
    }
}

/// TLS of every HTTP client.
pub const TLS: Provider = Provider::Rustls(CryptoMode::Ring);

/// The timeouts of each attempt at a call.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build()
}

/// The SDK behaviour that this code is written for.
pub fn behaviour() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Configures credentials that never change.
fn fixed_config(credentials: Credentials, region: Option<String>, endpoint: Option<String>) -> SdkConfig {
    let mut config = SdkConfig::builder()
        .behavior_version(behaviour())
        .timeout_config(timeouts())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        // Ring is a quarter of the size of aws-lc, the default.
        .http_client(Builder::new().tls_provider(TLS).build_https());
    config.set_region(region.map(Region::new));
    config.set_endpoint_url(endpoint);
    config.build()
}
