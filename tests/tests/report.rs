//! The monitor's report: its data and its page are right, and an old file is never lost.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonschema::{Registry, Validator};
use scraper::{ElementRef, Html, Selector};
use serde_json::{Value, json};
use stentor_core::show;
use stentor_tests::programs::checkout;
use stentor_tests::{Backend, Proxy, Stack, scaled, wait_until};
use tempfile::TempDir;

/// Clears a terminal, turns the direction of writing, and would be markup.
const HOSTILE: &str = "\u{1b}[2J\u{202e}</title><script>alert(\"x\")</script>&amp;'";

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room")
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().expect("a plain path").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn schema(name: &str) -> Value {
    let text = read(checkout().join("crates/monitor").join(name).to_str().expect("a plain path"));
    serde_json::from_str(&text).expect("it is JSON")
}

/// A report's data, which follow the schema.
#[track_caller]
fn data(path: &str) -> Value {
    let base = "json-schema:///";
    let registry = Registry::new().add(format!("{base}snapshot.schema.json"), schema("snapshot.schema.json"));
    let registry = registry.expect("it has a place").prepare().expect("it is whole");
    let options =
        jsonschema::options().with_base_uri(format!("{base}report.schema.json")).with_registry(&registry);
    let schema: Validator = options.build(&schema("report.schema.json")).expect("it is a schema");
    let report: Value = serde_json::from_str(&read(path)).expect("it is JSON");
    let faults: Vec<String> =
        schema.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}\n{report:#}");
    let mut odd = report.clone();
    odd["cost"]["dollars"] = json!(1);
    assert!(!schema.is_valid(&odd), "it refuses what is none");
    report
}

/// A report's page, which parses without a fault and asks for nothing elsewhere.
#[track_caller]
fn page(path: &str) -> Html {
    let text = read(path);
    let html = Html::parse_document(&text);
    assert!(html.errors.is_empty(), "{:?}", html.errors);
    assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    assert!(select(&html, "script, link, img, iframe, object, embed, base, form").is_empty());
    for element in select(&html, "*") {
        for (name, value) in element.value().attrs() {
            let refers =
                name.ends_with("src") || name.ends_with("href") || name == "srcset" || name.starts_with("on");
            assert!(!refers || value.starts_with('#'), "{name}={value}");
        }
    }
    assert!(text.split("url(").skip(1).all(|rest| rest.starts_with('#')) && !text.contains("@import"));
    html
}

fn select<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    html.select(&Selector::parse(selector).expect("a selector")).collect()
}

fn text_of(element: ElementRef<'_>) -> String {
    element.text().collect()
}

/// What a figure must read as, told by other means than the page's.
#[track_caller]
fn told(value: &Value, unit: &str) -> String {
    let Some(number) = value.as_f64() else { return "–".to_owned() };
    match (unit, value.as_u64()) {
        ("count", Some(count)) => show::count(count),
        ("plain", Some(plain)) => plain.to_string(),
        ("amount", _) => show::amount(number),
        ("seconds", _) => format!("{number:.3} s"),
        ("span", _) => show::span(number),
        ("rate", _) => show::rate(number),
        ("share", _) => format!("{:.1}%", number * 100.0),
        ("dollars", _) => show::dollars(number),
        ("bill", _) => format!("${number:.6}"),
        ("price", _) if (number * 100.0).fract() == 0.0 => format!("${number:.2}"),
        ("price", _) => format!("${number}"),
        _ => panic!("{value} in {unit}"),
    }
}

/// Every figure, text and time of the page stands in the data, and is told as on every surface.
#[track_caller]
fn assert_tells(html: &Html, data: &Value) {
    let at = |element: ElementRef<'_>, name: &str| {
        let path = element.attr(name).expect("it was chosen by that");
        let value = data.pointer(&format!("/{}", path.replace('.', "/")));
        (path.to_owned(), value.unwrap_or_else(|| panic!("the data have no {path}")).clone())
    };
    let figures = select(html, "[data-figure]");
    assert!(figures.len() > 60, "{}", figures.len());
    for figure in figures {
        let (path, value) = at(figure, "data-figure");
        let shown: Value =
            figure.attr("value").and_then(|text| serde_json::from_str(text).ok()).expect("a value");
        // Two reports are not of the same moment.
        let value = if path == "faults.idle_seconds" { shown.clone() } else { value };
        assert_eq!(shown, value, "{path}");
        assert_eq!(text_of(figure), told(&value, figure.attr("data-unit").expect("a unit")), "{path}");
    }
    for text in select(html, "[data-text]") {
        let (path, value) = at(text, "data-text");
        assert_eq!(text_of(text), show::printable(value.as_str().expect("a text")), "{path}");
    }
    for time in select(html, "[data-time]") {
        let (path, value) = at(time, "data-time");
        let is_own = ["made_at", "snapshot.at"].contains(&path.as_str());
        assert!(is_own || time.attr("datetime") == value.as_str(), "{path}");
    }
}

/// A report of a run as it stands, as data and as a page.
#[track_caller]
fn both(stack: &Stack, folder: &TempDir, flags: &str) -> (Value, Html) {
    let (data_path, page_path) = (path(folder, "both.json"), path(folder, "both.html"));
    for path in [&data_path, &page_path] {
        let ended = stack.monitor(&format!("--once --report {path} {flags}")).run().exits(0);
        assert!(ended.stderr.contains(&format!("the report is in {path}")), "{}", ended.stderr);
    }
    (data(&data_path), page(&page_path))
}

fn amount(sum: &Value) -> Option<u64> {
    assert_eq!(sum["at_least"], false, "{sum}");
    sum["amount"].as_u64()
}

fn put(stack: &Stack, item: &Value) {
    stack.aws().dynamodb("PutItem", &json!({"TableName": format!("{}-metrics", stack.name()), "Item": item}));
}

#[test]
fn a_report_of_a_finished_run_tells_what_was_counted_and_its_page_tells_the_same() {
    let (stack, folder) = (Stack::deploy(), folder());
    let messages = scaled(600);
    let produced = stack.producer(&format!("-m {messages} --json")).run().exits(0).json();
    let run = produced["run"].as_str().expect("a run");
    let file = path(&folder, "run.json");
    let monitor = stack.monitor(&format!("-t 0.2 --json --report {file}")).start();
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
    let told = |name: &str| report["snapshot"][name].as_u64();
    assert_eq!(
        (told("sent"), told("failed"), told("pending")),
        (Some(count.sent), Some(count.failed), Some(0))
    );
    assert_eq!(report["snapshot"], watched.json(), "what was printed last");
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
    // The programs tell what they spent before they write it down; the sender's last sign of life comes before its word.
    let counted = &report["cost"]["counted"];
    let number = |told: &Value, name: &str| told[name].as_u64().expect("a number");
    assert_eq!(counted["programs"].as_array().map(Vec::len), Some(2), "{counted}");
    let requests = number(&produced, "requests") + number(&sent, "requests") - 1;
    assert_eq!(amount(&counted["requests"]), Some(requests), "{counted}");
    let to_queue = number(&produced, "queue_requests") + number(&sent, "queue_requests");
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

    let (again, page) = both(&stack, &folder, "");
    assert_tells(&page, &again);
    for stays in ["plan", "result", "progress", "delivery", "latency", "senders", "cost"] {
        assert_eq!(again[stays], report[stays], "{stays}");
    }
    let charts = select(&page, "svg.chart");
    assert_eq!(charts.len(), 6, "progress, delivery and latency, each for much room and for little");
    assert!(
        charts.iter().all(|chart| chart.attr("role") == Some("img") && chart.attr("aria-label").is_some())
    );
    let names: Vec<String> = select(&page, "h2").into_iter().map(text_of).collect();
    let order =
        ["Result", "Plan", "Progress", "Times", "Senders", "Faults met", "Cost", "How it was counted"];
    assert_eq!(names, order);
}

#[test]
fn a_run_that_goes_on_or_has_not_begun_to_is_told_without_anything_made_up() {
    let (stack, folder) = (Stack::deploy(), folder());
    let none = stack.monitor(&format!("--once --report {}", path(&folder, "none.json"))).run().exits(1);
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
    wait_until("the sender shows with something done", || {
        let snapshot = stack.snapshot(&run);
        snapshot["senders"].as_array().is_some_and(|s| s.iter().any(|s| s["sent"].as_u64() > Some(0)))
    });
    // The run moves on between the two, so that their figures are not the same.
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
    assert!(missing.contains("The run goes on.") && missing.contains("1 sender goes on"), "{missing}");
    sender.kill();
}

#[test]
fn a_path_that_cannot_be_written_is_told_before_anything_is_asked() {
    let (stack, folder) = (Stack::deploy(), folder());
    let proxy = Proxy::start(7);
    stack.produce("-m 3");
    fs::write(path(&folder, "file"), "old").expect("there is room");
    fs::create_dir(path(&folder, "folder.html")).expect("there is room");
    for (name, why) in [
        ("missing/a.html", "No such file"),
        ("file/a.json", "Not a directory"),
        ("folder.html", "it is a folder"),
    ] {
        let file = path(&folder, name);
        let refused = stack.behind(&proxy).monitor(&format!("--report {file}")).run().exits(1);
        for words in [file.as_str(), why, "Give a file in a folder"] {
            assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
        }
    }
    assert_eq!((proxy.requests(), read(&path(&folder, "file")).as_str()), (0, "old"));
    for flags in [
        "--report a.txt",
        "--report a.html --follow",
        "--report a.html --price write_units=-1",
        "--price write_units=1",
    ] {
        let refused = stack.monitor(flags).run().exits(2);
        assert!(refused.stderr.contains("--"), "{}", refused.stderr);
    }
}

#[test]
fn a_full_disk_leaves_the_old_report_whole_and_nothing_beside_it() {
    let (stack, folder) = (Stack::deploy(), folder());
    stack.produce("-m 3");
    for name in ["old.html", "old.json"] {
        let file = path(&folder, name);
        fs::write(&file, "old").expect("there is room");
        let full = stack.monitor(&format!("--once --report {file}")).with_files_of(1_000).run().exits(1);
        assert!(full.stderr.contains(&file) && full.stderr.contains("has room"), "{}", full.stderr);
        assert_eq!(read(&file), "old");
    }
    assert_eq!(names(folder.path()), ["old.html", "old.json"]);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is there");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("it is there").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn whoever_leaves_the_live_view_by_q_gets_the_report_and_a_signal_writes_none() {
    let (stack, folder) = (Stack::deploy(), folder());
    stack.produce("-m 20");
    let left = path(&folder, "left.json");
    let mut view = stack.monitor(&format!("-t 0.5 --report {left}")).start_on_terminal(80, 24);
    view.shows("of 20");
    view.press("q");
    let ended = view.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(ended.restored && ended.text.contains("the report is in"), "{}", ended.text);
    assert_eq!(data(&left)["snapshot"]["pending"], 20);

    let mut view =
        stack.monitor(&format!("-t 0.5 --report {}", path(&folder, "none.json"))).start_on_terminal(80, 24);
    view.shows("of 20");
    view.press("\u{3}");
    assert_eq!(view.finish().code, Some(130));
    let plain = format!("-t 0.5 --plain --report {}", path(&folder, "none.html"));
    let mut plain = stack.monitor(&plain).start_on_terminal(80, 24);
    plain.shows("pending");
    plain.program().signal("TERM");
    assert_eq!(plain.finish().code, Some(143));
    assert_eq!(names(folder.path()), ["left.json"]);
}

#[test]
fn hostile_names_are_data_in_the_data_and_harmless_in_the_page() {
    let (stack, folder) = (Stack::deploy(), folder());
    let run = stack.produce("-m 3");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let number = |number: u128| json!({"N": number.to_string()});
    put(
        &stack,
        &json!({
            "run": {"S": "senders"}, "part": {"S": HOSTILE}, "sender": {"S": HOSTILE}, "started_at": number(1),
            "seen_at": number(now), "wait": {"N": "0.5"}, "failure_rate": {"N": "0.1"}, "concurrency": number(1),
            "sent": number(1), "failed": number(0), "duplicates": number(2), "released": number(3),
        }),
    );
    put(
        &stack,
        &json!({"run": {"S": run}, "part": {"S": format!("broken#{HOSTILE}")}, "why": {"S": HOSTILE}}),
    );
    put(
        &stack,
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
    assert!(missing.contains("1 account cannot be read"), "{missing}");
    let words = text_of(page.root_element());
    assert!(words.contains("\\u{1b}[2J\\u{202e}</title><script>"), "a person reads what it is");
}

#[test]
fn prices_can_be_set_and_units_that_nobody_told_make_no_sum() {
    let (stack, folder) = (Stack::deploy(), folder());
    let run = stack.produce("-m 30");
    stack.sender("-w 0 -f 0 -c 5 --idle-timeout 1").run().exits(0);
    stack.completed(&run);
    let told = |flags: &str| {
        let (report, page) = both(&stack, &folder, flags);
        assert_tells(&page, &report);
        report["cost"].clone()
    };
    let list = told("");
    let own = told("--price queue_requests=4 --price gb_seconds=0.5");
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

    put(
        &stack,
        &json!({
            "run": {"S": run}, "part": {"S": "usage#another"}, "program": {"S": "producer"}, "requests": {"N": "10"},
            "queue_requests": {"N": "5"}, "write_units": {"NULL": true}, "read_units": {"N": "1"},
        }),
    );
    let unknown = told("");
    assert_eq!(unknown["counted"]["write_units"]["at_least"], true, "{unknown}");
    assert_eq!(unknown["counted"]["write_units"]["amount"], list["counted"]["write_units"]["amount"]);
    assert_eq!(unknown["dollars"]["at_least"], true);
    assert!(unknown["counted"]["missing"].to_string().contains("did not tell what units"), "{unknown}");
    assert!(unknown["dollars"]["amount"].as_f64() > list["dollars"]["amount"].as_f64(), "{unknown}");
}
