//! What a run cost, as the page tells it.

use maud::{Markup, html};
use stentor_core::usage::ProgramKind;

use super::figures::{Unit, figure, sum, text};
use super::parts::{heads, table};
use super::row;
use crate::data::Report;
use stentor_run_view::bill::{Cost, Part, Spent};

pub fn cost(report: &Report) -> Markup {
    let cost = &report.cost;
    let missing = &cost.counted.missing;
    html! {
        section aria-labelledby="cost" {
            h2 id="cost" { "Cost" }
            p.lead {
                @if cost.dollars.amount.is_some() {
                    "This run took " (sum("cost.dollars", cost.dollars, Unit::Dollars))
                } @else {
                    "What this run took is not known"
                }
                @if cost.dollars_per_million.amount.is_some() {
                    ", which is " (sum("cost.dollars_per_million", cost.dollars_per_million, Unit::Dollars)) " for a million messages like these"
                }
                ". Dollars are list prices times what was counted or estimated."
            }
            @if !missing.is_empty() {
                div.missing role="note" {
                    p { "The sum is not whole, because:" }
                    ul { @for why in missing { li { (why) } } }
                }
            }
            (bill(cost))
            (programs(cost))
            (prices(cost))
            h3 { "What is estimated" }
            p { "Nobody counts what the function takes. It is estimated by this:" }
            ul.notes { @for assumption in &cost.estimated.assumptions { li { (assumption) } } }
            (assumed(cost))
            h3 { "What is left out" }
            ul.notes { @for what in &cost.left_out { li { (what) } } }
        }
    }
}

fn bill(cost: &Cost) -> Markup {
    table(
        "The bill",
        html! {
            (heads("for", &["how it is known"], &["quantity", "dollars"]))
            tbody { @for (place, part) in cost.parts.iter().enumerate() { (bill_row(place, part)) } }
            tfoot {
                tr {
                    th scope="row" { "all of it" } td {} td {}
                    td { (sum("cost.dollars", cost.dollars, Unit::Bill)) }
                }
            }
        },
    )
}

fn bill_row(place: usize, part: &Part) -> Markup {
    html! {
        tr {
            th scope="row" { (part.name) }
            td.words { @if part.estimated { "estimated" } @else { "counted" } }
            td { (sum(&format!("cost.parts.{place}.quantity"), part.quantity, Unit::Amount)) }
            td { (sum(&format!("cost.parts.{place}.dollars"), part.dollars, Unit::Bill)) }
        }
    }
}

fn programs(cost: &Cost) -> Markup {
    let counted = &cost.counted;
    table(
        "What the programs counted",
        html! {
            (heads("id", &["program"], &["requests", "to the queue", "write units", "read units"]))
            tbody { @for (place, spent) in counted.programs.iter().enumerate() { (program_row(place, spent)) } }
            tfoot {
                tr {
                    th scope="row" { "all of them" } td {}
                    td { (sum("cost.counted.requests", counted.requests, Unit::Count)) }
                    td { (sum("cost.counted.queue_requests", counted.queue_requests, Unit::Count)) }
                    td { (sum("cost.counted.write_units", counted.write_units, Unit::Amount)) }
                    td { (sum("cost.counted.read_units", counted.read_units, Unit::Amount)) }
                }
            }
        },
    )
}

fn program_row(place: usize, spent: &Spent) -> Markup {
    let at = |field: &str| format!("cost.counted.programs.{place}.{field}");
    let program = match spent.program {
        Some(ProgramKind::Producer) => "producer",
        Some(ProgramKind::Sender) => "sender",
        None => "not told",
    };
    html! {
        tr {
            th scope="row" { code { (text(&at("id"), &spent.id)) } }
            td.words { (program) }
            td { (figure(&at("requests"), spent.requests, Unit::Count)) }
            td { (figure(&at("queue_requests"), spent.queue_requests, Unit::Count)) }
            td { (figure(&at("write_units"), spent.write_units, Unit::Amount)) }
            td { (figure(&at("read_units"), spent.read_units, Unit::Amount)) }
        }
    }
}

fn prices(cost: &Cost) -> Markup {
    table(
        &format!("Prices, {}, {}", cost.prices.region, cost.prices.date),
        html! {
            (heads("dollars", &["for", "from"], &[]))
            tbody {
                @for (place, price) in cost.prices.list.iter().enumerate() {
                    tr {
                        th scope="row" { (figure(&format!("cost.prices.list.{place}.dollars"), price.listed.dollars, Unit::Price)) }
                        td.words { (figure(&format!("cost.prices.list.{place}.per"), price.listed.per, Unit::Amount)) " " (price.listed.unit) }
                        td.words { @if price.overridden { strong { "set by hand" } } @else { (price.listed.source) } }
                    }
                }
            }
        },
    )
}

fn assumed(cost: &Cost) -> Markup {
    let (takes, assumed) = (&cost.estimated.takes, &cost.estimated.assumed);
    let given = |field: &str, value, unit| figure(&format!("cost.estimated.assumed.{field}"), value, unit);
    html! {
        dl.rows {
            (row("Shards with a tally", given("shards", assumed.shards, Unit::Amount)))
            (row("Batching window", given("window_seconds", assumed.window_seconds, Unit::Span)))
            (row("Write units of a put", given("tally_units", assumed.tally_units, Unit::Amount)))
            (row("An invocation", html! { (given("invocation_ms", assumed.invocation_ms, Unit::Amount)) " ms" }))
            (row("Memory of the function", html! { (given("memory_mb", assumed.memory_mb, Unit::Amount)) " MB" }))
            (row("So it takes", html! {
                (figure("cost.estimated.invocations", takes.invocations, Unit::Amount)) " invocations, "
                (figure("cost.estimated.write_units", takes.write_units, Unit::Amount)) " write units, "
                (figure("cost.estimated.gb_seconds", takes.gb_seconds, Unit::Amount)) " GB-seconds"
            }))
        }
    }
}
