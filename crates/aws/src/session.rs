//! A session with AWS: stack, region, endpoint, credentials and clients.
//!
//! A program opens its session from its command line and everything the SDK searches for credentials (`cli`), the
//! aggregator from its environment alone (`lambda`).

#[cfg(feature = "programs")]
mod cli;
#[cfg(feature = "programs")]
mod config_file;
mod lambda;
#[cfg(feature = "programs")]
mod loopback;
#[cfg(feature = "programs")]
mod profile;
#[cfg(feature = "programs")]
mod proxy;

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aws_sdk_dynamodb::config::BehaviorVersion;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use stentor_core::adaptive_rate::Throttling;
use stentor_core::usage::Usage;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "programs")]
use crate::clock::{Clock, DateReader};
use crate::error::Error;
use crate::limiter::RateLimiter;
use crate::meter::{Meter, RequestCount};
use crate::names::StackName;
use crate::retry::RetryBudget;

#[cfg(feature = "programs")]
pub use cli::{Destination, Endpoint};
#[cfg(feature = "programs")]
pub use loopback::is_on_this_machine;

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
    pub(crate) budget: RetryBudget,
    /// Cancelled when the program is to shut down.
    pub(crate) shutdown: CancellationToken,
    /// The services have answered at least once.
    pub(crate) answered: AtomicBool,
    /// When a failure was last reported.
    pub(crate) last_failure: Mutex<Option<Instant>>,
    /// Writes to the messages table.
    write_limiter: RateLimiter,
    /// Messages sent to the queue.
    #[cfg(feature = "programs")]
    send_limiter: RateLimiter,
}

impl Session {
    pub(crate) fn from_config(
        config: SdkConfig,
        stack: StackName,
        budget: RetryBudget,
        shutdown: CancellationToken,
    ) -> Result<Self, Error> {
        let no_region = || Error::NoRegion { endpoint: config.endpoint_url().unwrap_or("AWS").to_owned() };
        let region = config.region().ok_or_else(no_region)?.to_string();
        #[cfg(feature = "programs")]
        let clock = Clock::start();
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
            budget,
            shutdown,
            answered: AtomicBool::new(false),
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

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    #[cfg(feature = "programs")]
    pub(crate) fn queue_client(&self) -> aws_sdk_sqs::Client {
        let counter = RequestCount { meter: self.meter.clone(), is_queue: true };
        let config = aws_sdk_sqs::config::Builder::from(&self.config).interceptor(counter);
        let config = config.interceptor(DateReader(self.clock.clone()));
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    pub(crate) fn table_client(&self) -> aws_sdk_dynamodb::Client {
        let counter = RequestCount { meter: self.meter.clone(), is_queue: false };
        let config = aws_sdk_dynamodb::config::Builder::from(&self.config).interceptor(counter);
        #[cfg(feature = "programs")]
        let config = config.interceptor(DateReader(self.clock.clone()));
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
const TLS: Provider = Provider::Rustls(CryptoMode::Ring);

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build()
}

/// The SDK behaviour that this code is written for.
fn behaviour() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}
