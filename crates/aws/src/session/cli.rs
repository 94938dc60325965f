//! A program's session: region and credentials by the command line, the environment, profiles, sign-in and the machine.

use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_types::retry::RetryConfig;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{CLI_BUDGET, Session, behaviour, timeouts};
use crate::error::{Error, root_cause};
use crate::names::StackName;

/// Where a session goes, as the command line says it.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The stack whose resources are used.
    pub stack: StackName,
    /// An address in place of AWS's own.
    pub endpoint: Endpoint,
    /// The region, where it is not left to the environment and profile.
    pub region: Option<String>,
    /// The profile of the AWS configuration files.
    pub profile: Option<String>,
}

/// Which address answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// AWS's own, or what `AWS_ENDPOINT_URL` says.
    Default,
    /// This one.
    Url(String),
    /// A local emulator on this port: us-east-1, made-up credentials.
    Local(u16),
}

impl Session {
    /// Finds region and credentials. Nothing is asked of SQS or DynamoDB yet.
    /// Once `ending` is cancelled, an outage is borne for a last few seconds only.
    pub async fn open(destination: Destination, ending: CancellationToken) -> Result<Self, Error> {
        let mut loader = aws_config::defaults(behaviour())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts());
        match destination.endpoint {
            Endpoint::Default => {}
            Endpoint::Url(url) => loader = loader.endpoint_url(url),
            Endpoint::Local(port) => {
                loader = loader
                    .endpoint_url(format!("http://127.0.0.1:{port}"))
                    .region(Region::from_static("us-east-1"))
                    .credentials_provider(Credentials::new("test", "test", None, None, "the local emulator"));
            }
        }
        if let Some(region) = destination.region {
            loader = loader.region(Region::new(region));
        }
        if let Some(profile) = destination.profile {
            loader = loader.profile_name(profile);
        }
        let config = loader.load().await;
        check_credentials(&config).await?;
        Self::from_config(config, destination.stack, CLI_BUDGET, ending)
    }
}

/// Asks the credential chain before anything else, so that its failure is told as what it is.
async fn check_credentials(config: &SdkConfig) -> Result<(), Error> {
    const LONGEST: Duration = Duration::from_secs(4);
    let none = |why: &str| Error::NoCredentials { why: why.to_owned() };
    let provider = config.credentials_provider().ok_or_else(|| none("there is no provider"))?;
    match timeout(LONGEST, provider.provide_credentials()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(CredentialsError::CredentialsNotLoaded(_))) => {
            Err(none("none in the environment, the profile, or the role of this machine"))
        }
        Ok(Err(error)) => Err(none(&root_cause(&error))),
        Err(_) => Err(none("none were found within 4 s")),
    }
}
