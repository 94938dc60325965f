//! Daily caps and the spend limit of a simulated provider, with several senders: the limit is never exceeded, at least
//! 99 % of it is used, and the counter in the metrics table contains what was begun.

use serde_json::{Value, json};
use stentor_tests::{ProcessOutput, ProfileFile, Stack, now_ms, scaled, wait_until};

/// The provider profile `capped` in a file.
struct Profile(ProfileFile);

impl Profile {
    fn new(rest: &str) -> Self {
        Self(ProfileFile::new(format!("name = \"capped\"\n{rest}")))
    }

    /// One carrier, A, with this cap.
    fn capped(daily_parts: u64) -> Self {
        Self::new(&format!("[[carriers]]\nname = \"A\"\nshare = 1.0\ndaily_parts = {daily_parts}\n"))
    }

    fn sender(&self, line: &str) -> String {
        format!("{line} -f 0 --json {}", self.0.flag())
    }
}

/// Returns the counter items of the stack.
fn counters(stack: &Stack) -> Vec<Value> {
    let mut items = stack.aws().scan(&format!("{}-metrics", stack.name()));
    items.retain(|item| {
        item["run"]["S"] == "provider" && item["part"]["S"].as_str().is_some_and(|part| part.contains('#'))
    });
    items
}

/// Returns the only counter: its key and the units used.
#[track_caller]
fn counter(stack: &Stack) -> (String, u64) {
    let counters = counters(stack);
    assert_eq!(counters.len(), 1, "at midnight there are two: {counters:?}");
    let number = |name: &str| counters[0][name]["N"].as_str().and_then(|digits| digits.parse::<u64>().ok());
    let expires_at = number("expires_at").expect("it expires");
    assert!(expires_at > now_ms() / 1_000 + 6 * 86_400, "{expires_at}");
    (counters[0]["part"]["S"].as_str().expect("a key").to_owned(), number("used").expect("a number"))
}

fn sent(senders: &[ProcessOutput]) -> u64 {
    senders.iter().map(|sender| sender.json()["sent"].as_u64().expect("a count")).sum()
}

#[test]
fn three_senders_use_a_daily_cap_and_never_exceed_it() {
    let stack = Stack::deploy();
    let messages = scaled(1_000);
    let profile = Profile::capped(messages / 2);
    let run = stack.produce(&format!("-m {messages}"));
    let senders = [5, 5, 20].map(|c| stack.sender(&profile.sender(&format!("-w 0.02 -c {c}"))).start());
    let senders = senders.map(|sender| sender.finish().exits(0));
    let count = stack.count(&run);
    assert_eq!((count.pending, count.total()), (0, messages));
    assert!(count.sent <= messages / 2 && count.sent * 100 >= messages / 2 * 99, "{count:?}");
    assert_eq!(sent(&senders), count.sent);
    let (key, used) = counter(&stack);
    assert!(key.starts_with("capped#A#20"), "{key}");
    assert_eq!(used, count.sent, "what the senders did not use is returned");
}

#[test]
fn three_senders_use_a_spend_limit_and_never_exceed_it() {
    let stack = Stack::deploy();
    let messages = scaled(1_000);
    // Two parts of $0.01 each, and half of what all messages cost.
    let dollars = messages as f64 / 100.0;
    let limits = format!("[limits]\nspend_dollars = {dollars:?}\n[price]\nper_part = 0.01\n");
    let profile = Profile::new(&limits);
    let run = stack.produce(&format!("-m {messages} --text {}", "x".repeat(161)));
    let senders = [5, 5, 20].map(|c| stack.sender(&profile.sender(&format!("-w 0.02 -c {c}"))).start());
    for sender in senders {
        sender.finish().exits(0);
    }
    let count = stack.count(&run);
    assert_eq!((count.pending, count.total()), (0, messages));
    assert!(count.sent <= messages / 2 && count.sent * 100 >= messages / 2 * 99, "{count:?}");
    let (key, used) = counter(&stack);
    assert!(key.starts_with("capped#spend#20"), "{key}");
    assert_eq!(used, count.sent * 20_000, "micro-dollars");
}

#[test]
fn a_killed_sender_loses_its_block_and_its_messages_at_most() {
    let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
    let (messages, slots) = (scaled(1_000), 10);
    let cap = messages / 2;
    let profile = Profile::capped(cap);
    let run = stack.produce(&format!("-m {messages}"));
    let lines = ["-w 0.05 -c 10 --forever", "-w 0.05 -c 10"];
    let [mut killed, other] = lines.map(|line| stack.sender(&profile.sender(line)).start());
    wait_until("a third of the cap is used", || {
        counters(&stack).first().is_some_and(|item| {
            item["used"]["N"].as_str().and_then(|digits| digits.parse::<u64>().ok()) > Some(cap / 3)
        })
    });
    killed.kill();
    other.finish().exits(0);
    let count = stack.count(&run);
    let (_, used) = counter(&stack);
    assert_eq!((count.pending, count.total()), (0, messages));
    assert!(used <= cap && used * 100 >= cap * 99, "{used} of {cap}");
    // A block is at most 1 % of the cap. Each slot has taken one part, and each outcome may have been on its way.
    let lost = used - count.sent;
    assert!(lost <= cap / 100 + 2 * slots, "{lost} of {cap} parts");
}

#[test]
fn a_stopped_sender_returns_what_it_has_taken() {
    let stack = Stack::deploy();
    let profile = Profile::capped(scaled(10_000));
    let run = stack.produce("-m 300");
    let sender = stack.sender(&profile.sender("-w 0.3 --distribution constant -c 10 --forever")).start();
    wait_until("some are sent", || stack.count(&run).sent >= 10);
    sender.signal("TERM");
    let ended = sender.finish().exits(143).json();
    let (sent, released) = (stack.count(&run).sent, ended["released"].as_u64().expect("a count"));
    let (_, used) = counter(&stack);
    // Those of the ten deliveries that were cancelled stay counted, as they were begun.
    assert!(released > 10 && (sent..=sent + 10).contains(&used), "{used} used, {sent} sent, {ended}");
}

#[test]
fn a_cap_below_one_messages_parts_fails_it_at_once() {
    let stack = Stack::deploy();
    let profile = Profile::capped(1);
    let run = stack.produce(&format!("-m 20 --text {}", "x".repeat(161)));
    // A delivery would take ten minutes.
    stack.sender(&profile.sender("-w 600 -c 2 --max-attempts 3")).run().exits(0);
    let count = stack.count(&run);
    assert_eq!((count.failed, count.total()), (20, 20));
    assert_eq!(counters(&stack), Vec::<Value>::new());
}

#[test]
fn a_damaged_counter_is_named_and_its_messages_stay() {
    let stack = Stack::deploy();
    let profile = Profile::capped(100);
    let run = stack.produce("-m 20");
    stack.sender(&profile.sender("-w 0 -c 1")).run().exits(0);
    let (key, _) = counter(&stack);
    let item =
        json!({"run": {"S": "provider"}, "part": {"S": key}, "used": {"S": "many"}, "blocks": {"N": "1"}});
    stack.put("metrics", &item);
    let other = stack.produce("-m 20");
    let ended = stack.sender(&profile.sender("-w 0 -c 1")).run().exits(1);
    assert!(ended.stderr.contains(&key) && ended.stderr.contains("`used`"), "{}", ended.stderr);
    assert_eq!((stack.count(&run).sent, stack.count(&other).pending), (20, 20));
}
