//! A Lambda function's session: region and credentials come from the environment alone, so that nothing else is linked
//! or waited for when an instance starts.

use aws_credential_types::Credentials;
use tokio_util::sync::CancellationToken;

use super::{Session, fixed_config};
use crate::error::Error;
use crate::names::StackName;
use crate::retry::LAMBDA_BUDGET;

impl Session {
    /// Opens a session with the region and credentials of the environment (AWS Lambda Developer Guide,
    /// "Defined runtime environment variables"). `AWS_ENDPOINT_URL_DYNAMODB` or `AWS_ENDPOINT_URL` overrides the
    /// endpoint (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").
    pub fn for_lambda(stack: StackName) -> Result<Self, Error> {
        Self::by_environment(stack, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn by_environment(stack: StackName, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let needed = |name: &str| {
            let missing = || Error::NoCredentials {
                endpoint: "AWS".into(),
                origin: None,
                why: format!("{name} is not set"),
            };
            variable(name).ok_or_else(missing)
        };
        let credentials = Credentials::new(
            needed("AWS_ACCESS_KEY_ID")?,
            needed("AWS_SECRET_ACCESS_KEY")?,
            variable("AWS_SESSION_TOKEN"),
            None,
            "the environment",
        );
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        let endpoint = variable("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| variable("AWS_ENDPOINT_URL"));
        Self::from_config(
            fixed_config(credentials, region, endpoint),
            stack,
            LAMBDA_BUDGET,
            CancellationToken::new(),
            #[cfg(feature = "programs")]
            crate::clock::Clock::start(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_credential_types::provider::ProvideCredentials;

    fn session(variables: &[(&str, &str)]) -> Result<Session, Error> {
        Session::by_environment("drill".parse().unwrap(), |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "secret")];

    #[tokio::test]
    async fn region_credentials_and_endpoint_are_those_of_the_environment() {
        let lambda =
            [KEYS.as_slice(), &[("AWS_SESSION_TOKEN", "token"), ("AWS_REGION", "eu-west-1")]].concat();
        let on_aws = session(&lambda).unwrap();
        assert_eq!((on_aws.region.as_str(), on_aws.endpoint.as_str()), ("eu-west-1", "AWS in eu-west-1"));
        let credentials = on_aws.config.credentials_provider().unwrap().provide_credentials().await.unwrap();
        assert_eq!(credentials.access_key_id(), "AKIA");
        assert_eq!((credentials.secret_access_key(), credentials.session_token()), ("secret", Some("token")));

        let elsewhere = [lambda.as_slice(), &[("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")]].concat();
        assert_eq!(session(&elsewhere).unwrap().endpoint, "http://127.0.0.1:4566");
        let tables =
            [elsewhere.as_slice(), &[("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8000")]].concat();
        assert_eq!(session(&tables).unwrap().endpoint, "http://127.0.0.1:8000");
    }

    #[test]
    fn missing_settings_are_reported_before_any_request() {
        assert!(session(&[]).unwrap_err().to_string().contains("AWS_ACCESS_KEY_ID is not set"));
        assert!(session(&KEYS[..1]).unwrap_err().to_string().contains("AWS_SECRET_ACCESS_KEY is not set"));
        assert!(matches!(session(&KEYS), Err(Error::NoRegion { .. })));
    }
}
