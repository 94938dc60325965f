//! Provider profiles: what senders deliver with one, and invalid ones.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use stentor_tests::build::ProgramPaths;
use stentor_tests::{ProfileFile, Program, Stack, number, wait_until};

use crate::bad_input::assert_clear;

fn text<'a>(item: &'a Value, attribute: &str) -> Option<&'a str> {
    item[attribute]["S"].as_str()
}

/// Counts the items by the value of an attribute.
fn counts(items: &[Value], attribute: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(text(item, attribute).unwrap_or("none").to_owned()).or_default() += 1;
    }
    counts
}

/// The carrier of each index.
fn carriers(items: &[Value]) -> BTreeMap<String, String> {
    let index = |item| text(item, "id").unwrap().split_once('#').unwrap().1.to_owned();
    items.iter().map(|item| (index(item), text(item, "carrier").unwrap().to_owned())).collect()
}

#[test]
fn messages_have_the_codes_and_carriers_of_the_profile() {
    let stack = Stack::deploy();
    let profile = ProfileFile::new(
        r#"
        name = "test"
        [delivery]
        mean_seconds = 0
        [[carriers]]
        name = "AT&T"
        share = 0.5
        [[carriers]]
        name = "T-Mobile"
        share = 0.3
        [[failures]]
        code = "INVALID"
        share = 0.3
        [[failures]]
        code = "CARRIER_UNREACHABLE"
        share = 0.2
        temporary = true
        "#,
    );
    let sender = format!("{} -c 50 --max-attempts 2 --idle-timeout 2", profile.flag());
    let run = stack.produce("-m 500 --seed 11");
    stack.sender(&sender).run().exits(0);
    let items = stack.items(&run);
    for item in &items {
        let failed = text(item, "status") == Some("FAILED");
        assert!(failed || text(item, "status") == Some("SENT"), "{item}");
        assert_eq!(text(item, "reason").is_some(), failed, "{item}");
        assert!(number(item, "delivery_ms").is_some(), "{item}");
    }
    // Within five standard deviations. INVALID: 30 % of the first attempts and of the second ones, which 20 % need.
    // CARRIER_UNREACHABLE: 20 % of the second attempts, 4 % of the messages; without a second attempt it would be 20 %.
    let reasons = counts(&items, "reason");
    assert_eq!(reasons.keys().collect::<Vec<_>>(), ["CARRIER_UNREACHABLE", "INVALID", "none"]);
    assert!((126..=234).contains(&reasons["INVALID"]), "{reasons:?}");
    assert!(reasons["CARRIER_UNREACHABLE"] <= 42, "{reasons:?}");
    let by_carrier = counts(&items, "carrier");
    assert_eq!(by_carrier.keys().collect::<Vec<_>>(), ["AT&T", "OTHER", "T-Mobile"]);
    assert!((194..=306).contains(&by_carrier["AT&T"]), "{by_carrier:?}");
    assert!((99..=201).contains(&by_carrier["T-Mobile"]), "{by_carrier:?}");

    // Carriers follow from the run's seed, not from the sender's.
    let again = stack.produce("-m 100 --seed 11");
    stack.sender(&format!("{sender} -f 0")).run().exits(0);
    let again = stack.items(&again);
    assert_eq!(counts(&again, "status"), BTreeMap::from([("SENT".to_owned(), 100)]));
    let all = carriers(&items);
    assert!(carriers(&again).iter().all(|(index, carrier)| all[index] == *carrier));
    let other = stack.produce("-m 100 --seed 12");
    stack.sender(&format!("{sender} -f 0")).run().exits(0);
    assert!(carriers(&stack.items(&other)).iter().any(|(index, carrier)| all[index] != *carrier));
}

#[test]
fn without_a_provider_failures_are_unknown_and_no_message_has_a_carrier() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 60");
    stack.sender("-w 0 -f 0.5 --max-attempts 2 --idle-timeout 2").run().exits(0);
    let items = stack.items(&run);
    let common = [
        "attempt",
        "body",
        "concluded_at",
        "created_at",
        "delivery_ms",
        "expires_at",
        "id",
        "parts",
        "phone",
    ];
    for item in &items {
        let mut attributes: Vec<&str> = item.as_object().unwrap().keys().map(String::as_str).collect();
        attributes.sort_unstable();
        let failed = text(item, "status") == Some("FAILED");
        let reason: &[&str] = if failed { &["reason"] } else { &[] };
        assert_eq!(attributes, [&common, reason, &["run", "sender", "status"]].concat());
        assert_eq!(text(item, "reason"), failed.then_some("UNKNOWN"));
    }
    // A quarter of 60 fails twice, within five standard deviations.
    let failed = stack.count(&run).failed;
    assert!((1..=31).contains(&failed), "{failed}");
}

#[test]
fn a_message_older_than_the_time_to_live_fails_without_a_delivery() {
    const TTL: u64 = 2_000;
    let stack = Stack::deploy();
    let start = Instant::now();
    let run = stack.produce("-m 40");
    // At most the time from the producer's time of a message to that of SQS.
    let queued_within = u64::try_from(start.elapsed().as_millis()).unwrap();
    let line = "-w 0.2 -f 0 --distribution constant --ttl 2 --idle-timeout 2 --json";
    let summary = stack.sender(line).run().exits(0).json();
    let items = stack.items(&run);
    for item in &items {
        let age = number(item, "concluded_at").unwrap() - number(item, "created_at").unwrap();
        let delivery_ms = number(item, "delivery_ms");
        match text(item, "status") {
            Some("FAILED") => {
                assert_eq!((text(item, "reason"), delivery_ms), (Some("TTL_EXPIRED"), None));
                // SQS sets its time of the message after the producer sets its own.
                assert!(age > TTL, "{item}");
            }
            _ => assert!(age - delivery_ms.unwrap() <= TTL + queued_within, "{item}"),
        }
    }
    // 40 deliveries of 0.2 s, one at a time, take 8 s.
    let count = stack.count(&run);
    assert!(count.failed >= 20 && count.pending == 0, "{count:?}");
    let average = summary["average_seconds"].as_f64();
    assert!(average.is_none_or(|average| average >= 0.2), "{summary}");
}

#[test]
fn the_age_of_a_message_that_is_queued_again_counts_from_its_creation() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 20");
    stack.purge_queue();
    let created_at = number(&stack.items(&run)[0], "created_at").unwrap();
    let age = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() - u128::from(created_at);
    wait_until("the messages are older than 10 s", || age() > 10_000);
    stack.producer(&format!("requeue {run}")).run().exits(0);
    stack.sender("-w 0 -f 0 --ttl 10 --idle-timeout 1").run().exits(0);
    assert_eq!(counts(&stack.items(&run), "reason"), BTreeMap::from([("TTL_EXPIRED".to_owned(), 20)]));
}

#[test]
fn an_invalid_profile_is_a_usage_error_that_names_file_line_and_key() {
    let sender = &ProgramPaths::get().sender;
    let built_in = stentor_core::provider::builtin::find("us-short-code").unwrap().toml;
    for (profile, words) in [
        (
            "name = \"x\"\n[limits]\nparts_per_second = 0",
            &["line 3, `limits.parts_per_second`: 0 is out of range"][..],
        ),
        (
            "name = \"x\"\n[limits]\nparts = 5",
            &["line 3: unknown field `parts`, expected one of `parts_per_second`"],
        ),
        ("name = x", &["line 1"]),
        ("", &["missing field `name`"]),
        (
            "name = \"x\"\n[[carriers]]\nname = \"A\"\nshare = 0.6\n[[carriers]]\nname = \"B\"\nshare = 0.6",
            &["line 7, `carriers[1].share`", "add up to 1.2"],
        ),
        (
            &built_in.replace("parts_per_second = 100", "parts_per_second = 500"),
            &["'us-short-code' has other limits"],
        ),
    ] {
        let profile = ProfileFile::new(profile);
        let words: Vec<&str> = words.iter().copied().chain(["profile.toml", "--provider"]).collect();
        assert_clear(&Program::new(sender, &profile.flag()).run(), 2, &words);
    }
    let missing = Program::new(sender, "--provider us-shortcode").run();
    assert_clear(&missing, 2, &["'us-shortcode'", "built-in profile (us-short-code, us-toll-free,"]);
    assert_clear(&Program::new(sender, "--provider /").run(), 2, &["cannot read the file"]);
    let binary = ProfileFile::new([0xff, 0xfe]);
    assert_clear(&Program::new(sender, &binary.flag()).run(), 2, &["the file is not UTF-8"]);
    let short = Program::new(sender, "--provider us-10dlc-unvetted --ttl 4 --local").run();
    assert_clear(&short, 2, &["--ttl: 4 s is shorter than the 5 s that one part takes"]);
    assert_clear(&Program::new(sender, "providers nobody").run(), 2, &["'nobody'"]);
    assert_clear(&Program::new(sender, "-c 5 providers").run(), 2, &["'--concurrency'", "'providers'"]);
}

#[test]
fn the_built_in_profiles_are_listed_and_printed_ready_to_edit() {
    let sender = &ProgramPaths::get().sender;
    let table = Program::new(sender, "providers").run().exits(0).stdout;
    assert!(table.starts_with("NAME ") && table.contains("\nus-10dlc-high "), "{table}");
    let rows = Program::new(sender, "providers --json").run().exits(0).stdout;
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 8);
    assert_eq!((&rows[0]["name"], &rows[0]["million_seconds"]), (&"us-short-code".into(), &10_000.0.into()));
    let printed = Program::new(sender, "providers us-short-code").run().exits(0).stdout;
    let json = Program::new(sender, "providers us-short-code --json").run().exits(0).json();
    assert_eq!(json["limits"]["parts_per_second"], 100.0);

    let stack = Stack::deploy();
    let edited = printed.replace("name = \"us-short-code\"", "name = \"mine\"");
    let edited = ProfileFile::new(edited.replace("parts_per_second = 100", "parts_per_second = 200"));
    let started = stack.sender(&format!("{} --idle-timeout 0.1", edited.flag())).run().exits(0);
    let chosen = "provider mine: 200 parts per second for all senders; up to 200 concurrent deliveries";
    assert!(started.stderr.contains(chosen), "{}", started.stderr);
    let slow = stack.sender(&format!("{} -c 5 --idle-timeout 0.1", edited.flag())).run().exits(0);
    let warning = "5 concurrent deliveries of 0.5 s start at most 10.0 of the 200 parts per second of provider mine: \
                   raise -c to 200, or start more senders";
    assert!(slow.stderr.contains(warning), "{}", slow.stderr);
}
