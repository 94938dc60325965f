//! A report as a page: one file, without scripts, which loads nothing.

#![expect(clippy::needless_pass_by_value, reason = "markup is built in the call that takes it")]

mod money;
pub mod parts;
pub mod values;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use parts::section;
use stentor_run_view::figures::{
    AVERAGE, AVERAGE_LATENCY, DELIVERY_P99, DOLLARS, DOLLARS_PER_MILLION, FAILED, FAILED_RATE, Figure,
    LATENCY_P99, OUTCOME_SECONDS, PARTS, PENDING, REACHED_TABLE, SECONDS_FROM_CREATION, SENT, THROUGHPUT,
};
use stentor_run_view::unit::Unit;
use values::{Page, timestamp};

use crate::data::Report;
use crate::svg::{ChartScale, SvgChart};

/// Allows the styles in the page, and refuses everything else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The style of all pages, and that of reports.
const STYLE: &str =
    concat!(include_str!("../../run-view/src/style.css"), "\n", include_str!("page/page.css"));

/// The page as HTML.
pub fn page(report: &Report) -> String {
    let page = Page::of(report);
    let title = html! { "Rehearsal " (report.plan.run) ": " (report.result.sentence) };
    let body = html! {
        (head(&page))
        main {
            (result(&page))
            (plan(&page))
            (progress(&page))
            (reached(&page))
            (parts::failures(&page))
            (times(&page))
            (parts::senders(&page))
            (parts::faults(&page))
            (money::cost(&page))
            (money::provider(&page))
            (counted(report))
        }
    };
    document(title, body, &report.made_at)
}

/// A complete page around a body.
pub fn document(title: Markup, body: Markup, made_at: &str) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (patterns())
                (body)
                footer { p { "Made by Stentor’s monitor " (timestamp("made_at", Some(made_at))) "." } }
            }
        }
    };
    page.into_string()
}

/// The hatching that distinguishes failed messages from sent ones without colour.
fn patterns() -> Markup {
    html! {
        svg.patterns width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                pattern id="hatched" patternUnits="userSpaceOnUse" width="5" height="5" patternTransform="rotate(45)" {
                    rect.under width="5" height="5" {}
                    rect.stripe width="2.2" height="5" {}
                }
            }
        }
    }
}

fn head(page: &Page<'_>) -> Markup {
    let is_good = page.report.result.is_good;
    html! {
        header {
            p.eyebrow { "Stentor · rehearsal report" }
            h1 {
                span.badge.good[is_good].bad[!is_good] { (page.text("result.word")) }
                " "
                (page.text("result.sentence"))
            }
            @if page.has("faults.discard_warning") { p.missing role="note" { (page.text("faults.discard_warning")) } }
            p.place {
                "Run " code { (page.text("plan.run")) }
                " · stack " (page.text("place.stack"))
                " · " (page.text("place.region"))
                " · " (page.text("place.endpoint"))
                " · as of " (page.timestamp("snapshot.at"))
            }
        }
    }
}

fn result(page: &Page<'_>) -> Markup {
    let more = |figure: &Figure, before: &str, after: &str| {
        let is_known = page.has(figure.path);
        html! { @if is_known { (before) (page.figure(figure)) (after) } }
    };
    let card = |name: Markup, figure: &Figure, more: Markup| {
        html! {
            div.card { dt { (name) } dd { span.big { (page.figure(figure)) } @if !more.0.is_empty() { span.more { (more) } } } }
        }
    };
    let outcome = |figure: &Figure| html! { (key(figure.label)) (capitalised(figure.label)) };
    let named = |figure: &Figure| html! { (capitalised(figure.label)) };
    let rate_of =
        if page.report.result.word == "COMPLETE" { "over the whole run" } else { "lately, or so far" };
    let body = html! {
        (bar(page))
        dl.cards {
            (card(outcome(&SENT), &SENT, html! {}))
            (card(outcome(&FAILED), &FAILED, more(&FAILED_RATE, "", " of all outcomes")))
            (card(outcome(&PENDING), &PENDING, html! {}))
            (card(named(&THROUGHPUT), &THROUGHPUT, html! { (rate_of) }))
            (card(named(&AVERAGE), &AVERAGE, more(&DELIVERY_P99, "p99 ", "")))
            (card(named(&AVERAGE_LATENCY), &AVERAGE_LATENCY, more(&LATENCY_P99, "p99 ", "")))
            (card(html! { "First to last outcome" }, &OUTCOME_SECONDS, more(&SECONDS_FROM_CREATION, "", " from the run’s creation")))
            (card(html! { "Cost" }, &DOLLARS, more(&DOLLARS_PER_MILLION, "", " a million messages")))
            @if page.report.provider.is_some() {
                div.card {
                    dt { "Provider" }
                    dd {
                        span.big { (page.number("provider.dollars", Unit::Dollars)) }
                        span.more { (page.number("provider.parts", Unit::Count)) " parts, apart from the cost" }
                    }
                }
            }
        }
    };
    section("result", "Result", body)
}

fn capitalised(label: &str) -> String {
    let (first, rest) = label.split_at(1);
    first.to_uppercase() + rest
}

/// The colour and pattern of an outcome.
fn key(outcome: &str) -> Markup {
    html! { svg.key viewBox="0 0 16 16" aria-hidden="true" focusable="false" { rect class=(outcome) x="1" y="1" width="14" height="14" {} } }
}

/// The outcomes as shares of the total; the figures follow below.
fn bar(page: &Page<'_>) -> Markup {
    let width = |path: &str| page.thousandths(path, "snapshot.total");
    let (sent, failed) = (width(SENT.path), width(FAILED.path));
    html! {
        svg.outcomes viewBox="0 0 1000 28" preserveAspectRatio="none" role="img" aria-label="Messages sent, failed and pending, as shares of the total; the figures follow" {
            rect.pending x="0" y="0" width="1000" height="28" {}
            rect.sent x="0" y="0" width=(format!("{sent:.2}")) height="28" {}
            rect.failed x=(format!("{sent:.2}")) y="0" width=(format!("{failed:.2}")) height="28" {}
        }
    }
}

/// A name and its value in a list.
fn row(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn plan(page: &Page<'_>) -> Markup {
    let body = html! {
        dl.rows {
            (row("Messages", page.number("plan.total", Unit::Count)))
            @if page.has("plan.text") {
                (row("Text of all messages", html! { (page.text("plan.text")) }))
                (row("SMS parts per message", page.number("plan.parts", Unit::Count)))
            }
            (row("Length of a text", html! {
                @if page.report.plan.exact_length { "exactly " } @else { "at most " }
                (page.number("plan.length", Unit::Count)) @if page.report.plan.length == 1 { " character" } @else { " characters" }
            }))
            (row("Seed", page.number("plan.seed", Unit::Identifier)))
            (row("Created", page.timestamp("plan.created_at")))
            (row("Enqueued", html! {
                (page.number("plan.enqueued", Unit::Count))
                @if page.has("plan.enqueue_seconds") { " in " (page.number("plan.enqueue_seconds", Unit::Duration)) }
            }))
            (row("All enqueued", page.timestamp("plan.finished_at")))
        }
    };
    section("plan", "Plan", body)
}

fn progress(page: &Page<'_>) -> Markup {
    let progress = &page.report.progress;
    let chart = SvgChart::progress(progress, ChartScale::of_progress(&[progress]));
    let body = html! {
        @if progress.columns.is_empty() {
            p.none { "No message has an outcome yet." }
        } @else {
            (parts::chart("Messages a second over time, in columns: sent below, failed above", &chart, html! {
                "Outcomes a second: " (key("sent")) " sent, " (key("failed")) " failed. Each column is "
                (page.number("progress.column_seconds", Unit::Seconds)) "; the highest is "
                (page.number("progress.peak_per_second", Unit::Rate)) "."
            }))
        }
        dl.rows {
            (row("First outcome", page.timestamp("result.first_concluded_at")))
            (row("Last outcome", page.timestamp("result.last_concluded_at")))
            (row("Parts delivered", page.figure(&PARTS)))
        }
    };
    section("progress", "Progress", body)
}

fn reached(page: &Page<'_>) -> Markup {
    let reached = &page.report.reached;
    let chart = SvgChart::reached(reached, ChartScale::of_reached(&[reached]));
    let label =
        "Share of the messages sent over time, in columns, with a line where 50, 90 and 99 % were reached";
    let body = html! {
        @if reached.columns.is_empty() {
            p.none { "No message was sent yet." }
        } @else {
            (parts::chart(label, &chart, html! {
                "Share of all messages sent, by time since the run’s creation. Each column is "
                (page.number("reached.column_seconds", Unit::Seconds)) "."
            }))
            dl.rows {
                @for figure in REACHED_TABLE {
                    (row(figure.label, html! { @if page.has(figure.path) { "after " } (page.figure(figure)) }))
                }
            }
        }
        @if page.has("reached.never") { p { (page.text("reached.never")) "." } }
    };
    section("reached", "Reached", body)
}

fn times(page: &Page<'_>) -> Markup {
    let kinds = [
        ("delivery", "Delivery", "duration of a delivery", &page.report.delivery),
        ("latency", "Latency", "time from a message’s creation to its outcome", &page.report.latency),
    ];
    let mut charts = Vec::new();
    for (path, name, what, times) in kinds {
        if !times.columns.is_empty() {
            let chart = SvgChart::distribution(times, ChartScale::of_times(&[times]));
            let label = format!("{name}: number of messages by duration, with lines at p50, p90 and p99");
            let width = page.number(&format!("{path}.column_seconds"), Unit::Seconds);
            let caption = html! { strong { (name) } ", " (what) ". Each column is " (width) " wide." };
            charts.push(parts::chart(&label, &chart, caption));
        }
    }
    let body = html! {
        @for chart in charts { (chart) }
        (parts::percentiles(page, &kinds.map(|(path, name, ..)| (path, name))))
    };
    section("times", "Times", body)
}

fn counted(report: &Report) -> Markup {
    let body = html! {
        ul.notes { @for note in &report.notes { li { (note) } } }
    };
    section("counted", "How it was counted", body)
}
