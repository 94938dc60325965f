//! The monitor's live page, as requested by a browser and a metrics collector.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use jsonschema::Validator;
use serde_json::{Value, json};
use stentor_tests::build::checkout;
use stentor_tests::{Page, Proxy, Stack, now_ms, wait_until};

/// Headers of every response.
const HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// A name that would end a label, a line and a table, run a script, clear a terminal, and reverse the text
/// direction.
const HOSTILE: &str = "x\"} 1\n<img src=x onerror=alert(1)></table>\u{1b}[2J\u{202e}";

/// The name as it is shown to people.
const HOSTILE_SHOWN: &str = r#"x"} 1\n<img src=x onerror=alert(1)></table>\u{1b}[2J\u{202e}"#;

/// Returns the snapshot without its timestamp.
fn settled(mut snapshot: Value) -> Value {
    snapshot.as_object_mut().expect("it is an object").remove("at");
    snapshot
}

/// Returns the values of a metric by one of its labels; without labels, the only value has an empty key.
#[track_caller]
fn values(metrics: &Value, name: &str, label: &str) -> BTreeMap<String, f64> {
    let family = metrics[name].as_object().unwrap_or_else(|| panic!("there is no {name}"));
    assert!(!family["help"].as_str().unwrap_or_default().is_empty(), "{name} has no help");
    let samples =
        family["samples"].as_array().expect("a list").iter().filter(|sample| sample["name"] == name);
    let label_of = |sample: &Value| sample["labels"][label].as_str().unwrap_or_default().to_owned();
    samples.map(|sample| (label_of(sample), sample["value"].as_f64().expect("a number"))).collect()
}

#[track_caller]
fn value(metrics: &Value, name: &str) -> f64 {
    let values = values(metrics, name, "");
    assert_eq!(values.len(), 1, "{name}: {values:?}");
    values[""]
}

#[track_caller]
fn assert_close(name: &str, actual: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{name} is not known"));
    assert!((actual - expected).abs() < 1e-9, "{name}: {actual}, not {expected}");
}

#[test]
fn an_unavailable_address_is_named_with_a_remedy() {
    let stack = Stack::deploy();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (address, why) in [
        (address.as_str(), "another program uses this address"),
        ("192.0.2.1:8787", "this machine does not have this address"),
    ] {
        let refused = stack.monitor(&format!("serve {address}")).run().exits(1);
        assert!(
            refused.stderr.contains(&format!("serve the page on {address}: {why}")),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains("monitor serve 127.0.0.1:87"), "{}", refused.stderr);
    }
    let usage = stack.monitor("serve 127.0.0.1").run().exits(2);
    assert!(usage.stderr.contains("HOST:PORT"), "{}", usage.stderr);
}

#[test]
fn snapshot_and_metrics_equal_the_printed_snapshot() {
    let stack = Stack::deploy();
    let page = stack.monitor("serve 0 -t 0.2").start_page();
    wait_until("AWS has answered", || page.get("/healthz").status == 200);
    let none = page.get("/api/snapshot");
    assert_eq!(none.status, 503);
    assert!(none.json()["error"].as_str().unwrap().contains("producer -m 1000"), "{}", none.body);
    assert_close("stentor_up", value(&page.get("/metrics").metrics(), "stentor_up"), &json!(1));

    let run = stack.produce("-m 60");
    // Over a second of outcomes: a rate from less is unknown.
    stack.sender("-w 0.2 -f 0.3 -c 5 --idle-timeout 1").run().exits(0);
    wait_until("the page has the complete run", || {
        let snapshot = page.get("/api/snapshot").json();
        snapshot["complete"] == true && snapshot["senders"] == json!([])
    });
    let printed = stack.snapshot(&run);
    let answer = page.get("/api/snapshot");
    let schema = std::fs::read_to_string(checkout().join("crates/monitor/snapshot.schema.json")).unwrap();
    let schema: Validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    assert!(schema.is_valid(&answer.json()), "{}", answer.body);
    assert_eq!(settled(answer.json()), settled(printed.clone()));

    let answer = page.get("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_metrics_are(&printed, &answer.metrics());
}

/// Asserts that the metrics of a complete run without senders equal the snapshot.
#[track_caller]
fn assert_metrics_are(printed: &Value, metrics: &Value) {
    let outcomes = values(metrics, "stentor_messages", "outcome");
    for outcome in ["sent", "failed", "pending"] {
        assert_close(outcome, outcomes[outcome], &printed[outcome]);
    }
    let queue = values(metrics, "stentor_queue_messages", "state");
    for state in ["visible", "in_flight", "delayed"] {
        assert_close(state, queue[state], &printed["queue"][state]);
    }
    for (name, expected) in [
        ("stentor_planned_messages", &printed["total"]),
        ("stentor_enqueued_messages", &printed["enqueued"]),
        ("stentor_dead_letters", &printed["dead_letters"]),
        ("stentor_messages_per_second", &printed["messages_per_second"]),
        ("stentor_eta_seconds", &printed["eta_seconds"]),
        ("stentor_complete", &json!(1)),
        ("stentor_broken_tallies", &json!(0)),
        ("stentor_senders", &json!(0)),
    ] {
        assert_close(name, value(metrics, name), expected);
    }
    for (name, percentiles, average) in [
        ("stentor_delivery_seconds", "delivery_seconds", "average_seconds"),
        ("stentor_latency_seconds", "latency_seconds", "average_latency_seconds"),
    ] {
        assert_eq!(metrics[name]["type"], "summary");
        let quantiles = values(metrics, name, "quantile");
        for (quantile, percentile) in [("0.5", "p50"), ("0.9", "p90"), ("0.99", "p99"), ("1", "max")] {
            assert_close(percentile, quantiles[quantile], &printed[percentiles][percentile]);
        }
        let samples = metrics[name]["samples"].as_array().unwrap();
        let part = |part: &str| {
            let sample = samples.iter().find(|sample| sample["name"] == format!("{name}_{part}")).unwrap();
            sample["value"].as_f64().unwrap()
        };
        assert_close(average, part("sum") / part("count"), &printed[average]);
    }
    assert!(value(metrics, "stentor_data_age_seconds") < 60.0);
}

#[test]
fn a_page_follows_the_latest_run_or_the_selected_one() {
    let stack = Stack::deploy();
    let first = stack.produce("-m 5");
    let latest = stack.monitor("serve 0 -t 0.2").start_page();
    let selected = stack.monitor(&format!("serve 0 -t 0.2 --run {first}")).start_page();
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    let shows = |page: &Page, run: &str, complete: bool| {
        page.listen().wait_for(run, |update| {
            let snapshot = &update["run"]["snapshot"];
            snapshot["run"] == run && snapshot["complete"] == complete
        })
    };
    let update = shows(&latest, &first, true);
    assert_eq!(update["state"]["word"], "COMPLETE", "{update}");
    let second = stack.produce("-m 7");
    let update = shows(&latest, &second, false);
    assert_eq!(update["place"]["stack"], stack.name(), "{update}");
    shows(&selected, &first, true);
}

#[test]
fn hostile_names_are_escaped_on_every_route() {
    let stack = Stack::deploy();
    stack.produce("-m 3");
    // The sender stays alive for a while.
    stack.put_beat(HOSTILE, now_ms() + 10_000);
    let page = stack.monitor("serve 0 -t 0.2").start_page();
    let update = page.listen().wait_for("the sender", |update| {
        update["run"]["snapshot"]["senders"].as_array().is_some_and(|senders| !senders.is_empty())
    });
    assert_eq!(update["run"]["snapshot"]["senders"][0]["sender"], HOSTILE_SHOWN);
    let snapshot = page.get("/api/snapshot");
    assert_eq!(snapshot.json()["senders"][0]["sender"], HOSTILE, "JSON contains the stored value");
    let metrics = page.get("/metrics");
    let senders = values(&metrics.metrics(), "stentor_sender_seen_seconds", "sender");
    assert_eq!(senders.into_keys().collect::<Vec<_>>(), [HOSTILE_SHOWN]);
    for text in [&snapshot.body, &metrics.body] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
}

#[test]
fn unknown_hosts_and_methods_are_rejected_and_responses_have_their_headers() {
    let stack = Stack::deploy();
    stack.produce("-m 3");
    let page = stack.monitor("serve 0 -t 0.2").start_page();
    wait_until("a snapshot is available", || page.get("/api/snapshot").status == 200);
    let host = page.address().to_owned();
    let mut answers = Vec::new();
    for (path, kind) in [
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/api/snapshot", "application/json"),
        ("/metrics", "text/plain"),
        ("/healthz", "text/plain"),
    ] {
        let answer = page.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").is_some_and(|value| value.starts_with(kind)), "{path}");
        let head = page.ask("HEAD", path, &[("Host", &host)]);
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        answers.extend([answer, head]);
    }
    let port = host.rsplit_once(':').unwrap().1;
    for host in [format!("localhost:{port}"), "localhost".to_owned(), format!("[::1]:{port}")] {
        assert_eq!(page.ask("GET", "/healthz", &[("Host", &host)]).status, 200, "{host}");
    }
    let rebound = format!("evil.example:{port}");
    for headers in [&[("Host", rebound.as_str())][..], &[], &[("Host", &host), ("Host", &rebound)]] {
        for path in ["/", "/events", "/api/snapshot", "/nothing"] {
            let answer = page.ask("GET", path, headers);
            assert_eq!(answer.status, 421, "{path} {headers:?}");
            assert!(answer.body.contains("localhost"), "{}", answer.body);
            answers.push(answer);
        }
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        for path in ["/", "/api/snapshot", "/nothing"] {
            let answer = page.ask(method, path, &[("Host", &host), ("Content-Length", "0")]);
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
            answers.push(answer);
        }
    }
    for path in ["/nothing", "/page.html", "/api", "/../page.css", "//"] {
        let answer = page.get(path);
        assert_eq!(answer.status, 404, "{path}");
        answers.push(answer);
    }
    for answer in &answers {
        for (name, value) in HEADERS {
            assert_eq!(answer.header(name), Some(value), "{name} of {answer:?}");
        }
    }
}

#[test]
fn incomplete_requests_do_not_block_others() {
    let stack = Stack::deploy();
    stack.produce("-m 3");
    let page = stack.monitor("serve 0 -t 0.2").with_open_files(64).start_page();
    wait_until("AWS has answered", || page.get("/healthz").status == 200);
    let mut viewer = page.listen();
    // More connections than the file descriptor limit allows.
    let half: Vec<TcpStream> = (0..80)
        .map(|_| {
            let mut half = TcpStream::connect(page.address()).unwrap();
            half.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
            half
        })
        .collect();
    let asked = Instant::now();
    assert_eq!(page.get("/page.css").status, 200);
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    // Clients with a complete request stay connected.
    viewer.update();
    drop(half);
}

#[test]
fn each_update_comes_with_the_time() {
    let stack = Stack::deploy();
    stack.produce("-m 3");
    let page = stack.monitor("serve 0 -t 0.2").start_page();
    wait_until("data are available", || page.get("/api/snapshot").status == 200);
    let mut viewer = page.listen();
    for _ in 0..5 {
        let (name, clock) = viewer.event();
        assert_eq!(name, "clock");
        let (name, update) = viewer.event();
        assert_eq!(name, "update");
        let update: Value = serde_json::from_str(&update).unwrap();
        let age = clock.parse::<f64>().unwrap() - update["run"]["came_at"].as_f64().unwrap();
        assert!((-0.001..5.0).contains(&age), "the data are {age} s old");
    }
}

#[test]
fn until_complete_ends_the_page_after_the_last_update() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 20");
    let page = stack.monitor("serve 0 -t 0.2 --until-complete --json").start_page();
    let mut viewer = page.listen();
    viewer.update();
    stack.sender("-w 0 -f 0 -c 5 --idle-timeout 1").run().exits(0);
    viewer.wait_for("the last update", |update| update["run"]["snapshot"]["complete"] == true);
    let ended = page.into_program().finish().exits(0);
    assert_eq!((&ended.json()["run"], &ended.json()["sent"]), (&json!(run), &json!(20)));
}

#[test]
fn a_page_open_to_other_machines_prints_a_warning_even_when_quiet() {
    let stack = Stack::deploy();
    let quiet = stack.monitor("serve 0.0.0.0:0 -q").start();
    wait_until("it warns", || quiet.stderr_so_far().contains("can view this page"));
    assert!(!quiet.stderr_so_far().contains("watching on"));
}

#[test]
fn a_signal_ends_it_at_once_despite_open_viewers() {
    let stack = Stack::deploy();
    stack.produce("-m 3");
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let page = stack.monitor("serve 0 -t 0.2").start_page();
        let mut viewers: Vec<_> = (0..5).map(|_| page.listen()).collect();
        for viewer in &mut viewers {
            viewer.update();
        }
        let program = page.into_program();
        program.signal(signal);
        let ended = program.finish().exits(code);
        assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);
    }
}

#[test]
fn during_an_outage_the_page_keeps_the_last_data_and_is_unhealthy() {
    let stack = Stack::deploy();
    let proxy = Proxy::start(7);
    stack.produce("-m 40");
    let page = stack.at_port(proxy.port()).monitor("serve 0 -t 0.2").start_page();
    wait_until("data are available", || page.get("/api/snapshot").status == 200);
    assert_eq!(page.get("/healthz").body, "ok\n");
    let mut viewer = page.listen();
    proxy.break_off(Duration::from_secs(15));
    let update = viewer.wait_for("no answer", |update| update["state"]["word"] == "NO ANSWER");
    assert_eq!(update["run"]["snapshot"]["pending"], 40, "{update}");
    let sick = page.get("/healthz");
    assert_eq!(sick.status, 503);
    assert!(
        sick.body.contains("AWS") || sick.body.contains("reached"),
        "the reason is missing: {:?}",
        sick.body
    );
    assert_eq!(page.get("/api/snapshot").json()["pending"], 40);
    let metrics = page.get("/metrics").metrics();
    assert_close("stentor_up", value(&metrics, "stentor_up"), &json!(0));
    assert!(value(&metrics, "stentor_data_age_seconds") > 4.0);
    viewer.wait_for("AWS again", |update| update["state"]["word"] != "NO ANSWER");
    assert_eq!(page.get("/healthz").status, 200);
}

#[test]
fn fifty_viewers_cost_one_reader() {
    const UPDATES: u64 = 10;
    let stack = Stack::deploy();
    let proxy = Proxy::start(8);
    stack.produce("-m 5");
    let page = stack.at_port(proxy.port()).monitor("serve 0 -t 0.5").start_page();
    for viewers in [1, 50] {
        let mut viewers: Vec<_> = (0..viewers).map(|_| page.listen()).collect();
        for viewer in &mut viewers {
            viewer.update();
        }
        let before = proxy.requests();
        let seen: Vec<Value> = (0..UPDATES).map(|_| viewers[0].update()).collect();
        let requests = proxy.requests() - before;
        // Each new snapshot is an update, and takes at most five requests.
        assert!(requests <= 5 * (UPDATES + 1), "{requests} requests for {} viewers", viewers.len());
        for viewer in &mut viewers[1..] {
            viewer.wait_for("the same update", |update| update == &seen[seen.len() - 1]);
        }
    }
}
