//! Each fault of the services and the network alone: the run completes, and each message counts once.

use std::time::{Duration, Instant};

use stentor_tests::proxy::{FaultPlan, ProxyFault};
use stentor_tests::{Backend, ProcessOutput, Proxy, Stack, sampled, scaled, wait_until};

/// Probability of a fault in the calls that it can affect.
fn probability(fault: ProxyFault) -> f64 {
    match fault {
        // This fault lasts longer than a program waits for a response.
        ProxyFault::Silence => 0.05,
        ProxyFault::SlowDrip | ProxyFault::Latency => 0.1,
        _ => 0.3,
    }
}

/// Runs a rehearsal with one fault, then a sender without faults for the messages still in flight.
fn rehearse(fault: ProxyFault, messages: u64) -> String {
    let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
    let proxy = Proxy::start(7);
    let way = stack.at_port(proxy.port());
    proxy.inject(FaultPlan::only(fault, probability(fault)));
    let produced = way.producer(&format!("-m {messages} --json --rate 100")).start();
    // The senders find a queue that is not empty.
    wait_until("messages wait", || stack.backlog("queue").0 > 0);
    let senders: Vec<_> =
        (0..2).map(|_| way.sender("-w 0.02 -f 0.1 -c 5 --idle-timeout 3 --json").start()).collect();
    let run = produced.finish().exits(0).json()["run"].as_str().expect("a run id").to_owned();
    // Reads that only some faults can affect.
    way.producer(&format!("requeue {run}")).run().exits(0);
    let senders: Vec<ProcessOutput> = senders.into_iter().map(|sender| sender.finish().exits(0)).collect();
    way.monitor("--once --json").run().exits(0);
    proxy.inject(FaultPlan::none());
    stack.sender("-w 0 -f 0.1 -c 5 --idle-timeout 1").run().exits(0);

    let count = stack.counted_once(&run);
    assert_eq!((count.pending, count.total()), (0, messages), "{fault:?}");
    assert!(proxy.count(fault) > 0, "{fault:?} was never injected");
    for sender in senders {
        assert!(!sender.stderr.contains("panicked"), "{fault:?}: {}", sender.stderr);
    }
    format!("{}: {} times", fault.name(), proxy.count(fault))
}

/// Rehearses several faults concurrently, since most of the time is spent waiting. `LocalStack` supports few
/// at once.
fn rehearse_all(faults: &[ProxyFault]) {
    let at_once = if Backend::of_these_tests() == Backend::MiniStack { 5 } else { 2 };
    let faults: Vec<ProxyFault> = sampled(faults.iter().copied()).collect();
    for some in faults.chunks(at_once) {
        std::thread::scope(|scope| {
            let rehearsals: Vec<_> =
                some.iter().map(|fault| scope.spawn(|| rehearse(*fault, scaled(100)))).collect();
            for rehearsal in rehearsals {
                println!("{}", rehearsal.join().expect("the rehearsal does not panic"));
            }
        });
    }
}

#[test]
fn failed_calls_and_lost_responses_lose_no_messages() {
    rehearse_all(&[
        ProxyFault::InternalError,
        ProxyFault::Unavailable,
        ProxyFault::InternalErrorAfterwards,
        ProxyFault::AnswerLost,
        ProxyFault::ResetBefore,
        ProxyFault::Silence,
        ProxyFault::SlowDrip,
        ProxyFault::Latency,
        ProxyFault::ExpiredToken,
    ]);
}

#[test]
fn throttled_calls_are_retried() {
    rehearse_all(&[
        ProxyFault::ProvisionedThroughputExceeded,
        ProxyFault::DynamoThrottling,
        ProxyFault::RequestLimitExceeded,
        ProxyFault::RequestThrottled,
        ProxyFault::SqsThrottling,
        ProxyFault::OverLimit,
    ]);
}

#[test]
fn failed_entries_of_successful_batches_are_retried() {
    rehearse_all(&[
        ProxyFault::EntryFailed,
        ProxyFault::EntryThrottled,
        ProxyFault::EntryAnswerLost,
        ProxyFault::StatementThrottled,
        ProxyFault::StatementThroughputExceeded,
        ProxyFault::StatementLimitExceeded,
        ProxyFault::StatementFailed,
        ProxyFault::StatementConflict,
        ProxyFault::StatementAnswerLost,
        ProxyFault::UnprocessedKeys,
    ]);
}

#[test]
fn repeated_messages_and_wrong_queue_counts_change_no_result() {
    rehearse_all(&[
        ProxyFault::DeliveredTwice,
        ProxyFault::CountsTooLow,
        ProxyFault::CountsTooHigh,
        ProxyFault::StaleReceipt,
    ]);
}

/// Writes the outcomes of all messages, starts a sender under the fault plan, and asserts that it drops every message as a
/// duplicate.
fn drop_duplicates(messages: u32, plan: FaultPlan) -> Proxy {
    let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
    let proxy = Proxy::start(2);
    let run = stack.produce(&format!("-m {messages}"));
    stack.conclude_all(&run);
    proxy.inject(plan);
    let sender =
        stack.at_port(proxy.port()).sender(&format!("-w 0.5 -f 1 -c {messages} --forever --json")).start();
    wait_until("the queue is empty", || stack.backlog("queue") == (0, 0));
    proxy.inject(FaultPlan::none());
    sender.signal("TERM");
    let summary = sender.finish().exits(143).json();
    let actual = (summary["failed"].as_u64(), summary["duplicates"].as_u64());
    assert_eq!(actual, (Some(0), Some(messages.into())), "{summary}");
    assert!(stack.items(&run).iter().all(|item| item["attempt"]["S"] == "somebody else's"));
    // LocalStack's responses never include the item, so the proxy cannot remove it.
    let removed = proxy.count(ProxyFault::ItemNotReturned) > 0;
    assert_eq!(removed, Backend::of_these_tests() == Backend::MiniStack);
    proxy
}

#[test]
fn a_duplicate_without_its_item_in_the_response_is_read_and_dropped() {
    drop_duplicates(4, FaultPlan::only(ProxyFault::ItemNotReturned, 1.0));
}

#[test]
fn many_duplicates_are_dropped_despite_lost_responses() {
    let plan = FaultPlan::only(ProxyFault::ItemNotReturned, 1.0).and(ProxyFault::AnswerLost, 0.3);
    assert!(drop_duplicates(50, plan).count(ProxyFault::AnswerLost) > 0);
}

#[test]
fn an_outage_of_thirty_seconds_is_survived_without_a_restart() {
    const OUTAGE: Duration = Duration::from_secs(30);
    let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
    let proxy = Proxy::start(1);
    let way = stack.at_port(proxy.port());
    let messages = scaled(2_000);
    let mut producer = way.producer(&format!("-m {messages} --rate {} --json", messages / 30)).start();
    let sender = way.sender("-w 0.02 -f 0.1 -c 10 --json --forever").start();
    let mut monitor = way.monitor("-t 0.5 --follow").start();
    let counted = || stack.monitor("--once --json").run();
    wait_until("the run is under way", || {
        let output = counted();
        output.code == Some(0) && output.json()["sent"].as_u64() > Some(20)
    });
    assert!(producer.is_running(), "the producer finished before the outage");
    let begun = Instant::now();
    proxy.break_off(OUTAGE);
    let run = producer.finish().exits(0).json()["run"].as_str().unwrap().to_owned();
    assert!(begun.elapsed() > OUTAGE, "the run finished during the outage");
    let snapshot = stack.completed(&run);
    let count = stack.count(&run);
    assert_eq!((count.pending, count.total()), (0, messages));
    assert_eq!(snapshot["sent"].as_u64(), Some(count.sent));
    assert!(monitor.is_running(), "the monitor exited during the outage");
    monitor.kill();
    sender.signal("TERM");
    let sender = sender.finish().exits(143);
    assert_eq!(
        sender.stderr.matches("retrying for up to").count(),
        1,
        "the retries are not logged exactly once: {}",
        sender.stderr
    );
}

#[test]
fn a_service_that_throttles_every_call_is_retried_with_backoff() {
    let stack = Stack::deploy();
    let proxy = Proxy::start(4);
    let way = stack.at_port(proxy.port());
    let mut producer = way.producer(&format!("-m {} --rate {} --json", scaled(3_000), scaled(150))).start();
    let mut sender = way.sender("-w 0.1 -c 200 --forever").start();
    wait_until("both are at work", || {
        let calls = proxy.calls();
        ["SendMessageBatch", "DeleteMessageBatch"].iter().all(|call| calls.contains(*call))
    });
    proxy.inject(FaultPlan::only(ProxyFault::SqsThrottling, 1.0).and(ProxyFault::DynamoThrottling, 1.0));
    std::thread::sleep(SETTLES);
    let before = [producer.cpu_time(), sender.cpu_time()];
    std::thread::sleep(WATCHED);
    let used = [producer.cpu_time().saturating_sub(before[0]), sender.cpu_time().saturating_sub(before[1])];
    // These are debug builds, and each of a hundred requests is retried every few seconds.
    assert!(used.iter().all(|used| *used < WATCHED / 5), "{used:?} of {WATCHED:?}");
    assert!(producer.is_running() && sender.is_running(), "a program exited while it was throttled");
    proxy.inject(FaultPlan::none());
    let run = producer.finish().exits(0).json()["run"].as_str().expect("a run id").to_owned();
    stack.completed(&run);
    sender.signal("TERM");
    sender.finish().exits(143);
}

/// Time until the retries have backed off.
const SETTLES: Duration = Duration::from_secs(8);

/// Duration of the throttling after that.
const WATCHED: Duration = Duration::from_secs(10);

#[test]
fn a_program_survives_a_connection_that_is_lost_before_its_first_answer() {
    let stack = Stack::deploy();
    let proxy = Proxy::start(7);
    proxy.inject(FaultPlan::only(ProxyFault::ResetAtStart, 1.0));
    let runs = stack.at_port(proxy.port()).monitor("runs").start();
    wait_until("a connection was reset", || proxy.count(ProxyFault::ResetAtStart) > 0);
    proxy.inject(FaultPlan::none());
    runs.finish().exits(0);
}
