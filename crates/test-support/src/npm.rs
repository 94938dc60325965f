//! Installs npm packages at pinned versions, checked by hash, for programs that tests and measurements use.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::build::checkout;

/// Minimum version of Node.js for the packages.
const NODE: u32 = 20;

/// The files that npm installs from.
const PINS: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// Installs the packages pinned in a folder, once, into the checkout's ignored folder `.local/`. Returns the
/// installation's folder. It has a copy of the program too, since Node.js finds packages only next to it.
///
/// Concurrent calls install one after the other.
pub fn install(sources: &Path, name: &str, program: &str) -> anyhow::Result<PathBuf> {
    check_node(name)?;
    let local = checkout().join(".local");
    fs::create_dir_all(&local).with_context(|| format!("cannot make {}", local.display()))?;
    let pins = fs::read(sources.join("package-lock.json"))
        .with_context(|| format!("cannot read the pins in {}", sources.display()))?;
    let stem = format!("{name}-{:016x}", fingerprint(&pins));
    let folder = local.join(&stem);
    let lock = local.join(format!("{stem}.lock"));
    let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
    // The lock is released when it is dropped.
    lock.lock().with_context(|| format!("cannot lock the installation of the {name}"))?;
    let complete = folder.join("complete");
    let installed = complete.exists();
    if !installed && folder.exists() {
        fs::remove_dir_all(&folder).context("cannot remove an unfinished installation")?;
    }
    fs::create_dir_all(&folder)?;
    for file in PINS.iter().chain([&program]) {
        // Renamed atomically, since a program may be starting from it at the same time.
        let fresh = folder.join(format!("{file}.new"));
        fs::copy(sources.join(file), &fresh)
            .and_then(|_| fs::rename(&fresh, folder.join(file)))
            .with_context(|| format!("cannot copy {file} to {}", folder.display()))?;
    }
    if !installed {
        run_npm(&folder, name, &local.join(format!("{stem}.log")))?;
        File::create(&complete)
            .with_context(|| format!("cannot mark the installation of the {name} as complete"))?;
    }
    Ok(folder)
}

fn run_npm(folder: &Path, name: &str, log: &Path) -> anyhow::Result<()> {
    eprintln!("installing the {name} from npm (once) ...");
    let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let status = Command::new("npm")
        .args(["ci", "--ignore-scripts"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .context("npm is missing: install it (Debian, Ubuntu: apt-get install npm)")?;
    if !status.success() {
        bail!(
            "npm could not install the {name}: check the network, then run this again (log: {})",
            log.display()
        );
    }
    fs::remove_file(log).context("cannot take the log of npm away")
}

fn check_node(name: &str) -> anyhow::Result<()> {
    let advice = format!("Node.js {NODE} or newer is missing, which the {name} runs on: install it");
    let output = Command::new("node").arg("--version").output().context(advice.clone())?;
    let version = String::from_utf8_lossy(&output.stdout);
    match major(&version) {
        Some(major) if major >= NODE => Ok(()),
        _ => bail!("{advice} (there is {})", version.trim()),
    }
}

/// Parses the major version of a version like `v20.19.5`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Computes FNV-1a, to distinguish sets of pins. npm checks the packages themselves.
fn fingerprint(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_parsed() {
        assert_eq!(major("v20.19.5\n"), Some(20));
        assert_eq!(major("20"), None);
    }

    #[test]
    fn all_pins_name_versions_and_hashes_but_no_host() {
        for folder in ["crates/bench/src/peers", "tests/browser"] {
            let lock = fs::read_to_string(checkout().join(folder).join("package-lock.json")).unwrap();
            assert!(!lock.contains("\"resolved\""), "{folder}");
            assert_eq!(
                lock.matches("\"version\"").count(),
                lock.matches("\"integrity\"").count(),
                "{folder}"
            );
        }
    }

    #[test]
    fn different_pins_have_different_fingerprints() {
        // The published values of FNV-1a.
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
