//! The local emulators that the tests of a test program share. Each exits when its stdin is closed.

use std::io::{self, BufRead, BufReader, Cursor, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use zip::CompressionMethod::Stored;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::build::{ProgramPaths, build_for_container, checkout};
use crate::{Aws, Backend};

/// A running emulator with the aggregator's package in it.
#[derive(Debug)]
pub struct Emulator {
    port: u16,
    aws: Aws,
    /// Holds the emulator's stdin open, so that the emulator exits with this process.
    _process: Child,
}

/// Number of emulators, where they are light.
const MOST_EMULATORS: usize = 3;

pub(crate) const CODE_BUCKET: &str = "stentor-tests-code";
pub(crate) const CODE_KEY: &str = "aggregator.zip";

impl Emulator {
    /// Returns the emulator of this test, started at the first call. The tests of a program take turns at a few
    /// emulators: one alone would be too slow for all of them.
    pub fn shared() -> &'static Self {
        static EMULATORS: [OnceLock<Emulator>; MOST_EMULATORS] = [const { OnceLock::new() }; MOST_EMULATORS];
        static TESTS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            // Each test has a thread.
            static NUMBER: usize = TESTS.fetch_add(1, Ordering::Relaxed);
        }
        let count = match Backend::of_these_tests() {
            Backend::MiniStack => MOST_EMULATORS,
            Backend::LocalStack => 1,
        };
        let number = NUMBER.with(|number| number % count);
        EMULATORS[number].get_or_init(|| {
            let functions_in = prepare();
            let emulator = Self::start();
            emulator.aws.put_object(CODE_BUCKET, CODE_KEY, &package(&bootstrap_for(&functions_in)));
            emulator
        })
    }

    fn start() -> Self {
        let mut log = tempfile::tempfile().expect("the temporary folder can be written");
        let mut process = emulator_script()
            .args(["--port", "0", "--until-stdin-closes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().expect("a file can be opened twice"))
            .spawn()
            .expect("the installed Python starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the emulator speaks text");
        let endpoint = line.trim().strip_prefix("ready on ").unwrap_or_else(|| {
            let text = log.rewind().and_then(|()| io::read_to_string(&log)).unwrap_or_default();
            panic!("the emulator did not start: {text}")
        });
        let port = endpoint.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        Self { port, aws: Aws::at(endpoint), _process: process }
    }

    /// Returns the loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the endpoint URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns a client for direct calls to its services.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }
}

fn emulator_script() -> Command {
    let mut script = Command::new(checkout().join("infra/local/emulator.sh"));
    script.env("STENTOR_BACKEND", Backend::of_these_tests().name());
    script
}

/// Installs the emulator on first use, and returns what its functions run in: a `process` or a `container`.
fn prepare() -> String {
    let output = emulator_script().arg("--prepare").stderr(Stdio::inherit()).output().expect("bash starts");
    assert!(output.status.success(), "the emulator could not be installed; its reason stands above");
    String::from_utf8(output.stdout).expect("a word").trim().to_owned()
}

/// Returns the function's program. One built against this machine's C library does not run in a container.
fn bootstrap_for(functions_in: &str) -> PathBuf {
    if functions_in == "container" { build_for_container() } else { ProgramPaths::get().bootstrap.clone() }
}

fn package(bootstrap: &Path) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // The emulators unpack it for every stack, which takes less time if it is not compressed.
    let options = SimpleFileOptions::default().unix_permissions(0o755).compression_method(Stored);
    zip.start_file("bootstrap", options).expect("it is the first file");
    zip.write_all(&std::fs::read(bootstrap).expect("the bootstrap was built"))
        .expect("memory can be written");
    zip.finish().expect("memory can be written").into_inner()
}
