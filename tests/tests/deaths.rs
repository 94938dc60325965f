//! Processes that are killed, or stopped and continued, at any moment: nothing is lost or counted twice.

use std::fs::OpenOptions;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use stentor_tests::{Process, Stack, scaled, wait_until};

const RUN: &str = "01JDD0QYJ8000000000000000A";

fn stack() -> Stack {
    Stack::deploy_with(&[("VisibilityTimeout", "10")])
}

/// Asserts that every message of the run has an outcome, and that the monitor counts each once.
#[track_caller]
fn assert_all_concluded_and_counted_once(stack: &Stack, run: &str, messages: u64) {
    let count = stack.counted_once(run);
    assert_eq!((count.pending, count.total()), (0, messages));
}

fn concluded_items(stack: &Stack, run: &str) -> Vec<Value> {
    let mut items = stack.items(run);
    items.retain(|item| item["status"]["S"] != "PENDING");
    items.sort_by_key(|item| item["id"]["S"].to_string());
    items
}

/// Kills a program after a random time of at most `most`, unless it exits before.
fn kill_within(program: &mut Process, most: Duration, chance: &mut ChaCha8Rng) {
    let end = Instant::now() + most.mul_f64(chance.random());
    while Instant::now() < end && program.is_running() {
        std::thread::sleep(Duration::from_millis(5));
    }
    program.kill();
}

#[test]
fn a_repeatedly_killed_producer_stores_each_message_once() {
    let stack = stack();
    let mut chance = ChaCha8Rng::seed_from_u64(5);
    let sender = stack.sender("-w 0.01 -f 0.1 -c 20 --forever").start();
    let (messages, rate) = (scaled(3_000), scaled(1_500));
    let mut first = stack.producer(&format!("-m {messages} --run {RUN} --rate {rate}")).start();
    wait_until("the run has started", || !stack.items(RUN).is_empty());
    kill_within(&mut first, Duration::from_millis(500), &mut chance);
    let concluded_then = concluded_items(&stack, RUN);
    for _ in 0..5 {
        let mut resumed = stack.producer(&format!("resume {RUN} --rate {rate}")).start();
        kill_within(&mut resumed, Duration::from_millis(600), &mut chance);
    }
    stack.producer(&format!("resume {RUN}")).run().exits(0);
    assert_all_concluded_and_counted_once(&stack, RUN, messages);
    let now = concluded_items(&stack, RUN);
    assert!(concluded_then.iter().all(|item| now.contains(item)), "an outcome has changed");
    sender.signal("TERM");
    sender.finish().exits(143);
}

#[test]
fn two_concurrent_resumes_do_no_harm() {
    let stack = stack();
    let messages = scaled(2_000);
    let mut first = stack.producer(&format!("-m {messages} --run {RUN} --rate {}", messages / 2)).start();
    wait_until("some messages are stored", || stack.items(RUN).len() as u64 > messages / 8);
    first.kill();
    let enqueued = stack.snapshot(RUN)["enqueued"].as_u64().expect("a mark");
    let sender = stack.sender("-w 0 -f 0.1 -c 20 --forever --json").start();
    let resumes = [0, 1].map(|_| stack.producer(&format!("resume {RUN} --json")).start());
    let again =
        resumes.map(|resumed| resumed.finish().exits(0).json()["messages"].as_u64().expect("a count"));
    // Some messages were sent by both.
    assert!(again[0] + again[1] > messages - enqueued, "{again:?} of {messages} from {enqueued} on");
    assert_all_concluded_and_counted_once(&stack, RUN, messages);
    wait_until("the duplicates are dropped", || stack.backlog("queue") == (0, 0));
    sender.signal("TERM");
    sender.finish().exits(143);
    assert_eq!(stack.snapshot(RUN)["enqueued"], messages);
}

#[test]
fn a_stopped_producer_that_continues_after_a_resume_changes_nothing() {
    let stack = stack();
    let messages = scaled(1_500);
    let stopped = stack.producer(&format!("-m {messages} --run {RUN} --rate {}", messages / 3)).start();
    wait_until("some messages are stored", || stack.items(RUN).len() as u64 > messages / 8);
    stopped.signal("STOP");
    stack.producer(&format!("resume {RUN}")).run().exits(0);
    let sender = stack.sender("-w 0 -f 0.2 -c 20 --forever").start();
    assert_all_concluded_and_counted_once(&stack, RUN, messages);
    let before = concluded_items(&stack, RUN);
    stopped.signal("CONT");
    stopped.finish().exits(0);
    wait_until("its duplicates are dropped", || stack.backlog("queue") == (0, 0));
    assert_eq!(concluded_items(&stack, RUN), before, "no item has changed");
    assert_eq!(stack.snapshot(RUN)["enqueued"], messages);
    assert_all_concluded_and_counted_once(&stack, RUN, messages);
    sender.signal("TERM");
    sender.finish().exits(143);
}

#[test]
fn senders_killed_at_random_moments_lose_nothing() {
    let stack = stack();
    let mut chance = ChaCha8Rng::seed_from_u64(11);
    let messages = scaled(600);
    let run = stack.produce(&format!("-m {messages}"));
    for _ in 0..4 {
        let mut sender = stack.sender("-w 0.05 -f 0.1 -c 10 --forever").start();
        kill_within(&mut sender, Duration::from_millis(1_500), &mut chance);
    }
    stack.sender("-w 0 -f 0.1 -c 10 --idle-timeout 1").run().exits(0);
    assert_all_concluded_and_counted_once(&stack, &run, messages);
}

#[test]
fn a_sender_stopped_beyond_the_visibility_timeout_records_no_outcome() {
    let stack = stack();
    let run = stack.produce("-m 3");
    let late = stack.sender("-w 15 --distribution constant -f 1 -c 3 --forever --json").start();
    wait_until("all messages are in flight", || stack.backlog("queue") == (0, 3));
    // The receive response may still be on its way when the messages are in flight. A later heartbeat
    // shows that the sender has read it.
    let given = Instant::now();
    let alive_since = || {
        let seen = stack.snapshot(&run)["senders"][0]["seen_seconds_ago"].as_f64();
        seen.is_some_and(|seconds| seconds < given.elapsed().as_secs_f64())
    };
    wait_until("the sender has all messages", alive_since);
    late.signal("STOP");
    // It runs until the messages are visible again, since it may have to receive them.
    let other = stack.sender("-w 0 -f 0 -c 3 --idle-timeout 2 --json").run().exits(0).json();
    assert_eq!(other["sent"], 3);
    let before = concluded_items(&stack, &run);
    late.signal("CONT");
    // Its deliveries ended long ago. It tries to record their outcomes, and finds those of the other sender.
    let duplicates = || {
        let seen = stack.snapshot(&run)["senders"].clone();
        seen.as_array().is_some_and(|senders| senders.iter().any(|sender| sender["duplicates"] == 3))
    };
    wait_until("its outcomes are rejected as duplicates", duplicates);
    late.signal("TERM");
    let late = late.finish().exits(143).json();
    assert_eq!((late["failed"].as_u64(), late["duplicates"].as_u64()), (Some(0), Some(3)), "{late}");
    assert_eq!(concluded_items(&stack, &run), before, "the first outcome was replaced");
    assert_all_concluded_and_counted_once(&stack, &run, 3);
}

#[test]
fn a_repeatedly_killed_aggregator_counts_each_message_once() {
    let stack = stack();
    let messages = 400;
    let run = stack.produce(&format!("-m {messages}"));
    let sender = stack.sender("-w 0.1 -f 0.1 -c 4 --idle-timeout 2").start();
    let mut killed = 0;
    wait_until("the function was killed three times", || {
        killed += u32::from(stack.kill_function());
        killed >= 3
    });
    assert!(stack.count(&run).pending > 0, "the function was killed after the run had ended");
    sender.finish().exits(0);
    assert_all_concluded_and_counted_once(&stack, &run, messages);
}

#[test]
fn a_full_disk_behind_stdout_is_reported_and_does_no_harm() {
    let stack = stack();
    let full = || OpenOptions::new().write(true).open("/dev/full").expect("Linux has it").into();
    let produced = stack.producer(&format!("-m 20 --run {RUN}")).stdout_to(full()).run().exits(1);
    let sent = stack.sender("-w 0 -f 0 --idle-timeout 1").stdout_to(full()).run().exits(1);
    assert_all_concluded_and_counted_once(&stack, RUN, 20);
    let watched = stack.monitor("-t 0.2").stdout_to(full()).run().exits(1);
    for ended in [produced, sent, watched] {
        assert!(ended.stderr.contains("cannot write to standard output"), "{}", ended.stderr);
    }
}
