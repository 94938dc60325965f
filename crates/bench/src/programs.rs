//! The programs that are measured.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;
use stentor_tests::Program;

use crate::sink::{STACK, Sink};

/// Made-up credentials and a region: the sink asks nobody.
const CREDENTIALS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")];

/// The programs, built.
#[derive(Debug)]
pub struct Programs {
    producer: PathBuf,
    sender: PathBuf,
    monitor: PathBuf,
    raw_loader: PathBuf,
}

/// Where a program is to work.
#[derive(Debug, Clone)]
pub struct Place {
    /// The services' address.
    pub endpoint: String,
    /// The stack's name.
    pub stack: String,
}

impl Place {
    /// A sink.
    pub fn of(sink: &Sink) -> Self {
        Self { endpoint: sink.endpoint(), stack: STACK.to_owned() }
    }
}

impl Programs {
    /// Builds them as their users do.
    pub fn build() -> anyhow::Result<Self> {
        let of_users = build("release", &["-p", "producer", "-p", "sender", "-p", "monitor"])?;
        let own = build("release", &["-p", "stentor-bench", "--bin", "raw-loader"])?;
        Ok(Self {
            producer: find(&of_users, "producer")?,
            sender: find(&of_users, "sender")?,
            monitor: find(&of_users, "monitor")?,
            raw_loader: find(&own, "raw-loader")?,
        })
    }

    /// Builds them as the tests do, which is slower to run and sooner built: for what a program asks, not what it takes.
    pub fn build_for_tests() -> anyhow::Result<Self> {
        let built = build("dev", &["--workspace", "--bins"])?;
        Ok(Self {
            producer: find(&built, "producer")?,
            sender: find(&built, "sender")?,
            monitor: find(&built, "monitor")?,
            raw_loader: find(&built, "raw-loader")?,
        })
    }

    /// The producer, with flags as typed.
    pub fn producer(&self, place: &Place, line: &str) -> Command {
        program(&self.producer, place, line)
    }

    /// A sender, with flags as typed.
    pub fn sender(&self, place: &Place, line: &str) -> Command {
        program(&self.sender, place, line)
    }

    /// The monitor as its users see it, with flags as typed.
    pub fn monitor(&self, place: &Place, line: &str) -> Program {
        let line = format!("--endpoint-url {} --stack {} {line}", place.endpoint, place.stack);
        let program = Program::new(&self.monitor, &line);
        CREDENTIALS.iter().fold(program, |program, (name, value)| program.env(name, value))
    }

    /// The raw loader in the place of the producer (`produce`) or of a sender (`send`), with flags as typed.
    pub fn raw_loader(&self, job: &str, place: &Place, line: &str) -> Command {
        let mut command = Command::new(&self.raw_loader);
        command.arg(job).args(["--endpoint", &place.endpoint, "--stack", &place.stack]);
        command.args(line.split_whitespace());
        command
    }
}

/// The function's `bootstrap`, built as it is deployed; that takes minutes.
pub fn build_function() -> anyhow::Result<PathBuf> {
    find(&build("function", &["-p", "stentor-aggregator"])?, "bootstrap")
}

fn program(path: &Path, place: &Place, line: &str) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("AWS_") || text.starts_with("STENTOR_") {
            command.env_remove(&name);
        }
    }
    command.envs(CREDENTIALS).envs([
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    command.args(["--endpoint-url", &place.endpoint, "--stack", &place.stack, "--json"]);
    command.args(line.split_whitespace());
    command
}

/// What cargo tells of something that it built.
#[derive(Debug, Deserialize)]
struct Artifact {
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
}

fn build(profile: &str, what: &[&str]) -> anyhow::Result<Vec<Artifact>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--profile", profile, "--locked", "--message-format=json-render-diagnostics"])
        .args(what)
        .current_dir(stentor_tests::programs::checkout())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo does not start")?;
    ensure!(output.status.success(), "the programs do not build; the reason stands above");
    let lines = output.stdout.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

fn find(built: &[Artifact], name: &str) -> anyhow::Result<PathBuf> {
    let mut found = built.iter().filter(|artifact| artifact.target.name == name);
    found.find_map(|artifact| artifact.executable.clone()).with_context(|| format!("cargo built no {name}"))
}
