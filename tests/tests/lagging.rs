//! A stream that is late, or gives batches up: what the monitor makes of counts that are too low, and how it ends.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stentor_tests::{ProcessOutput, Stack, wait_until};

/// Delivers all messages of a run with a sender that is killed before it has written what it recorded.
fn deliver_and_kill(stack: &Stack, run: &str) {
    let mut sender = stack.sender("-w 0 -f 0 -c 10 --forever").start();
    wait_until("everything is delivered", || {
        stack.count(run).pending == 0 && stack.backlog("queue") == (0, 0)
    });
    sender.kill();
    let parts = stack.aws().scan(&format!("{}-metrics", stack.name()));
    let is_usage = |part: &Value| {
        part["run"]["S"] == run
            && part["part"]["S"].as_str().is_some_and(|part| part.starts_with("usage#"))
            && part["program"]["S"] == "sender"
    };
    assert!(!parts.iter().any(is_usage), "the sender has recorded its outcomes");
}

/// Asserts that each call of the monitor that reads the run once shows that 40 messages are not counted yet.
#[track_caller]
fn assert_single_readings_show_lag(stack: &Stack, run: &str) {
    wait_until("the run is lagging", || stack.snapshot(run)["state"] == "lagging");
    assert_eq!(stack.snapshot(run)["behind"], 40);
    let once = stack.monitor(&format!("--once --run {run}")).run().exits(0);
    assert!(once.stderr.starts_with("LAGGING: counting is behind by about 40 messages; "), "{}", once.stderr);
    let status = format!("/setup.sh status --stack {}", stack.name());
    assert!(
        once.stderr.replace('\n', " ").contains(&status) && once.stdout.contains("behind 40"),
        "{once:?}"
    );
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("lagging.html");
    stack.monitor(&format!("report {} --once --run {run}", report.display())).run().exits(0);
    let html = std::fs::read_to_string(report).unwrap();
    assert!(html.contains("LAGGING") && !html.contains("requeue"), "the report suggests to enqueue again");
    wait_until("the list shows it", || {
        let rows = stack.monitor("runs --json").run().exits(0).stdout;
        rows.lines().any(|row| row.contains(run) && row.contains("\"lagging\""))
    });
}

/// Asserts that a watch with `--json` showed how far the counting was behind, and the complete run at its end.
#[track_caller]
fn assert_caught_up(watched: &ProcessOutput, behind: u64) {
    let snapshots = watched.stdout.lines().map(|line| serde_json::from_str(line).expect("an object"));
    let snapshots: Vec<Value> = snapshots.collect();
    assert!(snapshots.iter().any(|one| one["state"] == "lagging" && one["behind"] == behind), "{behind}");
    let last = snapshots.last().expect("there was one");
    assert_eq!((&last["state"], &last["behind"]), (&json!("complete"), &Value::Null));
    assert!(!watched.stderr.contains("requeue"), "{}", watched.stderr);
}

#[test]
fn a_late_stream_is_lagging_until_it_catches_up_and_only_pending_messages_make_a_stall() {
    let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
    stack.enable_mapping(false);
    let uncounted = stack.produce("-m 30");
    deliver_and_kill(&stack, &uncounted);
    let pending = stack.produce("-m 5");
    stack.purge_queue();
    let counted = stack.produce("-m 40");
    stack.sender("-w 0 -f 0.2 -c 10 --idle-timeout 1").run().exits(0);

    let started = Instant::now();
    let watch = |run: &str| stack.monitor(&format!("--run {run} -t 1 --json")).start();
    let [by_counts, by_look_ups, stalled] = [&counted, &uncounted, &pending].map(|run| watch(run));
    let view = stack.monitor(&format!("--run {uncounted} -t 1")).start_on_terminal(80, 24);
    let page = stack.monitor(&format!("serve 0 --run {uncounted} -t 1 --until-complete")).start_page();

    // The senders' counts show it at once, in a single reading too.
    assert_single_readings_show_lag(&stack, &counted);

    // Without counts, messages are looked up once the queue has been empty for long enough.
    let stalled = stalled.finish().exits(1);
    assert!(started.elapsed() >= Duration::from_secs(70), "it did not wait for the queue counts to settle");
    assert!(stalled.stderr.contains("5 messages are pending"), "{}", stalled.stderr);
    assert!(stalled.stderr.contains(&format!("producer requeue {pending}")), "{}", stalled.stderr);
    view.shows("LAGGING");
    view.shows("counting is behind by about 30 messages");
    let update = page.listen().wait_for("the status", |update| update["state"]["word"] == "LAGGING");
    assert_eq!(update["run"]["snapshot"]["behind"], 30, "{update}");
    let metrics = page.get("/metrics").body;
    for name in ["stentor_lagging", "stentor_behind_messages"] {
        let value = if name == "stentor_lagging" { 1 } else { 30 };
        assert!(metrics.contains(&format!("{name}{{run=\"{uncounted}\"}} {value}\n")), "{metrics}");
    }

    stack.enable_mapping(true);
    for (watched, run, behind) in [(by_counts, &counted, 40), (by_look_ups, &uncounted, 30)] {
        assert_caught_up(&watched.finish().exits(0), behind);
        stack.counted_once(run);
    }
    view.finish().exits(0);
    page.into_program().finish().exits(0);
}

#[test]
fn discarded_batches_of_the_stream_are_reported_with_the_remedy() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 10");
    stack.sender("-w 0 -f 0 -c 10 --idle-timeout 1").run().exits(0);
    stack.completed(&run);
    assert_eq!(stack.snapshot(&run)["discarded_batches"], 0);
    for _ in 0..2 {
        let position =
            json!({"QueueUrl": stack.url("stream-dlq"), "MessageBody": "{\"DDBStreamBatchInfo\":{}}"});
        stack.aws().sqs("SendMessage", &position);
    }
    let warning = "2 batches of the stream were discarded; the tallies may be too low; `";
    let remedy = format!("monitor repair --run {run}");
    let is_warned = |text: &str| {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        text.contains(warning) && text.contains(&remedy) && text.contains("` can restore them")
    };
    assert_eq!(stack.snapshot(&run)["discarded_batches"], 2);
    let watched = stack.monitor("-t 0.2 --fail-if discarded_batches>1").run().exits(4);
    assert!(is_warned(&watched.stderr), "{}", watched.stderr);
    assert!(watched.stdout.contains("discarded batches (stack) 2"), "{}", watched.stdout);
    let audit = stack.monitor("audit").run().exits(0);
    assert!(is_warned(&audit.stdout), "{}", audit.stdout);
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("discarded.json");
    stack.monitor(&format!("report {} --once", report.display())).run().exits(0);
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["faults"]["discarded_batches"], 2);
    assert!(report["faults"]["discard_warning"].as_str().is_some_and(is_warned), "{report}");
    let page = stack.monitor("serve 0 -t 0.2").start_page();
    page.listen().wait_for("the warning", |update| update["run"]["warning"].as_str().is_some_and(is_warned));
    assert!(page.get("/metrics").body.contains("stentor_discarded_batches 2\n"));
}

#[test]
fn the_recorded_settings_of_the_deployment_decide_the_waits_and_the_bill() {
    let stack = Stack::deploy();
    stack.put(
        "metrics",
        &json!({
            "run": {"S": "deployment"}, "part": {"S": "settings"}, "batching_window": {"N": "3"},
            "function_memory": {"N": "1024"}, "visibility_timeout": {"N": "60"},
            "architecture": {"S": "x86_64"}, "version": {"S": "0.1.0"},
        }),
    );
    stack.enable_mapping(false);
    stack.produce("-m 10");
    stack.sender("-w 0 -f 0 -c 10 --idle-timeout 1").run().exits(0);
    let audit = stack.monitor("audit").run().exits(1);
    assert!(audit.took >= Duration::from_secs(13), "the window and 10 s: {:?}", audit.took);
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("settings.json");
    stack.monitor(&format!("report {} --once", report.display())).run().exits(0);
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let estimated = &report["cost"]["estimated"];
    let assumed = (&estimated["assumed"]["window_seconds"], &estimated["assumed"]["memory_mb"]);
    assert_eq!(assumed, (&json!(3.0), &json!(1024.0)));
    let assumptions = estimated["assumptions"].to_string();
    assert!(assumptions.contains("those that the deployment recorded"), "{assumptions}");
    assert!(report["cost"]["prices"]["list"].to_string().contains("GB-second of the function on x86_64"));
}
