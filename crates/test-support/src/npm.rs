//! Installs npm packages at pinned versions, checked by hash, for programs that tests and measurements use.
//! Node.js and npm are pinned too: see `infra/local/node.sh`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::build::checkout;

/// The files that npm installs from.
const PINS: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// A program for Node.js, and the pins of the packages that it imports.
#[derive(Debug, Clone, Copy)]
pub struct NodeSource<'a> {
    /// Name in messages and in the folder's name.
    pub name: &'a str,
    /// Folder of the program and the pins.
    pub folder: &'a Path,
    /// File name of the program.
    pub program: &'a str,
}

/// A program for Node.js with its packages, installed in the checkout's ignored folder `.local/`.
#[derive(Debug, Clone)]
pub struct NodeProgram {
    node: PathBuf,
    folder: PathBuf,
    program: PathBuf,
}

impl NodeProgram {
    /// Installs the packages once. The program is copied next to them, since Node.js finds packages only there.
    ///
    /// Concurrent calls install one after the other.
    pub fn install(source: NodeSource<'_>) -> anyhow::Result<Self> {
        Self::install_and(source, |_| Ok(()))
    }

    /// Installs the packages and runs the program, which completes the installation, once.
    pub fn install_and_run(source: NodeSource<'_>) -> anyhow::Result<Self> {
        Self::install_and(source, |installed| {
            let status = installed.command().stdin(Stdio::null()).status().context("cannot start Node.js")?;
            ensure!(status.success(), "{} failed; the reason is above", source.program);
            Ok(())
        })
    }

    fn install_and(
        source: NodeSource<'_>,
        finish: impl FnOnce(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let NodeSource { name, folder: sources, program } = source;
        let node = node_path()?;
        let local = checkout().join(".local");
        fs::create_dir_all(&local).with_context(|| format!("cannot make {}", local.display()))?;
        let stem =
            format!("{name}-{:016x}", fingerprint(&read_all(sources, &["package-lock.json", program])?));
        let folder = local.join(&stem);
        let lock = local.join(format!("{stem}.lock"));
        let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
        // The lock is released when it is dropped.
        lock.lock().with_context(|| format!("cannot lock the installation of {name}"))?;
        let complete = folder.join("complete");
        let installed = Self { node, program: folder.join(program), folder };
        if complete.exists() {
            return Ok(installed);
        }
        let folder = &installed.folder;
        if folder.exists() {
            fs::remove_dir_all(folder).context("cannot remove an unfinished installation")?;
        }
        fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for file in PINS.iter().chain([&program]) {
            fs::copy(sources.join(file), folder.join(file))
                .with_context(|| format!("cannot copy {file} to {}", folder.display()))?;
        }
        run_npm(folder, name, &local.join(format!("{stem}.log")))?;
        finish(&installed).with_context(|| format!("cannot install {name}"))?;
        File::create(&complete).with_context(|| format!("cannot write {}", complete.display()))?;
        Ok(installed)
    }

    /// Returns the program's folder, which has its packages too.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the program, without arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(&self.program);
        command
    }
}

/// Reads these files, one after the other.
fn read_all(folder: &Path, files: &[&str]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for file in files.iter().map(|file| folder.join(file)) {
        bytes.extend(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    Ok(bytes)
}

fn run_npm(folder: &Path, name: &str, log: &Path) -> anyhow::Result<()> {
    eprintln!("installing {name} from npm (once) ...");
    let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let status = node_script()
        .args(["npm", "ci", "--ignore-scripts"])
        .current_dir(folder)
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .context("cannot start bash")?;
    if !status.success() {
        bail!(
            "npm could not install {name}: check the network, then run this again (log: {})",
            log.display()
        );
    }
    fs::remove_file(log).context("cannot remove the log of npm")
}

/// Installs Node.js on first use, and returns its path.
fn node_path() -> anyhow::Result<PathBuf> {
    let output = node_script().stderr(Stdio::inherit()).output().context("cannot start bash")?;
    ensure!(output.status.success(), "Node.js could not be installed; the reason is above");
    let path = String::from_utf8(output.stdout).context("node.sh printed no path")?;
    Ok(path.trim_end().into())
}

fn node_script() -> Command {
    let mut script = Command::new(checkout().join("infra/local/node.sh"));
    script.stdin(Stdio::null());
    script
}

/// Computes FNV-1a, to distinguish installations. npm checks the packages themselves.
fn fingerprint(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pins_name_versions_and_hashes_but_no_host() {
        for folder in ["crates/bench/src/peers", "tests/browser", "tests/browser/chromium"] {
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
    fn different_texts_have_different_fingerprints() {
        // The published values of FNV-1a.
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
