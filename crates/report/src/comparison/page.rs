//! A comparison of two runs as a page.

use maud::{Markup, html};
use stentor_core::escape;

use super::{Comparison, FigureGroup, Pair, PairValue};
use crate::Report;
use crate::page::document;
use crate::page::parts::{chart, heads, section, table};
use crate::page::values::timestamp;
use crate::svg::{ChartScale, SvgChart};

/// Short names of the runs.
const NAMES: [&str; 2] = ["A", "B"];

/// The page as HTML.
pub fn page(comparison: &Comparison) -> String {
    let [first, second] = comparison.runs.each_ref().map(|run| escape::escape_control(&run.plan.run));
    let title = html! { "Rehearsals " (first) " and " (second) };
    let body = html! {
        (head(comparison))
        main {
            (figures(comparison))
            (charts(comparison))
        }
    };
    document(title, body, &comparison.made_at)
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
        @for (place, group) in comparison.groups.iter().enumerate() { (group_rows(place, group)) }
    };
    let body = html! {
        (table("Figures of both runs, and how B differs from A", rows))
        p.more { "≥ marks a sum of which a part is unknown; it is not compared." }
    };
    section("figures", "Figures", body)
}

fn group_rows(place: usize, group: &FigureGroup) -> Markup {
    html! {
        tbody {
            tr.group { th scope="rowgroup" colspan="4" { (group.title) } }
            @for (row, pair) in group.figures.iter().enumerate() {
                tr {
                    th scope="row" { (pair.name) }
                    @for run in 0..NAMES.len() { td { (cell(pair, run, &format!("sections.{place}.figures.{row}.values.{run}"))) } }
                    td.worse[pair.is_better() == Some(false)] { (pair.change()) }
                }
            }
        }
    }
}

/// A run's value of a figure, at `path` in the data.
fn cell(pair: &Pair, run: usize, path: &str) -> Markup {
    let text = pair.texts()[run].replace(">=", "≥");
    html! {
        @match &pair.values[run] {
            PairValue::Text(text) => bdi data-text=(path) { (escape::escape_control(text)) },
            PairValue::Number(Some(number)) => data.number data-figure=(path) value=(number) { (text) },
            PairValue::Number(None) => span data-figure=(path) { "–" },
        }
    }
}

/// Charts of both runs on the same scales.
fn charts(comparison: &Comparison) -> Markup {
    let runs = comparison.runs.each_ref();
    let progress = ChartScale::of_progress(&runs.map(|run| &run.progress));
    let reached = ChartScale::of_reached(&runs.map(|run| &run.reached));
    let delivery = ChartScale::of_times(&runs.map(|run| &run.delivery));
    let latency = ChartScale::of_times(&runs.map(|run| &run.latency));
    html! {
        (beside("progress", "Progress", "messages a second over time, sent below, failed above", &runs.map(|run| SvgChart::progress(&run.progress, progress))))
        (beside("reached", "Reached", "share of the messages sent, by time since the run’s creation", &runs.map(|run| SvgChart::reached(&run.reached, reached))))
        (beside("delivery", "Delivery", "number of deliveries by duration", &runs.map(|run| SvgChart::distribution(&run.delivery, delivery))))
        (beside("latency", "Creation to end", "number of messages by time from creation to outcome", &runs.map(|run| SvgChart::distribution(&run.latency, latency))))
    }
}

/// A section with a chart of each run.
fn beside(id: &str, heading: &str, label: &str, charts: &[SvgChart; 2]) -> Markup {
    let body = html! {
        div.beside {
            @for (name, svg) in NAMES.iter().zip(charts) {
                (chart(&format!("{name}: {label}"), svg, html! { strong { (name) } ", " (label) }))
            }
        }
    };
    section(id, heading, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::compared;
    use scraper::{ElementRef, Html, Selector};
    use stentor_run_view::fixtures::{heartbeat, reading, target};
    use stentor_run_view::view::RunView;

    fn all<'h>(html: &'h Html, selector: &str) -> Vec<ElementRef<'h>> {
        html.select(&Selector::parse(selector).unwrap()).collect()
    }

    /// A comparison with a run that has no outcome yet.
    fn with_nothing() -> Comparison {
        let mut begun = reading(10, 10);
        begun.heartbeats = vec![heartbeat("</td><script>", 1_000, 99_000, 10)];
        Comparison::of([&RunView::first(reading(10, 0)), &RunView::first(begun)], &target(), 0)
    }

    #[test]
    fn every_figure_of_the_page_is_that_of_the_data() {
        for comparison in [compared(), with_nothing()] {
            let data = serde_json::to_value(&comparison).unwrap();
            let html = Html::parse_document(&page(&comparison));
            let figures = all(&html, "[data-figure], [data-text]");
            let expected: usize = comparison.groups.iter().map(|group| 2 * group.figures.len()).sum();
            assert_eq!(figures.len(), expected);
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
            let html = Html::parse_document(&page(&comparison));
            assert_eq!(html.errors, Vec::<std::borrow::Cow<'_, str>>::new());
            assert!(all(&html, "script, link, img, a, form").is_empty());
            assert_eq!(all(&html, "svg.chart.narrow").len(), 8);
        }
        let html = Html::parse_document(&page(&compared()));
        let numbers_of = |chart: &ElementRef<'_>| -> Vec<String> {
            chart.select(&Selector::parse("text").unwrap()).map(|text| text.text().collect()).collect()
        };
        let progress = all(&html, "[aria-labelledby=progress] svg.narrow");
        assert_eq!(numbers_of(&progress[0]), numbers_of(&progress[1]));
    }
}
