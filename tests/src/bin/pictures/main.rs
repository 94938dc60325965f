//! Renders the pictures of the README from real runs on the local emulator: see `docs/pictures.sh`.

mod screen;

use std::fs;
use std::path::Path;

use stentor_tests::build::checkout;
use stentor_tests::{Browser, Process, ProfileFile, Screen, Stack, wait_until};

/// Messages of the run, and the fraction of them that has an outcome when the pictures are taken.
const MESSAGES: u64 = 6_000;
const CONCLUDED: f64 = 0.6;

/// The short code of the guide.
const PROFILE: &str = "
name = \"mine\"
limits = { parts_per_second = 100 }
price = { per_part = 0.0083 }
carriers = [
    { name = \"AT&T\", share = 0.29, fee_per_part = 0.0035 },
    { name = \"Verizon\", share = 0.34, fee_per_part = 0.0045 },
    { name = \"T-Mobile\", share = 0.36, fee_per_part = 0.0045 },
    { name = \"US Cellular\", share = 0.01, fee_per_part = 0.0045 },
]
failures = [
    { code = \"CARRIER_UNREACHABLE\", share = 0.03, temporary = true },
    { code = \"INVALID\", share = 0.01 },
]
";

const PAGE: Screen = Screen { width: 1_280, height: 880, dark: true };
const REPORT: Screen = Screen { width: 1_100, height: 1_240, dark: false };

fn main() {
    let docs = checkout().join("docs");
    let mut browser = Browser::start().expect("the pictures need a browser");
    let stack = Stack::deploy();
    let run = stack.produce(&format!("-m {MESSAGES} --seed 7"));
    let profile = ProfileFile::new(PROFILE);
    let line = format!("{} -c 100 --max-attempts 3 --seed 7", profile.flag());
    let senders: Vec<Process> = (0..4).map(|_| stack.sender(&line).start()).collect();
    take_while_it_goes_on(&stack, &mut browser, &docs);
    for sender in senders {
        sender.finish().exits(0);
    }
    stack.completed(&run);
    take_report(&stack, &mut browser, &docs);
}

/// Captures the live view of a terminal and the page in a browser at the same time.
fn take_while_it_goes_on(stack: &Stack, browser: &mut Browser, docs: &Path) {
    let view = stack.monitor("-t 1 --follow").start_on_terminal(110, 34);
    let page = stack.monitor("serve 0 -t 1").start_page();
    browser.open(&page.url(), PAGE);
    wait_until("most of the run is done", || {
        let now = stack.monitor("--once --json").run().exits(0).json();
        let concluded = now["sent"].as_u64().unwrap_or(0) + now["failed"].as_u64().unwrap_or(0);
        concluded as f64 > CONCLUDED * MESSAGES as f64
    });
    view.shows("RUNNING");
    let picture = screen::svg(&view.screen(), "The monitor's live view of a run");
    save(&docs.join("view.svg"), &picture);
    take(browser, &docs.join("page.png"));
}

/// Captures the first screen of the report.
fn take_report(stack: &Stack, browser: &mut Browser, docs: &Path) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = folder.path().join("report.html");
    stack.monitor(&format!("report {} --once", report.display())).run().exits(0);
    browser.open(&format!("file://{}", report.display()), REPORT);
    take(browser, &docs.join("report.png"));
}

fn take(browser: &mut Browser, path: &Path) {
    browser.screenshot(path);
    println!("{}", path.display());
}

fn save(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
    println!("{}", path.display());
}
