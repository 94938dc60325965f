//! What is wrong with a profile that gave no credentials or no region.
//!
//! The SDK reads the files, and its errors have the reason but neither file nor line, nor the names of the other
//! profiles. So after a failure the files are read once more, by the SDK's parser and as text.

use std::borrow::Cow;

use aws_config::profile::{Profile, ProfileSet, load};
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};
use stentor_aws::error::root_cause;

use crate::config_file::{ConfigFile, Line};
use crate::error::{ProfileError, ProfileFault};
use crate::failure::fault_of_failure;
use crate::source::{is_role, source_profile};

/// A fault, the name of the profile that has it, and the line.
type Finding = (ProfileFault, String, Option<Line>);

/// The profile that is used where none is named.
pub(crate) const DEFAULT: &str = "default";

/// Finds the fault of the selected profile: that of the command line, else of `AWS_PROFILE`, else `default`.
///
/// `failure` is the error of the credential chain; `None` where something else failed. Returns `None` if nothing is
/// wrong with the profile.
pub(crate) async fn find_fault(
    profile: Option<&str>,
    failure: Option<&CredentialsError>,
) -> Option<Box<ProfileError>> {
    find_fault_in(&Fs::default(), &Env::default(), profile, failure).await
}

async fn find_fault_in(
    fs: &Fs,
    env: &Env,
    profile: Option<&str>,
    failure: Option<&CredentialsError>,
) -> Option<Box<ProfileError>> {
    let named = named_profile(env, profile);
    let is_named = named.is_some();
    let profile = named.unwrap_or_else(|| DEFAULT.to_owned());
    let selected = Some(Cow::Owned(profile.clone()));
    let set = match load(fs, env, &EnvConfigFiles::default(), selected).await {
        Ok(set) => set,
        Err(error) => {
            let fault = ProfileFault::Syntax(root_cause(&error));
            return Some(Box::new(ProfileError { at: profile.clone(), profile, fault, place: None }));
        }
    };
    let files = ConfigFile::both(fs, env).await;
    let (fault, at, line) = match set.get_profile(set.selected_profile()) {
        Some(profile) => fault_of_chain(&set, profile, &files, failure)?,
        None if is_named || (failure.is_some() && !set.is_empty()) => missing(&set, &files),
        None => return None,
    };
    let place = line.map(|line| line.to_string());
    Some(Box::new(ProfileError { profile: set.selected_profile().to_owned(), at, fault, place }))
}

/// Returns whether `AWS_PROFILE` is set and empty. It counts as unset; the SDK takes it for a profile without a name.
pub(crate) fn is_variable_empty(env: &Env) -> bool {
    env.get("AWS_PROFILE").is_ok_and(|name| name.is_empty())
}

/// Returns the profile of the command line, else that of `AWS_PROFILE`.
pub(crate) fn named_profile(env: &Env, profile: Option<&str>) -> Option<String> {
    profile.map(str::to_owned).or_else(|| env.get("AWS_PROFILE").ok()).filter(|name| !name.is_empty())
}

/// Explains why a profile does not exist: its section may have a name of the wrong form.
fn missing(set: &ProfileSet, files: &[ConfigFile; 2]) -> Finding {
    let name = set.selected_profile();
    for file in files {
        let expected = file.section_names(name).remove(0);
        let wrong = if file.is_config { name.to_owned() } else { format!("profile {name}") };
        if let Some(line) = file.section(&wrong) {
            return (ProfileFault::SectionName { found: wrong, expected }, name.to_owned(), Some(line));
        }
    }
    let mut known: Vec<String> = set.profiles().map(str::to_owned).collect();
    known.sort();
    let [config, credentials] = files;
    let files = format!("{} or {}", config.path, credentials.path);
    (ProfileFault::Unknown { files, known }, name.to_owned(), None)
}

/// Follows the source profiles of a profile to the first fault.
fn fault_of_chain<'a>(
    set: &'a ProfileSet,
    selected: &'a Profile,
    files: &[ConfigFile; 2],
    failure: Option<&CredentialsError>,
) -> Option<Finding> {
    let mut chain = vec![selected];
    loop {
        let profile = *chain.last()?;
        let name = profile.name();
        let found = |fault, line| Some((fault, name.to_owned(), line));
        let line_of = |section: &str, key: &str| files.iter().find_map(|file| file.line(section, key));
        if let Some((key, line)) = files.iter().find_map(|file| file.indented(name)) {
            return found(ProfileFault::Indented { key }, Some(line));
        }
        if let Some(source) = source_profile(&chain) {
            let Some(next) = set.get_profile(source) else {
                let fault = ProfileFault::UnknownSource { source_profile: source.to_owned() };
                return found(fault, line_of(name, "source_profile"));
            };
            chain.push(next);
            continue;
        }
        let is_role = is_role(profile, chain.len() == 1);
        match (profile.get("source_profile"), profile.get("credential_source")) {
            (None, None) if is_role => {
                return found(ProfileFault::RoleWithoutSource, line_of(name, "role_arn"));
            }
            (Some(source), None) if is_role && source != name => {
                let names = chain.iter().map(|profile| profile.name()).chain([source]);
                let fault = ProfileFault::Loop(names.map(str::to_owned).collect());
                return found(fault, line_of(name, "source_profile"));
            }
            _ => {
                let (fault, profile, key) = fault_of_failure(&chain, failure?)?;
                return Some((fault, profile.name().to_owned(), line_of(profile.name(), key)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    const CONFIG: &str = "/home/ann/.aws/config";

    async fn fault(config: &str, profile: Option<&str>, failure: Option<CredentialsError>) -> Option<String> {
        let credentials = "[base]\r\naws_access_key_id = AKIA\r\naws_secret_access_key = secret\r\n\
            [profile odd]\r\n";
        let fs = Fs::from_slice(&[(CONFIG, config), ("/home/ann/.aws/credentials", credentials)]);
        let env = Env::from_slice(&[("HOME", "/home/ann")]);
        find_fault_in(&fs, &env, profile, failure.as_ref()).await.map(|error| error.to_string())
    }

    #[tokio::test]
    async fn an_empty_variable_counts_as_unset() {
        let env = |profile| Env::from_slice(&[("HOME", "/home/ann"), ("AWS_PROFILE", profile)]);
        let fault = async |profile| {
            let found = find_fault_in(&Fs::from_slice(&[(CONFIG, "")]), &env(profile), None, None).await;
            found.map(|error| error.to_string())
        };
        assert_eq!(fault("").await, None);
        assert!(fault("nope").await.unwrap().starts_with("profile 'nope': not found"));
        assert_eq!(["", "nope"].map(|profile| is_variable_empty(&env(profile))), [true, false]);
    }

    fn not_loaded() -> CredentialsError {
        CredentialsError::not_loaded("none")
    }

    #[tokio::test]
    async fn an_unknown_profile_is_answered_with_those_there_are() {
        let error = fault("[profile dev]\n[default]\n", Some("nope"), None).await.unwrap();
        assert_eq!(
            error,
            "profile 'nope': not found in /home/ann/.aws/config or /home/ann/.aws/credentials; \
             existing profiles: base, default, dev"
        );
        let unnamed = fault("[profile dev]\n", None, Some(not_loaded())).await.unwrap();
        assert!(unnamed.starts_with("profile 'default': not found in "), "{unnamed}");
        assert_eq!(fault("[profile dev]\n", None, None).await, None, "the default profile is optional");
        assert_eq!(fault("[profile dev]\n", Some("dev"), None).await, None);
    }

    #[tokio::test]
    async fn a_section_name_of_the_wrong_form_is_named_with_its_line() {
        for (profile, expected) in [
            ("dev", "the section [dev] is ignored, expected [profile dev] (/home/ann/.aws/config line 3)"),
            (
                "odd",
                "the section [profile odd] is ignored, expected [odd] (/home/ann/.aws/credentials line 4)",
            ),
        ] {
            let error = fault("# mine\n[default]\n[ dev ] # work\n", Some(profile), None).await.unwrap();
            assert!(error.ends_with(expected), "{error}");
        }
    }

    #[tokio::test]
    async fn a_role_is_followed_to_its_fault() {
        const ROLE: &str = "role_arn = arn:aws:iam::1:role/r\n";
        for (config, expected) in [
            (
                format!("[profile a]\n{ROLE}region = eu-west-1\n"),
                "profile 'a': its role_arn needs source_profile or credential_source (/home/ann/.aws/config line 2)",
            ),
            (
                format!("[profile a]\n{ROLE}source_profile = b\n[profile b]\n{ROLE}source_profile = a\n"),
                "profile 'a', source profile 'b': source_profile forms a loop: a, b, a (/home/ann/.aws/config line 6)",
            ),
            (
                format!("[profile a]\n{ROLE}source_profile = c\n"),
                "profile 'a': its source_profile 'c' does not exist (/home/ann/.aws/config line 3)",
            ),
            (
                format!("[profile a]\n{ROLE}source_profile = b\n[profile b]\noutput = json\n  region = x\n"),
                "profile 'a', source profile 'b': an indented line is part of the value of 'output' above it \
                 (/home/ann/.aws/config line 6)",
            ),
        ] {
            let error = fault(&config, Some("a"), Some(not_loaded())).await.unwrap();
            assert_eq!(error, expected, "{config}");
        }
        let works = format!("[profile a]\n{ROLE}source_profile = base\n");
        assert_eq!(fault(&works, Some("a"), None).await, None);
        let itself = format!("[profile a]\n{ROLE}source_profile = a\n");
        assert_eq!(fault(&itself, Some("a"), None).await, None, "a role may have keys of its profile");
    }

    #[tokio::test]
    async fn a_session_without_a_token_is_signed_out_unless_the_network_failed() {
        let config = "[profile a]\r\nsso_session = corp\r\n";
        let no_token = CredentialsError::provider_error("failed to load the cached SSO token");
        let error = fault(config, Some("a"), Some(no_token)).await.unwrap();
        assert!(
            error.contains("not signed in") && error.ends_with("(/home/ann/.aws/config line 2)"),
            "{error}"
        );
        let network = CredentialsError::provider_error(ConnectorError::io("refused".into()));
        assert_eq!(fault(config, Some("a"), Some(network)).await, None);
    }

    #[tokio::test]
    async fn a_profile_without_credentials_is_named_with_its_section() {
        let error = fault("[default]\nregion = eu-west-1\n", None, Some(not_loaded())).await.unwrap();
        assert!(error.starts_with("profile 'default': no AWS credentials in it"), "{error}");
        assert!(error.ends_with("(/home/ann/.aws/config line 1)"), "{error}");
    }

    #[tokio::test]
    async fn the_parser_names_file_and_line() {
        let error = fault("[default]\n  region = eu-west-1\n", None, None).await.unwrap();
        assert!(error.contains("/home/ann/.aws/config on line 2"), "{error}");
    }

    #[tokio::test]
    async fn another_reason_of_the_sdk_is_quoted_with_the_section() {
        let failure = CredentialsError::invalid_configuration(
            "ProfileFile provider could not be built: sso-session `x` was not found",
        );
        let error = fault("[default]\nsso_session = x\n", None, Some(failure)).await.unwrap();
        assert_eq!(error, "profile 'default': sso-session `x` was not found (/home/ann/.aws/config line 1)");
    }
}
