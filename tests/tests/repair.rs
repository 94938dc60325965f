//! Repair of a run with a damaged tally: its messages are counted in the table instead.

use std::time::Duration;

use serde_json::{Value, json};
use stentor_tests::{Stack, wait_until};

fn metrics(stack: &Stack) -> String {
    format!("{}-metrics", stack.name())
}

fn put(stack: &Stack, table: &str, item: &Value) {
    stack.aws().dynamodb("PutItem", &json!({"TableName": table, "Item": item}));
}

/// Returns an item of a run in the metrics table.
fn part(stack: &Stack, run: &str, part: &str) -> Option<Value> {
    let key = json!({"run": {"S": run}, "part": {"S": part}});
    let answer = stack
        .aws()
        .dynamodb("GetItem", &json!({"TableName": metrics(stack), "Key": key, "ConsistentRead": true}));
    answer.get("Item").filter(|item| !item.is_null()).cloned()
}

fn wait_until_marked(stack: &Stack, run: &str) {
    wait_until("the run is marked as damaged", || {
        stack.snapshot(run)["broken"].as_array().is_some_and(|broken| !broken.is_empty())
    });
}

#[track_caller]
fn assert_equals_the_table(stack: &Stack, run: &str) {
    let (snapshot, count) = (stack.snapshot(run), stack.count(run));
    assert_eq!(
        (snapshot["sent"].as_u64(), snapshot["failed"].as_u64()),
        (Some(count.sent), Some(count.failed)),
        "{snapshot}"
    );
    assert_eq!((&snapshot["complete"], &snapshot["broken"]), (&json!(true), &json!([])), "{snapshot}");
    let average = snapshot["average_seconds"].as_f64().unwrap();
    assert!((average - count.average_seconds()).abs() < 1e-9, "{average} {}", count.average_seconds());
    for figure in [
        &snapshot["average_latency_seconds"],
        &snapshot["delivery_seconds"]["p99"],
        &snapshot["latency_seconds"]["p50"],
    ] {
        assert!(figure.is_number(), "{snapshot}");
    }
}

#[test]
fn a_run_with_a_damaged_tally_is_counted_from_the_table() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 60");
    let damaged = json!({"run": {"S": run}, "part": {"S": "shard#single"}, "version": {"N": "99"}});
    put(&stack, &metrics(&stack), &damaged);
    stack.sender("-w 0.01 -f 0.3 -c 5 --idle-timeout 1").run().exits(0);
    wait_until_marked(&stack, &run);
    let remedy = format!("monitor repair --run {run}");
    for program in [stack.monitor("audit").run().exits(1), stack.monitor("--once").run().exits(0)] {
        assert!(program.stdout.contains(&remedy), "{}", program.stdout);
    }

    let repaired = stack.monitor("repair --json").run().exits(0).json();
    let count = stack.count(&run);
    assert_eq!(repaired["repaired"], true, "{repaired}");
    assert_eq!(repaired["table"]["delivery_ms"], count.delivery_ms, "{repaired}");
    assert_equals_the_table(&stack, &run);
    stack.monitor("audit").run().exits(0);
    let watched = stack.monitor("-t 0.2").run().exits(0);
    assert!(watched.stdout.contains("complete: 60 messages"), "{}", watched.stdout);
    // The sender uses that count too: otherwise it would wait for the visibility timeout and a minute.
    let sender = stack.sender("--json").run().exits(0);
    assert_eq!(sender.json()["reason"], "drained");
    assert!(sender.took < Duration::from_secs(60), "{:?}", sender.took);

    let again = stack.monitor(&format!("repair --run {run}")).run().exits(0);
    assert!(again.stdout.starts_with("repaired: ") && again.stdout.lines().count() == 1, "{}", again.stdout);
    assert_equals_the_table(&stack, &run);
    assert_eq!(part(&stack, &run, "shard#single"), Some(damaged), "the damaged tally was changed");
}

#[test]
fn an_unfinished_run_is_not_repaired_and_the_error_says_why() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 10");
    let table = format!("{}-messages", stack.name());
    let mut items = stack.items(&run);
    items.sort_by_key(|item| item["id"]["S"].as_str().unwrap().to_owned());
    stack.aws().dynamodb("DeleteItem", &json!({"TableName": table, "Key": {"id": items[2]["id"]}}));
    items[7]["status"] = json!({"S": "CANCELLED"});
    put(&stack, &table, &items[7]);
    let refused = stack.monitor("repair").run().exits(1);
    let first = refused.stderr.lines().next().unwrap();
    let words = format!(
        "run {run} cannot be repaired: of its 10 messages 8 pending, 1 not in the table, 1 unreadable"
    );
    assert!(first.contains(&words) && first.ends_with(&format!("(such as {run}#000000007)")), "{first}");
    assert!(refused.stderr.contains(&format!("producer requeue {run}")), "{}", refused.stderr);
    assert!(refused.stdout.is_empty(), "{}", refused.stdout);
    let json = stack.monitor("repair --json").run().exits(1).json();
    assert_eq!(json["repaired"], false, "{json}");
    let table = &json["table"];
    assert_eq!([&table["pending"], &table["missing"], &table["unreadable"]], [8, 1, 1], "{json}");
    assert_eq!(part(&stack, &run, "final"), None);
    let unknown = stack.monitor("repair --run 01JDD0QYJ8000000000000000A").run().exits(1);
    assert!(unknown.stderr.contains("no run 01JDD0QYJ8000000000000000A in this stack"), "{}", unknown.stderr);
}

#[test]
fn only_a_final_tally_of_an_older_version_is_replaced() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 3");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    stack.completed(&run);
    let newer = json!({"run": {"S": run}, "part": {"S": "final"}, "version": {"N": "99"}});
    put(&stack, &metrics(&stack), &newer);
    let refused = stack.monitor("repair").run().exits(1);
    assert!(refused.stderr.contains(&format!("item 'final' of '{run}'")), "{}", refused.stderr);
    assert_eq!(part(&stack, &run, "final"), Some(newer));
    // The monitor still sums the shards, and reports the final tally that it cannot read.
    let snapshot = stack.snapshot(&run);
    assert_eq!((&snapshot["sent"], &snapshot["broken"][0]["shard"]), (&json!(3), &json!("final")));
    let older = json!({"run": {"S": run}, "part": {"S": "final"}, "version": {"N": "3"}});
    put(&stack, &metrics(&stack), &older);
    let why = &stack.snapshot(&run)["broken"][0]["why"];
    assert_eq!(why, "tally version 3 is not supported (expected 4)");
    stack.monitor("repair").run().exits(0);
    assert_eq!(part(&stack, &run, "final").expect("it is repaired")["version"]["N"], "4");
    assert_eq!(stack.snapshot(&run)["broken"], json!([]));
}

#[test]
fn a_run_with_a_tally_near_the_item_size_limit_can_be_repaired() {
    let stack = Stack::deploy();
    let earlier = stack.produce("-m 5");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    stack.completed(&earlier);
    let run = stack.produce("-m 20");
    // The tally of the earlier run, in an item that is almost at the size limit.
    let mut large = part(&stack, &earlier, "shard#single").expect("it is counted");
    large["run"] = json!({"S": run});
    large["notes"] = json!({"S": "x".repeat(390 * 1_024)});
    put(&stack, &metrics(&stack), &large);
    stack.sender("-w 0 -f 0.5 --idle-timeout 1").run().exits(0);
    wait_until_marked(&stack, &run);
    assert_eq!(part(&stack, &run, "shard#single"), Some(large));
    stack.monitor("repair").run().exits(0);
    assert_equals_the_table(&stack, &run);
}
