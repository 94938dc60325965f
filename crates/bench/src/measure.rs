//! What processes take: time, CPU and memory.

use std::io::{Read, Seek};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// How often the processes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The kernel tells CPU for all children together.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What some processes took together, until the last of them ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// From the start of the first to the end of the last, seconds.
    pub seconds: f64,
    /// CPU that they all took, their own and the kernel's for them, seconds.
    pub cpu_seconds: f64,
    /// The most memory that one of them had resident, MiB.
    pub peak_mib: f64,
    /// What each printed.
    pub stdout: Vec<String>,
}

/// Runs the commands at once, and waits for them all. One that fails is an error that tells what it said.
///
/// CPU is that of all children of this process that end meanwhile, so nothing else may end its children.
pub fn measure(commands: Vec<Command>) -> anyhow::Result<Measured> {
    let _only = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let before = children_cpu()?;
    let start = Instant::now();
    let mut running = Vec::with_capacity(commands.len());
    for command in commands {
        running.push(Running::start(command)?);
    }
    let mut peak_kib = 0;
    loop {
        let mut all_ended = true;
        for process in &mut running {
            peak_kib = peak_kib.max(peak_kib_of(process.child.id()).unwrap_or(0));
            all_ended &= process.has_ended()?;
        }
        if all_ended {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let seconds = start.elapsed().as_secs_f64();
    let cpu_seconds = children_cpu()? - before;
    let stdout = running.iter_mut().map(Running::output).collect::<anyhow::Result<_>>()?;
    Ok(Measured { seconds, cpu_seconds, peak_mib: f64::from(peak_kib) / 1_024.0, stdout })
}

/// CPU of the processes that some work starts, and whose ends it awaits, seconds.
pub fn cpu_of(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let _only = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let before = children_cpu()?;
    work()?;
    Ok(children_cpu()? - before)
}

/// The most memory that a process ever had resident, KiB; `None` where it has ended.
pub fn peak_kib_of(process: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// CPU of all children that have ended, seconds.
fn children_cpu() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// A process whose output goes to files: nobody needs to read along.
#[derive(Debug)]
struct Running {
    child: Child,
    line: String,
    stdout: std::fs::File,
    stderr: std::fs::File,
    succeeded: Option<bool>,
}

impl Running {
    fn start(mut command: Command) -> anyhow::Result<Self> {
        let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let line = format!("{command:?}");
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout.try_clone()?)
            .stderr(stderr.try_clone()?)
            .spawn()
            .with_context(|| format!("{line} does not start"))?;
        Ok(Self { child, line, stdout, stderr, succeeded: None })
    }

    fn has_ended(&mut self) -> anyhow::Result<bool> {
        if self.succeeded.is_none() {
            self.succeeded = self.child.try_wait()?.map(|status| status.success());
        }
        Ok(self.succeeded.is_some())
    }

    fn output(&mut self) -> anyhow::Result<String> {
        let text = |file: &mut std::fs::File| -> anyhow::Result<String> {
            let mut bytes = Vec::new();
            file.rewind()?;
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        if self.succeeded != Some(true) {
            bail!("{} failed: {}", self.line, text(&mut self.stderr)?.trim());
        }
        text(&mut self.stdout)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.succeeded.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn time_cpu_memory_and_output_are_told() {
        let busy = "x=$(head -c 30000000 /dev/zero | tr '\\0' x); for ((i = 0; i < 100000; i++)); do :; done; echo done";
        let measured = measure(vec![shell(busy), shell("sleep 0.3; echo slept")]).unwrap();
        assert_eq!(measured.stdout, ["done\n", "slept\n"]);
        assert!(measured.seconds >= 0.3, "{measured:?}");
        assert!((0.02..20.0).contains(&measured.cpu_seconds), "{measured:?}");
        assert!((28.0..500.0).contains(&measured.peak_mib), "{measured:?}");
    }

    #[test]
    fn cpu_of_a_process_that_ended_is_told() {
        let cpu = cpu_of(|| {
            shell("for ((i = 0; i < 300000; i++)); do :; done").status()?;
            Ok(())
        });
        assert!((0.02..20.0).contains(&cpu.unwrap()));
        assert!(cpu_of(|| Ok(())).unwrap() < 0.02);
        assert!(cpu_of(|| bail!("no")).is_err());
    }

    #[test]
    fn a_process_that_fails_is_an_error_with_what_it_said() {
        let error = measure(vec![shell("echo out of luck >&2; exit 3")]).unwrap_err().to_string();
        assert!(error.contains("out of luck"), "{error}");
        assert!(measure(vec![Command::new("no-such-program-here")]).is_err());
    }
}
