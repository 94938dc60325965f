//! The other programs on the emulator: each completes the job with the expected number of requests.

use std::process::{Command, Stdio};

use serde_json::Value;
use stentor_bench::peers::Peers;
use stentor_bench::programs::Target;
use stentor_test_support::{Emulator, MessageCount, Stack, scaled};

#[track_caller]
fn peer(mut command: Command) -> Value {
    let output = command.stderr(Stdio::inherit()).output().expect("it starts");
    assert!(output.status.success(), "{command:?}");
    serde_json::from_slice(&output.stdout).expect("one line of JSON")
}

fn run_of(load: &Value) -> &str {
    load["run"].as_str().expect("a run id")
}

#[track_caller]
fn assert_all_sent(stack: &Stack, run: &str, messages: u64) {
    assert_eq!(stack.count(run), MessageCount { sent: messages, ..MessageCount::default() });
    assert_eq!(stack.backlog("queue"), (0, 0));
}

#[track_caller]
fn assert_requests_a_message(load: &Value, at_most: f64) {
    let requests =
        load["requests"].as_f64().expect("a number") / load["messages"].as_f64().expect("a number");
    assert!(requests <= at_most, "{load}");
    assert!(load["seconds"].as_f64().expect("a number") > 0.0, "{load}");
}

#[test]
fn the_peers_do_the_same_job() {
    let peers = std::thread::scope(|scope| {
        let other = scope.spawn(Peers::install);
        let peers = Peers::install().expect("they can be installed");
        other.join().expect("it does not panic").expect("concurrent installations do not conflict");
        peers
    });
    let stack = Stack::deploy();
    let target =
        Target { endpoint: Emulator::shared().url(), stack: stack.name().to_owned(), certificate: None };

    let messages = scaled(100);
    let made = peer(peers.boto3_producer(&target, messages.try_into().expect("a hundred"), 100));
    assert_eq!((&made["messages"], &made["requests"]), (&messages.into(), &(2 * messages).into()));
    assert_eq!(stack.count(run_of(&made)), MessageCount { pending: messages, ..MessageCount::default() });
    let sent = peer(peers.boto3_sender(&target));
    assert_eq!((&sent["messages"], &sent["requests"]), (&messages.into(), &(5 * messages + 1).into()));
    assert_all_sent(&stack, run_of(&made), messages);

    let messages = scaled(1_000);
    let run = stack.produce(&format!("-m {messages} -l 100"));
    let sent = peer(peers.sqs_consumers(&target));
    assert_eq!(sent["messages"], messages);
    // Three requests for ten messages, and at the end one empty receive of each of the 32 consumers.
    assert_requests_a_message(&sent, 0.35 + 32.0 / messages as f64);
    assert_all_sent(&stack, &run, messages);

    let run = stack.produce("-m 50 -l 100");
    let sent = peer(peers.sqs_consumer(&target));
    assert_eq!(sent["messages"], 50);
    // One update and one delete per message, a receive for up to ten or fewer, and an empty one.
    assert_requests_a_message(&sent, 3.1);
    assert_all_sent(&stack, &run, 50);
}
