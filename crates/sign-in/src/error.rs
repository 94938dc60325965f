//! Errors of signing in, and what is wrong with a profile.

use thiserror::Error;

/// Why no session was opened.
#[derive(Debug, Error)]
pub enum SignInError {
    /// A profile of the AWS configuration files cannot be used.
    #[error(transparent)]
    Profile(#[from] Box<ProfileError>),
    /// No credentials or no region, or the proxy of the environment did not connect to AWS.
    #[error(transparent)]
    Aws(#[from] stentor_aws::Error),
}

/// What is wrong with a profile of the AWS configuration files, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("profile '{profile}'{}: {fault}{}", source_profile(.profile, .at), in_brackets(.place.as_deref()))]
pub struct ProfileError {
    /// The selected profile.
    pub profile: String,
    /// The profile that has the fault: the selected one, or a source profile of it.
    pub at: String,
    /// What is wrong.
    pub fault: ProfileFault,
    /// File and line, where one line is at fault.
    pub place: Option<String>,
}

/// What is wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProfileFault {
    /// No file has it.
    #[error("not found in {files}; existing profiles: {}", list(.known))]
    Unknown {
        /// The files that were searched.
        files: String,
        /// The profiles in them.
        known: Vec<String>,
    },
    /// The section has a name of the wrong form for its file.
    #[error("the section [{found}] is ignored, expected [{expected}]")]
    SectionName {
        /// The words between the brackets.
        found: String,
        /// Those that make it this profile.
        expected: String,
    },
    /// A file cannot be parsed; the SDK's reason, which names file and line.
    #[error("{0}")]
    Syntax(String),
    /// An indented line continues the value above it.
    #[error("an indented line is part of the value of '{key}' above it")]
    Indented {
        /// The key whose value it continues.
        key: String,
    },
    /// A role without anything to assume it with.
    #[error("its role_arn needs source_profile or credential_source")]
    RoleWithoutSource,
    /// A source profile that does not exist.
    #[error("its source_profile '{source_profile}' does not exist")]
    UnknownSource {
        /// The missing profile.
        source_profile: String,
    },
    /// Source profiles that lead back to one of them.
    #[error("source_profile forms a loop: {}", list(.0))]
    Loop(Vec<String>),
    /// No valid token of IAM Identity Center.
    #[error("not signed in to IAM Identity Center ({0})")]
    SignedOut(String),
    /// IAM Identity Center accepts the token and refuses the role; its reason.
    #[error("IAM Identity Center refused its sso_role_name ({0})")]
    RoleRefused(String),
    /// No valid session of `aws login`.
    #[error("not signed in with aws login ({0})")]
    LoggedOut(String),
    /// The process failed, or printed something else than credentials; the SDK's reason, with what it wrote to stderr.
    #[error("its credential_process failed ({0})")]
    Process(String),
    /// The token cannot be read, or AWS STS refused it.
    #[error("its web_identity_token_file gave no credentials ({0})")]
    WebIdentity(String),
    /// AWS STS refused the role.
    #[error("its role {role} was not assumed ({why})")]
    RoleNotAssumed {
        /// The ARN of the role.
        role: String,
        /// The reason of AWS STS.
        why: String,
    },
    /// AWS STS refused the role, which has an MFA device. The SDK cannot ask for the code.
    #[error(
        "its role {role} requires a code from the MFA device {serial}, and the programs cannot prompt for it ({why})"
    )]
    NeedsMfa {
        /// The ARN of the role.
        role: String,
        /// The ARN or serial number of the device.
        serial: String,
        /// The reason of AWS STS.
        why: String,
    },
    /// It has settings, but no credentials.
    #[error("no AWS credentials in it, in the environment, or from a role of this machine")]
    WithoutCredentials,
    /// Another reason of the SDK's.
    #[error("{0}")]
    Other(String),
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl ProfileFault {
    /// Returns whether the SDK reads the files as if they had no such profile.
    pub(crate) fn hides_profile(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::SectionName { .. } | Self::Syntax(_))
    }
}

fn source_profile(profile: &str, at: &str) -> String {
    if at == profile { String::new() } else { format!(", source profile '{at}'") }
}

fn in_brackets(text: Option<&str>) -> String {
    text.map(|text| format!(" ({text})")).unwrap_or_default()
}
