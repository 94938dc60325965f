//! Job control and closed terminals: the programs as jobs of an interactive shell.

use std::time::Duration;

use stentor_tests::{Program, Stack, TerminalSession, send_signal, wait_at_most, wait_until};

/// The key that stops a job.
const CTRL_Z: &str = "\u{1a}";

/// The keys that stop and continue the output of a terminal.
const CTRL_S: &str = "\u{13}";
const CTRL_Q: &str = "\u{11}";

/// Starts a shell in which `$job` runs the program.
fn shell(program: Program) -> TerminalSession {
    program.in_shell().start_on_terminal(100, 40)
}

/// Waits until the shell has reported this number of stops, and so reads from the terminal again.
fn has_stopped(shell: &TerminalSession, times: usize) {
    let is_stopped = || shell.text().matches("Stopped").count() >= times;
    wait_until("the job has stopped", is_stopped);
}

/// Waits until the shell has run the commands typed before, and everything they print is on the screen.
fn has_run(shell: &mut TerminalSession, mark: &str) {
    // The echo of the command is not its output.
    shell.press(&format!("echo is-''{mark}\n"));
    shell.shows(&format!("is-{mark}"));
}

/// Leaves the shell, and returns all that was written to the terminal.
fn leave(mut shell: TerminalSession) -> String {
    shell.press("exit 0\n");
    shell.finish().exits(0).transcript
}

#[test]
fn a_stopped_view_releases_the_screen_and_fg_draws_it_again() {
    let stack = Stack::deploy();
    stack.produce("-m 500");
    let mut shell = shell(stack.monitor("-t 0.5"));
    shell.press("$job\n");
    for (round, stop) in ["Ctrl-Z", "TSTP"].into_iter().enumerate() {
        wait_until("the view is drawn", || shell.is_taken_over());
        shell.shows("pending 500");
        if stop == "Ctrl-Z" {
            shell.press(CTRL_Z);
        } else {
            send_signal(shell.job(), stop);
        }
        has_stopped(&shell, round + 1);
        has_run(&mut shell, stop);
        assert!(shell.is_released(), "{stop}: {}", shell.text());
        shell.press("fg\n");
    }
    // SIGSTOP cannot be handled, so the screen is not released. The whole view is drawn again after it.
    wait_until("the view is drawn", || shell.is_taken_over());
    send_signal(shell.job(), "STOP");
    has_stopped(&shell, 1);
    has_run(&mut shell, "overwritten");
    shell.press("fg\n");
    shell.shows("pending 500");
    shell.shows_no_more("is-overwritten");
    wait_until("keys are read", || shell.is_taken_over());
    shell.press("q");
    // Before that, the view would read the keys for the shell.
    wait_until("the view has ended", || shell.is_released());
    has_run(&mut shell, "left");
    assert!(shell.text().contains("of 500"), "{}", shell.text());
    leave(shell);
}

#[test]
fn a_view_in_the_background_prints_lines_and_is_drawn_after_fg() {
    let stack = Stack::deploy();
    stack.produce("-m 500");
    let mut shell = shell(stack.monitor("-t 0.5"));
    let lines = |shell: &TerminalSession| shell.text().matches("pending     500").count();
    shell.press("$job &\n");
    wait_until("lines are printed", || lines(&shell) >= 2);
    has_run(&mut shell, "at-the-prompt");
    assert!(shell.is_released(), "{}", shell.text());
    shell.press("fg\n");
    wait_until("the view is drawn", || shell.is_taken_over());
    shell.shows("pending 500");
    shell.press(CTRL_Z);
    has_stopped(&shell, 1);
    let before = lines(&shell);
    shell.press("bg\n");
    wait_until("more lines are printed", || lines(&shell) >= before + 2);
    assert!(shell.is_released(), "{}", shell.text());
    shell.press("kill %1; wait %1; echo code-''$?\n");
    shell.shows("code-143");
    let transcript = leave(shell);
    assert_eq!(transcript.matches("\u{1b}[?1049h").count(), 1, "{transcript}");
}

#[test]
fn a_live_line_is_drawn_only_in_the_foreground() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 1000");
    let mut shell = shell(stack.sender("-w 0.2 -f 0 -c 4 --forever"));
    // Time for several drawings.
    let delivers_on = || {
        let before = stack.count(&run).sent;
        wait_until("messages are sent", || stack.count(&run).sent > before + 40);
    };
    let has_line = |shell: &TerminalSession| shell.text().contains("delivering");
    shell.press("$job\n");
    for round in 1..=2 {
        shell.shows("delivering ");
        shell.press(CTRL_Z);
        has_stopped(&shell, round);
        assert!(!has_line(&shell), "{}", shell.text());
        if round == 2 {
            shell.press("bg\n");
            delivers_on();
            has_run(&mut shell, "at-the-prompt");
            assert!(!has_line(&shell), "{}", shell.text());
        }
        shell.press("fg\n");
    }
    shell.shows("delivering ");
    shell.press("\u{3}");
    shell.shows("(interrupted)");
    shell.press("$job &\n");
    delivers_on();
    shell.press("kill -HUP %1; wait %1; echo code-''$?\n");
    shell.shows("code-129");
    assert!(!has_line(&shell), "{}", shell.text());
    leave(shell);
}

#[test]
fn a_closed_terminal_ends_the_programs_and_releases_their_messages() {
    let stack = Stack::deploy();
    stack.produce("-m 8");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let result = folder.path().join("code");
    // The end of the shell closes its terminal. An inner shell writes the exit status of the job.
    let start = |program: Program| {
        let mut shell = shell(program);
        shell.press(&format!("sh -c 'trap : HUP; $job; echo $? >{}'\n", result.display()));
        shell
    };
    let ends_with_129 = || {
        let code = || std::fs::read_to_string(&result).unwrap_or_default();
        wait_until("the program has ended", || code().ends_with('\n'));
        assert_eq!(code(), "129\n");
        std::fs::remove_file(&result).expect("the file is ours");
    };

    let mut sender = start(stack.sender("-w 600 -c 5"));
    wait_until("five messages are in flight", || stack.backlog("queue") == (3, 5));
    sender.program().kill();
    wait_at_most(Duration::from_secs(2), "they are released", || stack.backlog("queue") == (8, 0));
    ends_with_129();

    for line in ["-t 0.5", "-t 0.5 --plain"] {
        let mut monitor = start(stack.monitor(line));
        monitor.shows("pending ");
        monitor.program().kill();
        ends_with_129();
    }
}

#[test]
fn a_hangup_that_was_ignored_at_the_start_stays_ignored() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 500");
    let sender = stack.sender("-w 0.1 -f 0 -c 2 --forever").ignoring_hangups().start();
    let delivers_on = |more: u64| {
        let before = stack.count(&run).sent;
        wait_until("messages are sent", || stack.count(&run).sent > before + more);
    };
    delivers_on(0);
    sender.signal("HUP");
    delivers_on(50);
    sender.signal("TERM");
    sender.finish().exits(143);
}

#[test]
fn a_terminal_stopped_by_ctrl_s_does_not_stop_the_deliveries() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 400");
    let mut sender = stack.sender("-w 0.1 -f 0 -c 4 --forever").start_on_terminal(100, 40);
    sender.shows(" in flight");
    sender.press(CTRL_S);
    stack.completed(&run);
    assert!(!sender.text().contains("400 sent"), "{}", sender.text());
    sender.press(CTRL_Q);
    sender.shows("400 sent");
    sender.press("\u{3}");
    sender.finish().exits(130);
    let average = stack.count(&run).average_seconds();
    assert!(average < 0.2, "the waits are measured while the output is stopped: {average} s");
}

#[test]
fn a_full_or_closed_stderr_is_no_reason_to_fail() {
    let stack = Stack::deploy();
    for program in [
        stack.producer("-m 20 -vv"),
        stack.sender("-w 0 -f 0 --idle-timeout 1 -vv"),
        stack.monitor("--once -vv"),
    ] {
        let mut shell = shell(program);
        for (place, target) in ["/dev/full", "&-"].into_iter().enumerate() {
            shell.press(&format!("$job 2>{target}; echo code-{place}-''$?\n"));
            shell.shows(&format!("code-{place}-0"));
        }
        leave(shell);
    }
}
