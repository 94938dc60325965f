//! Time, CPU and memory of processes.

use std::io::{Read, Seek};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Interval at which the processes are checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// The kernel reports one CPU time for all children.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The measurement of processes that ran at the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// From the start of the first to the end of the last, seconds.
    pub seconds: f64,
    /// User and system CPU of all processes, seconds.
    pub cpu_seconds: f64,
    /// Largest peak of resident memory of one process, MiB.
    pub peak_mib: f64,
    /// Standard output of each process.
    pub stdout: Vec<String>,
}

/// Runs the commands at the same time, and waits for all. If one fails, the error includes its standard error.
///
/// CPU is that of all children that end meanwhile, so no other thread may wait for a child.
pub fn measure(commands: Vec<Command>) -> anyhow::Result<Measurement> {
    let _only = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let before = children_cpu()?;
    let start = Instant::now();
    let mut running = Vec::with_capacity(commands.len());
    for command in commands {
        running.push(MeasuredProcess::start(command)?);
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
        std::thread::sleep(CHECK_INTERVAL);
    }
    let seconds = start.elapsed().as_secs_f64();
    let cpu_seconds = children_cpu()? - before;
    let stdout = running.iter_mut().map(MeasuredProcess::output).collect::<anyhow::Result<_>>()?;
    Ok(Measurement { seconds, cpu_seconds, peak_mib: f64::from(peak_kib) / 1_024.0, stdout })
}

/// CPU of the processes that `work` starts and waits for, seconds.
pub fn cpu_of(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let _only = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let before = children_cpu()?;
    work()?;
    Ok(children_cpu()? - before)
}

/// Peak of resident memory of a process, KiB; `None` once it has ended.
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

/// A process whose output goes to files.
#[derive(Debug)]
struct MeasuredProcess {
    child: Child,
    line: String,
    stdout: std::fs::File,
    stderr: std::fs::File,
    succeeded: Option<bool>,
}

impl MeasuredProcess {
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

impl Drop for MeasuredProcess {
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
    fn time_cpu_memory_and_output_are_measured() {
        let busy = "x=$(head -c 30000000 /dev/zero | tr '\\0' x); for ((i = 0; i < 100000; i++)); do :; done; echo done";
        let measured = measure(vec![shell(busy), shell("sleep 0.3; echo slept")]).unwrap();
        assert_eq!(measured.stdout, ["done\n", "slept\n"]);
        assert!(measured.seconds >= 0.3, "{measured:?}");
        assert!((0.02..20.0).contains(&measured.cpu_seconds), "{measured:?}");
        assert!((28.0..500.0).contains(&measured.peak_mib), "{measured:?}");
    }

    #[test]
    fn cpu_of_an_ended_process_is_measured() {
        let cpu = cpu_of(|| {
            shell("for ((i = 0; i < 300000; i++)); do :; done").status()?;
            Ok(())
        });
        assert!((0.02..20.0).contains(&cpu.unwrap()));
        assert!(cpu_of(|| Ok(())).unwrap() < 0.02);
        assert!(cpu_of(|| bail!("no")).is_err());
    }

    #[test]
    fn the_error_of_a_failed_process_includes_its_stderr() {
        let error = measure(vec![shell("echo out of luck >&2; exit 3")]).unwrap_err().to_string();
        assert!(error.contains("out of luck"), "{error}");
        assert!(measure(vec![Command::new("no-such-program-here")]).is_err());
    }
}
