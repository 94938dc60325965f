//! What the SDK reports of a profile whose provider gave no credentials.

use aws_config::profile::Profile;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::error::metadata::ErrorMetadata;
use stentor_aws::CredentialProvider;
use stentor_aws::error::{find_cause, root_cause};
use stentor_core::escape::{first_paragraph, one_line};

use crate::error::ProfileFault;
use crate::source::provider_of;

/// What the SDK writes before its reasons.
const PREFIXES: [&str; 4] = [
    "ProfileFile provider could not be built: ",
    "Error retrieving credentials: external process exited with code ",
    "Error retrieving credentials from external process, ",
    "Error retrieving credentials from external process: ",
];

/// A fault, the profile that has it, and the key whose line has it; an empty key is that of the section.
pub(crate) type FailureFinding<'a> = (ProfileFault, &'a Profile, &'static str);

/// Explains a failure at a profile and its source profiles. Returns `None` for a failure that has its cause elsewhere, such
/// as in the network.
pub(crate) fn fault_of_failure<'a>(
    chain: &[&'a Profile],
    failure: &CredentialsError,
) -> Option<FailureFinding<'a>> {
    let last = *chain.last()?;
    match failure {
        CredentialsError::CredentialsNotLoaded(_) => Some((ProfileFault::WithoutCredentials, last, "")),
        CredentialsError::InvalidConfiguration(_) => Some((ProfileFault::Other(reason(failure)), last, "")),
        CredentialsError::ProviderTimedOut(_) => match provider_of(last)?.0 {
            CredentialProvider::Process => fault_of_provider(last, failure),
            _ => None,
        },
        // An error of the network or of the service has another remedy.
        _ if find_cause::<ConnectorError>(failure).is_some() || is_transient(failure) => None,
        _ if find_cause::<AssumeRoleError>(failure).is_some() => fault_of_role(chain, failure),
        _ => fault_of_provider(last, failure),
    }
}

fn fault_of_provider<'a>(profile: &'a Profile, failure: &CredentialsError) -> Option<FailureFinding<'a>> {
    let why = reason(failure);
    let (fault, keys): (_, &[&'static str]) = match provider_of(profile)?.0 {
        // IAM Identity Center has answered, and accepts the token.
        CredentialProvider::IdentityCenter
            if is_service_error(failure) && !why.starts_with("Unauthorized") =>
        {
            (ProfileFault::RoleRefused(why), &["sso_role_name"])
        }
        CredentialProvider::IdentityCenter => {
            (ProfileFault::SignedOut(why), &["sso_session", "sso_start_url"])
        }
        CredentialProvider::Login => (ProfileFault::LoggedOut(why), &["login_session"]),
        CredentialProvider::Process => (ProfileFault::Process(why), &["credential_process"]),
        CredentialProvider::WebIdentity => (ProfileFault::WebIdentity(why), &["web_identity_token_file"]),
        _ => return None,
    };
    let key = keys.iter().find(|key| profile.get(key).is_some())?;
    Some((fault, profile, key))
}

/// Explains why a role was not assumed: the role that STS names, or that of the selected profile.
fn fault_of_role<'a>(chain: &[&'a Profile], failure: &CredentialsError) -> Option<FailureFinding<'a>> {
    let why = reason(failure);
    let role_of = |profile: &Profile| profile.get("role_arn").map(str::to_owned);
    let is_named = |profile: &&&Profile| role_of(profile).is_some_and(|role| why.contains(&role));
    let profile = *chain.iter().find(is_named).or(chain.first())?;
    let role = role_of(profile)?;
    Some(match profile.get("mfa_serial") {
        Some(serial) => {
            (ProfileFault::NeedsMfa { role, serial: serial.to_owned(), why }, profile, "mfa_serial")
        }
        None => (ProfileFault::RoleNotAssumed { role, why }, profile, "role_arn"),
    })
}

/// Returns the reason of a failure in one line: code and message of a service, else the root of the error.
pub(crate) fn reason(failure: &CredentialsError) -> String {
    let root = match find_cause::<ErrorMetadata>(failure) {
        Some(answer) => {
            let code = answer.code().unwrap_or("no code");
            let message = first_paragraph(answer.message().unwrap_or("no message"));
            one_line(&format!("{code}: {message}"))
        }
        None => root_cause(failure),
    };
    let without = PREFIXES.iter().find_map(|prefix| root.strip_prefix(prefix));
    without.unwrap_or(&root).to_owned()
}

/// Whether another attempt may succeed: a service was busy or failed, or did not answer in time.
fn is_transient(failure: &CredentialsError) -> bool {
    let reason = reason(failure);
    let code = reason.split_once(": ").map_or(reason.as_str(), |(code, _)| code);
    stentor_aws::error::is_transient(code) || code == "no code" || has_link(failure, "request has timed out")
}

/// Whether a service has answered with an error.
fn is_service_error(failure: &CredentialsError) -> bool {
    has_link(failure, "service error")
}

/// Whether one of the errors in a chain has this text. The errors of STS and IAM Identity Center have types of crates that
/// are not used here.
fn has_link(failure: &CredentialsError, text: &str) -> bool {
    let causes =
        std::iter::successors(Some(failure as &(dyn std::error::Error + 'static)), |error| error.source());
    causes.into_iter().any(|cause| cause.to_string() == text)
}
