//! The bill in the page.

use maud::{Markup, html};
use stentor_core::escape::escape_control;
use stentor_run_view::figures::{DOLLARS, DOLLARS_PER_MILLION};
use stentor_run_view::provider::ProfileBill;
use stentor_run_view::unit::Unit;

use super::parts::{heads, section, table};
use super::row;
use super::values::Page;

/// The cost of the run, how it is made up, and what it leaves out.
pub fn cost(page: &Page<'_>) -> Markup {
    let bill = &page.report.bill;
    let missing = &bill.counted.missing;
    let body = html! {
        p.lead {
            @if page.has(DOLLARS.path) { "This run cost " (page.figure(&DOLLARS)) } @else { "The cost of this run is unknown" }
            @if page.has(DOLLARS_PER_MILLION.path) {
                ", which is " (page.figure(&DOLLARS_PER_MILLION)) " for a million messages like these"
            }
            ". Dollars are list prices times counted or estimated usage."
        }
        (reasons(missing))
        (lines(page))
        (programs(page))
        (prices(page))
        h3 { "Estimates" }
        p { "No program counts the usage of the function. It is estimated as follows:" }
        ul.notes { @for assumption in &bill.estimated.assumptions { li { (assumption) } } }
        (assumed(page))
        h3 { "Not included" }
        ul.notes { @for cost in &bill.left_out { li { (cost) } } }
    };
    section("cost", "Cost", body)
}

/// The bill of the simulated providers, and the use of their limits; nothing without a provider.
pub fn provider(page: &Page<'_>) -> Markup {
    let Some(bill) = &page.report.provider else { return html! {} };
    let body = html! {
        p.lead {
            "The simulated provider would charge " (page.number("provider.dollars", Unit::Dollars)) " for "
            (page.number("provider.parts", Unit::Count))
            " message parts: those of every delivery begun, further attempts and duplicates included. The cost above excludes this bill."
        }
        (reasons(&bill.missing))
        dl.rows {
            (row("Parts a second", page.number("provider.parts_per_second", Unit::Rate)))
            (row("Rate limit", page.number("provider.limit_parts_per_second", Unit::Rate)))
            (row("Limit used", page.number("provider.limit_used", Unit::Ratio)))
            (row("Forfeited reservations", page.number("provider.forfeited", Unit::Count)))
        }
        @for (place, profile) in bill.profiles.iter().enumerate() { (profile_lines(page, place, profile)) }
    };
    section("provider", "Provider", body)
}

fn profile_lines(page: &Page<'_>, place: usize, profile: &ProfileBill) -> Markup {
    let at = |field: &str| format!("provider.profiles.{place}.{field}");
    let columns = [
        ("parts", Unit::Count),
        ("price_per_part", Unit::Price),
        ("fee_per_part", Unit::Price),
        ("dollars", Unit::Dollars),
    ];
    let source =
        if profile.overridden { "with the price overridden" } else { "at the prices of the profile" };
    html! {
        (table(
            &format!("Bill of {} {source}", escape_control(&profile.profile)),
            html! {
                (heads("carrier", &[], &["parts", "price", "carrier fee", "dollars"]))
                tbody {
                    @for line in 0..profile.carriers.len() {
                        tr {
                            th scope="row" { (page.text(&at(&format!("carriers.{line}.carrier")))) }
                            (page.cells(&at(&format!("carriers.{line}")), &columns))
                        }
                    }
                }
                tfoot {
                    tr {
                        th scope="row" { "total" }
                        td { (page.number(&at("parts"), Unit::Count)) }
                        td {}
                        td {}
                        td { (page.number(&at("dollars"), Unit::Dollars)) }
                    }
                }
            },
        ))
        @if page.has(&at("source")) {
            p.more { "Numbers from: " (page.text(&at("source"))) @if page.has(&at("as_of")) { ", " (page.text(&at("as_of"))) } }
        }
    }
}

/// Why a sum is not final; nothing where it is.
fn reasons(missing: &[String]) -> Markup {
    html! {
        @if !missing.is_empty() {
            div.missing role="note" {
                p { "The sum is not final, because:" }
                ul { @for reason in missing { li { (reason) } } }
            }
        }
    }
}

fn lines(page: &Page<'_>) -> Markup {
    let columns = [("quantity", Unit::Quantity), ("dollars", Unit::BillDollars)];
    table(
        "The bill",
        html! {
            (heads("for", &["source"], &["quantity", "dollars"]))
            tbody {
                @for (place, line) in page.report.bill.lines.iter().enumerate() {
                    tr {
                        th scope="row" { (line.name) }
                        td.words { @if line.estimated { "estimated" } @else { "counted" } }
                        (page.cells(&format!("cost.parts.{place}"), &columns))
                    }
                }
            }
            tfoot {
                tr { th scope="row" { "total" } td {} td {} td { (page.number(DOLLARS.path, Unit::BillDollars)) } }
            }
        },
    )
}

fn programs(page: &Page<'_>) -> Markup {
    let columns = [
        ("requests", Unit::Count),
        ("queue_requests", Unit::Count),
        ("write_units", Unit::Quantity),
        ("read_units", Unit::Quantity),
    ];
    let kind = |place: usize| format!("cost.counted.programs.{place}.program");
    table(
        "Usage that the programs counted",
        html! {
            (heads("id", &["program"], &["requests", "to the queue", "write units", "read units"]))
            tbody {
                @for place in 0..page.report.bill.counted.programs.len() {
                    tr {
                        th scope="row" { code { (page.text(&format!("cost.counted.programs.{place}.id"))) } }
                        td.words { @if page.has(&kind(place)) { (page.text(&kind(place))) } @else { "unknown" } }
                        (page.cells(&format!("cost.counted.programs.{place}"), &columns))
                    }
                }
            }
            tfoot { tr { th scope="row" { "total" } td {} (page.cells("cost.counted", &columns)) } }
        },
    )
}

fn prices(page: &Page<'_>) -> Markup {
    let prices = &page.report.bill.prices;
    table(
        &format!("Prices, {}, {}", prices.region, prices.date),
        html! {
            (heads("dollars", &["for", "from"], &[]))
            tbody {
                @for (place, price) in prices.list.iter().enumerate() {
                    tr {
                        th scope="row" { (page.number(&format!("cost.prices.list.{place}.dollars"), Unit::Price)) }
                        td.words { (page.number(&format!("cost.prices.list.{place}.per"), Unit::Quantity)) " " (price.listed.unit) }
                        td.words { @if price.overridden { strong { "overridden" } } @else { (price.listed.source) } }
                    }
                }
            }
        },
    )
}

fn assumed(page: &Page<'_>) -> Markup {
    let assumed = |field: &str, unit| page.number(&format!("cost.estimated.assumed.{field}"), unit);
    let estimated = |field: &str| page.number(&format!("cost.estimated.{field}"), Unit::Quantity);
    html! {
        dl.rows {
            (row("Shards with a tally", assumed("shards", Unit::Quantity)))
            (row("Batching window", assumed("window_seconds", Unit::Duration)))
            (row("Write units of a put", assumed("tally_units", Unit::Quantity)))
            (row("Invocation", html! { (assumed("invocation_ms", Unit::Quantity)) " ms" }))
            (row("Memory of the function", html! { (assumed("memory_mb", Unit::Quantity)) " MB" }))
            (row("Estimate", html! {
                (estimated("invocations")) " invocations, "
                (estimated("write_units")) " write units, "
                (estimated("gb_seconds")) " GB-seconds"
            }))
        }
    }
}
