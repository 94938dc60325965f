//! Runs programs as processes.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::build::checkout;
use crate::time_limit;

/// A program about to be run.
#[derive(Debug)]
pub struct Program {
    command: Command,
    stdout: Stdio,
    line: String,
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    line: String,
    stdout: Option<CapturedOutput>,
    stderr: Option<CapturedOutput>,
}

/// The output of a process, read by a thread.
#[derive(Debug)]
struct CapturedOutput {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

/// The result of a process.
#[derive(Debug)]
pub struct ProcessOutput {
    /// The command line.
    pub line: String,
    /// Exit code; `None` if a signal ended the process.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Run time.
    pub took: Duration,
}

impl Program {
    /// Returns a program with its arguments, separated by blanks, and none of this machine's settings for AWS
    /// and colours, which differ in CI.
    pub fn new(program: &Path, line: &str) -> Self {
        let mut command = Command::new(program);
        command.args(line.split_whitespace()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let of_colour = ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"].contains(&name.as_str());
            if of_colour || name.starts_with("AWS_") || name.starts_with("STENTOR_") {
                command.env_remove(name);
            }
        }
        // No credentials, profile or metadata service of this machine is used.
        for (name, value) in [
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ] {
            command.env(name, value);
        }
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        Self { command, stdout: Stdio::piped(), line: format!("{name} {line}") }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Calls this endpoint as AWS, with a region and dummy credentials.
    #[must_use]
    pub fn toward(self, endpoint: &str) -> Self {
        self.env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
    }

    /// Sets an environment variable that was not set before.
    pub(crate) fn env_unless_set(self, name: &str, value: &str) -> Self {
        let is_set = self.command.get_envs().any(|(set, to)| set == name && to.is_some());
        if is_set { self } else { self.env(name, value) }
    }

    /// Runs it at the root of the checkout.
    #[must_use]
    pub fn in_checkout(mut self) -> Self {
        self.command.current_dir(checkout());
        self
    }

    /// Restores the default actions of all signals. A test runner that a shell started in the background ignores
    /// SIGINT, one that `nohup` started SIGHUP, and a script cannot change that.
    #[must_use]
    pub fn with_default_signals(self) -> Self {
        self.started_by("env", "--default-signal")
    }

    /// Ignores SIGHUP, as `nohup` does.
    #[must_use]
    pub fn ignoring_hangups(self) -> Self {
        self.started_by("env", "--ignore-signal=HUP")
    }

    /// Replaces the program by an interactive shell with job control, in which `$job` runs the program.
    #[must_use]
    pub fn in_shell(mut self) -> Self {
        // By name, since a shell splits `$job` at the blanks of a folder.
        let program = Path::new(self.command.get_program());
        let (folder, name) = program.parent().zip(program.file_name()).expect("a program in a folder");
        let words = std::iter::once(name).chain(self.command.get_args()).map(OsStr::to_string_lossy);
        let job = words.collect::<Vec<_>>().join(" ");
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("bash");
        shell.args(["--norc", "--noprofile", "--noediting", "-i"]);
        self.replace_by(shell);
        self.env("job", &job).env("PATH", &path).env("PS1", "$ ")
    }

    /// Limits the number of open files and connections.
    #[must_use]
    pub fn with_open_files(self, most: u32) -> Self {
        self.started_by("prlimit", &format!("--nofile={most}"))
    }

    /// Limits the size of each file that the program writes, in bytes, to simulate a full disk.
    #[must_use]
    pub fn with_files_of(self, bytes: u32) -> Self {
        self.started_by("prlimit", &format!("--fsize={bytes}")).started_by("env", "--ignore-signal=XFSZ")
    }

    /// Starts the program through another command with an option, such as `env`, which executes it.
    pub(crate) fn started_by(mut self, starter: &str, option: &str) -> Self {
        let mut started = Command::new(starter);
        started.arg(option).arg(self.command.get_program()).args(self.command.get_args());
        self.replace_by(started);
        self
    }

    /// Replaces the command by another one with the same environment.
    fn replace_by(&mut self, mut command: Command) {
        command.stdin(Stdio::null());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.command = command;
    }

    /// Redirects stdout.
    #[must_use]
    pub fn stdout_to(mut self, to: Stdio) -> Self {
        self.stdout = to;
        self
    }

    /// Starts the program.
    pub fn start(mut self) -> Process {
        let stdout = std::mem::replace(&mut self.stdout, Stdio::null());
        self.start_with(Stdio::null(), stdout, Stdio::piped())
    }

    /// Starts the program with these standard streams.
    pub(crate) fn start_with(mut self, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> Process {
        let mut child = self
            .command
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.line));
        let stdout = child.stdout.take().map(CapturedOutput::by);
        let stderr = child.stderr.take().map(CapturedOutput::by);
        Process { child, line: self.line, stdout, stderr }
    }

    /// Returns the command, without redirections of its output.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs the program to its end.
    #[track_caller]
    pub fn run(self) -> ProcessOutput {
        self.start().finish()
    }
}

impl CapturedOutput {
    fn by(mut from: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 8_192];
            while let Ok(count @ 1..) = from.read(&mut piece) {
                written.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece[..count]);
            }
        });
        Self { bytes, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Waits for the end of the output, and returns all of it.
    fn whole(self) -> String {
        let Self { bytes, reader } = self;
        let _ = reader.join();
        let bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Process {
    /// Waits for the process to exit. A hanging process is killed, and fails the test.
    #[track_caller]
    pub fn finish(mut self) -> ProcessOutput {
        let start = Instant::now();
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            // Some programs run several steps that take a while each.
            if start.elapsed() > 3 * time_limit() {
                self.kill();
                let stderr = self.stderr.take().map(CapturedOutput::whole).unwrap_or_default();
                panic!("{} hangs; its stderr: {stderr}", self.line);
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let text = |captured: Option<CapturedOutput>| captured.map(CapturedOutput::whole).unwrap_or_default();
        ProcessOutput {
            line: self.line.clone(),
            code: status.code(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
            took: start.elapsed(),
        }
    }

    /// Returns the standard error so far.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.as_ref().map(CapturedOutput::so_far).unwrap_or_default()
    }

    /// Whether the process is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Returns the CPU time used so far.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("it is our child");
        let after_name = stat.rsplit(") ").next().expect("its name is in brackets");
        // utime and stime, in hundredths of a second (proc_pid_stat(5), sysconf(3)).
        let ticks = after_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// Returns the process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        send_signal(self.id(), name);
    }

    /// Sends SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process by name: `CONT`, `HUP`, `INT`, `KILL`, `QUIT`, `STOP`, `TERM` or `TSTP`.
pub fn send_signal(process: u32, name: &str) {
    let signal = match name {
        "CONT" => Signal::CONT,
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        "KILL" => Signal::KILL,
        "QUIT" => Signal::QUIT,
        "STOP" => Signal::STOP,
        "TERM" => Signal::TERM,
        "TSTP" => Signal::TSTP,
        _ => panic!("SIG{name} is not among the signals used here"),
    };
    let process = i32::try_from(process).ok().and_then(Pid::from_raw).expect("it is the ID of a process");
    kill_process(process, signal).unwrap_or_else(|error| panic!("{process:?} takes no SIG{name}: {error}"));
}

/// Returns the IDs of the child processes of a process.
pub fn children(process: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let children = children.unwrap_or_default();
    children.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl ProcessOutput {
    /// Asserts the exit code. A failure includes the whole output.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "{}\n--- stdout\n{}--- stderr\n{}",
            self.line,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Parses the JSON object on the last line of stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("{}: {error} in {:?}", self.line, self.stdout))
    }
}
