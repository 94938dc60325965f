//! The raw loader and the peers against the emulator: each does the whole job, by the requests that it is to make.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use stentor_bench::peers::Peers;
use stentor_tests::{Count, Emulator, Program, Stack, scaled};

fn raw(stack: &Stack, line: &str) -> Value {
    let (job, rest) = line.split_once(' ').expect("a job and its flags");
    let line = format!("{job} --endpoint {} --stack {} {rest}", Emulator::shared().url(), stack.name());
    Program::new(Path::new(env!("CARGO_BIN_EXE_raw-loader")), &line).run().exits(0).json()
}

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
    assert_eq!(stack.count(run), Count { sent: messages, ..Count::default() });
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
fn the_raw_loader_does_what_producer_and_sender_do() {
    let stack = Stack::deploy();
    let messages = scaled(1_000);
    let made = raw(&stack, &format!("produce --messages {messages} --length 100 --concurrency 4"));
    assert_eq!(made["messages"], messages);
    assert_requests_a_message(&made, 0.14);
    assert_eq!(stack.count(run_of(&made)), Count { pending: messages, ..Count::default() });
    let sent = raw(&stack, "send --concurrency 4");
    assert_eq!(sent["messages"], messages);
    assert_requests_a_message(&sent, 0.32);
    assert_all_sent(&stack, run_of(&made), messages);
}

#[test]
fn a_sender_delivers_what_the_raw_loader_made() {
    let stack = Stack::deploy();
    let made = raw(&stack, "produce --messages 60 --length 1600 --concurrency 2");
    stack.sender("-w 0 -f 0 -c 60 --idle-timeout 1").run().exits(0);
    assert_all_sent(&stack, run_of(&made), 60);
}

#[test]
fn the_raw_loader_says_what_went_wrong() {
    let stack = Stack::deploy();
    let elsewhere = format!("send --endpoint {} --stack nowhere", Emulator::shared().url());
    let refused = Program::new(Path::new(env!("CARGO_BIN_EXE_raw-loader")), &elsewhere).run().exits(1);
    assert!(
        refused.stderr.contains("NonExistentQueue") || refused.stderr.contains("400"),
        "{}",
        refused.stderr
    );
    // A second conclusion of the same messages is refused by their condition, inside an answer of 200.
    let made = raw(&stack, "produce --messages 20 --length 10 --concurrency 1");
    stack.conclude_all(run_of(&made));
    let line = format!("send --endpoint {} --stack {}", Emulator::shared().url(), stack.name());
    let refused = Program::new(Path::new(env!("CARGO_BIN_EXE_raw-loader")), &line).run().exits(1);
    assert!(refused.stderr.contains("refused"), "{}", refused.stderr);
}

#[test]
#[ignore = "needs Node.js and npm, and the network the first time"]
fn the_peers_do_the_same_job() {
    let peers = std::thread::scope(|scope| {
        let other = scope.spawn(Peers::install);
        let peers = Peers::install().expect("they can be installed");
        other.join().expect("it does not panic").expect("two at once do not disturb each other");
        peers
    });
    let stack = Stack::deploy();
    let (endpoint, name) = (Emulator::shared().url(), stack.name());

    let messages = scaled(100);
    let made = peer(peers.boto3_producer(&endpoint, name, messages.try_into().expect("a hundred"), 100));
    assert_eq!((&made["messages"], &made["requests"]), (&messages.into(), &(2 * messages).into()));
    assert_eq!(stack.count(run_of(&made)), Count { pending: messages, ..Count::default() });
    let sent = peer(peers.boto3_sender(&endpoint, name));
    assert_eq!((&sent["messages"], &sent["requests"]), (&messages.into(), &(5 * messages + 1).into()));
    assert_all_sent(&stack, run_of(&made), messages);

    let messages = scaled(1_000);
    let made = raw(&stack, &format!("produce --messages {messages} --length 100 --concurrency 4"));
    let sent = peer(peers.sqs_consumers(&endpoint, name));
    assert_eq!(sent["messages"], messages);
    // Three for ten, and at the end each of its 32 consumers asks once in vain.
    assert_requests_a_message(&sent, 0.35 + 32.0 / messages as f64);
    assert_all_sent(&stack, run_of(&made), messages);

    let made = raw(&stack, "produce --messages 50 --length 100 --concurrency 1");
    let sent = peer(peers.sqs_consumer(&endpoint, name));
    assert_eq!(sent["messages"], 50);
    // An update and a delete each, a receive for up to ten, and one in vain; a queue may give fewer at once.
    assert_requests_a_message(&sent, 3.1);
    assert_all_sent(&stack, run_of(&made), 50);
}
