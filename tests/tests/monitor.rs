//! The monitor's interface for programs: its JSON and its exit codes.

use jsonschema::Validator;
use serde_json::Value;
use stentor_tests::build::checkout;
use stentor_tests::{Stack, wait_until};

fn schema() -> Validator {
    let text = std::fs::read_to_string(checkout().join("crates/monitor/snapshot.schema.json"));
    let schema: Value = serde_json::from_str(&text.expect("it is there")).expect("it is JSON");
    jsonschema::validator_for(&schema).expect("it is a schema")
}

#[track_caller]
fn assert_valid(schema: &Validator, snapshot: &Value) {
    let faults: Vec<String> =
        schema.iter_errors(snapshot).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}\n{snapshot:#}");
}

#[test]
fn every_snapshot_follows_the_schema() {
    let schema = schema();
    let stack = Stack::deploy();
    let run = stack.produce("-m 60");
    let untouched = stack.snapshot(&run);
    assert!(untouched["average_seconds"].is_null());
    assert_valid(&schema, &untouched);
    let mut sender = stack.sender("-w 0.1 -f 0.5 -c 2 --forever").start();
    wait_until("a sender is listed", || {
        let snapshot = stack.snapshot(&run);
        assert_valid(&schema, &snapshot);
        snapshot["senders"].as_array().is_some_and(|senders| !senders.is_empty())
    });
    let watched = stack.monitor("-t 0.2 --json").run().exits(0);
    for line in watched.stdout.lines() {
        assert_valid(&schema, &serde_json::from_str(line).expect("a line is an object"));
    }
    assert_eq!(watched.json()["complete"], true);
    sender.kill();

    let mut odd = watched.json();
    odd["sent"] = Value::from(-1);
    assert!(!schema.is_valid(&odd), "the schema accepts an invalid snapshot");
}

#[test]
fn a_run_waits_for_its_first_sender_on_every_surface_and_then_runs() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 60");
    let command = format!(" sender -w 0.5 -f 0.1 --stack {} --local`", stack.name());
    let once = stack.monitor("--once").run().exits(0);
    assert!(once.stderr.starts_with("no sender yet: start one with `STENTOR_PORT="), "{}", once.stderr);
    assert!(once.stderr.trim_end().ends_with(&command), "{}", once.stderr);
    assert_eq!(stack.snapshot(&run)["waiting"], true);
    let mut view = stack.monitor("-t 0.2").start_on_terminal(80, 24);
    view.shows("WAITING");
    // The command is too long for one line, and not cut off.
    view.shows("--local`");
    let page = stack.monitor("serve 0 -t 0.2").start_page();
    let mut viewer = page.listen();
    let update = viewer.wait_for("the status", |update| update["state"]["word"] == "WAITING");
    assert!(update["state"]["why"].as_str().is_some_and(|why| why.ends_with(&command)), "{update}");
    let metric = format!("stentor_waiting{{run=\"{run}\"}}");
    assert!(page.get("/metrics").body.contains(&format!("{metric} 1\n")));

    let _sender = stack.sender("-w 1 -c 1 --forever").start();
    view.shows("RUNNING");
    viewer.wait_for("the status", |update| update["state"]["word"] == "RUNNING");
    assert!(page.get("/metrics").body.contains(&format!("{metric} 0\n")));
    assert_eq!(stack.snapshot(&run)["waiting"], false);
    view.press("q");
    view.finish().exits(0);
}

#[test]
fn numbers_with_units_are_accepted_by_every_program() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 0.1k -l 1_00 --rate 1,000");
    stack.sender("-w 10ms -f 50% -c 1k --idle-timeout 1s --seed 7").run().exits(0);
    assert_eq!(stack.completed(&run)["total"], 100);
    let crossed =
        stack.monitor("-t 500ms --fail-if failed_rate>=20% --fail-if average>10m --fail-if sent>=10k");
    let crossed = crossed.run().exits(4);
    let line = crossed.stderr.strip_prefix("threshold crossed: failed_rate>=20%: it is ");
    assert!(
        line.is_some_and(|rest| rest.ends_with("%\n") && rest.lines().count() == 1),
        "{}",
        crossed.stderr
    );
    let page = stack.monitor("serve :0 -t 0.5s").start_page();
    assert!(page.address().starts_with("127.0.0.1:"), "{}", page.address());
}

#[test]
fn a_crossed_threshold_is_named_with_exit_code_4() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 20");
    // Times and outcomes are still unknown.
    stack.monitor("--once --fail-if failed_rate>=0 --fail-if p99_latency>0ms").run().exits(0);
    stack.sender("-w 0.01 -f 1 -c 4 --idle-timeout 1").run().exits(0);
    stack.completed(&run);
    stack.monitor("--fail-if average>5s --fail-if sent>0").run().exits(0);
    let crossed = stack.monitor("--fail-if failed_rate>0.2 --fail-if average>5s --fail-if failed>=20");
    let crossed = crossed.run().exits(4);
    assert!(crossed.stdout.lines().last().unwrap().starts_with("complete:"), "{}", crossed.stdout);
    assert_eq!(
        crossed.stderr.lines().collect::<Vec<_>>(),
        ["threshold crossed: failed_rate>0.2: it is 1.0000", "threshold crossed: failed>=20: it is 20",]
    );
    let refused = stack.monitor("--fail-if average>1").run().exits(2);
    assert!(refused.stderr.contains("--fail-if") && refused.stderr.contains("250ms"), "{}", refused.stderr);
}
