//! What must be true of every page.

use scraper::{ElementRef, Html};
use stentor_core::delivery::Outcome;
use stentor_core::escape;
use stentor_tally::OutcomeEvent;

use super::{NOON, all, at, charged, empty, finished, hostile, parsed, report, run};
use crate::page::page;
use crate::page::values::number_text;
use stentor_run_view::status::RunPhase;
use stentor_run_view::unit::Unit;

/// All the text in an element.
fn text_of(element: ElementRef<'_>) -> String {
    element.text().collect()
}

#[test]
fn every_figure_of_the_page_is_that_of_the_data() {
    for report in [finished(), empty(), charged(), hostile()] {
        let (html, data) = (parsed(&report), serde_json::to_value(&report).unwrap());
        let figures = all(&html, "[data-figure]");
        assert!(figures.len() > 60, "{}", figures.len());
        for figure in figures {
            let attribute = |name: &str| figure.attr(name).unwrap_or_default();
            let value = at(&data, attribute("data-figure"));
            assert_eq!(attribute("value"), value.to_string(), "{}", attribute("data-figure"));
            let unit: Unit = serde_json::from_value(attribute("data-unit").into()).expect("a unit");
            assert_eq!(text_of(figure), number_text(value, unit), "{}", attribute("data-figure"));
        }
        for text in all(&html, "[data-text]") {
            let value = at(&data, text.attr("data-text").unwrap()).as_str().expect("a text");
            assert_eq!(text_of(text), escape::escape_control(value));
        }
        for moment in all(&html, "[data-time]") {
            let value = at(&data, moment.attr("data-time").unwrap());
            assert_eq!(moment.attr("datetime"), value.as_str());
        }
    }
}

#[test]
fn a_number_in_a_list_or_table_is_always_a_figure_of_the_data() {
    for report in [finished(), empty(), charged(), hostile()] {
        let html = parsed(&report);
        for cell in all(&html, "td, dd") {
            for node in cell.descendants().filter(|node| node.value().is_text()) {
                let text = node.value().as_text().unwrap();
                let names = ["data-figure", "data-text", "data-time"];
                let is_of_the_data = node
                    .ancestors()
                    .filter_map(ElementRef::wrap)
                    .any(|above| names.iter().any(|name| above.attr(name).is_some()));
                let is_a_number =
                    text.split_whitespace().any(|word| word.starts_with(|c: char| c.is_ascii_digit()));
                let is_a_unit = text.contains(" each of up to ");
                assert!(is_of_the_data || !is_a_number || is_a_unit, "{text:?}");
            }
        }
    }
}

#[test]
fn the_page_is_sound_and_stands_alone_whatever_is_in_it() {
    for report in [finished(), empty(), charged(), hostile()] {
        let page = page(&report);
        let html = Html::parse_document(&page);
        assert_eq!(html.errors, Vec::<std::borrow::Cow<'_, str>>::new());
        assert!(!page.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'));
        assert!(all(&html, "script, link, img, iframe, object, a, base, form").is_empty());
        for element in all(&html, "*") {
            for (name, value) in element.value().attrs() {
                assert!(!name.starts_with("on") && name != "style" && name != "srcset", "{name}");
                assert!(
                    !["src", "href", "xlink:href"].contains(&name) || value.starts_with('#'),
                    "{name}={value}"
                );
            }
        }
        let references: Vec<&str> =
            page.split("url(").skip(1).filter(|rest| !rest.starts_with('#')).collect();
        assert!(references.is_empty() && !page.contains("@import"), "{references:?}");
        for drawing in all(&html, "svg:not([aria-hidden])") {
            assert_eq!(drawing.attr("role"), Some("img"));
            assert!(drawing.attr("aria-label").is_some_and(|label| label.len() > 20));
        }
    }
}

#[test]
fn a_chart_has_classes_instead_of_colours_and_takes_any_numbers() {
    let mut worst = run(3);
    for (created_at, concluded_at, delivery_ms) in [(0, u64::MAX, u64::MAX), (u64::MAX, 0, 0)] {
        worst.tally.count(&OutcomeEvent {
            outcome: Outcome::Failed,
            created_at: Some(created_at),
            concluded_at: Some(concluded_at),
            delivery_ms: Some(delivery_ms),
            parts: None,
            reason: None,
        });
    }
    let mut single = run(0);
    single.tally.count(&OutcomeEvent {
        outcome: Outcome::Failed,
        created_at: Some(NOON),
        concluded_at: Some(NOON),
        delivery_ms: Some(0),
        parts: None,
        reason: None,
    });
    // Without a message that was sent there is no share over time.
    for (report, count) in
        [(finished(), 4), (report(worst, RunPhase::Active), 4), (report(single, RunPhase::Active), 3)]
    {
        let html = parsed(&report);
        let charts = all(&html, "svg.chart");
        assert_eq!(charts.len(), 2 * count, "each at two sizes");
        for chart in charts {
            let svg = chart.inner_html();
            assert!(!svg.contains("=\"#") && svg.contains("class=\"line\""), "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("=\"-"), "{svg}");
        }
    }
    let html = parsed(&finished());
    let bars = |class: &str| all(&html, &format!("[aria-labelledby=progress] svg.wide rect.{class}")).len();
    assert_eq!(bars("failed"), bars("sent"));
}
