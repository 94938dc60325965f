//! Machines whose clocks are wrong: the programs agree on one time.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use serde_json::{Value, json};
use stentor_tests::{Process, ProcessOutput, Program, Proxy, Stack, now_ms, number, wait_until};

/// How far the clocks are ahead, seconds.
const WRONG: [i64; 3] = [-180, 180, 3_600];

/// How far stored times may differ from those of a right clock, ms.
const TOLERANCE: u64 = 1_500;

/// How far a right clock may be corrected, seconds. The `Date` of LocalStack is that of a coarse clock, which lags behind by
/// tens of milliseconds on a busy machine.
const RIGHT_CLOCK_TOLERANCE: f64 = 0.2;

/// The correction as the programs print it.
const CORRECTED: &str = "this machine's clock is ";

const SENDER: &str = "-w 0.3 -f 0.2 -c 10 --forever --json";

fn with_clock_ahead(program: Program, seconds: i64) -> Program {
    if seconds == 0 { program } else { program.with_clock_ahead(seconds) }
}

/// Ends a sender that would go on for ever.
#[track_caller]
fn end(sender: Process) -> ProcessOutput {
    sender.signal("TERM");
    sender.finish().exits(143)
}

fn run_of(produced: &ProcessOutput) -> String {
    produced.json()["run"].as_str().expect("a run id").to_owned()
}

/// Asserts that a program has reported its wrong clock once, or nothing where the clock is right.
#[track_caller]
fn assert_reported(ended: &ProcessOutput, ahead: i64) {
    let reports = ended.stderr.lines().filter(|line| line.contains(CORRECTED)).count();
    assert_eq!(reports, usize::from(ahead != 0), "{}: {}", ended.line, ended.stderr);
    let direction = if ahead > 0 { "ahead of AWS" } else { "behind AWS" };
    assert!(ahead == 0 || ended.stderr.contains(direction), "{}", ended.stderr);
    assert_offset(&ended.json()["clock_offset_seconds"], ahead);
}

#[track_caller]
fn assert_offset(offset: &Value, ahead: i64) {
    match offset.as_f64() {
        None => assert!(ahead == 0 && offset.is_null(), "{offset}"),
        Some(offset) => {
            let tolerance = if ahead == 0 { RIGHT_CLOCK_TOLERANCE } else { 1.5 };
            assert!((offset + ahead as f64).abs() < tolerance, "{offset}, not -{ahead}");
        }
    }
}

/// Returns every stored time of a run and of the senders: the time, or the attribute.
fn stored_times(stack: &Stack, run: &str) -> Vec<(String, u64)> {
    let mut times = Vec::new();
    for item in stack.items(run) {
        let at = |name: &str| number(&item, name).unwrap_or_else(|| panic!("no {name} in {item}"));
        times.extend(["created_at", "concluded_at"].map(|name| (name.to_owned(), at(name))));
        // Seconds, seven days after the creation.
        times.push(("expires_at".to_owned(), (at("expires_at") - 7 * 24 * 3_600) * 1_000));
    }
    for item in stack.aws().scan(&format!("{}-metrics", stack.name())) {
        let part = item["part"]["S"].as_str().unwrap_or_default();
        if item["run"]["S"] == "senders" || item["run"]["S"] == run {
            for name in ["created_at", "finished_at", "started_at", "seen_at", "ended_at"] {
                times.extend(number(&item, name).map(|at| (format!("{name} of {part}"), at)));
            }
        }
        if item["run"]["S"] == "senders" {
            times.push(("the sender's id".to_owned(), ulid_ms(part)));
        }
    }
    times.push(("the run's id".to_owned(), ulid_ms(run)));
    times
}

/// Asserts that all stored times lie between the time `began` and now.
#[track_caller]
fn assert_right_times(stack: &Stack, run: &str, began: u64) {
    // A time in seconds is up to a second older.
    let right = began - TOLERANCE - 1_000..=now_ms() + TOLERANCE;
    for (name, at) in stored_times(stack, run) {
        assert!(right.contains(&at), "{name}: {at} is not within {right:?}");
    }
}

fn ulid_ms(text: &str) -> u64 {
    text.parse::<ulid::Ulid>().expect("a ULID").timestamp_ms()
}

/// Plays a run with these clocks, and asserts that every stored time, the latencies and the list of senders are those of
/// right clocks.
#[track_caller]
fn play(producer_ahead: i64, senders_ahead: &[i64], monitor_ahead: i64) {
    let stack = Stack::deploy();
    let monitor = |line: &str| with_clock_ahead(stack.monitor(line), monitor_ahead);
    let began = now_ms();
    let produced = with_clock_ahead(stack.producer("-m 60 --json"), producer_ahead).run().exits(0);
    let run = run_of(&produced);
    let enqueued = now_ms();
    let start = |ahead: &i64| (*ahead, with_clock_ahead(stack.sender(SENDER), *ahead).start());
    let senders: Vec<_> = senders_ahead.iter().map(start).collect();
    wait_until("every sender is listed", || {
        let listed = monitor("--once --json").run().exits(0).json();
        assert_eq!(listed["run"], json!(run), "the latest run is found");
        listed["senders"].as_array().is_some_and(|all| all.len() == senders.len())
    });
    let watched = monitor("-t 0.5 --json").run().exits(0);
    let complete = now_ms();
    for (ahead, sender) in senders {
        assert_reported(&end(sender), ahead);
    }
    assert_reported(&watched, monitor_ahead);
    assert_reported(&produced, producer_ahead);

    assert_right_times(&stack, &run, began);
    let seconds = |from: u64, to: u64| (to - from) as f64 / 1_000.0;
    let shown = watched.json()["average_latency_seconds"].as_f64().expect("all messages have an outcome");
    let right = 0.0..=seconds(began, complete) + 1.5;
    assert!(
        right.contains(&shown) && shown >= 0.3 - seconds(began, enqueued) - 1.5,
        "{shown} s, not {right:?}"
    );
}

#[test]
fn programs_with_wrong_clocks_agree_on_one_time() {
    // Each program has each of the wrong clocks once.
    for place in 0..WRONG.len() {
        let [producer, sender, monitor] = [0, 1, 2].map(|program| WRONG[(place + program) % WRONG.len()]);
        play(producer, &[sender], monitor);
    }
}

#[test]
fn senders_with_clocks_off_in_opposite_directions_agree() {
    play(0, &[-180, 180], 0);
}

#[test]
fn right_clocks_are_not_reported_as_wrong() {
    play(0, &[0], 0);
}

#[test]
fn a_monitor_an_hour_ahead_shows_a_run_as_running() {
    let stack = Stack::deploy();
    stack.produce("-m 500");
    let sender = stack.sender("-w 1 -c 2 --forever").start();
    let view = stack.monitor("-t 0.5").with_clock_ahead(3_600).start_on_terminal(100, 40);
    view.shows("RUNNING");
    wait_until("the sender is listed", || view.text().contains(" s ago"));
    assert!(!view.text().contains("STALLED"), "{}", view.text());
    drop(sender);
}

#[test]
fn a_producer_an_hour_ahead_hides_no_newer_run() {
    let stack = Stack::deploy();
    let ahead = run_of(&stack.producer("-m 5 --json").with_clock_ahead(3_600).run().exits(0));
    // Times agree within the tolerance, so the next run begins after the stored time.
    let created = stack.items(&ahead).iter().filter_map(|item| number(item, "created_at")).max();
    wait_until("the time of the first run is past", || Some(now_ms()) > created);
    let newer = stack.produce("-m 5");
    assert_eq!(stack.monitor("--once --json").run().exits(0).json()["run"], json!(newer));
    let listed = stack.monitor("runs --json").run().exits(0);
    let runs: Vec<Value> = listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!([&runs[0]["run"], &runs[1]["run"]], [&json!(newer), &json!(ahead)]);
    assert!(newer > ahead, "the producer's time is in its run's ID");
}

#[test]
fn a_wall_clock_that_is_set_during_a_run_moves_no_stored_time() {
    let stack = Stack::deploy();
    let began = now_ms();
    let run = stack.produce("-m 80");
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "+0").unwrap();
    let sender = stack.sender(SENDER).with_clock_ahead_by_file(&clock).start();
    wait_until("some messages have an outcome", || stack.count(&run).pending < 70);
    std::fs::write(&clock, "+3600").unwrap();
    stack.completed(&run);
    let ended = end(sender);
    assert_reported(&ended, 3_600);
    assert_right_times(&stack, &run, began);
}

#[test]
fn a_missing_or_impossible_date_is_reported_once_and_ignored() {
    for (date_ahead, words) in [(None, "without a valid Date"), (Some(25 * 3_600), "more than 24 h off")] {
        let (stack, proxy) = (Stack::deploy(), Proxy::start(1));
        proxy.set_date_ahead(date_ahead);
        let at_proxy = stack.at_port(proxy.port());
        let began = now_ms();
        let produced = at_proxy.producer("-m 20 --json").run().exits(0);
        let sent = at_proxy.sender("-w 0 -f 0 --idle-timeout 1 --json").run().exits(0);
        let watched = at_proxy.monitor("-t 0.2 --json").run().exits(0);
        for ended in [&produced, &sent, &watched] {
            let warnings: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("WARN")).collect();
            assert!(warnings.len() == 1 && warnings[0].contains(words), "{}: {}", ended.line, ended.stderr);
            // The machine's time, and that of the response.
            let times = warnings[0].matches('Z').count();
            assert_eq!(times, if date_ahead.is_some() { 2 } else { 1 }, "{}", warnings[0]);
            assert_offset(&ended.json()["clock_offset_seconds"], 0);
        }
        assert_right_times(&stack, &run_of(&produced), began);
    }
}

#[test]
fn signatures_of_a_clock_an_hour_off_are_corrected() {
    let (stack, proxy) = (Stack::deploy(), Proxy::start(1));
    let at_proxy = stack.at_port(proxy.port());
    let began = now_ms();
    let produced = at_proxy.producer("-m 60 --json").with_clock_ahead(3_600).run().exits(0);
    at_proxy.sender("-w 0 -f 0 --idle-timeout 1").with_clock_ahead(-3_600).run().exits(0);
    at_proxy.monitor("-t 0.2").with_clock_ahead(3_600).run().exits(0);
    assert_right_times(&stack, &run_of(&produced), began);
}
