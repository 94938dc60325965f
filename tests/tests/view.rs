//! The monitor's live view on a terminal.

use std::time::{Duration, Instant};

use stentor_tests::{Proxy, Stack, TerminalSession, wait_until};

/// Starts the live view of a running rehearsal, whose messages last for the whole test.
fn running(stack: &Stack, line: &str) -> (stentor_tests::Process, TerminalSession) {
    stack.produce("-m 500");
    let sender = stack.sender("-w 1 -f 0.1 -c 2 --forever").start();
    let view = stack.monitor(line).start_on_terminal(80, 24);
    view.shows("RUNNING");
    (sender, view)
}

#[test]
fn the_view_follows_size_and_keys_and_leaves_a_summary() {
    let stack = Stack::deploy();
    let (_sender, mut view) = running(&stack, "-t 0.5");
    view.shows("every 0.5 s");
    assert!(view.is_taken_over() && view.has_colour(), "{}", view.text());
    for (columns, rows) in [(200, 60), (20, 5), (500, 30), (100, 30)] {
        // A size that terminals have for a moment.
        view.resize(0, 0);
        view.resize(columns, rows);
        wait_until("the view has the new size", || {
            let text = view.text();
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            text.contains("RUNNING")
                && (widest == usize::from(columns) || (columns == 20 && text.contains("sent ")))
        });
    }
    view.press("+");
    view.shows("every 1 s");
    view.press("p");
    view.shows("PAUSED");
    view.press("p");
    view.shows("RUNNING");
    view.press("?");
    view.shows("Help");
    view.press("q");
    view.shows_no_more("Help");
    view.press("q");
    let left = view.finish();
    assert_eq!(left.code, Some(0), "{}", left.text);
    assert!(left.restored, "{}", left.text);
    assert!(left.text.contains("RUNNING") && left.text.contains("of 500"), "{}", left.text);
    assert!(!left.text.contains("q quit"), "{}", left.text);
}

#[test]
fn the_terminal_is_restored_however_the_view_ends() {
    let stack = Stack::deploy();
    let (_sender, mut first) = running(&stack, "-t 1");
    first.press("\u{3}");
    let mut ended = vec![(130, first.finish())];
    for (signal, code) in [("HUP", 129), ("INT", 130), ("TERM", 143), ("QUIT", 131)] {
        let mut view = stack.monitor("-t 1").start_on_terminal(80, 24);
        view.shows("RUNNING");
        view.program().signal(signal);
        ended.push((code, view.finish()));
    }
    for (code, left) in ended {
        assert_eq!(left.code, Some(code), "{}", left.text);
        // SIGQUIT ends the process at once, without a summary.
        assert!(left.restored && left.text.contains("RUNNING") == (code != 131), "{}", left.text);
    }
}

#[test]
fn the_view_waits_for_the_first_run_and_ends_with_it() {
    let stack = Stack::deploy();
    let view = stack.monitor("-t 0.2 --fail-if failed>=30").start_on_terminal(80, 24);
    view.shows("producer -m 1000");
    let run = stack.produce("-m 30");
    view.shows(&run);
    view.shows("no sender yet");
    stack.sender("-w 0.1 -f 1 -c 5 --idle-timeout 1").run().exits(0);
    let left = view.finish();
    assert_eq!(left.code, Some(4), "{}", left.text);
    for words in
        ["COMPLETE", "complete: 30 messages, 0 sent, 30 failed", "threshold crossed: failed>=30: it is 30"]
    {
        assert!(left.text.contains(words), "{words}: {}", left.text);
    }
}

#[test]
fn during_an_outage_the_view_keeps_the_last_data_with_their_age() {
    let stack = Stack::deploy();
    let proxy = Proxy::start(5);
    stack.produce("-m 40");
    let mut view = stack.at_port(proxy.port()).monitor("-t 0.2").start_on_terminal(80, 24);
    view.shows("of 40");
    proxy.break_off(Duration::from_secs(15));
    view.shows("NO ANSWER");
    view.shows("pending 40");
    let text = view.text();
    assert!(text.contains("s old") && !text.contains("retrying for up to"), "{text}");
    view.shows_no_more("NO ANSWER");
    view.shows("data now");
    view.press("q");
    let left = view.finish();
    assert_eq!(left.code, Some(0), "{}", left.text);
    assert!(left.text.contains("retrying for up to"), "the log of the outage is missing: {}", left.text);
}

#[test]
fn another_run_can_be_selected() {
    let stack = Stack::deploy();
    let first = stack.produce("-m 5");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    stack.completed(&first);
    let second = stack.produce("-m 7");
    let mut view = stack.monitor("-t 0.2").start_on_terminal(100, 30);
    view.shows(&second);
    view.press("r");
    view.shows(&first);
    // The list has the latest, the second and the first run.
    view.press("jj\r");
    view.shows("COMPLETE");
    view.shows(&first);
    view.press("q");
    assert_eq!(view.finish().code, Some(0));
}

#[test]
fn an_interval_takes_at_most_five_requests() {
    let stack = Stack::deploy();
    let proxy = Proxy::start(6);
    stack.produce("-m 5");
    let start = Instant::now();
    let mut view = stack.at_port(proxy.port()).monitor("-t 0.5 --follow").start_on_terminal(80, 24);
    view.shows("of 5");
    wait_until("the monitor has polled several times", || proxy.requests() >= 60);
    let intervals = start.elapsed().as_secs_f64() / 0.5 + 1.0;
    // Once: the URLs of three queues, the settings of the deployment, and a sixth request of the first poll.
    let requests = proxy.requests() as f64 - 5.0;
    assert!(requests <= 5.0 * intervals, "{requests} requests in {intervals} intervals");
    view.press("q");
    view.finish();
}

#[test]
fn no_color_ascii_and_plain_are_respected() {
    let stack = Stack::deploy();
    stack.produce("-m 5");
    let mut view = stack.monitor("--ascii").env("NO_COLOR", "1").start_on_terminal(80, 24);
    view.shows("+ Progress");
    assert!(!view.has_colour() && view.text().is_ascii(), "{}", view.text());
    view.press("q");
    let left = view.finish();
    assert!(left.restored && left.text.is_ascii(), "{}", left.text);

    let mut view = stack.monitor("").env("LC_ALL", "C").start_on_terminal(80, 24);
    view.shows("+ Progress");
    assert!(view.has_colour() && view.text().is_ascii(), "a locale without Unicode: {}", view.text());
    view.press("q");
    assert!(view.finish().text.is_ascii());

    let plain = stack.monitor("-t 0.2 --plain").start_on_terminal(100, 24);
    plain.shows("pending       5");
    assert!(!plain.is_taken_over());
}
