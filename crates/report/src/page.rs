//! A report as a page: all in one file, without a script, and nothing is asked of anywhere.

#![expect(clippy::needless_pass_by_value, reason = "markup is made where it is handed over")]

pub mod figures;
mod money;
pub mod parts;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::data::Report;
use crate::svg::{self, Axes};
pub use figures::Unit;
use figures::{figure, sum, text, timestamp};

/// Styles stand in the page; all else is refused.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The look of all pages, and what this one has of its own.
const STYLE: &str =
    concat!(include_str!("../../run-view/src/style.css"), "\n", include_str!("page/page.css"));

/// The page, as text.
pub fn page(report: &Report) -> anyhow::Result<String> {
    let (progress, times) = (progress(report)?, times(report)?);
    let title = html! { "Rehearsal " (report.plan.run) ": " (report.result.sentence) };
    let body = html! {
        (head(report))
        main {
            (result(report))
            (plan(report))
            (progress)
            (times)
            (parts::senders(report))
            (parts::faults(report))
            (money::cost(report))
            (counted(report))
        }
    };
    Ok(document(title, body, &report.made_at))
}

/// A whole page that needs nothing from anywhere, of which all is told in its body.
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

/// What tells failed messages from sent ones where there is no colour.
fn patterns() -> Markup {
    html! {
        svg.patterns width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                pattern id="hatched" patternUnits="userSpaceOnUse" width="8" height="8" patternTransform="rotate(45)" {
                    rect.under width="8" height="8" {}
                    rect.stripe width="3.5" height="8" {}
                }
            }
        }
    }
}

fn head(report: &Report) -> Markup {
    let (result, place) = (&report.result, &report.place);
    html! {
        header {
            p.eyebrow { "Stentor · rehearsal report" }
            h1 {
                span.badge.good[result.is_good].bad[!result.is_good] { (text("result.word", result.word)) }
                " "
                (text("result.sentence", &result.sentence))
            }
            p.place {
                "Run " code { (text("plan.run", &report.plan.run)) }
                " · stack " (text("place.stack", &place.stack))
                " · " (text("place.region", &place.region))
                " · " (text("place.endpoint", &place.endpoint))
                " · as of " (timestamp("snapshot.at", Some(&report.snapshot.at)))
            }
        }
    }
}

/// A figure with its name, and a word about it.
fn card(name: Markup, figure: Markup, more: Markup) -> Markup {
    html! { div.card { dt { (name) } dd { span.big { (figure) } @if !more.0.is_empty() { span.more { (more) } } } } }
}

fn result(report: &Report) -> Markup {
    let (now, result) = (&report.snapshot, &report.result);
    html! {
        section aria-labelledby="result" {
            h2 id="result" { "Result" }
            (bar(report))
            dl.cards {
                (card(html! { (key("sent")) "Sent" }, figure("snapshot.sent", now.sent, Unit::Count), html! {}))
                (card(html! { (key("failed")) "Failed" }, figure("snapshot.failed", now.failed, Unit::Count), html! {
                    @if result.failed_rate.is_some() {
                        (figure("result.failed_rate", result.failed_rate, Unit::Share)) " of what is concluded"
                    }
                }))
                (card(html! { (key("pending")) "Pending" }, figure("snapshot.pending", now.pending, Unit::Count), html! {}))
                (card(html! { "Messages a second" }, figure("snapshot.messages_per_second", now.messages_per_second, Unit::Rate), html! {
                    @if now.complete { "over the whole run" } @else { "lately, or so far" }
                }))
                (card(html! { "Delivery, mean" }, figure("snapshot.average_seconds", now.average_seconds, Unit::Seconds), html! {
                    "p99 " (figure("snapshot.delivery_seconds.p99", now.delivery_seconds.p99, Unit::Seconds))
                }))
                (card(html! { "Creation to end, mean" }, figure("snapshot.average_latency_seconds", now.average_latency_seconds, Unit::Seconds), html! {
                    "p99 " (figure("snapshot.latency_seconds.p99", now.latency_seconds.p99, Unit::Seconds))
                }))
                (card(html! { "First to last conclusion" }, figure("result.seconds", result.seconds, Unit::Span), html! {
                    @if result.seconds.is_some() {
                        (figure("result.seconds_from_creation", result.seconds_from_creation, Unit::Span)) " from the run’s creation"
                    }
                }))
                (card(html! { "Cost" }, sum("cost.dollars", report.cost.dollars, Unit::Dollars), html! {
                    @if report.cost.dollars_per_million.amount.is_some() {
                        (sum("cost.dollars_per_million", report.cost.dollars_per_million, Unit::Dollars)) " a million messages"
                    }
                }))
            }
        }
    }
}

/// A sign of what a colour and pattern stands for.
fn key(outcome: &str) -> Markup {
    html! { svg.key viewBox="0 0 16 16" aria-hidden="true" focusable="false" { rect class=(outcome) x="1" y="1" width="14" height="14" {} } }
}

/// The outcomes side by side; the figures stand below.
fn bar(report: &Report) -> Markup {
    let now = &report.snapshot;
    let share = |count: u64| 1_000.0 * count as f64 / now.total.max(1) as f64;
    let (sent, failed) = (share(now.sent), share(now.failed));
    html! {
        svg.outcomes viewBox="0 0 1000 28" preserveAspectRatio="none" role="img" aria-label="Messages sent, failed and pending, as shares of the total; the figures follow" {
            rect.pending x="0" y="0" width="1000" height="28" {}
            rect.sent x="0" y="0" width=(format!("{sent:.2}")) height="28" {}
            rect.failed x=(format!("{sent:.2}")) y="0" width=(format!("{failed:.2}")) height="28" {}
        }
    }
}

/// A name and what it is, in a list.
fn row(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn plan(report: &Report) -> Markup {
    let plan = &report.plan;
    html! {
        section aria-labelledby="plan" {
            h2 id="plan" { "Plan" }
            dl.rows {
                (row("Messages", figure("plan.total", plan.total, Unit::Count)))
                (row("Length of a text", html! {
                    @if plan.exact_length { "just " } @else { "at most " }
                    (figure("plan.length", plan.length, Unit::Count)) " characters"
                }))
                (row("Seed", figure("plan.seed", plan.seed, Unit::Plain)))
                (row("Created", timestamp("plan.created_at", plan.created_at.as_deref())))
                (row("Enqueued", html! {
                    (figure("plan.enqueued", plan.enqueued, Unit::Count))
                    @if plan.enqueue_seconds.is_some() {
                        " in " (figure("plan.enqueue_seconds", plan.enqueue_seconds, Unit::Span))
                    }
                }))
                (row("All enqueued", timestamp("plan.finished_at", plan.finished_at.as_deref())))
            }
        }
    }
}

fn progress(report: &Report) -> anyhow::Result<Markup> {
    let (progress, result) = (&report.progress, &report.result);
    let told = html! { "Messages a second over time, in columns: sent below, failed above" };
    let drawings = svg::progress(progress, Axes::of_progress(&[progress]))?;
    Ok(html! {
        section aria-labelledby="progress" {
            h2 id="progress" { "Progress" }
            @if progress.columns.is_empty() {
                p.none { "No message is concluded yet." }
            } @else {
                (parts::chart(&told.into_string(), &drawings, html! {
                    "Messages concluded a second: " (key("sent")) " sent, " (key("failed")) " failed. Each column is "
                    (figure("progress.column_seconds", progress.column_seconds, Unit::Seconds)) "; the highest is "
                    (figure("progress.peak_per_second", progress.peak_per_second, Unit::Rate)) " a second."
                }))
            }
            dl.rows {
                (row("First concluded", timestamp("result.first_concluded_at", result.first_concluded_at.as_deref())))
                (row("Last concluded", timestamp("result.last_concluded_at", result.last_concluded_at.as_deref())))
            }
        }
    })
}

fn times(report: &Report) -> anyhow::Result<Markup> {
    let kinds = [
        ("delivery", "Delivery", "how long a delivery took", &report.delivery),
        ("latency", "Creation to end", "from a message’s creation to its end", &report.latency),
    ];
    let mut charts = Vec::new();
    for (path, name, what, times) in kinds {
        if !times.columns.is_empty() {
            let drawings = svg::distribution(times, Axes::of_times(&[times]))?;
            let told = format!("{name}: how many messages took how long, with lines at p50, p90 and p99");
            charts.push(parts::chart(
                &told,
                &drawings,
                html! {
                    strong { (name) } ", " (what) ". Each column is "
                    (figure(&format!("{path}.column_seconds"), times.column_seconds, Unit::Seconds)) " wide."
                },
            ));
        }
    }
    Ok(html! {
        section aria-labelledby="times" {
            h2 id="times" { "Times" }
            @for chart in charts { (chart) }
            (parts::percentiles(&kinds.map(|(path, name, _, times)| (path, name, times))))
        }
    })
}

fn counted(report: &Report) -> Markup {
    html! {
        section aria-labelledby="counted" {
            h2 id="counted" { "How it was counted" }
            ul.notes { @for note in &report.notes { li { (note) } } }
        }
    }
}
