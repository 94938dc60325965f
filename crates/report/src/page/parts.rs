//! Charts and tables of the page.

use maud::{Markup, html};

use super::row;
use super::values::Page;
use crate::svg::SvgChart;
use stentor_run_view::failures::has_codes;
use stentor_run_view::figures::{
    DEAD_LETTERS, DISCARDED_BATCHES, DUPLICATES, Figure, INVALID, LEASES_EXPIRED, NOT_ENQUEUED, RELEASED,
    SENDER_FIGURES,
};
use stentor_run_view::senders::SenderState;
use stentor_run_view::unit::Unit;

/// A section with its heading.
pub fn section(id: &str, heading: &str, body: Markup) -> Markup {
    html! { section aria-labelledby=(id) { h2 id=(id) { (heading) } (body) } }
}

/// A chart with its caption; `label` describes it to a screen reader.
pub fn chart(label: &str, chart: &SvgChart, caption: Markup) -> Markup {
    html! { figure { (chart.render(label)) figcaption { (caption) } } }
}

/// A table with its caption, which scrolls on a narrow screen.
pub fn table(caption: &str, rows: Markup) -> Markup {
    html! { div.table role="region" aria-label=(caption) tabindex="0" { table { caption { (caption) } (rows) } } }
}

/// The column headings: the first, those of words, and those of numbers.
pub fn heads(first: &str, words: &[&str], numbers: &[&str]) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { (first) }
                @for name in words { th.words scope="col" { (name) } }
                @for name in numbers { th scope="col" { (name) } }
            }
        }
    }
}

/// The percentiles of each distribution, named by its path in the data.
pub fn percentiles(page: &Page<'_>, kinds: &[(&str, &str)]) -> Markup {
    let fields =
        ["mean", "p50", "p75", "p90", "p95", "p99", "p999", "max"].map(|field| (field, Unit::Seconds));
    table(
        "Percentiles",
        html! {
            (heads("time", &[], &["mean", "p50", "p75", "p90", "p95", "p99", "p99.9", "max"]))
            tbody {
                @for (path, name) in kinds {
                    tr {
                        th scope="row" { (name) }
                        (page.cells(path, &fields))
                    }
                }
            }
        },
    )
}

/// The failed messages by code, where a failure has one.
pub fn failures(page: &Page<'_>) -> Markup {
    let failures = &page.report.snapshot.failures;
    let body = html! {
        (table("Failed messages by code, most frequent first", html! {
            (heads("code", &[], &["messages", "of the failures"]))
            tbody {
                @for place in 0..failures.len() {
                    @let path = format!("snapshot.failures.{place}");
                    tr {
                        th scope="row" { code { (page.text(&format!("{path}.code"))) } }
                        (page.cells(&path, &[("count", Unit::Count), ("share", Unit::Fraction)]))
                    }
                }
            }
        }))
    };
    html! { @if has_codes(failures) { (section("failures", "Failures by code", body)) } }
}

/// The senders that worked on the run.
pub fn senders(page: &Page<'_>) -> Markup {
    let figures = SENDER_FIGURES.iter().filter_map(|figure| {
        let field = figure.key_below("sender").filter(|field| *field != "seen_seconds_ago")?;
        Some((figure.label, (field, figure.unit)))
    });
    let (labels, fields): (Vec<&str>, Vec<(&str, Unit)>) = figures.unzip();
    let body = html! {
        @if page.report.senders.is_empty() {
            p.none { "No sender has worked on this run, as far as the table shows." }
        } @else {
            p.lead {
                "Senders that reported usage on this run, and those that worked during it. Counts and rate are those of a sender’s "
                strong { "whole life" } ", not of this run alone."
            }
            (table("Senders that worked on this run", html! {
                (heads("sender", &["state"], &labels))
                tbody {
                    @for (place, sender) in page.report.senders.iter().enumerate() {
                        tr {
                            th scope="row" { code { (page.text(&format!("senders.{place}.sender"))) } }
                            td.words { (state(sender.state)) }
                            (page.cells(&format!("senders.{place}"), &fields))
                        }
                    }
                }
            }))
        }
    };
    section("senders", "Senders", body)
}

fn state(state: Option<SenderState>) -> &'static str {
    match state {
        Some(SenderState::Alive) => "alive",
        Some(SenderState::Ended) => "ended",
        Some(SenderState::Lost) => "silent",
        None => "expired",
    }
}

/// What went wrong on the way, and what to do about it.
pub fn faults(page: &Page<'_>) -> Markup {
    let idle = "faults.idle_seconds";
    let counted = |figure: &Figure, about: &str| {
        row(figure.short, html! { span { (page.figure(figure)) } span.more { (about) } })
    };
    let body = html! {
        dl.rows.single {
            (counted(&DUPLICATES, "messages that a sender received after their outcome was recorded; they count once"))
            (counted(&RELEASED, "messages that a sender did not finish, and others received again"))
            (counted(
                &LEASES_EXPIRED,
                "while a sender had the message, for example while its process was paused; others can receive it"
            ))
            (counted(&INVALID, "messages with a body that is not Stentor’s; they end on the dead-letter queue"))
            (row("Dead letters", html! {
                (page.number("faults.dead_letters", DEAD_LETTERS.unit))
                span.more {
                    "on the queue of the whole stack"
                    // Nothing is to be enqueued again while only the counting is, or may be, behind.
                    @if !page.report.result.word.starts_with("LAGGING") {
                        "; " (command(page, "producer requeue", " ")) " brings them back"
                    }
                }
            }))
            (row("Discarded batches", html! {
                (page.number("faults.discarded_batches", DISCARDED_BATCHES.unit))
                span.more { "of the whole stack’s stream; outcomes in them are not counted" }
            }))
            (row("Not enqueued", html! {
                (page.figure(&NOT_ENQUEUED))
                span.more { "messages of the plan; " (command(page, "producer resume", " ")) " enqueues them" }
            }))
            @if page.has(idle) {
                (row("Idle for", html! {
                    (page.number(idle, Unit::Duration))
                    span.more { "since the last outcome, or since the run was created" }
                }))
            }
            div {
                dt { "Damaged tallies" }
                dd.whole { (damaged_tallies(page)) }
            }
        }
    };
    section("faults", "Faults met", body)
}

/// A command line with the flags of the stack and endpoint, and the run after `before_run`.
fn command(page: &Page<'_>, call: &str, before_run: &str) -> Markup {
    html! { code.command { (page.report.target.connection.command(call)) (before_run) (page.text("plan.run")) } }
}

fn damaged_tallies(page: &Page<'_>) -> Markup {
    let count = page.report.faults.damaged_tallies.len();
    let field = |place: usize, field: &str| page.text(&format!("faults.damaged_tallies.{place}.{field}"));
    html! {
        @if count == 0 { "none" } @else {
            ul.plain { @for place in 0..count { li { "shard " code { (field(place, "shard")) } ": " (field(place, "why")) } } }
            span.more { "The counts are too low; " (command(page, "monitor repair", " --run ")) " counts a finished run from the table." }
        }
    }
}
