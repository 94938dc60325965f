//! The monitor's report: its data and its page are correct, and an old file is never lost.

mod compare;
pub(crate) mod reading;

use std::fs;
use std::time::{Duration, Instant};

use self::reading::{assert_tells, both, data, folder, names, path, read, select, text_of};
use serde_json::{Value, json};
use stentor_tests::{Backend, Proxy, Stack, now_ms, scaled, wait_until};

/// A name that would clear a terminal, reverse the text direction and add markup.
const HOSTILE: &str = "\u{1b}[2J\u{202e}</title><script>alert(\"x\")</script>&amp;'";

fn amount(sum: &Value) -> Option<u64> {
    assert_eq!(sum["at_least"], false, "{sum}");
    sum["amount"].as_u64()
}

#[test]
fn a_report_is_kept_when_stdout_is_full() {
    let (stack, folder) = (Stack::deploy(), folder());
    stack.produce("-m 3");
    let report = path(&folder, "report.json");
    let full = fs::File::options().write(true).open("/dev/full").expect("a device that is full");
    stack.monitor(&format!("report {report} --once")).stdout_to(full.into()).run().exits(1);
    assert_eq!(data(&report)["plan"]["total"], 3);
}

#[test]
fn the_report_of_a_finished_run_has_its_counts_as_data_and_page() {
    let (stack, folder) = (Stack::deploy(), folder());
    let messages = scaled(600);
    let produced = stack.producer(&format!("-m {messages} --json")).run().exits(0).json();
    let run = produced["run"].as_str().expect("a run");
    let file = path(&folder, "run.json");
    let monitor = stack.monitor(&format!("report {file} -t 0.2 --json")).start();
    let sent = stack.sender("-w 0.02 -f 0.2 -c 20 --idle-timeout 1 --json").run().exits(0).json();
    let watched = monitor.finish().exits(0);
    assert!(watched.stderr.ends_with(&format!("the report is in {file}\n")), "{}", watched.stderr);

    let report = data(&file);
    let count = stack.count(run);
    assert_eq!(report["result"]["word"], "COMPLETE");
    assert_eq!(
        (report["plan"]["run"].as_str(), report["plan"]["total"].as_u64()),
        (Some(run), Some(messages))
    );
    let count_of = |name: &str| report["snapshot"][name].as_u64();
    assert_eq!(
        (count_of("sent"), count_of("failed"), count_of("pending")),
        (Some(count.sent), Some(count.failed), Some(0))
    );
    assert_eq!(report["snapshot"], watched.json(), "the report differs from the last printed snapshot");
    let mean = report["delivery"]["mean"].as_f64().expect("it is known");
    assert!((mean - count.average_seconds()).abs() < 1e-9, "{mean}");
    let columns = |pointer: &str| report.pointer(pointer).and_then(Value::as_array).expect("columns").clone();
    for kind in ["delivery", "latency"] {
        let counted: f64 = columns(&format!("/{kind}/columns")).iter().filter_map(Value::as_f64).sum();
        assert!((counted - messages as f64).abs() < 0.5, "{kind}: {counted}");
    }
    let width = report["progress"]["column_seconds"].as_f64().expect("it is known");
    let pace = |name: &str| {
        columns("/progress/columns").iter().filter_map(|c| c[name].as_f64()).sum::<f64>() * width
    };
    assert!((pace("failed_per_second") - count.failed as f64).abs() < 0.5, "{report}");

    let senders = report["senders"].as_array().expect("a list");
    assert_eq!(
        (senders.len(), &senders[0]["sender"], &senders[0]["state"]),
        (1, &sent["sender"], &json!("ended"))
    );
    assert_cost_covers(&report, &produced, &sent);

    let (again, page) = both(&stack, &folder, "");
    assert_tells(&page, &again);
    for stays in ["plan", "result", "progress", "reached", "delivery", "latency", "senders", "cost"] {
        assert_eq!(again[stays], report[stays], "{stays}");
    }
    let charts = select(&page, "svg.chart");
    assert_eq!(charts.len(), 8, "progress, reached, delivery and latency, each for a wide and a narrow page");
    assert!(
        charts.iter().all(|chart| chart.attr("role") == Some("img") && chart.attr("aria-label").is_some())
    );
    let names: Vec<String> = select(&page, "h2").into_iter().map(text_of).collect();
    let order = [
        "Result",
        "Plan",
        "Progress",
        "Reached",
        "Times",
        "Senders",
        "Faults met",
        "Cost",
        "How it was counted",
    ];
    assert_eq!(names, order);
}

/// Asserts that the report's cost covers a producer and a sender, given their JSON summaries.
#[track_caller]
fn assert_cost_covers(report: &Value, produced: &Value, sent: &Value) {
    // The programs print their usage before they store it. The sender's last heartbeat precedes its summary.
    let counted = &report["cost"]["counted"];
    let number = |summary: &Value, name: &str| summary[name].as_u64().expect("a number");
    assert_eq!(counted["programs"].as_array().map(Vec::len), Some(2), "{counted}");
    let requests = number(produced, "requests") + number(sent, "requests") - 1;
    assert_eq!(amount(&counted["requests"]), Some(requests), "{counted}");
    let to_queue = number(produced, "queue_requests") + number(sent, "queue_requests");
    assert_eq!(amount(&counted["queue_requests"]), Some(to_queue), "{counted}");
    let dollars = &report["cost"]["dollars"];
    if Backend::of_these_tests() == Backend::LocalStack {
        assert_eq!((&counted["write_units"]["amount"], &dollars["at_least"]), (&Value::Null, &json!(true)));
    } else {
        assert_eq!(
            (counted["missing"].as_array().map(Vec::len), &dollars["at_least"]),
            (Some(0), &json!(false))
        );
        let a_million = report["cost"]["dollars_per_million"]["amount"].as_f64().expect("it is known");
        assert!((1.3..3.0).contains(&a_million), "{a_million}");
    }
}

#[test]
fn the_report_of_an_unfinished_run_leaves_unknown_values_out() {
    let (stack, folder) = (Stack::deploy(), folder());
    let none = stack.monitor(&format!("report {} --once", path(&folder, "none.json"))).run().exits(1);
    assert!(none.stderr.contains("no run in this stack yet"), "{}", none.stderr);
    assert!(!folder.path().join("none.json").exists());

    let run = stack.produce("-m 400");
    let (report, page) = both(&stack, &folder, "");
    assert_tells(&page, &report);
    assert_eq!((&report["delivery"]["mean"], &report["result"]["seconds"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (report["senders"].as_array().map(Vec::len), &report["progress"]["columns"]),
        (Some(0), &json!([]))
    );
    assert_eq!(report["cost"]["counted"]["queue_requests"]["at_least"], true);

    let mut sender = stack.sender("-w 0.2 -f 0.5 -c 1 --forever").start();
    wait_until("the sender is listed with an outcome", || {
        let snapshot = stack.snapshot(&run);
        snapshot["senders"].as_array().is_some_and(|s| s.iter().any(|s| s["sent"].as_u64() > Some(0)))
    });
    // The run progresses between the two, so their figures differ.
    let (report, page) = both(&stack, &folder, "");
    assert_eq!(text_of(select(&page, "h1")[0]).split_whitespace().next(), Some("RUNNING"));
    assert_eq!(
        (&report["result"]["word"], &report["snapshot"]["complete"]),
        (&json!("RUNNING"), &json!(false))
    );
    assert_eq!(
        (&report["senders"][0]["state"], &report["senders"][0]["accounted"]),
        (&json!("alive"), &json!(false))
    );
    assert_eq!(report["cost"]["dollars_per_million"]["amount"], Value::Null);
    let missing = report["cost"]["counted"]["missing"].to_string();
    assert!(missing.contains("The run goes on.") && missing.contains("1 sender is running"), "{missing}");
    sender.kill();
}

#[test]
fn a_path_that_cannot_be_written_is_reported_before_any_request() {
    let (stack, folder) = (Stack::deploy(), folder());
    let proxy = Proxy::start(7);
    stack.produce("-m 3");
    fs::write(path(&folder, "file"), "old").expect("the folder is writable");
    fs::create_dir(path(&folder, "folder.html")).expect("the folder is writable");
    for (name, why) in [
        ("missing/a.html", "No such file"),
        ("file/a.json", "Not a directory"),
        ("folder.html", "it is a folder"),
    ] {
        let file = path(&folder, name);
        let refused = stack.at_port(proxy.port()).monitor(&format!("report {file}")).run().exits(1);
        for words in [file.as_str(), why, "Give a file in an existing folder"] {
            assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
        }
    }
    assert_eq!((proxy.requests(), read(&path(&folder, "file")).as_str()), (0, "old"));
    for flags in [
        "report a.txt",
        "report a.html --follow",
        "report a.html --price write_units=-1",
        "--once --price write_units=1",
    ] {
        let refused = stack.monitor(flags).run().exits(2);
        assert!(refused.stderr.contains("--"), "{}", refused.stderr);
    }
}

#[test]
fn a_full_disk_keeps_the_old_report_and_leaves_no_other_file() {
    let (stack, folder) = (Stack::deploy(), folder());
    stack.produce("-m 3");
    for name in ["old.html", "old.json"] {
        let file = path(&folder, name);
        fs::write(&file, "old").expect("the folder is writable");
        let full = stack.monitor(&format!("report {file} --once")).with_files_of(1_000).run().exits(1);
        assert!(full.stderr.contains(&file) && full.stderr.contains("free space"), "{}", full.stderr);
        assert_eq!(read(&file), "old");
    }
    assert_eq!(names(folder.path()), ["old.html", "old.json"]);
}

#[test]
fn leaving_the_view_with_q_writes_the_report_and_a_signal_does_not() {
    let (stack, folder) = (Stack::deploy(), folder());
    stack.produce("-m 20");
    let left = path(&folder, "left.json");
    let mut view = stack.monitor(&format!("report {left} -t 0.5")).start_on_terminal(80, 24);
    view.shows("of 20");
    view.press("q");
    let ended = view.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(ended.restored && ended.text.contains("the report is in"), "{}", ended.text);
    assert_eq!(data(&left)["snapshot"]["pending"], 20);

    let mut view =
        stack.monitor(&format!("report {} -t 0.5", path(&folder, "none.json"))).start_on_terminal(80, 24);
    view.shows("of 20");
    view.press("\u{3}");
    assert_eq!(view.finish().code, Some(130));
    let plain = format!("report {} -t 0.5 --plain", path(&folder, "none.html"));
    let mut plain = stack.monitor(&plain).start_on_terminal(80, 24);
    plain.shows("pending");
    plain.program().signal("TERM");
    assert_eq!(plain.finish().code, Some(143));
    assert_eq!(names(folder.path()), ["left.json"]);
}

#[test]
fn a_report_waits_no_longer_than_its_senders_need_to_report_their_usage() {
    let (stack, folder) = (Stack::deploy(), folder());
    stack.produce("-m 30");
    let file = path(&folder, "watched.json");
    let monitor = stack.monitor(&format!("report {file} -t 0.5")).start();
    stack.sender("-w 0 -f 0 -c 5 --idle-timeout 3").run().exits(0);
    let senders_ended = Instant::now();
    monitor.finish().exits(0);
    let waited = senders_ended.elapsed();
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    let missing = data(&file)["cost"]["counted"]["missing"].to_string();
    assert!(!missing.contains("sender"), "{missing}");
}

#[test]
fn hostile_names_are_kept_in_the_data_and_escaped_in_the_page() {
    let (stack, folder) = (Stack::deploy(), folder());
    let run = stack.produce("-m 3");
    let now = now_ms();
    let number = |number: u64| json!({"N": number.to_string()});
    stack.put(
        "metrics",
        &json!({
            "run": {"S": "senders"}, "part": {"S": HOSTILE}, "sender": {"S": HOSTILE}, "started_at": number(1),
            "seen_at": number(now), "wait": {"N": "0.5"}, "failure_rate": {"N": "0.1"}, "concurrency": number(1),
            "sent": number(1), "failed": number(0), "duplicates": number(2), "released": number(3),
        }),
    );
    stack.put(
        "metrics",
        &json!({"run": {"S": run}, "part": {"S": format!("broken#{HOSTILE}")}, "why": {"S": HOSTILE}}),
    );
    stack.put(
        "metrics",
        &json!({"run": {"S": run}, "part": {"S": format!("usage#{HOSTILE}")}, "requests": {"S": HOSTILE}}),
    );
    let (report, page) = both(&stack, &folder, "");
    assert_tells(&page, &report);
    assert_eq!(
        (&report["senders"][0]["sender"], &report["result"]["word"]),
        (&json!(HOSTILE), &json!("DAMAGED"))
    );
    assert_eq!(report["faults"]["damaged_tallies"], json!([{"shard": HOSTILE, "why": HOSTILE}]));
    assert_eq!(amount(&report["faults"]["duplicates"]), Some(2));
    let missing = report["cost"]["counted"]["missing"].to_string();
    assert!(missing.contains("1 usage record cannot be read"), "{missing}");
    let words = text_of(page.root_element());
    assert!(words.contains("\\u{1b}[2J\\u{202e}</title><script>"), "the page shows the escaped value");
}

#[test]
fn prices_can_be_overridden_and_unknown_units_give_a_lower_bound() {
    let (stack, folder) = (Stack::deploy(), folder());
    let run = stack.produce("-m 30");
    stack.sender("-w 0 -f 0 -c 5 --idle-timeout 1").run().exits(0);
    stack.completed(&run);
    let cost_with = |flags: &str| {
        let (report, page) = both(&stack, &folder, flags);
        assert_tells(&page, &report);
        report["cost"].clone()
    };
    let list = cost_with("");
    let own = cost_with("--price queue_requests=4 --price gb_seconds=0.5");
    let dollars =
        |cost: &Value, part: usize| cost["parts"][part]["dollars"]["amount"].as_f64().expect("a number");
    assert!((dollars(&own, 0) / dollars(&list, 0) - 10.0).abs() < 1e-9, "{own}");
    assert!((dollars(&own, 5) / dollars(&list, 5) - 0.5 / 0.000_013_333_4).abs() < 1e-3, "{own}");
    let overridden: Vec<bool> = own["prices"]["list"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|price| price["overridden"] == true)
        .collect();
    assert_eq!(overridden, [true, false, false, false, true]);

    stack.put(
        "metrics",
        &json!({
            "run": {"S": run}, "part": {"S": "usage#another"}, "program": {"S": "producer"}, "requests": {"N": "10"},
            "queue_requests": {"N": "5"}, "write_units": {"NULL": true}, "read_units": {"N": "1"},
        }),
    );
    let unknown = cost_with("");
    assert_eq!(unknown["counted"]["write_units"]["at_least"], true, "{unknown}");
    assert_eq!(unknown["counted"]["write_units"]["amount"], list["counted"]["write_units"]["amount"]);
    assert_eq!(unknown["dollars"]["at_least"], true);
    assert!(
        unknown["counted"]["missing"].to_string().contains("did not include its capacity units"),
        "{unknown}"
    );
    assert!(unknown["dollars"]["amount"].as_f64() > list["dollars"]["amount"].as_f64(), "{unknown}");
}
