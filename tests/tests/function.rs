//! The aggregator with events as Lambda delivers them and no emulator does: with shard IDs and tumbling
//! windows, repeated, from a later start, extended, late, and to several instances at once.

use serde_json::{Value, json};
use stentor_tests::{Function, Stack};

const RUN: &str = "01JDD0QYJ8000000000000000A";
const OTHER_RUN: &str = "01JDD0QYJ8000000000000000B";

/// Returns record `number` of a shard. One in four failed; the delivery took `number` ms.
fn record(run: &str, number: usize) -> Value {
    json!({
        "eventName": "MODIFY",
        "dynamodb": {
            // From 4 to 40 digits; the first has leading zeros.
            "SequenceNumber": format!("{}{number:04}", "1".repeat(number.min(36))),
            "OldImage": {"status": {"S": "PENDING"}},
            "NewImage": {
                "id": {"S": format!("{run}#{number:09}")},
                "status": {"S": if number % 4 == 3 { "FAILED" } else { "SENT" }},
                "created_at": {"N": "1700000000000"},
                "concluded_at": {"N": (1_700_000_000_000 + number).to_string()},
                "delivery_ms": {"N": number.to_string()},
            },
        },
    })
}

/// Returns an event of a shard with records of one run.
fn event(shard: &str, run: &str, records: std::ops::Range<usize>) -> Value {
    json!({
        "Records": records.map(|number| record(run, number)).collect::<Vec<_>>(),
        "shardId": shard,
        "window": {"start": "2026-11-24T00:00:00Z", "end": "2026-11-24T00:15:00Z"},
        "state": {},
        "isFinalInvokeForWindow": false,
    })
}

/// Deploys a stack with the runs in its table, so that the monitor can show them.
fn stack_with_runs() -> Stack {
    let stack = Stack::deploy();
    for run in [RUN, OTHER_RUN] {
        stack.produce(&format!("-m 100 --run {run}"));
    }
    stack
}

#[track_caller]
fn assert_counts(stack: &Stack, run: &str, numbers: impl Iterator<Item = usize> + Clone) {
    let failed = numbers.clone().filter(|number| number % 4 == 3).count();
    let (all, sum) = (numbers.clone().count(), numbers.sum::<usize>());
    let snapshot = stack.snapshot(run);
    assert_eq!(snapshot["sent"], all - failed, "{snapshot}");
    assert_eq!(snapshot["failed"], failed, "{snapshot}");
    let average = snapshot["average_seconds"].as_f64().unwrap();
    assert!((average - sum as f64 / 1_000.0 / all as f64).abs() < 1e-9, "{snapshot}");
}

#[test]
fn repeated_late_and_extended_batches_count_once() {
    let stack = stack_with_runs();
    let function = Function::start(&stack);
    for records in [0..10, 0..10, 5..10, 5..25, 0..40, 20..30, 39..60, 0..1] {
        let answer = function.invoke(&event("shard-1", RUN, records)).unwrap();
        assert_eq!(answer, json!({"batchItemFailures": [], "state": {}}));
    }
    assert_counts(&stack, RUN, 0..60);
    // A new instance has no state, and reads the checkpoint of the old one.
    let restarted = Function::start(&stack);
    restarted.invoke(&event("shard-1", RUN, 0..70)).unwrap();
    assert_counts(&stack, RUN, 0..70);
}

#[test]
fn shards_and_runs_are_counted_separately_and_summed() {
    let stack = stack_with_runs();
    let function = Function::start(&stack);
    // The child shard begins with lower numbers than its parent ended with.
    function.invoke(&event("parent", RUN, 50..60)).unwrap();
    function.invoke(&event("child", RUN, 0..20)).unwrap();
    let mut mixed = event("parent", RUN, 60..65);
    mixed["Records"].as_array_mut().unwrap().push(record(OTHER_RUN, 70));
    function.invoke(&mixed).unwrap();
    function.invoke(&mixed).unwrap();
    assert_counts(&stack, RUN, (50..65).chain(0..20));
    assert_counts(&stack, OTHER_RUN, 70..71);
}

#[test]
fn two_instances_on_one_shard_count_each_record_once() {
    let stack = stack_with_runs();
    let (one, other) = (Function::start(&stack), Function::start(&stack));
    one.invoke(&event("shard", RUN, 0..10)).unwrap();
    // The second instance writes, so the cached tally of the first is stale.
    other.invoke(&event("shard", RUN, 0..30)).unwrap();
    one.invoke(&event("shard", RUN, 10..40)).unwrap();
    other.invoke(&event("shard", RUN, 20..50)).unwrap();
    assert_counts(&stack, RUN, 0..50);
}

#[test]
fn events_without_records_succeed_and_events_without_a_shard_fail() {
    let stack = stack_with_runs();
    let function = Function::start(&stack);
    for empty in [
        json!({}),
        json!({"Records": null}),
        json!({"Records": [], "shardId": "s", "isFinalInvokeForWindow": true}),
    ] {
        assert_eq!(function.invoke(&empty).unwrap()["state"], json!({}));
    }
    let mut nameless = event("shard", RUN, 0..1);
    nameless["shardId"] = Value::Null;
    let refused = function.invoke(&nameless).unwrap_err();
    assert!(refused["errorMessage"].as_str().unwrap().contains("tumbling window"), "{refused}");
    // The instance continues after the error.
    function.invoke(&event("shard", RUN, 0..1)).unwrap();
    assert_counts(&stack, RUN, 0..1);
}
