//! Two runs side by side as a page.

use maud::{Markup, html};
use stentor_core::escape;

use super::Comparison;
use super::figures::{Figure, Section, Value};
use crate::Report;
use crate::page::document;
use crate::page::figures::timestamp;
use crate::page::parts::{chart, heads, table};
use crate::svg::{Axes, Drawings, distribution, progress};

/// What the runs are called beside their names.
const NAMES: [&str; 2] = ["A", "B"];

/// The page, as text.
pub fn page(comparison: &Comparison) -> anyhow::Result<String> {
    let [first, second] = comparison.runs.each_ref().map(|run| escape::escape_control(&run.plan.run));
    let title = html! { "Rehearsals " (first) " and " (second) };
    let body = html! {
        (head(comparison))
        main {
            (figures(comparison))
            (charts(comparison)?)
        }
    };
    Ok(document(title, body, &comparison.made_at))
}

fn head(comparison: &Comparison) -> Markup {
    html! {
        header {
            p.eyebrow { "Stentor · two rehearsals" }
            h1 { "Side by side" }
            dl.rows.runs { @for (place, run) in comparison.runs.iter().enumerate() { (run_of(place, run)) } }
        }
    }
}

fn run_of(place: usize, run: &Report) -> Markup {
    let result = &run.result;
    html! {
        div {
            dt { strong { (NAMES[place]) } }
            dd {
                span.badge.good[result.is_good].bad[!result.is_good] { (result.word) } " "
                code { (escape::escape_control(&run.plan.run)) }
                span.more {
                    (escape::escape_control(&result.sentence))
                    "; made " (timestamp(&format!("runs.{place}.plan.created_at"), run.plan.created_at.as_deref()))
                }
            }
        }
    }
}

fn figures(comparison: &Comparison) -> Markup {
    let rows = html! {
        (heads("figure", &[], &["A", "B", "change"]))
        @for (place, section) in comparison.sections.iter().enumerate() { (section_rows(place, section)) }
    };
    html! {
        section aria-labelledby="figures" {
            h2 id="figures" { "Figures" }
            (table("Figures of both runs, and how B differs from A", rows))
            p.more { "≥ stands before a sum of which a part is not known; it is compared with nothing." }
        }
    }
}

fn section_rows(place: usize, section: &Section) -> Markup {
    html! {
        tbody {
            tr.group { th scope="rowgroup" colspan="4" { (section.title) } }
            @for (row, figure) in section.figures.iter().enumerate() {
                tr {
                    th scope="row" { (figure.name) }
                    @for run in 0..NAMES.len() { td { (cell(figure, run, &format!("sections.{place}.figures.{row}.values.{run}"))) } }
                    td { (figure.change()) }
                }
            }
        }
    }
}

/// A run's part of a figure, at `path` in the data.
fn cell(figure: &Figure, run: usize, path: &str) -> Markup {
    let text = figure.texts()[run].replace(">=", "≥");
    html! {
        @match &figure.values[run] {
            Value::Text(told) => bdi data-text=(path) { (escape::escape_control(told)) },
            Value::Number(Some(number)) => data.number data-figure=(path) value=(number) { (text) },
            Value::Number(None) => span data-figure=(path) { "–" },
        }
    }
}

/// Charts of both runs, those of a kind on the same axes.
fn charts(comparison: &Comparison) -> anyhow::Result<Markup> {
    let runs = comparison.runs.each_ref();
    let along = Axes::of_progress(&runs.map(|run| &run.progress));
    let deliveries = Axes::of_times(&runs.map(|run| &run.delivery));
    let latencies = Axes::of_times(&runs.map(|run| &run.latency));
    Ok(html! {
        (beside("progress", "Progress", "messages a second over time, sent below, failed above", runs.map(|run| progress(&run.progress, along)))?)
        (beside("delivery", "Delivery", "how many deliveries took how long", runs.map(|run| distribution(&run.delivery, deliveries)))?)
        (beside("latency", "Creation to end", "how many messages took how long from creation to end", runs.map(|run| distribution(&run.latency, latencies)))?)
    })
}

/// A section with a chart of each run.
fn beside(
    id: &str,
    heading: &str,
    told: &str,
    drawn: [anyhow::Result<Drawings>; 2],
) -> anyhow::Result<Markup> {
    let [first, second] = drawn;
    let drawn = [first?, second?];
    Ok(html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (heading) }
            div.beside {
                @for (name, drawings) in NAMES.iter().zip(&drawn) {
                    (chart(&format!("{name}: {told}"), drawings, html! { strong { (name) } ", " (told) }))
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{compared, report};
    use scraper::{ElementRef, Html, Selector};
    use stentor_run_view::fixtures::{beat, reading};

    fn all<'h>(html: &'h Html, selector: &str) -> Vec<ElementRef<'h>> {
        html.select(&Selector::parse(selector).unwrap()).collect()
    }

    /// A comparison with a run of which nothing is known yet.
    fn with_nothing() -> Comparison {
        let mut begun = reading(10, 10);
        begun.beats = vec![beat("</td><script>", 1_000, 99_000, 10)];
        Comparison::of([report(&reading(10, 0)), report(&begun)], 0)
    }

    #[test]
    fn every_figure_of_the_page_is_that_of_the_data() {
        for comparison in [compared(), with_nothing()] {
            let data = serde_json::to_value(&comparison).unwrap();
            let html = Html::parse_document(&page(&comparison).unwrap());
            let figures = all(&html, "[data-figure], [data-text]");
            let told: usize = comparison.sections.iter().map(|section| 2 * section.figures.len()).sum();
            assert_eq!(figures.len(), told);
            for figure in figures {
                let path = figure.attr("data-figure").or(figure.attr("data-text")).unwrap();
                let value = data.pointer(&format!("/{}", path.replace('.', "/"))).expect(path);
                match figure.attr("value") {
                    Some(number) => assert_eq!(number.parse::<f64>().ok(), value.as_f64(), "{path}"),
                    None => assert!(value.is_null() || value.is_string(), "{path}: {value}"),
                }
            }
        }
    }

    #[test]
    fn the_page_is_sound_and_has_charts_on_the_same_axes() {
        for comparison in [compared(), with_nothing()] {
            let html = Html::parse_document(&page(&comparison).unwrap());
            assert_eq!(html.errors, Vec::<std::borrow::Cow<'_, str>>::new());
            assert!(all(&html, "script, link, img, a, form").is_empty());
            assert_eq!(all(&html, "svg.chart.narrow").len(), 6);
        }
        let html = Html::parse_document(&page(&compared()).unwrap());
        let numbers_of = |chart: &ElementRef<'_>| -> Vec<String> {
            chart.select(&Selector::parse("text").unwrap()).map(|text| text.text().collect()).collect()
        };
        let progress = all(&html, "[aria-labelledby=progress] svg.narrow");
        assert_eq!(numbers_of(&progress[0]), numbers_of(&progress[1]));
    }
}
