//! When shares of a run were reached, and why messages failed: from the table to what the monitor shows.

use serde_json::{Value, json};
use stentor_tests::Stack;

fn number(attribute: &Value) -> u64 {
    attribute["N"].as_str().and_then(|text| text.parse().ok()).expect("a number")
}

/// When the run was created, ms since the epoch.
fn created_at(stack: &Stack, run: &str) -> u64 {
    let parts = stack.aws().scan(&format!("{}-metrics", stack.name()));
    let is_run = |part: &&Value| part["run"]["S"] == run && part["part"]["S"] == "run";
    number(&parts.iter().find(is_run).expect("the run")["created_at"])
}

/// Seconds until a percentage of the run's messages was SENT, by the items of the messages table.
fn seconds_to(percent: usize, stack: &Stack, run: &str) -> Option<f64> {
    let items = stack.items(run);
    let sent = items.iter().filter(|item| item["status"]["S"] == "SENT");
    let mut times: Vec<u64> = sent.map(|item| number(&item["concluded_at"])).collect();
    times.sort_unstable();
    let last = (items.len() * percent).div_ceil(100) - 1;
    Some((times.get(last)? - created_at(stack, run)) as f64 / 1_000.0)
}

#[test]
fn shares_reached_agree_with_the_table_and_one_never_reached_crosses_every_limit() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 400");
    let monitor = stack.monitor(&format!(
        "--run {run} -t 0.2 --plain --fail-if reached_p99>1h --fail-if reached_p50>1h --fail-if reached_p99<1h"
    ));
    let monitor = monitor.start();
    // With this seed 366 of 400 are SENT: more than 90 %.
    stack.sender("-w 0.1 -f 0.1 -c 10 --seed 4 --idle-timeout 1").run().exits(0);
    let watched = monitor.finish().exits(4);
    let reached = &stack.completed(&run)["reached_seconds"];
    for (name, percent) in [("p50", 50), ("p90", 90)] {
        let (shown, expected) = (reached[name].as_f64(), seconds_to(percent, &stack, &run));
        let (shown, expected) = (shown.expect("reached"), expected.expect("reached"));
        // Interpolated within a time bucket of a second.
        assert!((shown - expected).abs() < 1.0, "{percent} %: {shown}, in the table {expected}");
    }
    assert!(reached["p99"].is_null() && seconds_to(99, &stack, &run).is_none(), "{reached}");
    let crossed: Vec<&str> =
        watched.stderr.lines().filter(|line| line.starts_with("threshold crossed")).collect();
    assert_eq!(crossed, ["threshold crossed: reached_p99>1h: it was never reached"]);
    let line = watched.stdout.lines().find(|line| line.starts_with("reached 50 % after ")).expect("a line");
    assert!(
        line.contains(", 90 % after ") && line.ends_with("; 99 % were never reached (91.5 % SENT)"),
        "{line}"
    );
}

/// Writes the outcome of a message, as a sender with a provider would.
fn conclude(stack: &Stack, mut item: Value, status: &str, delivery_ms: Option<u64>, reason: Option<&str>) {
    item["status"]["S"] = status.into();
    item["concluded_at"] = json!({"N": (number(&item["created_at"]) + 2_000).to_string()});
    item["parts"] = json!({"N": "2"});
    if let Some(delivery_ms) = delivery_ms {
        item["delivery_ms"] = json!({"N": delivery_ms.to_string()});
    }
    if let Some(reason) = reason {
        item["reason"] = json!({"S": reason});
    }
    stack.put("messages", &item);
}

#[test]
fn failures_by_code_and_parts_are_counted_once_and_again_by_a_repair() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 20");
    let codes = [Some("CARRIER_UNREACHABLE"), Some("CARRIER_UNREACHABLE"), Some("TTL_EXPIRED"), None];
    for (place, item) in stack.items(&run).into_iter().enumerate() {
        match place.checked_sub(12) {
            None => conclude(&stack, item, "SENT", Some(100), None),
            Some(place) => {
                let reason = codes[place % codes.len()];
                let delivery_ms = (reason != Some("TTL_EXPIRED")).then_some(100);
                conclude(&stack, item, "FAILED", delivery_ms, reason);
            }
        }
    }
    let expected = json!([
        {"code": "CARRIER_UNREACHABLE", "count": 4, "share": 0.5},
        {"code": "TTL_EXPIRED", "count": 2, "share": 0.25},
        {"code": "UNKNOWN", "count": 2, "share": 0.25},
    ]);
    let counted = stack.completed(&run);
    assert_eq!((&counted["failures"], &counted["parts"]), (&expected, &36.into()), "18 of 20 were delivered");
    let failures = "failures: CARRIER_UNREACHABLE 4 (50.0%), TTL_EXPIRED 2 (25.0%), UNKNOWN 2 (25.0%)";
    for flags in ["-t 0.2", "--once"] {
        let printed = stack.monitor(&format!("--run {run} --plain {flags}")).run().exits(0).stdout;
        assert!(printed.lines().any(|line| line == failures), "{printed}");
        assert!(printed.lines().any(|line| line.starts_with("reached 50 % after ")), "{printed}");
    }

    stack.monitor(&format!("audit --run {run}")).run().exits(0);
    stack.monitor(&format!("repair --run {run}")).run().exits(0);
    let repaired = stack.completed(&run);
    for name in ["failures", "parts", "reached_seconds"] {
        assert_eq!(repaired[name], counted[name], "{name}");
    }
}
