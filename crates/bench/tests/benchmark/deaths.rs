//! A sender that is killed with many messages in flight. Only the fake is fast enough for this.

use std::time::Duration;

use stentor_bench::fill::put_run;
use stentor_bench::programs::{STACK, Target, program};
use stentor_core::run::{BodyLength, Plan, RunId};
use stentor_fake_aws::FakeAws;
use stentor_test_support::build::ProgramPaths;
use stentor_test_support::wait_until;

#[test]
fn a_sender_killed_with_ten_thousand_in_flight_loses_nothing() {
    const MESSAGES: u32 = 12_000;
    let fake = FakeAws::start(STACK, Duration::ZERO).unwrap();
    let visibility_timeout = Duration::from_secs(10);
    fake.set_visibility_timeout(visibility_timeout);
    let run = RunId::from_parts(1_700_000_000_000, 9);
    put_run(&fake, &Plan::new(run, 1, MESSAGES, BodyLength { max: 100, exact: false }).unwrap()).unwrap();
    let target = Target::of(&fake);
    let sender = |line: &str| program(&ProgramPaths::get().sender, &target, &format!("--json {line}"));

    // The deliveries outlast the visibility timeout many times, so the sender has to extend all of them.
    let mut killed = sender("-w 300 --distribution constant -c 10000 --forever").start();
    wait_until("ten thousand messages are in flight", || fake.backlog().1 >= 10_000);
    let held_since = std::time::Instant::now();
    wait_until("the visibility timeout has passed", || {
        assert!(fake.backlog().1 >= 10_000, "{:?} are visible and in flight", fake.backlog());
        held_since.elapsed() > visibility_timeout + Duration::from_secs(3)
    });
    killed.kill();
    assert_eq!(fake.statuses()["PENDING"], MESSAGES as usize);

    let other = sender("-w 0 -f 0.1 -c 1000 --idle-timeout 2").run().exits(0).json();
    let concluded = other["sent"].as_u64().unwrap() + other["failed"].as_u64().unwrap();
    assert_eq!((concluded, &other["duplicates"]), (MESSAGES.into(), &0.into()), "{other}");
    assert_eq!(fake.statuses().get("PENDING"), None);
    assert_eq!(fake.backlog(), (0, 0));
}
