//! The AWS CLI for `setup.sh`, which calls it as `python -m awscli`: loaded once for all tests of a binary.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::build::checkout;
use crate::python_with;

/// Returns the environment variables that lead `python -m awscli` to the server, which is started by the first call.
pub fn environment() -> [(&'static str, String); 3] {
    // The server ends with this process, which holds its stdin.
    static SERVER: OnceLock<(Child, String)> = OnceLock::new();
    let (_, socket) = SERVER.get_or_init(start);
    [
        ("PYTHONPATH", checkout().join("tests/src/setup/cli_client").display().to_string()),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        // setup.sh removes all variables whose names begin with AWS_.
        ("AWSCLI_SERVER", socket.clone()),
    ]
}

/// Starts the server, and returns the path of its socket too.
fn start() -> (Child, String) {
    let mut server = Command::new(python_with(None).expect("the AWS CLI can be installed"))
        .arg("-B")
        .arg(checkout().join("tests/src/setup/cli_server.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut socket = String::new();
    let stdout = server.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut socket).expect("it can be read");
    assert!(!socket.is_empty(), "cli_server.py did not start: see above");
    (server, socket.trim_end().to_owned())
}
