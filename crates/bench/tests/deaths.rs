//! Programs that die with much in hand. The sink keeps pace with them, which no emulator does.

use std::time::Duration;

use stentor_bench::sink::{Latency, STACK, Sink};
use stentor_core::run::{BodyLength, Plan, RunId};
use stentor_tests::programs::Built;
use stentor_tests::{Program, wait_until};

#[test]
fn a_sender_killed_with_ten_thousand_in_hand_loses_nothing() {
    const MESSAGES: u32 = 12_000;
    let sink = Sink::start(Latency::default()).unwrap();
    sink.set_visibility_timeout(Duration::from_secs(15));
    let run = RunId::from_parts(1_700_000_000_000, 9);
    sink.fill(&Plan::new(run, 1, MESSAGES, BodyLength { max: 100, exact: false }).unwrap()).unwrap();
    let sender = |line: &str| {
        let line = format!("--endpoint-url {} --stack {STACK} --json {line}", sink.endpoint());
        Program::new(&Built::once().sender, &line)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
    };

    // Its deliveries outlast the visibility timeout many times: to hold ten thousand, it has to extend them all.
    let mut killed = sender("-w 300 --distribution constant -c 10000 --forever").start();
    wait_until("it holds ten thousand", || sink.backlog().1 >= 10_000);
    let held_since = std::time::Instant::now();
    wait_until("it has held them beyond their visibility timeout", || {
        assert!(sink.backlog().1 >= 10_000, "{:?} wait and are hidden", sink.backlog());
        held_since.elapsed() > Duration::from_secs(18)
    });
    killed.kill();
    assert_eq!(sink.statuses()["PENDING"], MESSAGES as usize);

    let other = sender("-w 0 -f 0.1 -c 1000 --idle-timeout 2").run().exits(0).json();
    let concluded = other["sent"].as_u64().unwrap() + other["failed"].as_u64().unwrap();
    assert_eq!((concluded, &other["duplicates"]), (MESSAGES.into(), &0.into()), "{other}");
    assert_eq!(sink.statuses().get("PENDING"), None);
    assert_eq!(sink.backlog(), (0, 0));
}
