//! Complete rehearsals, run as a user runs them.

use serde_json::json;
use stentor_tests::{Stack, wait_until};

#[test]
fn the_three_commands_of_the_readme_complete_a_run() {
    let stack = Stack::deploy();
    let produced = stack.producer("-m 1000 -l 100").run().exits(0);
    assert!(produced.stdout.contains("1,000 messages enqueued"), "{}", produced.stdout);
    let senders: Vec<_> =
        (0..3).map(|_| stack.sender("-w 0.05 -f 0.1 -c 10 --idle-timeout 2").start()).collect();
    let monitored = stack.monitor("-t 1").run().exits(0);
    assert!(
        monitored.stdout.lines().last().unwrap().starts_with("complete: 1,000 messages"),
        "{}",
        monitored.stdout
    );
    for sender in senders {
        sender.finish().exits(0);
    }
    let audited = stack.monitor("audit").run().exits(0);
    assert!(audited.stdout.lines().last().unwrap().starts_with("the audit agrees"), "{}", audited.stdout);
}

#[test]
fn three_senders_share_a_run_and_the_monitor_equals_the_table() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 1000");
    let senders: Vec<_> =
        (0..3).map(|_| stack.sender("-w 0.02 -f 0.1 -c 4 --idle-timeout 2 --json").start()).collect();
    let snapshot = stack.completed(&run);
    let shares: Vec<u64> = senders
        .into_iter()
        .map(|sender| {
            let summary = sender.finish().exits(0).json();
            assert_eq!(summary["reason"], "drained");
            summary["sent"].as_u64().unwrap() + summary["failed"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(shares.iter().sum::<u64>(), 1_000);
    assert!(shares.iter().all(|share| *share > 100), "{shares:?}");

    let count = stack.count(&run);
    assert_eq!((count.pending, count.total()), (0, 1_000));
    assert_eq!(
        (snapshot["sent"].as_u64(), snapshot["failed"].as_u64()),
        (Some(count.sent), Some(count.failed))
    );
    let average = snapshot["average_seconds"].as_f64().unwrap();
    assert!((average - count.average_seconds()).abs() < 1e-9, "{average} {}", count.average_seconds());
    // One in ten of 1,000, within five standard deviations.
    assert!((52..=148).contains(&count.failed), "{}", count.failed);
}

#[test]
fn nothing_fails_at_rate_0_and_everything_at_rate_1() {
    let stack = Stack::deploy();
    for (rate, sent, failed) in [("0", 50, 0), ("1", 0, 50)] {
        let run = stack.produce("-m 50");
        stack.sender(&format!("-w 0 -f {rate} --idle-timeout 1")).run().exits(0);
        let snapshot = stack.completed(&run);
        assert_eq!((snapshot["sent"].as_u64(), snapshot["failed"].as_u64()), (Some(sent), Some(failed)));
        let count = stack.count(&run);
        assert_eq!((count.sent, count.failed), (sent, failed));
    }
}

#[test]
fn a_message_of_one_character_is_delivered() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 1 -l 1");
    let items = stack.items(&run);
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["body"]["S"].as_str().unwrap().len(), 1);
    assert_eq!(items[0]["status"]["S"], "PENDING");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    assert_eq!(stack.completed(&run)["sent"], 1);
}

#[test]
fn one_text_reaches_everyone_and_its_parts_are_stored() {
    let stack = Stack::deploy();
    let text = format!("‘Evacuate’\nnow 🚨{}", " !".repeat(60));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alert");
    std::fs::write(&path, format!("{text}\n")).unwrap();
    let produced = stack.producer(&format!("-m 30 --json --text @{}", path.display())).run().exits(0);
    assert!(
        produced.stderr.contains("UCS-2, 3 parts per message; ‘’🚨 (3 ×) force UCS-2: 3 parts instead of 1"),
        "{}",
        produced.stderr
    );
    let summary = produced.json();
    assert_eq!((&summary["encoding"], &summary["parts"]), (&json!("UCS-2"), &json!(3)));
    let run = summary["run"].as_str().unwrap();
    for item in stack.items(run) {
        assert_eq!((&item["body"]["S"], &item["parts"]["N"]), (&json!(text), &json!("3")));
    }
    // Nothing is left to resume, but the plan is read and its text is the same.
    let resumed = stack.producer(&format!("resume {run}")).run().exits(0);
    assert!(resumed.stderr.contains("text: "), "{}", resumed.stderr);
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    assert_eq!(stack.counted_once(run).sent, 30);
}

#[test]
fn two_runs_in_one_stack_do_not_mix() {
    let stack = Stack::deploy();
    let (one, other) = (stack.produce("-m 40"), stack.produce("-m 60"));
    stack.sender("-w 0 -f 0.5 -c 4 --idle-timeout 1").run().exits(0);
    for (run, messages) in [(&one, 40), (&other, 60)] {
        let snapshot = stack.completed(run);
        let count = stack.count(run);
        assert_eq!((snapshot["total"].as_u64(), count.total()), (Some(messages), messages));
        assert_eq!(
            (snapshot["sent"].as_u64(), snapshot["failed"].as_u64()),
            (Some(count.sent), Some(count.failed))
        );
    }
    // Without --run, the monitor shows the latest run.
    assert_eq!(stack.monitor("--once --json").run().exits(0).json()["run"], other.as_str());
}

#[test]
fn two_stacks_at_one_endpoint_do_not_mix() {
    let (one, other) = (Stack::deploy(), Stack::deploy());
    let (run_of_one, run_of_other) = (one.produce("-m 30"), other.produce("-m 20"));
    one.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    assert_eq!(one.completed(&run_of_one)["sent"], 30);
    let untouched = other.snapshot(&run_of_other);
    assert_eq!((untouched["sent"].as_u64(), untouched["queue"]["visible"].as_u64()), (Some(0), Some(20)));
    let unknown = other.monitor(&format!("--once --run {run_of_one}")).run().exits(1);
    assert!(unknown.stderr.contains(&run_of_one), "{}", unknown.stderr);
}

#[test]
fn senders_exit_when_the_run_is_complete() {
    let stack = Stack::deploy();
    stack.produce("-m 20");
    let ended = stack.sender("-w 0.01 -c 4 --json").run().exits(0);
    let summary = ended.json();
    assert_eq!(summary["reason"], "drained");
    assert_eq!(summary["sent"].as_u64().unwrap() + summary["failed"].as_u64().unwrap(), 20);
    let seconds = summary["seconds"].as_f64().unwrap();
    assert!((10.0..30.0).contains(&seconds), "{seconds}");
}

#[test]
fn a_sender_started_before_the_producer_gets_the_messages() {
    let stack = Stack::deploy();
    let sender = stack.sender("-w 0 -f 0 --idle-timeout 5 --json").start();
    let run = stack.produce("-m 30 --rate 60");
    assert_eq!(stack.completed(&run)["sent"], 30);
    assert_eq!(sender.finish().exits(0).json()["sent"], 30);
}

#[test]
fn a_second_sender_started_later_gets_its_share() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 60");
    let first = stack.sender("-w 0.1 -f 0 --distribution constant --idle-timeout 1 --json").start();
    wait_until("the first sender has sent a message", || stack.count(&run).sent > 0);
    let second = stack.sender("-w 0.1 -f 0 --distribution constant --idle-timeout 1 --json").start();
    let shares = [first, second].map(|sender| sender.finish().exits(0).json()["sent"].as_u64().unwrap());
    assert_eq!(shares.iter().sum::<u64>(), 60);
    assert!(shares.iter().all(|share| *share >= 15), "{shares:?}");
}

#[test]
fn a_failed_attempt_is_repeated_up_to_the_limit() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 5");
    stack.sender("-w 0 -f 1 -c 5 --max-attempts 2 --idle-timeout 3").run().exits(0);
    let count = stack.count(&run);
    assert_eq!((count.failed, count.pending), (5, 0));
    assert_eq!(stack.completed(&run)["failed"], 5);
}

#[test]
fn a_sender_exits_at_its_failure_limit_and_another_completes_the_run() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 100");
    // The waits are long, since deliveries go on until a slow emulator has recorded the first outcomes.
    let died = stack.sender("-w 0.2 -f 1 -c 2 --max-failure-rate 50% --min-sample 10 --json").run().exits(3);
    let summary = died.json();
    assert_eq!(summary["reason"], "failure-rate");
    let failed = summary["failed"].as_u64().unwrap();
    assert!((10..60).contains(&failed), "{failed}");
    let other = stack.sender("-w 0 -f 0 -c 4 --idle-timeout 1 --json").run().exits(0).json();
    assert_eq!(other["sent"], 100 - failed);
    assert_eq!(stack.completed(&run)["failed"], failed);
}

#[test]
fn the_same_seeds_give_the_same_rehearsal() {
    let stack = Stack::deploy();
    let play = || {
        let run = stack.produce("-m 40 --seed 7");
        stack.sender("-w 0 -f 0.5 -c 3 --seed 9 --idle-timeout 1").run().exits(0);
        let mut items: Vec<_> = stack
            .items(&run)
            .into_iter()
            .map(|item| {
                let index = item["id"]["S"].as_str().unwrap().rsplit('#').next().unwrap().to_owned();
                (index, item["body"].clone(), item["phone"].clone(), item["status"].clone())
            })
            .collect();
        items.sort_by(|one, other| one.0.cmp(&other.0));
        items
    };
    assert_eq!(play(), play());
}
