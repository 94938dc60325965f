//! The programs as processes.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a program may run in a test before it counts as hanging.
const HANGS_AFTER: Duration = Duration::from_secs(180);

/// The programs, as built by this test run.
#[derive(Debug)]
pub struct Built {
    /// `producer`
    pub producer: PathBuf,
    /// `sender`
    pub sender: PathBuf,
    /// `monitor`
    pub monitor: PathBuf,
    /// The aggregator.
    pub bootstrap: PathBuf,
    /// What writes the completions and man pages.
    pub xtask: PathBuf,
}

/// The root of the checkout.
pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout")
}

impl Built {
    /// Builds them, once a test program, with the cargo and in the profile of the tests.
    pub fn once() -> &'static Self {
        static BUILT: OnceLock<Built> = OnceLock::new();
        BUILT.get_or_init(|| {
            // The whole workspace with its tests, so that cargo chooses the same features, and builds nothing twice.
            let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
                .args([
                    "build",
                    "--workspace",
                    "--bins",
                    "--locked",
                    "--message-format=json-render-diagnostics",
                ])
                .args(["--profile", profile()])
                .current_dir(checkout())
                .stderr(Stdio::inherit())
                .output()
                .expect("cargo starts");
            assert!(output.status.success(), "the programs do not build");
            let messages: Vec<Value> = output
                .stdout
                .split(|byte| *byte == b'\n')
                .filter_map(|line| serde_json::from_slice(line).ok())
                .collect();
            let path = |name: &str| {
                let built = messages.iter().find(|message| {
                    message["reason"] == "compiler-artifact"
                        && message["target"]["name"] == name
                        && message["executable"].is_string()
                });
                let built = built.unwrap_or_else(|| panic!("cargo built no {name}"));
                PathBuf::from(built["executable"].as_str().expect("it is a string"))
            };
            Self {
                producer: path("producer"),
                sender: path("sender"),
                monitor: path("monitor"),
                bootstrap: path("bootstrap"),
                xtask: path("xtask"),
            }
        })
    }
}

/// The aggregator, built for Lambda's own containers on this machine.
pub fn build_for_container() -> PathBuf {
    let output = Command::new(checkout().join("infra/setup.sh"))
        .arg("function")
        .stderr(Stdio::inherit())
        .output()
        .expect("bash starts");
    assert!(output.status.success(), "the function could not be built; the reason stands above");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

/// The profile this program was built in: a test's folder is `target/PROFILE/deps`, a binary's `target/PROFILE`.
fn profile() -> &'static str {
    static PROFILE: OnceLock<String> = OnceLock::new();
    PROFILE.get_or_init(|| {
        let own = std::env::current_exe().expect("this program has a path");
        let mut folders = own.ancestors().skip(1).filter_map(Path::file_name);
        let folder = folders.find(|name| *name != "deps").expect("target/PROFILE");
        match folder.to_str().expect("profiles have plain names") {
            "debug" => "dev".to_owned(),
            name => name.to_owned(),
        }
    })
}

/// A program about to be run.
#[derive(Debug)]
pub struct Program {
    command: Command,
    stdout: Stdio,
    line: String,
}

/// A program at work. It is killed where a test lets go of it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    line: String,
    stdout: Option<Said>,
    stderr: Option<Said>,
}

/// What a program has written so far.
#[derive(Debug)]
struct Said {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

/// What a program came to.
#[derive(Debug)]
pub struct Finished {
    /// What was run.
    pub line: String,
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

impl Program {
    /// A program with its arguments, as typed, and none of this machine's settings of AWS and of colours (in CI they are
    /// others).
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
        // No credentials, profile or metadata service of this machine.
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

    /// Lets a script hear SIGINT though whoever runs the tests ignores it, as a shell makes its background jobs do:
    /// a script could not change that.
    #[must_use]
    pub fn heeding_interrupts(self) -> Self {
        self.started_by("env", "--default-signal=INT")
    }

    /// Lets it have no more than so many files and connections open at once.
    #[must_use]
    pub fn with_open_files(self, most: u32) -> Self {
        self.started_by("prlimit", &format!("--nofile={most}"))
    }

    /// Lets no file that it writes have more than so many bytes, as a full disk does.
    #[must_use]
    pub fn with_files_of(self, bytes: u32) -> Self {
        self.started_by("prlimit", &format!("--fsize={bytes}")).started_by("env", "--ignore-signal=XFSZ")
    }

    /// Has another command become it.
    pub(crate) fn started_by(mut self, starter: &str, option: &str) -> Self {
        let mut started = Command::new(starter);
        started.arg(option).arg(self.command.get_program()).args(self.command.get_args());
        self.replace_by(started);
        self
    }

    /// Runs that command in its place, in the same environment.
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

    /// Sends what it prints somewhere else than to the test.
    #[must_use]
    pub fn stdout_to(mut self, to: Stdio) -> Self {
        self.stdout = to;
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        let stdout = std::mem::replace(&mut self.stdout, Stdio::null());
        self.start_with(Stdio::null(), stdout, Stdio::piped())
    }

    /// Starts it with these in place of its own.
    pub(crate) fn start_with(mut self, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> Running {
        let mut child = self
            .command
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.line));
        let stdout = child.stdout.take().map(Said::by);
        let stderr = child.stderr.take().map(Said::by);
        Running { child, line: self.line, stdout, stderr }
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Finished {
        self.start().finish()
    }
}

impl Said {
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

    /// All of it, once there is no more to come.
    fn whole(self) -> String {
        let Self { bytes, reader } = self;
        let _ = reader.join();
        let bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Running {
    /// Waits for its end; one that hangs is killed, and fails the test.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let start = Instant::now();
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if start.elapsed() > HANGS_AFTER {
                self.kill();
                let said = self.stderr.take().map(Said::whole).unwrap_or_default();
                panic!("{} hangs; it said: {said}", self.line);
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let text = |said: Option<Said>| said.map(Said::whole).unwrap_or_default();
        Finished {
            line: self.line.clone(),
            code: status.code(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
            took: start.elapsed(),
        }
    }

    /// What it has said beside its results so far.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.as_ref().map(Said::so_far).unwrap_or_default()
    }

    /// It has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The CPU time it has used so far.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("it is our child");
        let after_name = stat.rsplit(") ").next().expect("its name is in brackets");
        // utime and stime, in hundredths of a second (proc_pid_stat(5), sysconf(3)).
        let ticks = after_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal by name, such as `INT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "{} takes no SIG{name}", self.line);
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Finished {
    /// Fails the test, with all the program said, unless it ended with that code.
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

    /// The JSON object on its last line.
    #[track_caller]
    pub fn json(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("{}: {error} in {:?}", self.line, self.stdout))
    }
}
