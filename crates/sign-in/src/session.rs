//! The session of a program: region and credentials from the environment, profiles, sign-in and the machine.

use std::sync::Arc;
use std::time::Duration;

use aws_config::{ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, SharedCredentialsProvider};
use aws_smithy_types::retry::RetryConfig;
use aws_types::os_shim_internal::Env;
use stentor_aws::clock::Clock;
use stentor_aws::error::find_cause;
use stentor_aws::session::{behaviour, timeouts};
use stentor_aws::{CredentialSource, Error, ProxyError, Session};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::error::SignInError;
use crate::failure::reason;
use crate::profile::{DEFAULT, find_fault, is_variable_empty};
use crate::renewal::{Renewal, load};
use crate::source::find_source;
use crate::{Destination, Endpoint, proxy};

/// Attempts at each call of STS, IAM Identity Center and sign-in, which the SDK delays by up to 1, 2 and 4 s.
const SIGN_IN_ATTEMPTS: u32 = 4;

/// Credentials that take longer are reported.
const WARN_AFTER: Duration = Duration::from_secs(2);

/// Opens a program's session: finds region and credentials, without a call to SQS or DynamoDB. Loading credentials takes at
/// most 60 s; after 2 s a warning names their source. Once `shutdown` is cancelled, an outage is retried for a few seconds
/// only.
pub async fn open_session(
    destination: Destination,
    shutdown: CancellationToken,
) -> Result<Session, SignInError> {
    let Destination { stack, endpoint, region, profile } = destination;
    let url = match endpoint {
        Endpoint::Default => None,
        Endpoint::Url(url) => Some(url),
        Endpoint::Local(port) => return Ok(Session::for_emulator(port, region, stack, shutdown)?),
    };
    let profile = profile.as_deref();
    // Without it the SDK would search for other credentials. Any other fault matters only if it finds none.
    if profile.is_some()
        && let Some(error) = find_fault(profile, None).await
        && error.fault.hides_profile()
    {
        return Err(error.into());
    }
    let config = loader(url, region, profile).load().await;
    let source = find_source(profile).await;
    let chain = config.credentials_provider().ok_or_else(|| no_credentials(&config, None, "no provider"))?;
    let credentials = match load_with_warning(&chain, &source).await {
        Ok(credentials) => credentials,
        Err(failure) => return Err(explain(&config, profile, source, &failure).await),
    };
    check_continuation(&config, profile, &credentials).await?;
    let clock = Clock::start();
    let renewal = Renewal::start(source, chain, credentials, clock.clone());
    let config = config.into_builder().credentials_provider(renewal.provider()).build();
    Ok(Session::for_program(config, stack, Arc::new(renewal), clock, shutdown)?)
}

/// Configures the SDK's search for region and credentials. Its retries are those of STS, IAM Identity Center and sign-in;
/// the session makes those of SQS and DynamoDB.
fn loader(url: Option<String>, region: Option<String>, profile: Option<&str>) -> ConfigLoader {
    let mut loader = aws_config::defaults(behaviour())
        .retry_config(RetryConfig::standard().with_max_attempts(SIGN_IN_ATTEMPTS))
        .timeout_config(timeouts())
        .http_client(proxy::client());
    if let Some(url) = url {
        loader = loader.endpoint_url(url);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    match profile {
        Some(profile) => loader.profile_name(profile),
        None if is_variable_empty(&Env::default()) => loader.profile_name(DEFAULT),
        None => loader,
    }
}

/// Asks the credential chain first, so that its failure is reported as what it is.
async fn load_with_warning(chain: &SharedCredentialsProvider, source: &CredentialSource) -> provider::Result {
    let loading = load(chain);
    tokio::pin!(loading);
    if let Ok(loaded) = timeout(WARN_AFTER, &mut loading).await {
        return loaded;
    }
    tracing::warn!("waiting for credentials from {source}");
    loading.await
}

/// Returns the fault of the profile, or else the failure of the source.
async fn explain(
    config: &SdkConfig,
    profile: Option<&str>,
    source: CredentialSource,
    failure: &CredentialsError,
) -> SignInError {
    if let Some(error) = find_cause::<ProxyError>(failure) {
        return Error::from(error.clone()).into();
    }
    // The profile is not at fault where another source has failed.
    let is_other_source = source.profile.is_none()
        && !matches!(
            failure,
            CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)
        );
    if !is_other_source && let Some(error) = find_fault(profile, Some(failure)).await {
        return error.into();
    }
    match failure {
        CredentialsError::CredentialsNotLoaded(_) => {
            no_credentials(config, None, "none in the environment, the profile, or the role of this machine")
        }
        failure => no_credentials(config, Some(source), &reason(failure)),
    }
    .into()
}

fn no_credentials(config: &SdkConfig, source: Option<CredentialSource>, why: &str) -> Error {
    Error::NoCredentials {
        endpoint: config.endpoint_url().unwrap_or("AWS").to_owned(),
        origin: source.map(Box::new),
        why: why.to_owned(),
    }
}

/// Refuses a region or a key that continues on another line of its file.
async fn check_continuation(
    config: &SdkConfig,
    profile: Option<&str>,
    credentials: &Credentials,
) -> Result<(), SignInError> {
    let region = config.region().map(Region::as_ref);
    let values = [region, Some(credentials.access_key_id()), Some(credentials.secret_access_key())];
    let is_whole = region.is_some() && !values.into_iter().flatten().any(|text| text.contains('\n'));
    let fault = if is_whole { None } else { find_fault(profile, None).await };
    fault.map_or(Ok(()), |error| Err(error.into()))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aws_credential_types::provider::ProvideCredentials;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;

    use super::*;

    /// Answers every request as the agent of ECS does.
    #[derive(Debug, Clone, Default)]
    struct AgentOfEcs(Arc<Mutex<Vec<String>>>);

    impl HttpConnector for AgentOfEcs {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            self.0.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
            let keys = r#"{"AccessKeyId": "ASIATASK", "SecretAccessKey": "secret", "Token": "token",
                "Expiration": "2100-01-01T00:00:00Z"}"#;
            let status = 200.try_into().expect("it is a status");
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(keys))))
        }
    }

    /// The address is fixed, and a test that listened on it would have to configure the network: only the request is shown.
    #[tokio::test]
    async fn the_agent_of_ecs_is_asked_at_its_address() {
        const VARIABLE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
        const TEST: &str = "session::tests::the_agent_of_ecs_is_asked_at_its_address";
        const IS_CHILD: &str = "STENTOR_TEST_OF_ECS";
        if std::env::var_os(IS_CHILD).is_none() {
            // The variables of a process are those that it was started with.
            let mut again = std::process::Command::new(std::env::current_exe().unwrap());
            again.args(["--exact", TEST]).env_clear().env(IS_CHILD, "1").env(VARIABLE, "/v2/task");
            let ended = again.output().unwrap();
            let output = String::from_utf8_lossy(&ended.stdout);
            assert!(ended.status.success() && output.contains("1 passed"), "{output}");
            return;
        }
        let agent = AgentOfEcs::default();
        let answering = agent.clone();
        let client = http_client_fn(move |_, _| SharedHttpConnector::new(answering.clone()));
        let config = loader(None, Some("us-east-1".to_owned()), None).http_client(client).load().await;
        let keys = config.credentials_provider().unwrap().provide_credentials().await.unwrap();
        assert_eq!(keys.access_key_id(), "ASIATASK");
        assert_eq!(*agent.0.lock().unwrap(), ["GET http://169.254.170.2/v2/task"]);
    }
}
