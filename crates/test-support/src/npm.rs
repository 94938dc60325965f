//! Packages of npm at pinned versions, checked by hash, for programs that tests and measurements run beside Stentor's.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::build::checkout;

/// The oldest Node.js that the packages run on.
const NODE: u32 = 20;

/// What npm installs from.
const PINS: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// Installs what the pins in that folder name, once, into the checkout's ignored folder `.local/`, and returns the folder
/// that has it, and the program, which finds its packages only from beside them.
///
/// Two at once do it one after the other.
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
    // Held until it is dropped, at the end.
    lock.lock().with_context(|| format!("cannot lock the installation of the {name}"))?;
    let complete = folder.join("complete");
    let installed = complete.exists();
    if !installed && folder.exists() {
        fs::remove_dir_all(&folder).context("cannot take an unfinished installation away")?;
    }
    fs::create_dir_all(&folder)?;
    for file in PINS.iter().chain([&program]) {
        // Renamed into place, since a program may be starting from it just now.
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

/// The first number of a version like `v20.19.5`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// FNV-1a: tells one set of pins from another. The packages themselves are checked by npm.
fn fingerprint(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_by_its_first_number() {
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
    fn other_pins_have_another_fingerprint() {
        // The published values of FNV-1a.
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
