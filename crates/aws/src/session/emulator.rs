//! A program's session with the local emulator.

use aws_credential_types::Credentials;
use tokio_util::sync::CancellationToken;

use super::{Session, fixed_config};
use crate::clock::Clock;
use crate::error::Error;
use crate::names::StackName;
use crate::retry::CLI_BUDGET;

impl Session {
    /// Opens a session with the emulator on this port of this machine, with dummy credentials; without a region, in
    /// us-east-1. Once `shutdown` is cancelled, an outage is retried for a few seconds only.
    pub fn for_emulator(
        port: u16,
        region: Option<String>,
        stack: StackName,
        shutdown: CancellationToken,
    ) -> Result<Self, Error> {
        let credentials = Credentials::new("test", "test", None, None, "the local emulator");
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let config = fixed_config(credentials, Some(region), Some(format!("http://127.0.0.1:{port}")));
        Self::from_config(config, stack, CLI_BUDGET, shutdown, Clock::start())
    }
}
