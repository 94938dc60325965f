//! Where credentials come from, for messages and their remedies, and what a session needs of those that are renewed.

use std::fmt;

use tokio::time::Instant;

/// The source of the credentials, by what the environment and the profiles configure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialSource {
    /// The provider at the end of the source profiles.
    pub provider: CredentialProvider,
    /// The profile that configures it: the selected one, or a source profile of it.
    pub profile: Option<String>,
    /// Profile and provider in words, such as `profile 'work' (IAM Identity Center)`.
    pub name: String,
}

/// How the SDK finds credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialProvider {
    /// Environment variables with keys.
    Environment,
    /// Keys in a file.
    Keys,
    /// The output of a `credential_process`.
    Process,
    /// IAM Identity Center, after `aws sso login`.
    IdentityCenter,
    /// A session of the console, after `aws login`.
    Login,
    /// A token in a file, exchanged for those of a role.
    WebIdentity,
    /// The endpoint of a container.
    Container,
    /// The metadata service of an EC2 instance.
    Instance,
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The renewal of a session's credentials.
pub trait CredentialRenewal: fmt::Debug + Send + Sync {
    /// Returns the source of the credentials.
    fn source(&self) -> &CredentialSource;

    /// Returns whether the last load failed, or AWS has rejected the loaded credentials as expired.
    fn is_failing(&self) -> bool;

    /// Renews the credentials because AWS has rejected those of a request as expired. Nothing happens if they were renewed
    /// since `sent_at`, when the request was sent.
    fn reject(&self, sent_at: Instant);
}
