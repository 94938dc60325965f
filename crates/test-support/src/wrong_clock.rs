//! Programs on a machine whose wall clock is wrong.
//!
//! libfaketime shifts what the C library returns as the wall clock; elapsed time stays as it is. It is pinned, built for
//! Linux on `x86_64`, and installed on first use.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, ensure};

use crate::Program;
use crate::build::checkout;

const LIBRARY: &str = "libfaketime.so.1";

impl Program {
    /// Sets the program's wall clock ahead by these seconds, or behind by a negative number.
    #[must_use]
    pub fn with_clock_ahead(self, seconds: i64) -> Self {
        self.with_libfaketime().env("FAKETIME", &format!("{seconds:+}"))
    }

    /// Sets the program's wall clock ahead by the seconds in a file, such as `+3600`, which may change at any time.
    #[must_use]
    pub fn with_clock_ahead_by_file(self, file: &Path) -> Self {
        let file = file.to_str().expect("temporary folders have names in UTF-8");
        self.with_libfaketime().env("FAKETIME_TIMESTAMP_FILE", file).env("FAKETIME_NO_CACHE", "1")
    }

    fn with_libfaketime(self) -> Self {
        let folder = libfaketime().to_str().expect("the checkout's path is UTF-8");
        // A name without the folder, since the variable is split at blanks.
        self.env("LD_PRELOAD", LIBRARY)
            .env("LD_LIBRARY_PATH", folder)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }
}

/// Installs libfaketime once, and returns the folder of its library.
fn libfaketime() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| install().expect("libfaketime can be installed"))
}

fn install() -> anyhow::Result<PathBuf> {
    let local = checkout().join("infra/local");
    let mut installer = Command::new(local.join("install.sh"));
    let environment = path_of(installer.arg(local.join("requirements-faketime.txt")))?;
    let mut python = Command::new(environment.join("bin/python"));
    let package = path_of(python.args([
        "-c",
        "from importlib.util import find_spec; print(*find_spec('libfaketime').submodule_search_locations)",
    ]))?;
    let folder = package.join("vendor/libfaketime/src");
    ensure!(folder.join(LIBRARY).exists(), "{LIBRARY} is missing in {}", folder.display());
    Ok(folder)
}

/// Runs a command that prints a path.
fn path_of(command: &mut Command) -> anyhow::Result<PathBuf> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed; the reason is above");
    Ok(String::from_utf8(output.stdout).context("it printed no path")?.trim_end().into())
}
