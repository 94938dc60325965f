//! What to do about the errors of stentor-aws and stentor-sign-in: the last line of a program's error message.

use stentor_aws::{CredentialProvider, CredentialSource, Error};
use stentor_sign_in::{ProfileError, ProfileFault, SignInError, is_on_this_machine};

use crate::ConnectionFlags;

const SIGN_IN: &str = "Sign in (aws configure, or aws sso login and --profile), set AWS_ACCESS_KEY_ID and \
    AWS_SECRET_ACCESS_KEY, or use --local";

const START_EMULATOR: &str = "Start the local emulator with: ./infra/setup.sh local";

const CHECK_CLOCK: &str =
    "Correct this machine's clock: AWS rejects signatures that are more than five minutes off";
const CHECK_NETWORK: &str = "Check the network and, where AWS is behind a proxy, HTTPS_PROXY";

/// The managed policy of the stack that a program needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The producer.
    Producer,
    /// The sender.
    Sender,
    /// The monitor, except for audit and repair.
    Monitor,
    /// Audit and repair of the monitor.
    Audit,
}

impl Policy {
    /// Returns the stack's output with the ARN of the policy.
    pub fn output(self) -> &'static str {
        match self {
            Self::Producer => "ProducerPolicyArn",
            Self::Sender => "SenderPolicyArn",
            Self::Monitor => "MonitorPolicyArn",
            Self::Audit => "AuditPolicyArn",
        }
    }
}

/// The public regions of AWS (botocore, partitions.json, 2026). AWS adds others, so an unknown name only changes the hint.
#[rustfmt::skip]
const REGIONS: [&str; 39] = [
    "af-south-1",
    "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
    "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1", "ca-west-1",
    "cn-north-1", "cn-northwest-1",
    "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1", "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1", "us-east-2", "us-gov-east-1", "us-gov-west-1", "us-west-1", "us-west-2",
];

/// Formats an error of a program that needs `policy`, followed by a line with the remedy where there is one.
pub fn with_hint(error: &Error, policy: Policy) -> String {
    hint(error, policy).map_or_else(|| error.to_string(), |hint| format!("{error}\n{hint}"))
}

/// As [`with_hint`] for an error that may come from stentor-aws or stentor-sign-in; any other is formatted alone.
pub fn describe(error: &anyhow::Error, policy: Policy) -> String {
    match error.downcast_ref() {
        Some(SignInError::Profile(error)) => format!("{error}\n{}", hint_for_profile(error)),
        Some(SignInError::Aws(error)) => with_hint(error, policy),
        None => error.downcast_ref().map_or_else(|| error.to_string(), |error| with_hint(error, policy)),
    }
}

/// Write units per second that the remedy for a throttled table names: the default quota of a table (Amazon DynamoDB
/// Developer Guide, "Quotas in Amazon DynamoDB").
const PREPARED_UNITS: u32 = 40_000;

/// Write units per second of a new table, which cost nothing (Amazon DynamoDB Developer Guide, "`DynamoDB` on-demand
/// capacity mode").
const FREE_UNITS: u32 = 4_000;

/// Dollars per write unit: the hourly price of a provisioned one in us-east-1, charged once (Amazon DynamoDB pricing).
const PREPARED_UNIT_PRICE: f64 = 0.000_65;

/// Returns how to make the messages table of the stack accept more writes; `None` for an emulator.
pub fn prepare_table(connection: &ConnectionFlags, endpoint: &str) -> Option<String> {
    if is_on_this_machine(endpoint) {
        return None;
    }
    let price = f64::from(PREPARED_UNITS - FREE_UNITS) * PREPARED_UNIT_PRICE;
    Some(format!(
        "Prepare it before the next run: {} --warm-throughput {PREPARED_UNITS}. AWS charges this once, up to about \
         ${price:.0}; warm throughput can be raised later, but not lowered",
        connection.setup("deploy")
    ))
}

fn hint(error: &Error, policy: Policy) -> Option<String> {
    Some(match error {
        Error::NoCredentials { endpoint, .. } | Error::NoRegion { endpoint } if is_on_this_machine(endpoint) => {
            format!("The local emulator needs no credentials and no region: use --local. {START_EMULATOR}")
        }
        Error::BadCredentials { why, .. } if is_of_time(why) => CHECK_CLOCK.to_owned(),
        Error::NoCredentials { origin: Some(origin), .. } => hint_for_failure(origin),
        Error::BadCredentials { origin: Some(origin), .. }
        | Error::RetriesExhausted { origin: Some(origin), .. } => hint_for_rejection(origin),
        Error::NoCredentials { .. } => SIGN_IN.to_owned(),
        // Of a program, only the session of --local has credentials without a source.
        Error::BadCredentials { origin: None, .. } => {
            format!("An emulator accepts the dummy credentials of --local: check the port. {START_EMULATOR}")
        }
        Error::NoRegion { .. } => {
            "Pass --region, set AWS_REGION, or add one to your profile: aws configure set region REGION".to_owned()
        }
        Error::Proxy(error) if error.why.contains("credentials") => {
            format!("Add them to {}: http://USER:PASSWORD@HOST:PORT", error.variable)
        }
        Error::Proxy(error) => {
            format!("Check {}; add hosts that need no proxy to NO_PROXY", error.variable)
        }
        Error::Unreachable { endpoint, .. } if is_on_this_machine(endpoint) => {
            format!("Is it running, and is the URL right? {START_EMULATOR}")
        }
        Error::Unreachable { endpoint, region, .. } if endpoint.starts_with("AWS") => {
            let unknown = format!("{region} is not a known region: check --region, AWS_REGION and the profile");
            if REGIONS.contains(&region.as_str()) { CHECK_NETWORK.to_owned() } else { unknown }
        }
        Error::Unreachable { .. } => "Is it running, and is the URL right?".to_owned(),
        Error::NotDeployed { stack, endpoint, .. } if is_on_this_machine(endpoint) => {
            let port = endpoint.trim_end_matches('/').rsplit(':').next().filter(|port| port.parse::<u16>().is_ok());
            let port = port.map(|port| format!(" --port {port}")).unwrap_or_default();
            format!("Deploy it: ./infra/setup.sh local --stack {stack}{port}")
        }
        Error::NotDeployed { stack, region, resource, .. } => {
            let deploy = format!("Deploy it: ./infra/setup.sh deploy --stack {stack} --region {region}");
            // SQS gives the same answer for a queue that the caller may not find.
            let is_queue = ["-queue", "-dlq"].iter().any(|end| resource.ends_with(end));
            let output = policy.output();
            let or_attach = format!("; if it is deployed, sqs:GetQueueUrl is denied: attach the policy of its output {output}");
            if is_queue { deploy + &or_attach } else { deploy }
        }
        Error::ProviderConflict { .. } => {
            "Use the same profile with all senders of the stack, or another name; limits and daily caps can change once \
             nothing has been sent under that name for a minute"
                .to_owned()
        }
        Error::NoSuchRun { .. } => {
            "The producer prints a run's ID when it starts; check --stack, and list its runs with: monitor runs".to_owned()
        }
        Error::RetriesExhausted { endpoint, .. } if is_on_this_machine(endpoint) => START_EMULATOR.to_owned(),
        Error::Rejected { message, .. } if error.is_access_denied() => hint_for_denial(message, policy),
        Error::Rejected { .. } | Error::RetriesExhausted { .. } | Error::InvalidData { .. } => return None,
    })
}

/// The reasons of a denial are those of "Troubleshoot access denied error messages" in the IAM User Guide.
fn hint_for_denial(message: &str, policy: Policy) -> String {
    let output = policy.output();
    let is_allowed_nowhere = message.contains("no identity-based policy") || !message.contains(" policy");
    if is_allowed_nowhere && !message.contains("explicit deny") {
        format!("Attach the policy of the stack's output {output} to that user or role")
    } else {
        format!(
            "The stack's output {output} has a policy that allows it; change the policy that AWS names, which denies it"
        )
    }
}

fn hint_for_profile(error: &ProfileError) -> String {
    let (profile, at) = (&error.profile, &error.at);
    match &error.fault {
        ProfileFault::Unknown { .. } => {
            format!(
                "Name another with --profile or AWS_PROFILE, or create it: aws configure --profile {profile}"
            )
        }
        ProfileFault::SectionName { expected, .. } => format!("Change that line to [{expected}]"),
        ProfileFault::Syntax(_) | ProfileFault::Other(_) => {
            format!("Correct the file, or configure the profile again: aws configure --profile {profile}")
        }
        ProfileFault::Indented { .. } => "Remove the spaces or tabs at the start of that line".to_owned(),
        ProfileFault::RoleWithoutSource => {
            format!(
                "Name the profile that may assume it: aws configure set source_profile NAME --profile {at}"
            )
        }
        ProfileFault::UnknownSource { .. } | ProfileFault::Loop(_) => {
            format!("Name a profile with credentials: aws configure set source_profile NAME --profile {at}")
        }
        ProfileFault::SignedOut(_) => format!("Sign in: aws sso login --profile {at}"),
        ProfileFault::LoggedOut(_) => format!("Sign in: aws login --profile {at}"),
        ProfileFault::RoleRefused(_) => {
            format!("Choose an account and a role that you have been assigned: aws configure sso --profile {at}")
        }
        ProfileFault::Process(_) => hint_for_process(&format!(" --profile {at}")),
        ProfileFault::WebIdentity(_) => {
            "Check that file, and whether the trust policy of the role accepts its issuer, audience and subject".to_owned()
        }
        ProfileFault::NeedsMfa { .. } => {
            format!(
                "Let the AWS CLI ask for it, then run this again: \
                 eval \"$(aws configure export-credentials --profile {profile} --format env)\""
            )
        }
        ProfileFault::RoleNotAssumed { .. } => {
            format!(
                "Check the role's ARN and trust policy; the AWS CLI may print more details: \
                 aws sts get-caller-identity --profile {profile}"
            )
        }
        ProfileFault::WithoutCredentials => {
            format!("Sign in: aws configure --profile {at}, or aws configure sso --profile {at}")
        }
    }
}

/// Whether AWS rejected a signature because of its time (AWS IAM User Guide, "Troubleshoot Signature Version 4 signing for
/// AWS API requests").
fn is_of_time(why: &str) -> bool {
    ["Signature expired", "Signature not yet current", "RequestTimeTooSkewed"]
        .iter()
        .any(|text| why.contains(text))
}

/// What to do where a source gave no credentials because it failed or did not answer.
fn hint_for_failure(source: &CredentialSource) -> String {
    match source.provider {
        CredentialProvider::WebIdentity => {
            "Check that file, AWS_ROLE_ARN, and whether the trust policy of the role accepts the token"
                .to_owned()
        }
        CredentialProvider::Container => {
            "Check the task role or the pod's association, and that variable".to_owned()
        }
        CredentialProvider::Instance => {
            "Check that the instance has a role: aws ec2 describe-iam-instance-profile-associations"
                .to_owned()
        }
        _ => CHECK_NETWORK.to_owned(),
    }
}

/// What to do where AWS rejects the credentials of a source, or they cannot be renewed.
fn hint_for_rejection(source: &CredentialSource) -> String {
    let flag = source.profile.as_ref().map(|profile| format!(" --profile {profile}")).unwrap_or_default();
    match source.provider {
        CredentialProvider::IdentityCenter => format!("Sign in again: aws sso login{flag}"),
        CredentialProvider::Login => format!("Sign in again: aws login{flag}"),
        CredentialProvider::Keys => format!("Set other keys: aws configure{flag}"),
        CredentialProvider::Environment => {
            "Set new values for AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or unset them to use a profile".to_owned()
        }
        CredentialProvider::Process => hint_for_process(&flag),
        _ => format!("Check the credentials: aws sts get-caller-identity{flag}"),
    }
}

/// What to do where a `credential_process` gives no credentials, or some that AWS rejects.
fn hint_for_process(flag: &str) -> String {
    format!(
        "Run the command that this prints; it must output valid credentials as JSON: aws configure get credential_process{flag}"
    )
}

#[cfg(test)]
mod tests;
