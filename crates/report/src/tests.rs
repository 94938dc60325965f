//! Reports of made-up runs, as data and as words.

mod costs;
mod pages;
mod schemas;

use scraper::{ElementRef, Html, Node, Selector};
use serde_json::Value;
use stentor_core::delivery::Outcome;
use stentor_core::usage::{ProgramKind, Usage, UsageRecord};
use stentor_tally::{DamagedTally, OutcomeEvent};

use super::page::page;
use crate::data::Report;
use stentor_run_view::fixtures::{heartbeat, parts_of_sender, reading, target, with_provider};
use stentor_run_view::reading::RunReading;
use stentor_run_view::status::RunPhase;
use stentor_run_view::view::RunView;

/// 2026-11-25, 12:00 UTC.
const NOON: u64 = 1_795_608_000_000;

/// Clears a terminal, turns the direction of writing, and would be markup.
const HOSTILE: &str = "\u{1b}[2J\u{202e}<script>alert(\"x\")</script>&amp;'";

/// A run of 2,000, a hundred a second, of which two senders have finished the first `outcomes`; one in ten fails.
fn run(outcomes: u64) -> RunReading {
    let mut run = reading(2_000, 0);
    for i in 0..outcomes {
        // A bell between 0.1 and 0.9 s.
        let delivery = 100 + [7, 11, 13, 17].map(|step| i * step % 200).iter().sum::<u64>();
        run.tally.count(&OutcomeEvent {
            outcome: if i % 10 == 9 { Outcome::Failed } else { Outcome::Sent },
            created_at: Some(NOON + i / 2 - 1_000),
            concluded_at: Some(NOON + 10 * i + 3 * (i % 100)),
            delivery_ms: Some(delivery),
            parts: None,
            reason: None,
        });
    }
    (run.record.created_at, run.record.finished_at) = (NOON - 2_000, Some(NOON - 500));
    run.at_ms = NOON + 10 * outcomes + 60_000;
    for (name, sent) in [("sender-1", outcomes / 2), ("sender-2", outcomes - outcomes / 2)] {
        let mut heartbeat = heartbeat(name, NOON - 1_000, run.at_ms - 50_000, sent);
        heartbeat.ended_at = Some(heartbeat.seen_at);
        run.heartbeats.push(heartbeat);
        run.usage.push(usage(name, Some(ProgramKind::Sender), 300));
    }
    run.usage.push(usage("producer-1", Some(ProgramKind::Producer), 200));
    run.tally_units = vec![1, 2];
    run
}

fn usage(id: &str, program: Option<ProgramKind>, queue_requests: u64) -> UsageRecord {
    let usage = Usage {
        requests: queue_requests * 2,
        queue_requests,
        write_units: Some(2_000.0),
        read_units: Some(0.5),
    };
    UsageRecord {
        id: id.to_owned(),
        program,
        usage: Some(usage),
        outcomes: None,
        provider: None,
        has_ended: true,
    }
}

fn view(reading: RunReading, phase: RunPhase) -> RunView {
    RunView { phase, ..RunView::first(reading) }
}

fn report_of(view: &RunView) -> Report {
    Report::of(view, &target(), NOON + 100_000)
}

fn report(reading: RunReading, phase: RunPhase) -> Report {
    report_of(&view(reading, phase))
}

fn finished() -> Report {
    report(run(2_000), RunPhase::Complete)
}

fn empty() -> Report {
    report(reading(1_000, 0), RunPhase::Active)
}

/// Stalled, damaged, and with hostile names in it.
fn hostile() -> Report {
    let mut run = run(1_500);
    run.damaged.push(DamagedTally { shard: HOSTILE.to_owned(), why: HOSTILE.to_owned() });
    run.heartbeats.push(heartbeat(HOSTILE, NOON, run.at_ms, 100));
    run.usage[0].usage = None;
    run.usage.push(usage(HOSTILE, None, 10));
    run.dead_letters = 500;
    let mut report = report(run, RunPhase::Stalled);
    HOSTILE.clone_into(&mut report.target.endpoint);
    report
}

/// With two profiles, of which one is not in the table.
fn charged() -> Report {
    let (mut run, provider) = (run(2_000), with_provider());
    run.heartbeats.extend(provider.heartbeats);
    (run.profiles, run.usage) = (provider.profiles, [run.usage, provider.usage].concat());
    run.usage.push(parts_of_sender("sender-9", HOSTILE, &[(HOSTILE, 70)]));
    report(run, RunPhase::Complete)
}

fn parsed(report: &Report) -> Html {
    Html::parse_document(&page(report))
}

fn all<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    html.select(&Selector::parse(selector).unwrap()).collect()
}

/// The value at a path of the data.
fn at<'a>(data: &'a Value, path: &str) -> &'a Value {
    let pointer = format!("/{}", path.replace('.', "/"));
    data.pointer(&pointer).unwrap_or_else(|| panic!("no {path} in the data"))
}

/// The words of the page, a line for each of its parts.
fn words(report: &Report) -> String {
    let html = parsed(report);
    let lines = all(&html, "h1, h2, h3, p, li, caption, figcaption, tr, dl > div, svg.chart.wide");
    let outermost = lines.into_iter().filter(|line| !line.ancestors().any(|above| is_line(above.value())));
    outermost
        .map(|line| match line.value().attr("aria-label") {
            Some(label) => format!("[{label}]"),
            None => line.text().map(str::trim).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" "),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_line(node: &Node) -> bool {
    node.as_element().is_some_and(|element| ["li", "tr", "p"].contains(&element.name()))
}

#[test]
fn a_report_as_data() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&finished()).unwrap());
}

#[test]
fn a_report_as_words() {
    insta::assert_snapshot!("finished", words(&finished()));
    insta::assert_snapshot!("empty", words(&empty()));
    insta::assert_snapshot!("charged", words(&charged()));
    insta::assert_snapshot!("hostile", words(&hostile()));
}
