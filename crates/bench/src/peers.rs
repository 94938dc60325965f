//! Alternatives to Stentor: a loop with boto3, and the npm package `sqs-consumer`.
//!
//! They are installed on first use, at pinned versions checked by hash, into the checkout's ignored folder
//! `.local/`. Each prints one line of JSON: `messages`, `seconds`, `requests`, and the `run` if it created one.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;
use stentor_test_support::build::checkout;
use stentor_test_support::npm::{NodeProgram, NodeSource};
use stentor_test_support::python_with;

use crate::programs::Target;

/// The sender built on `sqs-consumer`.
const SQS_CONSUMER: &str = "sqs_consumer.mjs";

/// The installed peers.
#[derive(Debug)]
pub struct Peers {
    python: PathBuf,
    sqs_consumer: NodeProgram,
}

impl Peers {
    /// Installs what is missing. Concurrent calls install one after the other.
    pub fn install() -> anyhow::Result<Self> {
        let source = NodeSource { name: "peers", folder: &sources(), program: SQS_CONSUMER };
        Ok(Self { python: install_python()?, sqs_consumer: NodeProgram::install(source)? })
    }

    /// Returns a producer that puts and sends one message at a time.
    pub fn boto3_producer(&self, target: &Target, messages: u32, length: u16) -> Command {
        let mut command = self.boto3("produce", target);
        command.args(["--messages", &messages.to_string(), "--length", &length.to_string()]);
        command
    }

    /// Returns a sender that handles one message at a time until the queue is empty: it receives, deletes,
    /// updates and counts.
    pub fn boto3_sender(&self, target: &Target) -> Command {
        self.boto3("send", target)
    }

    /// Returns a sender built on `sqs-consumer` as in the package's README, with a handler of one message and
    /// one consumer. It runs until the queue is empty.
    pub fn sqs_consumer(&self, target: &Target) -> Command {
        let mut command = self.sqs_consumers(target);
        command.args(["--one-by-one", "--consumers", "1"]);
        command
    }

    /// Returns the fastest known sender built on `sqs-consumer`: concurrent consumers, and outcomes in batches.
    pub fn sqs_consumers(&self, target: &Target) -> Command {
        toward(target, self.sqs_consumer.command())
    }

    fn boto3(&self, job: &str, target: &Target) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-B").arg(sources().join("boto3_loop.py")).arg(job);
        toward(target, command)
    }
}

/// Adds the endpoint and the stack, with dummy credentials and none of this machine's AWS settings.
fn toward(target: &Target, mut command: Command) -> Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.envs([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    command.args(["--endpoint", &target.endpoint, "--stack", &target.stack]).stdin(Stdio::null());
    command
}

/// Returns the folder of the peers' programs and pins.
fn sources() -> PathBuf {
    checkout().join("crates/bench/src/peers")
}

/// Returns the Python that has boto3.
fn install_python() -> anyhow::Result<PathBuf> {
    python_with(Some(&sources().join("requirements.txt"))).context("boto3 could not be installed")
}
