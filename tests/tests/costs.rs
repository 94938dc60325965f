//! Billed usage of a rehearsal: requests and units, as the programs report and store them.

use serde_json::Value;
use stentor_tests::{Backend, Proxy, Stack, scaled};

fn number(summary: &Value, name: &str) -> u64 {
    summary[name].as_u64().unwrap_or_else(|| panic!("{name} of {summary}"))
}

/// Checks the write units. `DynamoDB` Local does not report those of a batch of statements.
fn assert_write_units(summary: &Value, at_least: u64, below: u64) {
    if Backend::of_these_tests() == Backend::LocalStack {
        assert_eq!(summary["write_units"], Value::Null, "{summary}");
    } else {
        let units = summary["write_units"].as_f64().unwrap_or_else(|| panic!("write_units of {summary}"));
        assert!((at_least as f64..below as f64).contains(&units), "{summary}");
    }
}

#[test]
fn requests_are_counted_reported_and_stored_with_the_run() {
    let stack = Stack::deploy();
    let messages = scaled(1_000);
    let (by_producer, by_sender) = (Proxy::start(1), Proxy::start(2));
    let producer = stack.at_port(by_producer.port()).producer(&format!("-m {messages} --json"));
    let produced = producer.run().exits(0).json();
    let sender = stack.at_port(by_sender.port()).sender("-w 0 -c 100 --idle-timeout 1 --json");
    let sent = sender.run().exits(0).json();

    // The producer prints its usage before it stores it; the sender prints it afterwards.
    assert_eq!(number(&produced, "requests") + 1, by_producer.requests(), "{produced}");
    assert_eq!(number(&sent, "requests"), by_sender.requests(), "{sent}");
    for summary in [&produced, &sent] {
        // Each program writes a message once; a few items of the run are added.
        assert_write_units(summary, messages, messages * 6 / 5);
        assert!(number(summary, "queue_requests") < number(summary, "requests"), "{summary}");
    }

    let run = produced["run"].as_str().expect("a run id");
    let kept: Vec<Value> = stack
        .aws()
        .scan(&format!("{}-metrics", stack.name()))
        .into_iter()
        .filter(|item| item["run"]["S"] == run)
        .filter(|item| item["part"]["S"].as_str().is_some_and(|part| part.starts_with("usage#")))
        .collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    let of_sender = format!("usage#{}", sent["sender"].as_str().expect("an id"));
    for (is_sender, requests) in
        [(false, number(&produced, "requests")), (true, number(&sent, "requests") - 1)]
    {
        let part = kept.iter().find(|item| (item["part"]["S"] == of_sender.as_str()) == is_sender);
        assert_eq!(part.expect("one each")["requests"]["N"], requests.to_string(), "{kept:?}");
    }
}

#[test]
fn a_message_of_300_characters_is_one_write_unit() {
    let stack = Stack::deploy();
    let produced = stack.producer("-m 50 -l 300 --exact-length --json").run().exits(0).json();
    assert_write_units(&produced, 50, 60);
    let sent = stack.sender("-w 0 --idle-timeout 1 --json").run().exits(0).json();
    assert_write_units(&sent, 50, 60);
}
