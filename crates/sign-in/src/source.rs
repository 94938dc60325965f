//! Which of its providers the SDK's chain of credentials uses, by the rules of aws-config's `default_provider::credentials`
//! and `profile::credentials`. The chain itself reports neither provider nor profile, except in its log.

use std::borrow::Cow;

use aws_config::profile::{Profile, ProfileSet, load};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};
use stentor_aws::{CredentialProvider, CredentialSource};
use stentor_core::escape::one_line;

use crate::profile::{DEFAULT, named_profile};

/// Returns the source of the credentials for the profile of the command line, else of `AWS_PROFILE`, else `default`.
pub(crate) async fn find_source(profile: Option<&str>) -> CredentialSource {
    find_source_in(&Fs::default(), &Env::default(), profile).await
}

async fn find_source_in(fs: &Fs, env: &Env, profile: Option<&str>) -> CredentialSource {
    let is_set = |name: &str| env.get(name).is_ok_and(|value| !value.trim().is_empty());
    let without_profile =
        |provider, name: &str| CredentialSource { provider, profile: None, name: name.to_owned() };
    if is_set("AWS_ACCESS_KEY_ID") && (is_set("AWS_SECRET_ACCESS_KEY") || is_set("SECRET_ACCESS_KEY")) {
        return without_profile(CredentialProvider::Environment, "the environment (AWS_ACCESS_KEY_ID)");
    }
    let selected = named_profile(env, profile).map_or(Cow::Borrowed(DEFAULT), Cow::Owned);
    if let Ok(set) = load(fs, env, &EnvConfigFiles::default(), Some(selected)).await
        && let Some(source) = source_of_profile(&set)
    {
        return source;
    }
    if is_set("AWS_WEB_IDENTITY_TOKEN_FILE") && is_set("AWS_ROLE_ARN") {
        let name = "the web identity of the environment (AWS_WEB_IDENTITY_TOKEN_FILE)";
        return without_profile(CredentialProvider::WebIdentity, name);
    }
    for variable in ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
        if is_set(variable) {
            return without_profile(CredentialProvider::Container, &format!("the container ({variable})"));
        }
    }
    without_profile(CredentialProvider::Instance, "the role of the EC2 instance")
}

fn source_of_profile(set: &ProfileSet) -> Option<CredentialSource> {
    let selected = set.get_profile(set.selected_profile())?;
    let mut chain = vec![selected];
    while let Some(source) = source_profile(&chain) {
        chain.push(set.get_profile(source)?);
    }
    let last = chain.last()?;
    let (provider, words) = provider_of(last)?;
    let mut words = match provider {
        // Only the program: its variables and arguments may contain secrets.
        CredentialProvider::Process => {
            let mut command = last.get("credential_process")?.split_whitespace();
            format!("{words} {}", command.find(|word| !word.contains('=')).unwrap_or_default())
        }
        _ => words.to_owned(),
    };
    if last.name() != selected.name() {
        words = format!("{words} of profile '{}'", last.name());
    }
    if let Some(role) = selected.get("role_arn").filter(|_| provider != CredentialProvider::WebIdentity) {
        words = format!("role {role} by {words}");
    }
    let name = one_line(&format!("profile '{}' ({words})", selected.name()));
    Some(CredentialSource { provider, profile: Some(last.name().to_owned()), name })
}

/// Returns the source profile of the last profile in a chain, unless it is a final one or leads back into the chain.
pub(crate) fn source_profile<'a>(chain: &[&'a Profile]) -> Option<&'a str> {
    let last = chain.last()?;
    let source = last.get("source_profile").filter(|_| is_role(last, chain.len() == 1))?;
    let is_new =
        last.get("credential_source").is_none() && chain.iter().all(|profile| profile.name() != source);
    is_new.then_some(source)
}

/// Whether the role of a profile is assumed with the credentials of another source. A source profile with keys needs no
/// role, and a web identity no source.
pub(crate) fn is_role(profile: &Profile, is_selected: bool) -> bool {
    let has = |key| profile.get(key).is_some();
    has("role_arn") && !has("web_identity_token_file") && (is_selected || !has("aws_access_key_id"))
}

/// Returns the provider that a profile configures, and its name.
pub(crate) fn provider_of(profile: &Profile) -> Option<(CredentialProvider, &'static str)> {
    use CredentialProvider::{
        Container, Environment, IdentityCenter, Instance, Keys, Login, Process, WebIdentity,
    };
    let has = |key| profile.get(key).is_some();
    Some(match profile.get("credential_source").map(str::to_ascii_lowercase).as_deref() {
        Some("environment") => (Environment, "the environment"),
        Some("ecscontainer") => (Container, "the container"),
        Some("ec2instancemetadata") => (Instance, "the role of the EC2 instance"),
        None if has("web_identity_token_file") => (WebIdentity, "web_identity_token_file"),
        None if has("sso_session") || has("sso_start_url") => (IdentityCenter, "IAM Identity Center"),
        None if has("login_session") => (Login, "aws login"),
        None if has("credential_process") => (Process, "credential_process"),
        None if has("aws_access_key_id") => (Keys, "access keys"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn name(config: &str, variables: &[(&str, &str)]) -> String {
        let fs = Fs::from_slice(&[("/home/ann/.aws/config", config)]);
        let env = Env::from_slice(&[&[("HOME", "/home/ann")], variables].concat());
        find_source_in(&fs, &env, Some("a")).await.name
    }

    #[tokio::test]
    async fn the_source_is_the_first_that_is_configured() {
        const KEYS: &str = "aws_access_key_id = AKIA\naws_secret_access_key = secret\n";
        const ROLE: &str = "role_arn = arn:aws:iam::1:role/r\n";
        for (config, expected) in [
            (KEYS.to_owned(), "profile 'a' (access keys)"),
            (
                "credential_process = TOKEN=secret /opt/get --password secret\n".to_owned(),
                "profile 'a' (credential_process /opt/get)",
            ),
            ("sso_session = corp\n".to_owned(), "profile 'a' (IAM Identity Center)"),
            ("login_session = arn:aws:iam::1:user/ann\n".to_owned(), "profile 'a' (aws login)"),
            (format!("{ROLE}web_identity_token_file = /t\n"), "profile 'a' (web_identity_token_file)"),
            (
                format!("{ROLE}source_profile = b\n[profile b]\n{KEYS}"),
                "profile 'a' (role arn:aws:iam::1:role/r by access keys of profile 'b')",
            ),
            (
                format!("{ROLE}credential_source = Ec2InstanceMetadata\n"),
                "profile 'a' (role arn:aws:iam::1:role/r by the role of the EC2 instance)",
            ),
            ("region = eu-west-1\n".to_owned(), "the role of the EC2 instance"),
            (
                format!("{ROLE}source_profile = b\n[profile b]\n{ROLE}source_profile = a\n"),
                "the role of the EC2 instance",
            ),
        ] {
            assert_eq!(name(&format!("[profile a]\n{config}"), &[]).await, expected, "{config}");
        }
        let keys = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        assert!(name(&format!("[profile a]\n{KEYS}"), &keys).await.starts_with("the environment"));
        let token = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")];
        assert!(name("", &token).await.contains("AWS_WEB_IDENTITY_TOKEN_FILE"));
        let container = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/role")];
        assert!(name("", &container).await.starts_with("the container ("));
    }
}
