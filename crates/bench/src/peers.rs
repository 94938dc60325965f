//! What else a user could take: a loop with boto3, and the npm package `sqs-consumer`.
//!
//! They are installed on first use, at pinned versions checked by hash, into the checkout's ignored folder `.local/`.
//! Each prints one line of JSON: `messages`, `seconds`, `requests`, and the `run` where it made one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

/// The oldest Node.js that `sqs-consumer` and the AWS SDK run on.
const NODE: u32 = 20;

/// What npm installs from, and the program that needs it, which finds its packages only from beside them.
const NPM_FILES: [&str; 4] = ["package.json", "package-lock.json", ".npmrc", "sqs_consumer.mjs"];

/// The installed peers.
#[derive(Debug)]
pub struct Peers {
    python: PathBuf,
    npm_folder: PathBuf,
}

impl Peers {
    /// Installs what is not installed yet. Two at once do it one after the other.
    pub fn install() -> anyhow::Result<Self> {
        Ok(Self { python: install_python()?, npm_folder: install_npm()? })
    }

    /// A producer that puts and sends one message at a time.
    pub fn boto3_producer(&self, endpoint: &str, stack: &str, messages: u32, length: u16) -> Command {
        let mut command = self.boto3("produce", endpoint, stack);
        command.args(["--messages", &messages.to_string(), "--length", &length.to_string()]);
        command
    }

    /// A sender that receives, deletes, updates and counts one message at a time, until the queue is empty.
    pub fn boto3_sender(&self, endpoint: &str, stack: &str) -> Command {
        self.boto3("send", endpoint, stack)
    }

    /// A sender made with `sqs-consumer` as the package's README has it, a handler of one message and one consumer,
    /// until the queue is empty.
    pub fn sqs_consumer(&self, endpoint: &str, stack: &str) -> Command {
        let mut command = self.sqs_consumers(endpoint, stack);
        command.args(["--one-by-one", "--consumers", "1"]);
        command
    }

    /// The fastest sender that was found with `sqs-consumer`: many consumers at once, and conclusions in batches.
    pub fn sqs_consumers(&self, endpoint: &str, stack: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(self.npm_folder.join("sqs_consumer.mjs"));
        toward(endpoint, stack, command)
    }

    fn boto3(&self, job: &str, endpoint: &str, stack: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-B").arg(sources().join("boto3_loop.py")).arg(job);
        toward(endpoint, stack, command)
    }
}

/// Adds where to work, with made-up credentials and none of this machine's AWS settings.
fn toward(endpoint: &str, stack: &str, mut command: Command) -> Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.envs([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    command.args(["--endpoint", endpoint, "--stack", stack]).stdin(Stdio::null());
    command
}

/// The checkout that this was built from.
fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/bench lies in the checkout")
}

/// Where the peers' programs and pins are.
fn sources() -> PathBuf {
    checkout().join("crates/bench/src/peers")
}

/// Returns the Python that has boto3.
fn install_python() -> anyhow::Result<PathBuf> {
    let script = checkout().join("infra/local/install.sh");
    let output = Command::new(&script)
        .arg(sources().join("requirements.txt"))
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} does not start", script.display()))?;
    ensure!(output.status.success(), "boto3 could not be installed; the reason stands above");
    let environment = String::from_utf8(output.stdout).context("install.sh printed no path")?;
    Ok(Path::new(environment.trim()).join("bin/python"))
}

/// Returns the folder that has sqs-consumer and its program.
fn install_npm() -> anyhow::Result<PathBuf> {
    check_node()?;
    let local = checkout().join(".local");
    fs::create_dir_all(&local).with_context(|| format!("cannot make {}", local.display()))?;
    let pins = fs::read(sources().join("package-lock.json")).context("the peers' package-lock.json")?;
    let name = format!("peers-{:016x}", fingerprint(&pins));
    let folder = local.join(&name);
    let lock = local.join(format!("{name}.lock"));
    let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
    // Held until it is dropped, at the end.
    lock.lock().context("cannot lock the installation of the peers")?;
    let complete = folder.join("complete");
    let installed = complete.exists();
    if !installed && folder.exists() {
        fs::remove_dir_all(&folder).context("cannot take an unfinished installation away")?;
    }
    fs::create_dir_all(&folder)?;
    for file in NPM_FILES {
        // Renamed into place, since a peer may be starting from it just now.
        let fresh = folder.join(format!("{file}.new"));
        fs::copy(sources().join(file), &fresh)
            .and_then(|_| fs::rename(&fresh, folder.join(file)))
            .with_context(|| format!("cannot copy {file} to {}", folder.display()))?;
    }
    if !installed {
        run_npm(&folder, &local.join(format!("{name}.log")))?;
        File::create(&complete).context("cannot mark the installation of the peers as complete")?;
    }
    Ok(folder)
}

fn run_npm(folder: &Path, log: &Path) -> anyhow::Result<()> {
    eprintln!("installing sqs-consumer (once) ...");
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
            "npm could not install sqs-consumer: check the network, then run this again (log: {})",
            log.display()
        );
    }
    fs::remove_file(log).context("cannot take the log of npm away")
}

fn check_node() -> anyhow::Result<()> {
    let advice = format!("Node.js {NODE} or newer is missing, which sqs-consumer runs on: install it");
    let output = Command::new("node").arg("--version").output().context(advice.clone())?;
    let told = String::from_utf8_lossy(&output.stdout);
    match major(&told) {
        Some(version) if version >= NODE => Ok(()),
        _ => bail!("{advice} (there is {})", told.trim()),
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
    fn the_pins_name_versions_and_hashes_but_no_host() {
        let lock = fs::read_to_string(sources().join("package-lock.json")).unwrap();
        assert!(!lock.contains("\"resolved\""));
        assert_eq!(lock.matches("\"version\"").count(), lock.matches("\"integrity\"").count());
    }

    #[test]
    fn other_pins_have_another_fingerprint() {
        // The published values of FNV-1a.
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
