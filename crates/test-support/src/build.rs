//! Builds the programs with cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, ensure};
use serde_json::Value;

/// Paths of the programs, built by this test run.
#[derive(Debug)]
pub struct ProgramPaths {
    /// `producer`
    pub producer: PathBuf,
    /// `sender`
    pub sender: PathBuf,
    /// `monitor`
    pub monitor: PathBuf,
    /// The aggregator, a Lambda function.
    pub bootstrap: PathBuf,
    /// The program that writes the completions and man pages.
    pub xtask: PathBuf,
}

impl ProgramPaths {
    /// Builds the programs once per test program, in the profile of the tests.
    pub fn get() -> &'static Self {
        static BUILT: OnceLock<ProgramPaths> = OnceLock::new();
        BUILT.get_or_init(|| {
            // The whole workspace, so that cargo chooses the features of the tests and builds nothing twice.
            let artifacts =
                Artifacts::build(profile(), &["--workspace", "--bins"]).expect("the programs build");
            let path = |name| artifacts.executable(name).expect("cargo builds all programs");
            Self {
                producer: path("producer"),
                sender: path("sender"),
                monitor: path("monitor"),
                bootstrap: path("bootstrap"),
                xtask: path("xtask"),
            }
        })
    }
}

/// The messages of a `cargo build`.
#[derive(Debug)]
pub struct Artifacts(Vec<Value>);

impl Artifacts {
    /// Runs `cargo build` with these arguments in that profile.
    pub fn build(profile: &str, args: &[&str]) -> anyhow::Result<Self> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Cargo sets these for a test. The build script of ring depends on them, so with them ring and all that
        // depends on it would be compiled again.
        let variables = std::env::vars_os().map(|(name, _)| name);
        for name in variables.filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            cargo.env_remove(name);
        }
        let output = cargo
            .args(["build", "--profile", profile, "--locked", "--message-format=json-render-diagnostics"])
            .args(args)
            .current_dir(checkout())
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start cargo")?;
        ensure!(output.status.success(), "cargo build failed; its errors are above");
        let lines = output.stdout.split(|byte| *byte == b'\n');
        Ok(Self(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()))
    }

    /// Returns the path of an executable.
    pub fn executable(&self, name: &str) -> anyhow::Result<PathBuf> {
        let mut built = self.0.iter().filter(|message| message["target"]["name"] == name);
        let path = built.find_map(|message| message["executable"].as_str());
        path.map(PathBuf::from).with_context(|| format!("cargo built no executable {name}"))
    }
}

/// The root of the checkout.
pub fn checkout() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("crates/test-support is in the checkout")
}

/// Builds the aggregator for Lambda's own containers on this machine.
pub fn build_for_container() -> PathBuf {
    let output = Command::new(checkout().join("infra/setup.sh"))
        .arg("function")
        .stderr(Stdio::inherit())
        .output()
        .expect("bash starts");
    assert!(output.status.success(), "the function does not build; the reason is above");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

/// Returns the profile of this program: tests are in `target/PROFILE/deps`, binaries in `target/PROFILE`.
fn profile() -> &'static str {
    static PROFILE: OnceLock<String> = OnceLock::new();
    PROFILE.get_or_init(|| {
        let own = std::env::current_exe().expect("this program has a path");
        let mut folders = own.ancestors().skip(1).filter_map(Path::file_name);
        let folder = folders.find(|name| *name != "deps").expect("target/PROFILE");
        match folder.to_str().expect("names of profiles are UTF-8") {
            "debug" => "dev".to_owned(),
            name => name.to_owned(),
        }
    })
}
