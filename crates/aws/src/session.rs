//! A session with AWS: stack, region, endpoint, credentials and clients.
//!
//! A program opens its session from its command line and everything the SDK searches for credentials (`cli`), the
//! aggregator from its environment alone (`lambda`).

#[cfg(feature = "programs")]
mod cli;
#[cfg(feature = "programs")]
mod config_file;
#[cfg(feature = "programs")]
mod failure;
mod lambda;
#[cfg(feature = "programs")]
mod loopback;
#[cfg(feature = "programs")]
mod profile;
#[cfg(feature = "programs")]
mod proxy;
#[cfg(feature = "programs")]
mod renewal;
#[cfg(feature = "programs")]
mod source;

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, SharedInterceptor};
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
use crate::error::{CredentialSource, Error};
use crate::limiter::RateLimiter;
use crate::meter::{Meter, RequestCount};
use crate::names::StackName;
use crate::retry::RetryBudget;

#[cfg(feature = "programs")]
pub use cli::{Destination, Endpoint};
#[cfg(feature = "programs")]
pub use loopback::is_on_this_machine;
#[cfg(feature = "programs")]
pub(crate) use renewal::Renewal;

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
    #[cfg(feature = "programs")]
    pub(crate) renewal: Option<Renewal>,
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
            #[cfg(feature = "programs")]
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

    /// Returns the source of the credentials; `None` for those of the environment of a function.
    #[cfg_attr(not(feature = "programs"), expect(clippy::unused_self, reason = "a function has one source"))]
    pub(crate) fn credential_source(&self) -> Option<Box<CredentialSource>> {
        #[cfg(feature = "programs")]
        let source = self.renewal.as_ref().map(|renewal| Box::new(renewal.source().clone()));
        #[cfg(not(feature = "programs"))]
        let source = None;
        source
    }

    /// Returns the source of the credentials where these cannot be renewed.
    pub(crate) fn failing_source(&self) -> Option<Box<CredentialSource>> {
        #[cfg(feature = "programs")]
        let is_failing = self.renewal.as_ref().is_some_and(Renewal::is_failing);
        #[cfg(not(feature = "programs"))]
        let is_failing = false;
        self.credential_source().filter(|_| is_failing)
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    // The interceptors are permanent: the SDK would look up before each of its twenty hooks whether another is disabled.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::CLI_BUDGET;
    use aws_sdk_dynamodb::config::http::HttpRequest;
    use aws_sdk_dynamodb::config::{
        Credentials, HttpClient, Region, RuntimeComponents, SharedCredentialsProvider,
    };
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    };
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::retry::RetryConfig;
    use std::sync::Arc;

    /// Records the hosts that are called, and answers nothing.
    #[derive(Debug, Clone, Default)]
    struct HostRecorder(Arc<Mutex<Vec<String>>>);

    impl HttpClient for HostRecorder {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    impl HttpConnector for HostRecorder {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let host = request.uri().split('/').nth(2).unwrap_or_default().to_owned();
            self.0.lock().unwrap().push(host);
            HttpConnectorFuture::ready(Err(ConnectorError::io("recorded".into())))
        }
    }

    #[tokio::test]
    async fn fips_and_dual_stack_endpoints_of_both_services_are_called() {
        for (fips, dual_stack, hosts) in [
            (true, false, ["sqs-fips.us-east-1.amazonaws.com", "dynamodb-fips.us-east-1.amazonaws.com"]),
            (false, true, ["sqs.us-east-1.api.aws", "dynamodb.us-east-1.api.aws"]),
        ] {
            let recorder = HostRecorder::default();
            let keys = Credentials::new("AKIA", "secret", None, None, "a test");
            let config = SdkConfig::builder()
                .behavior_version(behaviour())
                .region(Region::from_static("us-east-1"))
                .credentials_provider(SharedCredentialsProvider::new(keys))
                .http_client(recorder.clone())
                .retry_config(RetryConfig::disabled())
                .use_fips(fips)
                .use_dual_stack(dual_stack)
                .build();
            let stack = "drill".parse().unwrap();
            let session =
                Session::from_config(config, stack, CLI_BUDGET, CancellationToken::new(), Clock::start());
            let session = session.unwrap();
            let _ = session.queue_client().list_queues().send().await;
            let _ = session.table_client().list_tables().send().await;
            assert_eq!(*recorder.0.lock().unwrap(), hosts);
        }
    }
}
