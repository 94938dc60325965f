//! A sender that is killed with as many messages in flight as it can hold. Only the fake is fast enough for this.

use std::time::{Duration, Instant};

use stentor_tests::on_fake::{self, producer, sender};
use stentor_tests::{is_full, wait_until};

#[test]
fn a_sender_killed_with_ten_thousand_in_flight_loses_nothing() {
    let in_flight = if is_full() { 10_000 } else { 2_000 };
    let messages = in_flight * 6 / 5;
    let fake = on_fake::start(Duration::ZERO);
    let visibility_timeout = Duration::from_secs(30);
    fake.set_visibility_timeout(visibility_timeout);
    producer(&fake, &format!("-m {messages}")).run().exits(0);

    // The deliveries outlast the visibility timeout many times, so the sender has to extend all of them.
    let mut killed =
        sender(&fake, &format!("-w 300 --distribution constant -c {in_flight} --forever")).start();
    wait_until("all slots are taken", || fake.backlog().1 >= in_flight);
    let held_since = Instant::now();
    wait_until("the visibility timeout has passed", || {
        assert!(fake.backlog().1 >= in_flight, "{:?} are visible and in flight", fake.backlog());
        held_since.elapsed() > visibility_timeout + Duration::from_secs(3)
    });
    killed.kill();
    assert_eq!(fake.statuses()["PENDING"], messages);

    let other = sender(&fake, "-w 0 -f 0.1 -c 1000 --idle-timeout 2").run().exits(0).json();
    let concluded = other["sent"].as_u64().unwrap() + other["failed"].as_u64().unwrap();
    assert_eq!((concluded, &other["duplicates"]), (messages as u64, &0.into()), "{other}");
    assert_eq!(fake.statuses().get("PENDING"), None);
    assert_eq!(fake.backlog(), (0, 0));
}
