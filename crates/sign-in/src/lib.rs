//! How a program signs in to AWS: where its credentials come from, when they are renewed, which proxy is used, and what is wrong
//! where there are none. Errors are typed; advice about command lines is left to the programs.

mod config_file;
mod error;
mod failure;
mod loopback;
mod profile;
mod proxy;
mod renewal;
mod session;
mod source;

use stentor_aws::names::StackName;

pub use error::{ProfileError, ProfileFault, SignInError};
pub use loopback::is_on_this_machine;
pub use session::open_session;

/// What a program connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Prefix of the names of tables and queues.
    pub stack: StackName,
    /// AWS, a URL, or the local emulator.
    pub endpoint: Endpoint,
    /// The region; `None` for that of the environment or profile.
    pub region: Option<String>,
    /// A profile of the AWS configuration files; `None` for the default.
    pub profile: Option<String>,
}

/// The address of SQS and DynamoDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// AWS, or the URL in `AWS_ENDPOINT_URL`.
    Default,
    /// The URL of an emulator or of a VPC endpoint.
    Url(String),
    /// The emulator on this port, with dummy credentials; us-east-1 unless a region is given.
    Local(u16),
}
