//! Faults that a user can cause: invalid messages, interruptions, killed programs, a purged queue.

use std::time::Duration;

use serde_json::json;
use stentor_tests::{Stack, scaled, wait_at_most, wait_until};

#[test]
fn foreign_messages_are_counted_and_move_to_the_dead_letter_queue() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 20");
    let notification = json!({
        "Type": "Notification", "MessageId": "00000000-0000-0000-0000-000000000000",
        "TopicArn": "arn:aws:sns:us-east-1:000000000000:alerts", "Message": "Hi",
    });
    let long = "x".repeat(250_000);
    let bodies = [
        notification.to_string(),
        "bm90IGEgbWVzc2FnZQ==".to_owned(),
        "not a message".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        json!({"id": "x", "phone": "", "body": ""}).to_string(),
        json!(long).to_string(),
        long,
    ];
    for body in &bodies {
        stack.put_on_queue(body);
    }
    let mut sender = stack.sender("-w 0 -f 0 --forever --json").start();
    let foreign = bodies.len() as u64;
    wait_until("they are in the dead-letter queue", || stack.backlog("dlq") == (foreign, 0));
    assert!(sender.is_running());
    let snapshot = stack.completed(&run);
    assert_eq!((snapshot["sent"].as_u64(), snapshot["dead_letters"].as_u64()), (Some(20), Some(foreign)));
    let shown = &snapshot["senders"][0];
    sender.signal("TERM");
    let ended = sender.finish().exits(143);
    assert_eq!(ended.stderr.matches("invalid message body").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.lines().all(|line| line.len() < 500), "{}", ended.stderr);
    let summary = ended.json();
    for counts in [&summary, shown] {
        assert_eq!(counts["invalid"], foreign, "{counts}");
        let example = counts["invalid_example"].as_str().expect("an example");
        assert!(!example.is_empty() && example.chars().count() <= 80, "{counts}");
    }
}

#[test]
fn a_message_without_an_item_moves_to_the_dead_letter_queue_uncounted() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 3");
    for index in [3, 4] {
        stack.put_on_queue(&format!(r#"{{"id":"{run}#{index:09}","phone":"+12125550100","body":"Hi"}}"#));
    }
    let sender = stack.sender("-w 0 -f 0 --forever --json").start();
    wait_until("both are in the dead-letter queue", || stack.backlog("dlq") == (2, 0));
    assert_eq!(stack.completed(&run)["sent"], 3);
    sender.signal("INT");
    let ended = sender.finish().exits(130);
    let summary = ended.json();
    assert_eq!((summary["sent"].as_u64(), summary["duplicates"].as_u64()), (Some(3), Some(0)));
    assert_eq!(ended.stderr.matches("not in the table").count(), 1, "{}", ended.stderr);
    assert_eq!(stack.count(&run).total(), 3, "an item was created");
}

#[test]
fn an_interrupted_sender_releases_its_messages_at_once() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 8");
    let sender = stack.sender("-w 600 -c 5 --json").start();
    wait_until("five messages are in flight", || stack.backlog("queue") == (3, 5));
    sender.signal("INT");
    let ended = sender.finish().exits(130);
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
    let summary = ended.json();
    assert_eq!((summary["reason"].as_str(), summary["released"].as_u64()), (Some("signal"), Some(5)));
    assert_eq!(stack.backlog("queue"), (8, 0), "visible at once, not after the visibility timeout");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    assert_eq!(stack.completed(&run)["sent"], 8);
}

#[test]
fn a_terminated_sender_has_written_its_outcomes() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 300");
    let sender = stack.sender("-w 0.05 -f 0.2 -c 10 --json").start();
    wait_until("the sender has sent some messages", || stack.count(&run).sent > 20);
    sender.signal("TERM");
    let summary = sender.finish().exits(143).json();
    let count = stack.count(&run);
    assert_eq!(
        (summary["sent"].as_u64(), summary["failed"].as_u64()),
        (Some(count.sent), Some(count.failed))
    );
    assert_eq!(stack.backlog("queue"), (count.pending, 0));
}

#[test]
fn a_killed_sender_loses_nothing() {
    let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
    let run = stack.produce("-m 120");
    let mut killed = stack.sender("-w 0.2 -f 0.1 -c 20").start();
    wait_until("the sender has sent some messages", || stack.count(&run).sent > 10);
    killed.kill();
    let other = stack.sender("-w 0 -f 0.1 -c 10 --json").run().exits(0).json();
    assert_eq!(other["reason"], "drained");
    let count = stack.count(&run);
    assert_eq!((count.pending, count.total()), (0, 120));
    let snapshot = stack.completed(&run);
    assert_eq!(
        (snapshot["sent"].as_u64(), snapshot["failed"].as_u64()),
        (Some(count.sent), Some(count.failed))
    );
}

#[test]
fn a_long_delivery_keeps_its_message_invisible() {
    let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
    let run = stack.produce("-m 1");
    let first = stack.sender("-w 25 --distribution constant -f 0 --idle-timeout 1 --json").start();
    wait_until("the first sender has received it", || stack.backlog("queue") == (0, 1));
    let second = stack.sender("-w 0 -f 0 --idle-timeout 1 --json").start();
    let (first, second) = (first.finish().exits(0).json(), second.finish().exits(0).json());
    assert_eq!((first["sent"].as_u64(), second["sent"].as_u64()), (Some(1), Some(0)));
    assert_eq!((first["duplicates"].as_u64(), second["duplicates"].as_u64()), (Some(0), Some(0)));
    assert_eq!(stack.completed(&run)["sent"], 1);
}

#[test]
fn a_killed_producer_resumes() {
    let stack = Stack::deploy();
    let run = "01JDD0QYJ8000000000000000A";
    let (messages, rate) = (scaled(2_000), scaled(200));
    let mut killed = stack.producer(&format!("-m {messages} --rate {rate} --run {run}")).start();
    wait_until("the watermark has moved", || {
        let shown = stack.monitor(&format!("--once --json --run {run}")).run();
        shown.code == Some(0) && shown.json()["enqueued"] != 0
    });
    killed.kill();
    let before = stack.items(run).len() as u64;
    assert!(before < messages, "the producer finished before it was killed");
    let sender = stack.sender("-w 0 -f 0 -c 50 --idle-timeout 10 --json").start();
    let resumed = stack.producer(&format!("resume {run} --json")).run().exits(0).json();
    assert!(resumed["messages"].as_u64().unwrap() < messages, "{resumed}");
    assert_eq!(stack.completed(run)["sent"], messages);
    assert_eq!(sender.finish().exits(0).json()["sent"], messages);
    let count = stack.count(run);
    assert_eq!((count.sent, count.total()), (messages, messages));
    // A second resume has no work left and changes nothing.
    assert_eq!(stack.producer(&format!("resume {run} --json")).run().exits(0).json()["messages"], 0);
    assert_eq!(stack.count(run), count);
}

#[test]
fn an_interrupted_producer_prints_the_resume_command() {
    let stack = Stack::deploy();
    let producer = stack.producer("-m 5000 --rate 100").start();
    let latest = || stack.monitor("--once --json").run();
    wait_until("some messages are enqueued", || {
        latest().stdout.contains("\"enqueued\":") && latest().json()["enqueued"] != 0
    });
    producer.signal("INT");
    let ended = producer.finish().exits(130);
    let run = latest().json()["run"].as_str().unwrap().to_owned();
    let resume = format!("producer resume {run} --stack {} --local", stack.name());
    assert!(ended.stderr.contains(&resume), "{}", ended.stderr);
    let snapshot = stack.snapshot(&run);
    let items = stack.items(&run).len() as u64;
    assert_eq!(
        snapshot["enqueued"].as_u64(),
        Some(items),
        "the watermark does not cover every stored message"
    );
}

#[test]
fn requeue_sends_only_the_pending_messages_after_a_purge() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 150");
    let sender = stack.sender("-w 0.02 -f 0 -c 2").start();
    wait_until("some are sent", || stack.count(&run).sent > 20);
    sender.signal("INT");
    sender.finish().exits(130);
    stack.purge_queue();
    let pending = stack.count(&run).pending;
    let requeued = stack.producer(&format!("requeue {run} --json")).run().exits(0).json();
    assert_eq!(requeued["messages"].as_u64(), Some(pending));
    assert_eq!(stack.backlog("queue"), (pending, 0));
    stack.sender("-w 0 -f 0 -c 10 --idle-timeout 1").run().exits(0);
    assert_eq!(stack.completed(&run)["sent"], 150);
}

#[test]
fn a_message_enqueued_twice_is_delivered_once() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 8");
    let requeued = stack.producer(&format!("requeue {run} --json")).run().exits(0).json();
    assert_eq!(requeued["messages"], 8);
    assert_eq!(stack.backlog("queue"), (16, 0));
    let sender = stack.sender("-w 1 --distribution constant -f 0 --idle-timeout 1 --json").run().exits(0);
    assert_eq!(sender.json()["sent"], 8);
    // Eight deliveries of a second, not sixteen: duplicates are looked up, not delivered.
    assert!(sender.took < Duration::from_secs(16), "{:?}", sender.took);
    assert_eq!(stack.completed(&run)["sent"], 8);
    assert_eq!(stack.backlog("queue"), (0, 0));
}

#[test]
fn a_stalled_run_is_reported_with_its_remedy() {
    let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
    let run = stack.produce("-m 5");
    stack.purge_queue();
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("stalled.json");
    let monitor = stack.monitor(&format!("report {} -t 1", report.display())).start();
    let page = stack.monitor("serve 0 -t 1 --until-complete").start();
    let stalled = monitor.finish().exits(1);
    assert!(page.finish().exits(1).stderr.contains(&format!("producer requeue {run}")));
    assert!(
        stalled.took >= Duration::from_secs(70),
        "it did not wait for the queue counts to settle: {:?}",
        stalled.took
    );
    assert!(stalled.stderr.contains("5 messages are pending"), "{}", stalled.stderr);
    assert!(stalled.stderr.contains(&format!("producer requeue {run}")), "{}", stalled.stderr);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let actual = (&report["result"]["word"], &report["snapshot"]["pending"]);
    assert_eq!(actual, (&json!("STALLED"), &json!(5)), "{report}");
}

#[test]
fn a_monitor_started_first_waits_for_the_run() {
    let stack = Stack::deploy();
    let monitor = stack.monitor("-t 0.2").start();
    stack.produce("-m 10");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    let ended = monitor.finish().exits(0);
    assert!(ended.stdout.lines().last().unwrap().starts_with("complete: 10 messages"), "{}", ended.stdout);
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 1");
    let reader = std::process::Command::new("true").stdin(std::process::Stdio::piped()).spawn();
    let mut reader = reader.expect("true starts");
    let pipe = reader.stdin.take().expect("it is piped");
    reader.wait().expect("true ends");
    let monitor = stack.monitor(&format!("-t 0.1 --run {run}")).stdout_to(pipe.into()).start();
    monitor.finish().exits(0);
}

#[test]
fn the_audit_names_the_differences() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 10");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    stack.completed(&run);
    let metrics = format!("{}-metrics", stack.name());
    let part = stack.aws().scan(&metrics).into_iter().find(|item| {
        item["run"]["S"] == run.as_str()
            && item["part"]["S"].as_str().is_some_and(|part| part.starts_with("shard#"))
    });
    let mut tally = part.expect("the run has a tally");
    tally["tally"]["M"]["sent"]["N"] = "9".into();
    stack.aws().dynamodb("PutItem", &serde_json::json!({"TableName": metrics, "Item": tally}));
    let audited = stack.monitor("audit").run().exits(1);
    assert!(
        audited.stdout.contains("the audit differs: sent 10 in the table, 9 in the tallies"),
        "{}",
        audited.stdout
    );
    let json = stack.monitor("audit --json").run().exits(1).json();
    assert_eq!(
        (json["agrees"].as_bool(), json["table"]["sent"].as_u64(), json["tallies"]["sent"].as_u64()),
        (Some(false), Some(10), Some(9))
    );
}

#[test]
fn a_damaged_tally_is_kept_and_does_not_affect_other_runs() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 60");
    let metrics = format!("{}-metrics", stack.name());
    // A tally that does not decode: the run is marked as damaged, and the item is not changed.
    let shard = serde_json::json!({"run": {"S": run}, "part": {"S": "shard#single"}, "version": {"N": "99"}});
    stack.aws().dynamodb("PutItem", &serde_json::json!({"TableName": metrics, "Item": shard}));
    stack.sender("-w 0 -f 0 -c 5 --idle-timeout 1").run().exits(0);
    wait_at_most(Duration::from_secs(30), "the run is marked as damaged", || {
        let broken = stack.snapshot(&run)["broken"].clone();
        broken.as_array().is_some_and(|broken| !broken.is_empty())
    });
    let kept = stack.aws().scan(&metrics).into_iter().filter(|item| item["version"]["N"] == "99").count();
    assert_eq!(kept, 1, "the damaged tally was overwritten");
    // Another run is still counted.
    let other = stack.produce("-m 10");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    assert_eq!(stack.completed(&other)["sent"], 10);
}
