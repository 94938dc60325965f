//! Charts and tables of the page.

use maud::{Markup, PreEscaped, html};

use super::figures::{Unit, figure, sum, text};
use super::row;
use crate::data::{Distribution, Report};
use crate::svg::{Drawing, Size};
use stentor_run_view::senders::{Life, Worker};

/// A drawing at each size, of which the page's style shows the one that fits.
pub fn chart(told: &str, drawings: &[(Size, Drawing)], caption: Markup) -> Markup {
    html! {
        figure {
            @for (size, drawing) in drawings {
                svg class={ "chart " (size.name()) } viewBox={ "0 0 " (drawing.width) " " (drawing.height) } role="img" aria-label=(told) {
                    (PreEscaped(&drawing.svg))
                }
            }
            figcaption { (caption) }
        }
    }
}

/// A table with what it is; where there is too little room for it, it can be moved within.
pub fn table(caption: &str, rows: Markup) -> Markup {
    html! { div.table role="region" aria-label=(caption) tabindex="0" { table { caption { (caption) } (rows) } } }
}

/// The columns' names: the first, those of words, and those of numbers.
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

pub fn percentiles(kinds: &[(&str, &str, &Distribution)]) -> Markup {
    table(
        "Percentiles",
        html! {
            (heads("time", &[], &["mean", "p50", "p75", "p90", "p95", "p99", "p99.9", "longest"]))
            tbody {
                @for (path, name, times) in kinds {
                    tr {
                        th scope="row" { (name) }
                        @for (field, value) in [
                            ("mean", times.mean), ("p50", times.p50), ("p75", times.p75), ("p90", times.p90), ("p95", times.p95),
                            ("p99", times.p99), ("p999", times.p999), ("max", times.max),
                        ] {
                            td { (figure(&format!("{path}.{field}"), value, Unit::Seconds)) }
                        }
                    }
                }
            }
        },
    )
}

pub fn senders(report: &Report) -> Markup {
    let numbers = ["mean wait", "fails", "at once", "sent", "failed", "duplicates", "given back", "a second"];
    html! {
        section aria-labelledby="senders" {
            h2 id="senders" { "Senders" }
            @if report.senders.is_empty() {
                p.none { "No sender has worked on this run, as far as the table tells." }
            } @else {
                p.lead {
                    "Those that told what they spent on this run, and those that were at work during it. Counts and rate are of a sender’s "
                    strong { "whole life" } ", not of this run alone."
                }
                (table("Senders that worked on this run", html! {
                    (heads("sender", &["state"], &numbers))
                    tbody { @for (place, sender) in report.senders.iter().enumerate() { (sender_row(place, sender)) } }
                }))
            }
        }
    }
}

fn sender_row(place: usize, sender: &Worker) -> Markup {
    let at = |field: &str| format!("senders.{place}.{field}");
    let state = match sender.state {
        Some(Life::Alive) => "alive",
        Some(Life::Ended) => "ended",
        Some(Life::Silent) => "fell silent",
        None => "not kept",
    };
    html! {
        tr {
            th scope="row" { code { (text(&at("sender"), &sender.sender)) } }
            td.words { (state) }
            td { (figure(&at("wait"), sender.wait, Unit::Seconds)) }
            td { (figure(&at("failure_rate"), sender.failure_rate, Unit::Share)) }
            td { (figure(&at("concurrency"), sender.concurrency, Unit::Count)) }
            td { (figure(&at("sent"), sender.sent, Unit::Count)) }
            td { (figure(&at("failed"), sender.failed, Unit::Count)) }
            td { (figure(&at("duplicates"), sender.duplicates, Unit::Count)) }
            td { (figure(&at("released"), sender.released, Unit::Count)) }
            td { (figure(&at("messages_per_second"), sender.messages_per_second, Unit::Rate)) }
        }
    }
}

pub fn faults(report: &Report) -> Markup {
    let faults = &report.faults;
    html! {
        section aria-labelledby="faults" {
            h2 id="faults" { "Faults met" }
            dl.rows.single {
                (row("Duplicates", html! {
                    span { (sum("faults.duplicates", faults.duplicates, Unit::Count)) }
                    span.more { "messages that a sender found concluded by another; they count once" }
                }))
                (row("Given back", html! {
                    span { (sum("faults.released", faults.released, Unit::Count)) }
                    span.more { "messages that a sender did not finish, which others took over" }
                }))
                (row("Dead letters", html! {
                    (figure("faults.dead_letters", faults.dead_letters, Unit::Count))
                    span.more { "on the queue of the whole stack; " code.command { "producer requeue " (text("plan.run", &report.plan.run)) } " brings them back" }
                }))
                (row("Not enqueued", html! {
                    (figure("faults.not_enqueued", faults.not_enqueued, Unit::Count))
                    span.more { "messages of the plan; " code.command { "producer resume " (text("plan.run", &report.plan.run)) } " goes on with them" }
                }))
                @if faults.idle_seconds.is_some() {
                    (row("Nothing for", html! {
                        (figure("faults.idle_seconds", faults.idle_seconds, Unit::Span))
                        span.more { "since the last message was concluded, or the run was created" }
                    }))
                }
                div {
                    dt { "Damaged tallies" }
                    dd.whole {
                        @if faults.damaged_tallies.is_empty() { "none" } @else {
                            ul.plain {
                                @for (place, tally) in faults.damaged_tallies.iter().enumerate() {
                                    li {
                                        "shard " code { (text(&format!("faults.damaged_tallies.{place}.shard"), &tally.shard)) } ": "
                                        (text(&format!("faults.damaged_tallies.{place}.why"), &tally.why))
                                    }
                                }
                            }
                            span.more { "The counts are too low; " code.command { "monitor repair --run " (text("plan.run", &report.plan.run)) } " counts a finished run from the table." }
                        }
                    }
                }
            }
        }
    }
}
