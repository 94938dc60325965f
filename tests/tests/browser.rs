//! The monitor's live page in a real browser.

use serde_json::{Value, json};
use stentor_tests::{Browser, Screen, Stack, now_ms, sampled, wait_until};

const PHONE: Screen = Screen { width: 360, height: 740, dark: false };
const TABLET: Screen = Screen { width: 800, height: 1100, dark: false };
const DESK: Screen = Screen { width: 1280, height: 800, dark: false };

/// A name that would run a script and close the table, and that has no place to wrap.
const HOSTILE: &str =
    "<img/src=x/onerror=alert(1)></table><script>alert(2)</script>aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[test]
fn numbers_arrive_and_change_without_a_reload() {
    let Some(mut browser) = Browser::start() else { return };
    let stack = Stack::deploy();
    let page = stack.monitor("serve 0 -t 0.2").start_page();
    browser.open(&page.url(), DESK);
    browser.shows("badge", |word| word == "WAITING");
    assert!(browser.text("why").contains("producer -m 1000"));
    browser.evaluate("window.isTheSame = true");
    let run = stack.produce("-m 200");
    browser.shows("run", |shown| shown == run);
    // Slow enough that the browser sees the run before it ends.
    let slow = stack.sender("-w 1 -f 0.2 -c 2 --forever").start();
    let first = browser.shows("sent", |sent| !["–", "0"].contains(&sent));
    browser.shows("sent", |sent| sent != first);
    browser.shows("senders-title", |title| title == "Senders alive: 1");
    browser.shows("badge", |word| word == "RUNNING");
    browser.shows("left", |left| left.ends_with(" left"));
    let fast = stack.sender("-w 0.01 -f 0.2 -c 10 --forever").start();
    browser.shows("done", |done| done == "100.0%");
    browser.shows("badge", |word| word == "COMPLETE");
    drop((slow, fast));

    let snapshot = stack.snapshot(&run);
    for outcome in ["sent", "failed", "pending"] {
        assert_eq!(browser.text(outcome), snapshot[outcome].to_string());
    }
    assert_eq!(browser.text("spoken").split(':').next(), Some("complete"));
    assert!(browser.text("age").starts_with("data "));
    let read = browser.text("read");
    assert!(read.starts_with("Read at ") && read.ends_with(" GMT+05:30."), "{read}");
    for (chart, shape, prefix) in
        [("course", "path", "Messages a second over "), ("spread", "rect", "How long deliveries take: from ")]
    {
        let shapes = browser.evaluate(&format!("document.querySelectorAll('#{chart} {shape}').length"));
        assert!(shapes.as_u64() > Some(0), "{chart} is drawn");
        let label = browser.evaluate(&format!("document.getElementById('{chart}').ariaLabel"));
        assert!(label.as_str().is_some_and(|label| label.starts_with(prefix)), "{label}");
    }
    assert_eq!(browser.evaluate("window.isTheSame"), true, "the page was reloaded");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_page_reconnects_to_a_restarted_monitor() {
    let Some(mut browser) = Browser::start() else { return };
    let stack = Stack::deploy();
    stack.produce("-m 7");
    let mut page = stack.monitor("serve 0 -t 0.2").start_page();
    let address = page.address().to_owned();
    browser.open(&page.url(), DESK);
    browser.shows("pending", |pending| pending == "7");
    browser.evaluate("window.isTheSame = true");
    assert_eq!(browser.complaints(), Vec::<String>::new());

    page.program().kill();
    browser.shows("badge", |word| word == "NO CONNECTION");
    let why = browser.shows("why", |why| why.contains(" s old"));
    assert!(why.starts_with("no connection to the monitor, last data ") && why.ends_with("; trying again"));
    assert_eq!(browser.text("pending"), "7", "the last data were cleared");
    assert!(browser.text("spoken").starts_with("no connection"));

    stack.produce("-m 9");
    let _again = stack.monitor(&format!("serve {address} -t 0.2")).start_page();
    browser.shows("pending", |pending| pending == "9");
    browser.shows("badge", |word| word != "NO CONNECTION");
    assert_eq!(browser.evaluate("window.isTheSame"), true, "the page was reloaded");
    // Only the failed connection attempts are on the console.
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|complaint| complaint.contains("net::ERR_")), "{complaints:?}");
}

#[test]
fn the_page_is_accessible_on_every_screen_size_in_light_and_dark() {
    let Some(mut browser) = Browser::start() else { return };
    let stack = Stack::deploy();
    let mut page = stack.monitor("serve 0 -t 0.2").start_page();
    wait_until("AWS has answered", || page.get("/healthz").status == 200);
    for screen in screens() {
        browser.open(&page.url(), screen);
        browser.shows("badge", |word| word == "WAITING");
        assert_usable(&mut browser);
    }
    let run = stack.produce("-m 3000");
    put_provider(&stack, &run);
    // This run takes five minutes.
    let _sender = stack.sender("-w 0.4 -f 0.2 -c 4 --forever").start();
    page.listen().wait_for("some progress", |update| update["run"]["snapshot"]["sent"].as_u64() > Some(0));
    for screen in screens() {
        // The sender's row disappears after a while.
        stack.put_beat(HOSTILE, now_ms() + 10_000);
        browser.open(&page.url(), screen);
        browser.shows("badge", |word| word == "RUNNING");
        browser.shows("senders", |rows| rows.contains(HOSTILE));
        browser.shows("provider-title", |title| title.contains(HOSTILE));
        assert_usable(&mut browser);
        assert!(browser.text("senders").contains(HOSTILE), "the sender's row disappeared during the checks");
    }
    assert!(browser.complaints().is_empty());
    page.program().kill();
    browser.shows("badge", |word| word == "NO CONNECTION");
    assert!(browser.text("senders").contains(HOSTILE));
    assert_usable(&mut browser);
}

/// Writes the usage record of a sender that has begun many parts with a provider of a hostile name.
fn put_provider(stack: &Stack, run: &str) {
    let number = |number: u64| json!({"N": number.to_string()});
    let parts = json!({"M": {HOSTILE: number(123_456_789)}});
    stack.put(
        "metrics",
        &json!({
            "run": {"S": run}, "part": {"S": "usage#with a provider"}, "program": {"S": "sender"},
            "requests": number(7), "queue_requests": number(3), "ended": {"BOOL": false},
            "provider": {"M": {"profile": {"S": HOSTILE}, "parts": parts, "forfeited": number(12_345)}},
        }),
    );
}

/// Returns each screen in light and dark mode, by default some of them.
fn screens() -> impl Iterator<Item = Screen> {
    let all = [PHONE, TABLET, DESK];
    sampled(all.into_iter().flat_map(|screen| [false, true].map(|dark| Screen { dark, ..screen })))
}

/// Asserts that axe-core finds no serious or critical violation, that the page does not scroll sideways, and that
/// each value of the queue is beside its label.
#[track_caller]
fn assert_usable(browser: &mut Browser) {
    let grave =
        |fault: &Value| ["serious", "critical"].contains(&fault["impact"].as_str().unwrap_or_default());
    let faults: Vec<Value> = browser.audit().into_iter().filter(grave).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let beyond = browser.evaluate(
        "[...document.querySelectorAll('body *')]
            .filter((node) => node.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
            .map((node) => `${node.tagName} ${node.id} ${node.className}`)",
    );
    assert_eq!(beyond, Value::Array(Vec::new()), "these reach beyond the right edge");
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth - innerWidth"), 0);
    let overfull = browser.evaluate(
        "[...document.querySelectorAll('.panel')]
            .filter((panel) => panel.scrollWidth > panel.clientWidth)
            .map((panel) => panel.className)",
    );
    assert_eq!(overfull, Value::Array(Vec::new()), "the content of these panels exceeds them");
    let wrapped = browser.evaluate(
        "[...document.querySelectorAll('dl div')]
            .filter((row) => row.lastElementChild.offsetTop > row.firstElementChild.offsetTop + 4)
            .map((row) => row.textContent)",
    );
    assert_eq!(wrapped, Value::Array(Vec::new()), "these values are below their labels");
}

#[test]
fn the_page_returns_to_its_initial_state_when_the_run_expires() {
    let Some(mut browser) = Browser::start() else { return };
    let stack = Stack::deploy();
    let page = stack.monitor("serve 0 -t 0.2").start_page();
    browser.open(&page.url(), DESK);
    browser.shows("badge", |word| word == "WAITING");
    let blank = browser.text("main");
    stack.produce("-m 7");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    browser.shows("done", |done| done == "100.0%");
    let latest = json!({"run": {"S": "latest"}, "part": {"S": "run"}});
    stack
        .aws()
        .dynamodb("DeleteItem", &json!({"TableName": format!("{}-metrics", stack.name()), "Key": latest}));
    browser.shows("badge", |word| word == "WAITING");
    assert_eq!(browser.text("run"), "no run");
    assert_eq!(browser.text("main"), blank);
    stack.produce("-m 9");
    browser.shows("pending", |pending| pending == "9");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_chart_of_zeros_is_drawn() {
    let Some(mut browser) = Browser::start() else { return };
    let stack = Stack::deploy();
    let page = stack.monitor("serve 0").start_page();
    browser.open(&page.url(), DESK);
    for drawn in [
        "drawCourse(at('course'), { seconds: 90000, sent: [0, 0], failed: [0, 0] })",
        "drawSpread(at('course'), { shortest: 1, longest: 2, counts: [0, 0] })",
        "drawReached(at('course'), { seconds: 1, shares: [0, 0], marks: [['50 %', 0]] })",
    ] {
        let shapes = browser.evaluate(&format!("{drawn}, at('course').innerHTML"));
        let shapes = shapes.as_str().expect("a text");
        assert!(shapes.contains("class=\"ground\"") && !shapes.contains("NaN"), "{drawn}: {shapes}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_hostile_name_is_shown_as_text() {
    let Some(mut browser) = Browser::start() else { return };
    let stack = Stack::deploy();
    stack.produce("-m 3");
    let page = stack.monitor("serve 0 -t 0.2").start_page();
    stack.put_beat(HOSTILE, now_ms() + 10_000);
    browser.open(&page.url(), DESK);
    browser.shows("senders", |rows| rows.contains(HOSTILE));
    assert_eq!(browser.evaluate("document.querySelectorAll('main img, main script').length"), 0);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
