//! The Chromium of the tests: pinned, from npm, or one of this machine.

use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use serde_json::{Value, json};

use crate::build::checkout;
use crate::npm::{NodeProgram, NodeSource};

/// Path of another Chromium to use.
const CHROMIUM: &str = "STENTOR_CHROMIUM";

/// Returns the launch options for Playwright. The first call installs Chromium.
pub(super) fn launch_options() -> anyhow::Result<Value> {
    if let Some(path) = std::env::var_os(CHROMIUM).map(PathBuf::from) {
        ensure!(path.is_file(), "{CHROMIUM}={} is not a file", path.display());
        return Ok(json!({"executablePath": path}));
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!(
            "there is no pinned Chromium for this machine: install Chromium and set {CHROMIUM} to its path"
        );
    }
    let source = NodeSource {
        name: "chromium",
        folder: &checkout().join("tests/browser/chromium"),
        program: "unpack.mjs",
    };
    Ok(of_package(&NodeProgram::install_and_run(source)?.folder().join("unpacked")))
}

/// Returns the options for the Chromium that `unpack.mjs` has unpacked into a folder, with its libraries and font.
fn of_package(folder: &Path) -> Value {
    json!({
        "executablePath": folder.join("chromium"),
        "env": {"LD_LIBRARY_PATH": folder.join("al2023/lib"), "FONTCONFIG_PATH": folder.join("fonts")},
    })
}
