//! The local emulator: one for all tests of a test program, ended by its closing stdin.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::Aws;
use crate::programs::{Built, checkout};

/// A running emulator with the aggregator's package in it.
#[derive(Debug)]
pub struct Emulator {
    port: u16,
    aws: Aws,
    /// Its stdin is ours: it ends when we do, however we end.
    _process: Child,
}

pub(crate) const CODE_BUCKET: &str = "stentor-tests-code";
pub(crate) const CODE_KEY: &str = "aggregator.zip";

impl Emulator {
    /// The emulator of this test program, started by whoever asks first.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Emulator> = OnceLock::new();
        SHARED.get_or_init(|| {
            let emulator = Self::start();
            emulator.aws.put_object(CODE_BUCKET, CODE_KEY, &package(&Built::once().bootstrap));
            emulator
        })
    }

    fn start() -> Self {
        let log = log_file();
        let mut process = Command::new(installed().join("bin/python"))
            .arg(checkout().join("infra/local/emulator.py"))
            .args(["--port", "0", "--until-stdin-closes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("the target folder can be written"))
            .spawn()
            .expect("the installed Python starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the emulator speaks text");
        let endpoint = line.trim().strip_prefix("ready on ").unwrap_or_else(|| {
            panic!("the emulator did not start: {}", std::fs::read_to_string(&log).unwrap_or_default())
        });
        let port = endpoint.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        Self { port, aws: Aws::at(endpoint), _process: process }
    }

    /// The loopback port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A direct way to its services.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }
}

/// The environment the emulator is installed in; it is installed on first use.
fn installed() -> PathBuf {
    let output = Command::new("bash")
        .arg(checkout().join("infra/local/install.sh"))
        .stderr(Stdio::inherit())
        .output()
        .expect("bash starts");
    assert!(output.status.success(), "the emulator could not be installed; its reason stands above");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

fn log_file() -> PathBuf {
    let own = std::env::current_exe().expect("this program has a path");
    own.with_extension("emulator.log")
}

fn package(bootstrap: &Path) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755))
        .expect("it is the first file");
    zip.write_all(&std::fs::read(bootstrap).expect("the bootstrap was built"))
        .expect("memory can be written");
    zip.finish().expect("memory can be written").into_inner()
}
