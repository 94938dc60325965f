//! Job control: whether this process may draw on its terminal, and how it stops.

use std::io;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Signal, getpgrp, getpid, getsid, kill_current_process_group, kill_process};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{self, SignalKind};

use crate::output::restore_terminal;
use crate::progress::aside;

/// Returns whether this process is in the foreground of the terminal, and so may draw on it. In the background, the
/// shell's prompt or another program is there.
pub fn is_foreground(terminal: impl AsFd) -> bool {
    match tcgetpgrp(terminal) {
        Ok(group) => group == getpgrp(),
        // Other errors mean that the terminal has hung up, or belongs to another session. This one means that its
        // groups have no IDs in the PID namespace of this process.
        Err(error) => error == Errno::OPNOTSUPP,
    }
}

/// Sends SIGTSTP to this process and all others of its job, as the terminal does on Ctrl-Z outside raw mode.
pub fn suspend_job() {
    // The own process group always exists.
    let _ = kill_current_process_group(Signal::TSTP);
}

/// Returns a stream of SIGCONT, which reports that this process was stopped and continues.
pub fn continuations() -> io::Result<unix::Signal> {
    unix::signal(SignalKind::from_raw(Signal::CONT.as_raw()))
}

/// Stops this process as SIGTSTP does by default, without its progress line or live view. Returns when it continues.
pub(crate) fn stop() {
    // The group of the session leader has no shell that could continue it, so SIGTSTP has no effect there.
    if getsid(None).is_ok_and(|session| session == getpgrp()) {
        return;
    }
    restore_terminal();
    // A SIGTSTP would be handled again.
    let _ = aside(|| kill_process(getpid(), Signal::STOP));
}

/// Returns whether a signal was ignored when this process was started. Call it before the signal is handled.
pub(crate) fn is_ignored(signal: Signal) -> bool {
    match std::fs::read_to_string("/proc/self/status") {
        Ok(status) => is_in_ignored_set(&status, signal),
        // macOS has no /proc; but a child ignores the same signals. One that stops would never end.
        Err(_) => signal != Signal::TSTP && is_survived_by_child(signal),
    }
}

/// Finds the signal in the line `SigIgn` of `proc_pid_status(5)`: a hexadecimal number with a bit for each signal.
fn is_in_ignored_set(status: &str, signal: Signal) -> bool {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or_default();
    set & (1 << (signal.as_raw() - 1)) != 0
}

fn is_survived_by_child(signal: Signal) -> bool {
    let mut child = Command::new("sh");
    child.arg("-c").arg(format!("kill -{} $$", signal.as_raw()));
    child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    child.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_the_bits_of_the_set() {
        let status = "Name:\tsender\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        assert!(is_in_ignored_set(status, Signal::HUP) && is_in_ignored_set(status, Signal::PIPE));
        assert!(!is_in_ignored_set(status, Signal::QUIT) && !is_in_ignored_set("", Signal::HUP));
    }

    #[test]
    fn a_child_does_not_survive_a_signal_that_is_not_ignored() {
        assert!(!is_survived_by_child(Signal::TERM));
    }
}
