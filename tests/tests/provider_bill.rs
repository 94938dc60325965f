//! The bill of the simulated provider: exact and final once its senders have ended, and a lower bound before.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stentor_tests::{ProfileFile, Stack, now_ms, number, wait_at_most, wait_until};

use crate::report::reading::{assert_tells, both, follows, path, text_of};

/// Three parts of GSM 03.38 text.
fn three_parts() -> String {
    "a".repeat(400)
}

#[test]
fn a_run_is_billed_for_every_part_begun_on_every_surface() {
    let (stack, folder) = (Stack::deploy(), tempfile::tempdir().expect("a folder"));
    let profile = ProfileFile::new("name = \"own\"\n[price]\nper_part = 0.0083\n");
    let run = stack.produce(&format!("-m 100 --text {}", three_parts()));
    let sender = format!("-w 0 -f 1 -c 50 --max-attempts 2 --idle-timeout 4 {}", profile.flag());
    let monitor = stack.monitor(&format!("-t 0.5 --plain --run {run}")).start();
    let ended = stack.sender(&format!("{sender} --json")).run().exits(0);
    assert!(ended.stderr.contains(", with provider own: no rate limit"), "{}", ended.stderr);
    // Two attempts of each message.
    let used = json!({"profile": "own", "parts": 600, "parts_by_carrier": {"OTHER": 600}, "forfeited": 0});
    assert_eq!(ended.json()["provider"], used);

    // The run is complete about 4 s before its sender ends and reports its parts.
    let watched = monitor.finish().exits(0).stdout;
    let last = watched.lines().last().unwrap_or_default();
    assert!(last.starts_with("provider own: $4.98 (600 parts)"), "{watched}");

    let snapshot = stack.completed(&run);
    let shown = &snapshot["provider"];
    assert_eq!(
        (&shown["profile"], &shown["parts"], &shown["final"]),
        (&json!("own"), &json!(600), &json!(true))
    );
    assert_eq!(shown["dollars"].as_f64(), Some(600.0 * 0.0083), "{shown}");
    follows(&snapshot, "snapshot.schema.json");

    let text = stack.monitor(&format!("--once --plain --run {run}")).run().exits(0).stdout;
    assert!(text.contains("  provider dollars $4.98"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("provider own: $4.98 (600 parts)")), "{text}");
    let (report, page) = both(&stack, &folder, "");
    assert_tells(&page, &report);
    assert_eq!(report["provider"]["dollars"], json!({"amount": 600.0 * 0.0083, "at_least": false}));
    assert!(
        text_of(page.root_element())
            .contains("The simulated provider would charge $4.98 for 600 message parts")
    );
    let file = path(&folder, "own-price.json");
    let line = format!("report {file} --plain --once --run {run} --price provider_part=0.01");
    let printed = stack.monitor(&line).run().exits(0).stdout;
    assert!(printed.contains("provider own: $6.00 (600 parts)"), "{printed}");
    let (overridden, page) = both(&stack, &folder, "--price provider_part=0.01");
    assert_tells(&page, &overridden);
    assert_eq!(overridden["provider"]["dollars"]["amount"].as_f64(), Some(6.0));
    assert_eq!(overridden["cost"], report["cost"], "AWS's bill is separate");
    let compared = stack.monitor(&format!("compare {run} {run}")).run().exits(0).stdout;
    assert!(compared.contains("provider dollars") && compared.contains("$4.98"), "{compared}");
}

#[test]
fn the_wait_for_the_last_parts_ends_with_a_signal_and_twenty_seconds_after_the_last_outcome() {
    const WAITS: &str = "waiting at most 20 s for the senders to report their last parts";
    const CROSSED: &str = "threshold crossed: sent>1";
    let stack = Stack::deploy();
    let profile = ProfileFile::new("name = \"own\"\n[price]\nper_part = 0.01\n");
    let run = stack.produce("-m 20");
    let watch = |more: &str| stack.monitor(&format!("-t 0.5 --plain --run {run}{more}"));
    let mut interrupted = watch(" --fail-if sent>1").start();
    let mut watched = watch("").start();
    let served = stack.monitor(&format!("serve 0 --until-complete --run {run}")).start();
    // The deliveries take about 5 s, so the function's cold start ends before the last outcome is recorded.
    let settings = format!("-w 0.5 --distribution constant -c 2 -f 0 --forever {}", profile.flag());
    let mut sender = stack.sender(&settings).start();

    wait_until("the monitor waits", || interrupted.stderr_so_far().contains(WAITS));
    let waits_since = Instant::now();
    assert!(interrupted.is_running() && interrupted.stderr_so_far().contains(CROSSED), "checked before");
    interrupted.signal("INT");
    let interrupted = interrupted.finish().exits(4);
    assert!(waits_since.elapsed() < Duration::from_secs(10), "{:?}", waits_since.elapsed());
    let last = interrupted.stdout.lines().last().unwrap_or_default();
    assert!(last.starts_with("provider own: "), "{}", interrupted.stdout);

    let served = served.finish().exits(0);
    assert!(watched.is_running(), "the page's server waited as long as the monitor");
    assert!(!served.stderr.contains(WAITS) && served.stdout.contains("provider own: "), "{served:?}");

    // The sender goes on, and has stored its parts.
    let watched = watched.finish().exits(0);
    assert!(watched.stderr.contains(WAITS) && waits_since.elapsed() < Duration::from_secs(25), "{watched:?}");
    let last_outcome = stack.items(&run).iter().filter_map(|item| number(item, "concluded_at")).max();
    let waited_ms = now_ms() - last_outcome.expect("all have an outcome");
    assert!(waited_ms >= 19_500, "{waited_ms} ms after the last outcome");
    assert!(watched.stdout.contains("provider own: at least $0.200 (20 parts)"), "{}", watched.stdout);
    let later = watch("").run().exits(0);
    assert!(!later.stderr.contains(WAITS), "{}", later.stderr);
    sender.kill();
}

#[test]
fn the_parts_begun_are_stored_every_ten_seconds() {
    let (stack, profile) = (Stack::deploy(), ProfileFile::new("name = \"own\"\n"));
    let run = stack.produce("-m 200");
    let mut sender = stack.sender(&format!("-w 0.5 -c 2 --forever {}", profile.flag())).start();
    let stored = || -> Option<u64> {
        let items = stack.aws().scan(&format!("{}-metrics", stack.name()));
        let record = items.into_iter().find(|item| item["run"]["S"] == run && !item["provider"].is_null())?;
        record["provider"]["M"]["parts"]["M"]["OTHER"]["N"].as_str()?.parse().ok()
    };
    wait_until("the first parts are stored", || stored().is_some());
    let first = stored();
    wait_at_most(Duration::from_secs(14), "more parts are stored", || stored() > first);
    sender.kill();
}

#[test]
fn a_killed_sender_leaves_a_lower_bound_and_the_use_of_the_limit_is_shown_while_it_works() {
    let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
    let folder = tempfile::tempdir().expect("a folder");
    let profile =
        ProfileFile::new("name = \"limited\"\n[limits]\nparts_per_second = 1000\n[price]\nper_part = 0.01\n");
    // As senders store it with their first reservation.
    let stored = json!({"name": {"S": "limited"}, "limits": {"M": {"parts_per_second": {"N": "1000"}}}, "price": {"M": {"per_part": {"N": "0.01"}}}});
    stack.put(
        "metrics",
        &json!({"run": {"S": "provider"}, "part": {"S": "limited"}, "tat": {"N": "0"}, "seq": {"N": "0"}, "profile": {"M": stored}}),
    );
    let run = stack.produce(&format!("-m 100 --text {}", three_parts()));
    let lines = path(&folder, "lines.json");
    let file = fs::File::create(&lines).expect("the folder is writable");
    let monitor = stack.monitor(&format!("-t 0.5 --json --run {run}")).stdout_to(file.into()).start();
    let settings = format!("-f 0 {}", profile.flag());
    let mut killed = stack.sender(&format!("-w 0.5 -c 2 --forever {settings}")).start();
    let shown = |name: &str| -> Vec<Value> {
        let text = fs::read_to_string(&lines).expect("it was created");
        let read = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        read.map(|line| line["provider"][name].clone()).filter(|value| !value.is_null()).collect()
    };
    wait_until("the use of the limit is shown", || {
        shown("limit_used").iter().any(|used| used.as_f64() > Some(0.0))
    });
    killed.kill();
    assert!(killed.stderr_so_far().contains(", with provider limited: 1,000 parts/s shared by all senders"));
    stack.sender(&format!("-w 0 -c 10 --idle-timeout 12 {settings}")).run().exits(0);
    monitor.finish().exits(0);
    let rates = shown("parts_per_second");
    assert!(rates.iter().filter_map(Value::as_f64).all(|rate| (0.0..=300.0).contains(&rate)), "{rates:?}");
    assert!(shown("final").iter().all(|is_final| *is_final == false), "the run went on");

    let (report, page) = both(&stack, &folder, "");
    assert_tells(&page, &report);
    let bill = &report["provider"];
    assert_eq!(
        (&bill["parts"]["at_least"], &bill["dollars"]["at_least"]),
        (&json!(true), &json!(true)),
        "{bill}"
    );
    let parts = bill["parts"]["amount"].as_f64().expect("a number");
    assert_eq!(bill["dollars"]["amount"].as_f64(), Some(parts * 0.01));
    assert!((250.0..=306.0).contains(&parts), "{parts}");
    let text = stack.monitor(&format!("--once --plain --run {run}")).run().exits(0).stdout;
    assert!(text.contains("provider dollars at least $"), "{text}");
}
