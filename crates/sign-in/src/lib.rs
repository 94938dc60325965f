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

/// Stack, endpoint, region and profile of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The stack.
    pub stack: StackName,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The region; `None` for that of the environment or profile.
    pub region: Option<String>,
    /// A profile of the AWS configuration files; `None` for the default.
    pub profile: Option<String>,
}

/// Which endpoint is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// AWS, or the URL in `AWS_ENDPOINT_URL`.
    Default,
    /// This URL.
    Url(String),
    /// A local emulator on this port: us-east-1, dummy credentials.
    Local(u16),
}
