//! Programs on a machine whose wall clock is wrong.
//!
//! libfaketime shifts what the C library returns as the wall clock; elapsed time stays as it is. It is pinned, built for
//! Linux on `x86_64`, and installed on first use.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::ensure;

use crate::Program;
use crate::build::checkout;
use crate::python::{path_of, python_with};

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
    let requirements = checkout().join("infra/local/requirements-faketime.txt");
    let mut python = Command::new(python_with(Some(&requirements))?);
    let package = path_of(python.args([
        "-c",
        "from importlib.util import find_spec; print(*find_spec('libfaketime').submodule_search_locations)",
    ]))?;
    let folder = package.join("vendor/libfaketime/src");
    ensure!(folder.join(LIBRARY).exists(), "{LIBRARY} is missing in {}", folder.display());
    Ok(folder)
}
