//! Senders whose process is paused for longer than the visibility timeout, as on a laptop that sleeps.

use std::time::{Duration, Instant};

use serde_json::Value;
use stentor_tests::{Process, Stack, is_full, wait_until};

const REPORT: &str = "expired while the process was paused";

fn number(summary: &Value, name: &str) -> u64 {
    summary[name].as_u64().unwrap_or_else(|| panic!("{name} in {summary}"))
}

/// Continues a stopped sender after this time at the earliest, once another sender has delivered all messages of the
/// run: it receives those in flight when their visibility timeout is over. Returns the summaries of both, which end when
/// there is nothing left to deliver.
fn continue_after_another_sender(stack: &Stack, run: &str, paused: Process, pause: Duration) -> [Value; 2] {
    let start = Instant::now();
    let other = stack.sender("-w 0 -f 0 -c 40 --idle-timeout 2 --json").start();
    wait_until("the other sender has delivered all messages", || stack.count(run).pending == 0);
    wait_until("the pause is over", || start.elapsed() >= pause);
    paused.signal("CONT");
    let ended = paused.finish().exits(0);
    // The report comes within a second, and the sender waits longer for another message.
    assert_eq!(ended.stderr.matches(REPORT).count(), 1, "{}", ended.stderr);
    [ended.json(), other.finish().exits(0).json()]
}

/// Pauses a sender with these flags once it has at least `in_flight` of the messages, and asserts that no more than
/// `under_way` of them are delivered twice.
fn assert_delivered_twice_at_most(under_way: u64, flags: &str, messages: u64, in_flight: u64) {
    let pause = if is_full() { 25 } else { 0 };
    let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
    let run = stack.produce(&format!("-m {messages}"));
    let paused =
        stack.sender(&format!("{flags} --distribution constant -f 0 --idle-timeout 3 --json")).start();
    wait_until("the sender has the messages", || stack.backlog("queue").1 >= in_flight);
    paused.signal("STOP");
    let (_, held) = stack.backlog("queue");
    let [paused, other] = continue_after_another_sender(&stack, &run, paused, Duration::from_secs(pause));
    let count = stack.counted_once(&run);
    assert_eq!((count.pending, count.sent), (0, messages));
    assert_eq!(number(&paused, "sent") + number(&other, "sent"), messages, "{paused} {other}");
    let twice = number(&paused, "duplicates") + number(&other, "duplicates");
    assert!(twice <= under_way.min(held), "{twice} delivered twice, {held} in flight: {paused} {other}");
    let expired = number(&paused, "leases_expired");
    assert!(expired > 0 && expired <= held, "{held} in flight: {paused}");
}

#[test]
fn a_paused_sender_starts_none_of_the_messages_that_it_has_prefetched() {
    // Ten messages wait for one of the forty slots.
    assert_delivered_twice_at_most(40, "-c 40 -w 4", 120, 50);
}

#[test]
fn a_paused_sender_with_many_slots_and_short_waits_loses_nothing() {
    assert_delivered_twice_at_most(400, "-c 10000 -w 1", 400, 40);
}

#[test]
fn a_response_that_waits_during_a_pause_starts_no_delivery() {
    let stack = Stack::deploy();
    // Shorter than a program's longest wait for a response: after that, the response is lost.
    stack.set_visibility_timeout(5);
    let sender = stack.sender("-c 10000 -w 1 --distribution constant -f 0 --idle-timeout 10 --json").start();
    wait_until("the sender runs", || sender.stderr_so_far().contains("receives from"));
    let mut delivered = 0;
    // Its long poll is open nearly all of the time; after a pause between two, the next attempt finds it open.
    let run = loop {
        sender.signal("STOP");
        let run = stack.produce("-m 10");
        if stack.backlog("queue").1 > 0 {
            break run;
        }
        sender.signal("CONT");
        stack.completed(&run);
        wait_until("the queue is empty", || stack.backlog("queue") == (0, 0));
        delivered += 10;
    };
    let [paused, other] = continue_after_another_sender(&stack, &run, sender, Duration::ZERO);
    assert_eq!((number(&paused, "sent"), number(&paused, "duplicates")), (delivered, 0), "{paused}");
    assert!(number(&paused, "leases_expired") > 0, "{paused}");
    assert_eq!((number(&other, "sent"), number(&other, "duplicates")), (10, 0), "{other}");
    assert_eq!(stack.counted_once(&run).sent, 10);
}
