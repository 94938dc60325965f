//! Hostile data on the queue and in the tables, clocks that differ, and secrets in the environment.

use serde_json::{Value, json};
use stentor_tests::{Emulator, ProcessOutput, Program, Stack, now_ms, wait_until};

/// C0 and C1 control characters that clear a terminal, set its title and begin new lines.
const ATTACK: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\r\u{9b}31m\u{7f}";

/// Difference of the clocks, ms.
const FIVE_MINUTES: u64 = 300_000;

/// Asserts that the output contains no control character that a terminal would obey, and no panic.
#[track_caller]
fn assert_harmless(ended: &ProcessOutput) {
    for text in [&ended.stdout, &ended.stderr] {
        let obeyed = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(obeyed, None, "{}: {text:?}", ended.line);
    }
    assert!(!ended.stderr.contains("panicked"), "{}: {}", ended.line, ended.stderr);
}

#[test]
fn message_bodies_cannot_inject_terminal_controls() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 3");
    let bodies = [
        json!({"id": ATTACK, "phone": "", "body": ""}),
        json!({"id": format!("{run}#000000001{ATTACK}"), "phone": ATTACK, "body": ATTACK}),
        json!({"id": "x", "phone": "", "body": "", "repeated": ATTACK}),
        json!({ATTACK: 1}),
        // No such message: its ID is printed, its body is not.
        json!({"id": format!("{run}#000000009"), "phone": ATTACK, "body": ATTACK}),
    ];
    for body in &bodies {
        stack.put_on_queue(&body.to_string());
    }
    let sender = stack.sender("-vv -w 0 -f 0 --forever").start();
    wait_until("all of them are in the dead-letter queue", || stack.backlog("dlq") == (5, 0));
    sender.signal("TERM");
    let ended = sender.finish().exits(143);
    assert!(ended.stderr.contains("invalid message body"), "{}", ended.stderr);
    assert!(ended.stderr.contains("not in the table"), "{}", ended.stderr);
    assert_harmless(&ended);
    for line in ["--once -vv", "--once -vv --json", "audit -vv"] {
        assert_harmless(&stack.monitor(line).run().exits(0));
    }
}

#[test]
fn table_items_cannot_inject_terminal_controls() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 3");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    stack.completed(&run);
    stack.put_beat(ATTACK, now_ms());
    let mark = json!({"run": {"S": run}, "part": {"S": format!("broken#{ATTACK}")}, "why": {"S": ATTACK}});
    stack.put("metrics", &mark);
    let id = format!("{run}#000000001");
    stack.put("messages", &json!({"id": {"S": id}, "run": {"S": ATTACK}, "status": {"S": ATTACK}}));
    let shown = stack.monitor("--once -vv --json").run().exits(0);
    assert_eq!(shown.json()["senders"][0]["sender"], ATTACK, "JSON contains the stored value");
    assert_eq!(shown.json()["broken"][0]["why"], ATTACK);
    assert_harmless(&shown);
    let line = stack.monitor("--once -vv").run().exits(0);
    assert!(line.stdout.contains("\\u{1b}[2J"), "text contains the escaped value: {}", line.stdout);
    assert_harmless(&line);
    for flags in ["audit -vv", "audit -vv --json", "repair -vv", "repair -vv --json"] {
        assert_harmless(&stack.monitor(flags).run().exits(1));
    }
    assert_harmless(&stack.producer(&format!("requeue {run} -vv")).run().exits(0));
}

#[test]
fn an_unreadable_plan_is_named_and_cannot_inject_terminal_controls() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 3");
    let odd = json!({
        "run": {"S": run}, "part": {"S": "run"}, "total": {"S": ATTACK}, "length": {"S": ATTACK}, "seed": {"S": ATTACK},
        "created_at": {"S": ATTACK},
    });
    stack.put("metrics", &odd);
    for program in [
        stack.producer(&format!("resume {run} -vv")),
        stack.producer(&format!("requeue {run} -vv")),
        stack.monitor("-vv"),
        stack.monitor("audit -vv"),
        stack.monitor("repair -vv --json"),
    ] {
        let ended = program.run().exits(1);
        assert!(ended.stderr.contains(&format!("item 'run' of '{run}'")), "{}", ended.stderr);
        assert_harmless(&ended);
    }
    stack.put("metrics", &json!({"run": {"S": "latest"}, "part": {"S": "run"}, "id": {"S": ATTACK}}));
    let ended = stack.monitor("-vv").run().exits(1);
    assert!(ended.stderr.contains("item 'run' of 'latest'"), "{}", ended.stderr);
    assert_harmless(&ended);
}

#[test]
fn items_of_another_version_are_reported_as_unreadable() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 8");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    stack.completed(&run);
    let mut items = stack.items(&run);
    items.sort_by_key(|item| item["id"]["S"].as_str().unwrap().to_owned());
    items[3]["status"] = json!({"S": "CANCELLED"});
    items[4]["status"] = json!({"N": "1"});
    items[5]["delivery_ms"] = json!({"S": "soon"});
    items[6]["concluded_at"] = json!({"N": "-1.5"});
    items[7].as_object_mut().unwrap().remove("created_at");
    for item in &items[3..] {
        stack.put("messages", item);
    }
    let audited = stack.monitor("audit").run().exits(1);
    let verdict = audited.stdout.lines().last().unwrap();
    assert!(verdict.contains("sent 3 in the table, 8 in the tallies"), "{verdict}");
    assert!(
        verdict.ends_with(&format!("unreadable items 5 in the table, such as {run}#000000003")),
        "{verdict}"
    );
    let json = stack.monitor("audit --json").run().exits(1).json();
    assert_eq!((&json["agrees"], &json["table"]["unreadable"]), (&json!(false), &json!(5)), "{json}");
    assert_eq!(json["table"]["unreadable_example"], format!("{run}#000000003"), "{json}");
}

/// Returns every number in a JSON value.
fn numbers(json: &Value) -> Vec<f64> {
    match json {
        Value::Number(number) => number.as_f64().into_iter().collect(),
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        Value::Object(fields) => fields.values().flat_map(numbers).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn clocks_that_differ_by_minutes_show_no_negative_durations() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 6");
    // The producer's clock is ahead. The senders' clocks are ahead, slightly ahead, and behind.
    for mut item in stack.items(&run) {
        let created_at: u64 = item["created_at"]["N"].as_str().unwrap().parse().unwrap();
        item["created_at"] = json!({"N": (created_at + FIVE_MINUTES).to_string()});
        stack.put("messages", &item);
    }
    stack.sender("-w 0.01 -f 0.5 --idle-timeout 1").run().exits(0);
    stack.completed(&run);
    let now = now_ms();
    for (sender, seen_at) in
        [("ahead", now + FIVE_MINUTES), ("near", now + 10_000), ("behind", now - FIVE_MINUTES)]
    {
        stack.put_beat(sender, seen_at);
    }
    let shown = stack.snapshot(&run);
    assert_eq!(shown["average_latency_seconds"], 0.0, "{shown}");
    assert_eq!(shown["latency_seconds"]["max"], 0.0, "{shown}");
    assert_eq!(
        (&shown["senders"][0]["sender"], &shown["senders"][0]["seen_seconds_ago"]),
        (&json!("near"), &json!(0.0))
    );
    assert!(numbers(&shown).iter().all(|number| *number >= 0.0), "{shown}");
    let audited = stack.monitor("audit --json").run().exits(0).json();
    assert_eq!(audited["table"]["latency_ms"], 0, "{audited}");
    let line = stack.monitor("--once").run().exits(0).stdout;
    assert!(!line.as_bytes().windows(2).any(|two| two[0] == b'-' && two[1].is_ascii_digit()), "{line}");
}

#[test]
fn secrets_are_never_printed_at_any_verbosity() {
    const SECRET: &str = "wJalrXUtnFEMI-some-secret-value";
    const TOKEN: &str = "IQoJb3JpZ2luX2Vj-some-token";
    let stack = Stack::deploy();
    let at = format!("--endpoint-url {} --region us-east-1", Emulator::shared().url());
    let with_secrets = |program: Program| {
        program
            .env("AWS_ACCESS_KEY_ID", "some-key")
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_SESSION_TOKEN", TOKEN)
            .env("RUST_LOG", "trace")
    };
    let programs = [
        (stack.producer(&format!("-m 3 -vv {at}")), 0),
        (stack.sender(&format!("-w 0 -f 0 --idle-timeout 1 -vv {at}")), 0),
        (stack.monitor(&format!("-t 0.2 -vv {at}")), 0),
        (stack.monitor(&format!("audit -vv {at}")), 0),
        (stack.producer(&format!("-m 3 --stack nowhere -vv {at}")), 1),
        (stack.sender(&format!("--stack nowhere -vv {at}")), 1),
        (stack.monitor(&format!("--stack nowhere -vv {at}")), 1),
        (stack.monitor("-vv --region us-east-1 --endpoint-url http://127.0.0.1:1"), 1),
    ];
    for (program, code) in programs {
        let ended = with_secrets(program).run().exits(code);
        for secret in [SECRET, TOKEN, "Signature=", "Credential="] {
            assert!(
                !ended.stdout.contains(secret) && !ended.stderr.contains(secret),
                "{secret}: {}",
                ended.stderr
            );
        }
    }
}
