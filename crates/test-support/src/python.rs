//! Installs Python packages at pinned versions, checked by hash, for programs that tests and measurements use.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::build::checkout;

/// Installs the packages of a file of requirements once, by default those of the emulator and the AWS CLI, and returns the
/// Python that has them.
pub fn python_with(requirements: Option<&Path>) -> anyhow::Result<PathBuf> {
    let mut installer = Command::new(checkout().join("infra/local/install.sh"));
    Ok(path_of(installer.args(requirements))?.join("bin/python"))
}

/// Runs a command that prints a path.
pub(crate) fn path_of(command: &mut Command) -> anyhow::Result<PathBuf> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed; the reason is above");
    Ok(String::from_utf8(output.stdout).context("it printed no path")?.trim_end().into())
}
