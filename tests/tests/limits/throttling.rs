//! Tables and queues that throttle as those of AWS do: all that they accept is used, and nothing is lost or repeated.

use std::time::{Duration, Instant};

use stentor_fake_aws::{FakeAws, PARTITION_UNITS, RequestStats};
use stentor_tests::on_fake::{self, producer, sender};
use stentor_tests::{Process, is_full, wait_until};

use crate::load::Load;

/// Write units a second of a partition: fewer than on AWS, since programs that are built for tests are slow. Many programs
/// need more of them: with some statements a second each, they would learn the rate for longer than the test takes.
fn partition_units(programs: u64) -> f64 {
    if programs > 4 { PARTITION_UNITS / 2.5 } else { PARTITION_UNITS / 5.0 }
}

/// Not measured: the programs learn the rate, and the table has units of the second before.
const LEARNING: Duration = Duration::from_secs(5);

fn fake() -> FakeAws {
    on_fake::start(Duration::from_millis(5))
}

/// Returns how many statements were accepted, and how many throttled.
fn statements(stats: &RequestStats) -> (u64, u64) {
    let [inserts, updates] =
        ["INSERT", "UPDATE"].map(|kind| stats.of(&format!("BatchExecuteStatement ({kind})")));
    let throttled = inserts.throttled + updates.throttled;
    (inserts.entries + updates.entries - throttled, throttled)
}

/// Returns how many messages have an outcome.
fn outcomes(fake: &FakeAws) -> usize {
    fake.statuses().iter().filter(|(status, _)| *status != "PENDING").map(|(_, count)| count).sum()
}

/// Runs producers and senders at once on a new table, and measures what they use of it and how much is throttled.
fn measure(programs: u64, measured: Duration) {
    let (fake, units) = (fake(), partition_units(programs));
    fake.set_on_demand(units);
    let count = programs.div_ceil(2);
    let producers: Vec<Process> = (0..count).map(|_| producer(&fake, "-m 10M").start()).collect();
    let senders: Vec<Process> =
        (0..programs - count).map(|_| sender(&fake, "-w 0.1 -f 0.1 -c 1000 --forever").start()).collect();
    wait_until("statements are throttled", || statements(&fake.stats()).1 > 0);
    std::thread::sleep(LEARNING);
    let (from, start) = (statements(&fake.stats()), Instant::now());
    std::thread::sleep(measured);
    let (to, seconds) = (statements(&fake.stats()), start.elapsed().as_secs_f64());

    let (accepted, throttled) = ((to.0 - from.0) as f64, (to.1 - from.1) as f64);
    let used = accepted / (4.0 * units * seconds);
    let refused = throttled / (accepted + throttled);
    println!("{programs} programs: {:.1} % used, {:.1} % throttled", used * 100.0, refused * 100.0);
    assert!(used >= 0.95 && refused <= 0.05, "{programs} programs: {used:.3} used, {refused:.3} throttled");

    for process in producers.iter().chain(&senders) {
        process.signal("TERM");
    }
    let recorded_at_signal = outcomes(&fake);
    for producer in producers {
        assert!(!producer.finish().exits(143).stderr.contains("retrying for up to"));
    }
    let mut delivered = 0;
    for sender in senders {
        let summary = sender.finish().exits(143).json();
        let count = |name: &str| summary[name].as_u64().unwrap();
        assert_eq!((count("duplicates"), count("leases_expired")), (0, 0), "{summary}");
        delivered += count("sent") + count("failed");
    }
    let recorded = outcomes(&fake);
    assert_eq!(delivered, recorded as u64);
    // At most this is what SIGKILL would have lost.
    let unrecorded_seconds = (recorded - recorded_at_signal) as f64 / (4.0 * units);
    assert!(
        unrecorded_seconds < 2.0,
        "{programs} programs: the table needed {unrecorded_seconds:.1} s for the outcomes unrecorded at SIGTERM"
    );
}

#[test]
fn programs_use_a_throttled_table_and_leave_few_outcomes_unrecorded() {
    let _load = Load::take(if is_full() { 200 } else { 120 });
    let (groups, seconds): (&[&[u64]], _) = if is_full() { (&[&[1, 4], &[16]], 60) } else { (&[&[4]], 18) };
    for group in groups {
        std::thread::scope(|scope| {
            for programs in *group {
                scope.spawn(|| measure(*programs, Duration::from_secs(seconds)));
            }
        });
    }
}

#[test]
fn a_sender_whose_table_throttles_for_long_delivers_nothing_twice() {
    const MESSAGES: usize = 2_000;
    let _load = Load::idle();
    let fake = fake();
    fake.set_visibility_timeout(Duration::from_secs(5));
    producer(&fake, &format!("-m {MESSAGES}")).run().exits(0);
    let line = "-w 10 --distribution constant -f 0.1 -c 1000 --idle-timeout 3";
    let senders = [sender(&fake, line).start(), sender(&fake, line).start()];
    wait_until("all messages are in flight", || fake.backlog() == (0, MESSAGES));
    fake.set_on_demand(25.0);
    wait_until("the first outcome is recorded", || outcomes(&fake) > 0);
    let start = Instant::now();
    let mut delivered = 0;
    for sender in senders {
        let output = sender.finish().exits(0);
        assert!(!output.stderr.contains("retrying for up to"), "{}", output.stderr);
        let summary = output.json();
        let count = |name: &str| summary[name].as_u64().unwrap();
        let repeated = ["duplicates", "released", "leases_expired"].map(count);
        assert_eq!(repeated, [0; 3], "{summary}");
        delivered += count("sent") + count("failed");
    }
    assert!(
        start.elapsed() > Duration::from_secs(15),
        "the outcomes waited for less than three visibility timeouts"
    );
    assert_eq!(delivered, MESSAGES as u64);
    assert_eq!((fake.statuses().get("PENDING"), fake.backlog()), (None, (0, 0)));
}

#[test]
fn throttled_sends_lose_nothing_and_mark_nothing_as_repeated() {
    const MESSAGES: usize = 2_000;
    let _load = Load::idle();
    let fake = fake();
    fake.set_queue_rate(20.0);
    let output = producer(&fake, &format!("-m {MESSAGES}")).run().exits(0);
    assert!(!output.stderr.contains("retrying for up to"), "{}", output.stderr);
    let sends = fake.stats().of("SendMessageBatch");
    assert!(sends.throttled > 0, "no send was throttled");
    assert_eq!(sends.entries - sends.throttled, MESSAGES as u64);
    assert_eq!(fake.backlog(), (MESSAGES, 0));
    fake.set_queue_rate(100_000.0);
    let summary = sender(&fake, "-w 0 -f 0 -c 100 --idle-timeout 1").run().exits(0).json();
    assert_eq!(summary["sent"].as_u64(), Some(MESSAGES as u64), "{summary}");
    assert_eq!(
        fake.stats().of("BatchGetItem").requests,
        0,
        "a message is taken for one that may be repeated"
    );
}

#[test]
fn a_producer_reports_once_that_the_table_throttles() {
    let _load = Load::idle();
    let fake = fake();
    fake.set_on_demand(25.0);
    let output = producer(&fake, "-m 2500").run().exits(0);
    let report = "table drill-messages throttles writes: it accepts ";
    assert_eq!(output.stderr.matches(report).count(), 1, "{}", output.stderr);
    assert!(output.json()["throttled_seconds"].as_f64().unwrap() > 10.0, "{}", output.stdout);
}
