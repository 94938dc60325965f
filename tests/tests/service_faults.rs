//! Each fault of the services and of the way to them, alone: the run ends complete, and each message counts once.

use std::time::{Duration, Instant};

use stentor_tests::proxy::{FaultPlan, ProxyFault};
use stentor_tests::{Backend, ProcessOutput, Proxy, Stack, scaled, wait_until};

/// Probability of a fault in the calls that it can affect.
fn probability(fault: ProxyFault) -> f64 {
    match fault {
        // It lasts longer than a program waits for one answer.
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
    // What the senders see at their start is something.
    wait_until("messages wait", || stack.backlog("queue").0 > 0);
    let senders: Vec<_> =
        (0..2).map(|_| way.sender("-w 0.02 -f 0.1 -c 5 --idle-timeout 3 --json").start()).collect();
    let run = produced.finish().exits(0).json()["run"].as_str().expect("a run id").to_owned();
    // Reads that only some faults affect.
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

/// Several at once: most of a fault's time is waiting. `LocalStack` cannot bear many.
fn rehearse_all(faults: &[ProxyFault]) {
    let at_once = if Backend::of_these_tests() == Backend::MiniStack { 5 } else { 2 };
    for some in faults.chunks(at_once) {
        std::thread::scope(|scope| {
            let rehearsals: Vec<_> =
                some.iter().map(|fault| scope.spawn(|| rehearse(*fault, scaled(100)))).collect();
            for rehearsal in rehearsals {
                println!("{}", rehearsal.join().expect("the rehearsal holds"));
            }
        });
    }
}

#[test]
fn calls_that_fail_and_answers_that_are_lost_lose_nothing() {
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
fn services_that_ask_for_patience_get_it() {
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
fn entries_and_statements_that_fail_inside_a_success_are_no_answers() {
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
fn a_queue_that_repeats_messages_and_miscounts_them_changes_no_result() {
    rehearse_all(&[
        ProxyFault::DeliveredTwice,
        ProxyFault::CountsTooLow,
        ProxyFault::CountsTooHigh,
        ProxyFault::StaleReceipt,
    ]);
}

/// A sender holds so many messages when another concludes them: it drops every one under any fault plan.
fn drop_duplicates(messages: u32, plan: FaultPlan) -> Proxy {
    let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
    let proxy = Proxy::start(2);
    let run = stack.produce(&format!("-m {messages}"));
    let sender = stack
        .at_port(proxy.port())
        .sender(&format!("-w 3 --distribution constant -f 1 -c {messages} --forever --json"))
        .start();
    wait_until("it holds all of them", || stack.backlog("queue") == (0, messages.into()));
    proxy.inject(plan);
    stack.conclude_all(&run);
    wait_until("it has let go of them", || stack.backlog("queue") == (0, 0));
    proxy.inject(FaultPlan::none());
    sender.signal("TERM");
    let summary = sender.finish().exits(143).json();
    let told = (summary["failed"].as_u64(), summary["duplicates"].as_u64());
    assert_eq!(told, (Some(0), Some(messages.into())), "{summary}");
    assert!(stack.items(&run).iter().all(|item| item["attempt"]["S"] == "somebody else's"));
    proxy
}

#[test]
fn a_duplicate_whose_item_does_not_come_along_is_read_and_dropped() {
    let proxy = drop_duplicates(4, FaultPlan::only(ProxyFault::ItemNotReturned, 1.0));
    // LocalStack's items never come along: there is nothing for the proxy to take away.
    let counted = proxy.count(ProxyFault::ItemNotReturned) > 0;
    assert_eq!(counted, Backend::of_these_tests() == Backend::MiniStack);
}

#[test]
fn many_duplicates_are_dropped_though_every_third_answer_is_lost() {
    drop_duplicates(50, FaultPlan::only(ProxyFault::ItemNotReturned, 1.0).and(ProxyFault::AnswerLost, 0.3));
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
        let told = counted();
        told.code == Some(0) && told.json()["sent"].as_u64() > Some(20)
    });
    assert!(producer.is_running(), "there is something to break off");
    let begun = Instant::now();
    proxy.break_off(OUTAGE);
    let run = producer.finish().exits(0).json()["run"].as_str().unwrap().to_owned();
    assert!(begun.elapsed() > OUTAGE, "the outage fell into the run");
    let snapshot = stack.completed(&run);
    let count = stack.count(&run);
    assert_eq!((count.pending, count.total()), (0, messages));
    assert_eq!(snapshot["sent"].as_u64(), Some(count.sent));
    assert!(monitor.is_running(), "the monitor waits for better times");
    monitor.kill();
    sender.signal("TERM");
    let sender = sender.finish().exits(143);
    assert_eq!(sender.stderr.matches("retrying for up to").count(), 1, "told once: {}", sender.stderr);
}

#[test]
fn a_service_that_throttles_everything_is_waited_for_without_a_spin() {
    let stack = Stack::deploy();
    let proxy = Proxy::start(4);
    let way = stack.at_port(proxy.port());
    let mut producer = way.producer(&format!("-m {} --rate {} --json", scaled(3_000), scaled(150))).start();
    let mut sender = way.sender("-w 0.1 -c 200 --forever").start();
    wait_until("both are at work", || {
        let calls = proxy.calls();
        ["SendMessageBatch", "DeleteMessageBatch"]
            .iter()
            .all(|call| calls.iter().any(|(_, name, _)| name == call))
    });
    proxy.inject(FaultPlan::only(ProxyFault::SqsThrottling, 1.0).and(ProxyFault::DynamoThrottling, 1.0));
    std::thread::sleep(SETTLES);
    let before = [producer.cpu_time(), sender.cpu_time()];
    std::thread::sleep(WATCHED);
    let used = [producer.cpu_time().saturating_sub(before[0]), sender.cpu_time().saturating_sub(before[1])];
    // These are debug builds, and each of a hundred requests is tried again every few seconds.
    assert!(used.iter().all(|used| *used < WATCHED / 5), "{used:?} of {WATCHED:?}");
    assert!(producer.is_running() && sender.is_running(), "they wait for better times");
    proxy.inject(FaultPlan::none());
    let run = producer.finish().exits(0).json()["run"].as_str().expect("a run id").to_owned();
    stack.completed(&run);
    sender.signal("TERM");
    sender.finish().exits(143);
}

/// How long requests take to have backed off.
const SETTLES: Duration = Duration::from_secs(8);

/// How long nothing may be done.
const WATCHED: Duration = Duration::from_secs(10);
