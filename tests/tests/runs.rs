//! `monitor runs`: the runs of a stack.

use serde_json::{Value, json};
use stentor_tests::{Stack, wait_until};

fn rows(stack: &Stack, line: &str) -> Vec<Value> {
    let listed = stack.monitor(line).run().exits(0);
    listed.stdout.lines().map(|line| serde_json::from_str(line).expect("one object per line")).collect()
}

#[test]
fn runs_are_listed_newest_first_with_counts_and_status() {
    let stack = Stack::deploy();
    let older = stack.produce("-m 20");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    stack.completed(&older);
    let newer = stack.produce("-m 1200");

    // Shared flags are accepted before and after the subcommand.
    for line in ["runs --json", "--json runs"] {
        let rows = rows(&stack, line);
        assert_eq!(rows.len(), 2, "{rows:?}");
        let [first, second] = [&rows[0], &rows[1]];
        assert_eq!([&first["run"], &second["run"]], [&json!(newer), &json!(older)]);
        assert_eq!(
            (&first["total"], &first["sent"], &first["state"]),
            (&json!(1200), &json!(0), &json!("waiting"))
        );
        assert_eq!(
            [&second["total"], &second["sent"], &second["failed"], &second["state"]],
            [&json!(20), &json!(20), &json!(0), &json!("complete")]
        );
        assert!(first["started"].as_str() > second["started"].as_str(), "{rows:?}");
    }
    let limited = rows(&stack, "runs --json --limit 1");
    assert_eq!((limited.len(), &limited[0]["run"]), (1, &json!(newer)));

    let table = stack.monitor("runs").run().exits(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("RUN ") && lines[0].ends_with("STATE"), "{table}");
    assert!(
        lines[1].starts_with(&newer) && lines[1].contains(" 1,200 ") && lines[1].ends_with("waiting"),
        "{table}"
    );
    assert!(lines[2].starts_with(&older) && lines[2].ends_with("complete"), "{table}");
}

#[test]
fn a_run_lags_in_the_list_as_in_a_single_reading_whatever_senders_and_the_queue_have() {
    let stack = Stack::deploy();
    stack.enable_mapping(false);
    let run = stack.produce("-m 20");
    let mut sender = stack.sender("-w 0 -f 0 --forever").start();
    let state =
        || rows(&stack, "runs --json").into_iter().find(|row| row["run"] == run).expect("it is listed");
    wait_until("a living sender has recorded more than is counted", || {
        stack.snapshot(&run)["state"] == "lagging"
    });
    assert_eq!(state()["state"], "lagging");
    sender.kill();
    stack.produce("-m 5");
    assert_eq!([&state()["state"], &stack.snapshot(&run)["state"]], [&json!("lagging"); 2]);

    stack.enable_mapping(true);
    stack.completed(&run);
    assert_eq!(state()["state"], stack.snapshot(&run)["state"]);
}

#[test]
fn a_stack_without_runs_is_reported_and_is_not_an_error() {
    let stack = Stack::deploy();
    for line in ["runs", "runs --json"] {
        let listed = stack.monitor(line).run().exits(0);
        assert!(listed.stdout.is_empty(), "{}", listed.stdout);
        assert!(listed.stderr.starts_with("no run in this stack yet"), "{}", listed.stderr);
    }
}

#[test]
fn the_latest_run_is_the_one_started_last_whatever_its_id() {
    const GREATEST: &str = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ";
    let stack = Stack::deploy();
    let latest = || stack.monitor("--once --json").run().exits(0).json()["run"].clone();
    stack.produce(&format!("-m 5 --run {GREATEST}"));
    assert_eq!(latest(), GREATEST);
    let newer = stack.produce("-m 5");
    assert_eq!(latest(), json!(newer));
    let listed: Vec<Value> = rows(&stack, "runs --json").into_iter().map(|row| row["run"].clone()).collect();
    assert_eq!(listed, [newer.as_str(), GREATEST]);

    // An item of an older version has no time.
    stack.put("metrics", &json!({"run": {"S": "latest"}, "part": {"S": "run"}, "id": {"S": GREATEST}}));
    assert_eq!(latest(), GREATEST);
    let newest = stack.produce("-m 5");
    assert_eq!(latest(), json!(newest));
}
