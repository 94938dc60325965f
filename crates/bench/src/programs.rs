//! The programs that are measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use stentor_fake_aws::FakeAws;
use stentor_test_support::build::Artifacts;
use stentor_test_support::{Program, TlsServer};

/// The stack of the fakes.
pub const STACK: &str = "bench";

/// The programs, built.
#[derive(Debug)]
pub struct Programs {
    producer: PathBuf,
    sender: PathBuf,
    monitor: PathBuf,
}

/// The endpoint and stack that a program works on.
#[derive(Debug, Clone)]
pub struct Target {
    /// URL of the services.
    pub endpoint: String,
    /// Name of the stack.
    pub stack: String,
    /// The certificate to trust instead of the system's, in a PEM file.
    pub certificate: Option<PathBuf>,
}

impl Target {
    /// The stack of a fake.
    pub fn of(fake: &FakeAws) -> Self {
        Self { endpoint: fake.endpoint(), stack: STACK.to_owned(), certificate: None }
    }

    /// Returns this stack over TLS: the server passes requests to it.
    pub(crate) fn over(&self, tls: &TlsServer) -> Self {
        tls.pass_to(&self.endpoint);
        Self {
            endpoint: format!("https://{}", tls.address()),
            certificate: Some(tls.certificate().to_owned()),
            ..self.clone()
        }
    }
}

impl Programs {
    /// Builds the programs in the profile `release`, as users do.
    pub fn build() -> anyhow::Result<Self> {
        Self::find(&Artifacts::build("release", &["-p", "producer", "-p", "sender", "-p", "monitor"])?)
    }

    /// Builds the programs in the profile of the tests: fast to build, and sufficient to count requests.
    pub fn build_for_tests() -> anyhow::Result<Self> {
        Self::find(&Artifacts::build("dev", &["--workspace", "--bins"])?)
    }

    fn find(built: &Artifacts) -> anyhow::Result<Self> {
        Ok(Self {
            producer: built.executable("producer")?,
            sender: built.executable("sender")?,
            monitor: built.executable("monitor")?,
        })
    }

    /// Returns the producer with these arguments.
    pub fn producer(&self, target: &Target, line: &str) -> Command {
        program(&self.producer, target, &format!("--json {line}")).into_command()
    }

    /// Returns a sender with these arguments.
    pub fn sender(&self, target: &Target, line: &str) -> Command {
        program(&self.sender, target, &format!("--json {line}")).into_command()
    }

    /// Returns the monitor with these arguments.
    pub fn monitor(&self, target: &Target, line: &str) -> Program {
        program(&self.monitor, target, line)
    }
}

/// Builds the function's `bootstrap` as it is deployed, which takes minutes.
pub fn build_function() -> anyhow::Result<PathBuf> {
    Artifacts::build("function", &["-p", "stentor-aggregator"])?.executable("bootstrap")
}

/// Returns a program with these arguments, for this target.
pub fn program(path: &Path, target: &Target, line: &str) -> Program {
    let program = Program::new(path, &format!("--stack {} {line}", target.stack)).toward(&target.endpoint);
    match &target.certificate {
        Some(certificate) => program.env("SSL_CERT_FILE", &certificate.to_string_lossy()),
        None => program,
    }
}
