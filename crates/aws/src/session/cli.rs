//! A program's session: region and credentials from the command line, the environment, profiles, sign-in and the machine.

use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_types::retry::RetryConfig;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::profile::find_fault;
use super::{Session, behaviour, proxy, timeouts};
use crate::error::{Error, ProxyError, find_cause, root_cause};
use crate::names::StackName;
use crate::retry::CLI_BUDGET;

/// Stack, endpoint, region and profile of a command line.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The stack.
    pub stack: StackName,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The region; `None` for that of the environment or profile.
    pub region: Option<String>,
    /// A profile of the AWS configuration files; `None` for the default.
    pub profile: Option<String>,
}

/// Which endpoint is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// AWS, or the URL in `AWS_ENDPOINT_URL`.
    Default,
    /// This URL.
    Url(String),
    /// A local emulator on this port: us-east-1, dummy credentials.
    Local(u16),
}

impl Session {
    /// Finds region and credentials, without a call to SQS or DynamoDB.
    /// Once `shutdown` is cancelled, an outage is retried for a few seconds only.
    pub async fn for_cli(destination: Destination, shutdown: CancellationToken) -> Result<Self, Error> {
        let Destination { stack, endpoint, region, profile } = destination;
        let mut loader = aws_config::defaults(behaviour())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            .http_client(proxy::client());
        match &endpoint {
            Endpoint::Default => {}
            Endpoint::Url(url) => loader = loader.endpoint_url(url),
            Endpoint::Local(port) => {
                loader = loader
                    .endpoint_url(format!("http://127.0.0.1:{port}"))
                    .region(Region::from_static("us-east-1"))
                    .credentials_provider(Credentials::new("test", "test", None, None, "the local emulator"));
            }
        }
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        // The emulator needs no profile.
        let profile = profile.filter(|_| !matches!(endpoint, Endpoint::Local(_)));
        if let Some(profile) = &profile {
            // Without it the SDK would search for other credentials. Any other fault matters only if it finds none.
            if let Some(error) = find_fault(Some(profile), None).await
                && error.fault.hides_profile()
            {
                return Err(error.into());
            }
            loader = loader.profile_name(profile);
        }
        let config = loader.load().await;
        check_credentials(&config, profile.as_deref()).await?;
        Self::from_config(config, stack, CLI_BUDGET, shutdown)
    }
}

/// Asks the credential chain first, so that its failure is reported as what it is. Also refuses a region or a key that
/// continues on another line of its file.
async fn check_credentials(config: &SdkConfig, profile: Option<&str>) -> Result<(), Error> {
    const TIMEOUT: Duration = Duration::from_secs(4);
    let region = config.region().map(Region::as_ref);
    let (failure, why) = match config.credentials_provider() {
        None => (None, "no provider".to_owned()),
        Some(provider) => match timeout(TIMEOUT, provider.provide_credentials()).await {
            Ok(Ok(found)) => {
                let values = [region, Some(found.access_key_id()), Some(found.secret_access_key())];
                let is_whole =
                    region.is_some() && !values.into_iter().flatten().any(|text| text.contains('\n'));
                let fault = if is_whole { None } else { find_fault(profile, None).await };
                return fault.map_or(Ok(()), |error| Err(error.into()));
            }
            Ok(Err(error)) => {
                let why = match &error {
                    CredentialsError::CredentialsNotLoaded(_) => {
                        "none in the environment, the profile, or the role of this machine".to_owned()
                    }
                    error => root_cause(error),
                };
                (Some(error), why)
            }
            Err(_) => (None, "timed out after 4 s".to_owned()),
        },
    };
    if let Some(error) = failure.as_ref().and_then(|error| find_cause::<ProxyError>(error)) {
        return Err(error.clone().into());
    }
    match find_fault(profile, failure.as_ref()).await {
        Some(error) => Err(error.into()),
        None => {
            Err(Error::NoCredentials { endpoint: config.endpoint_url().unwrap_or("AWS").to_owned(), why })
        }
    }
}
