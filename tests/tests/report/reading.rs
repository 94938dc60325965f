//! Reads and checks reports.

use std::fs;
use std::path::Path;

use jsonschema::{Registry, Validator};
use scraper::{ElementRef, Html, Selector};
use serde_json::{Value, json};
use stentor_cli::format;
use stentor_tests::Stack;
use stentor_tests::build::checkout;
use tempfile::TempDir;

/// Creates a temporary folder for a test.
pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Returns the path of a file in the folder.
pub fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().expect("a plain path").to_owned()
}

/// Reads a file.
pub fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn schema(name: &str) -> Value {
    let text = read(checkout().join("crates/monitor").join(name).to_str().expect("a plain path"));
    serde_json::from_str(&text).expect("it is JSON")
}

/// Reads a report's data, and checks them against the schema.
#[track_caller]
pub fn data(path: &str) -> Value {
    let report: Value = serde_json::from_str(&read(path)).expect("it is JSON");
    follows(&report, "report.schema.json");
    let mut odd = report.clone();
    odd["cost"]["dollars"] = json!(1);
    assert!(!validator("report.schema.json").is_valid(&odd), "the schema accepts an invalid report");
    report
}

/// Asserts that the data follow the schema of that name.
#[track_caller]
pub fn follows(data: &Value, name: &str) {
    let schema = validator(name);
    let faults: Vec<String> =
        schema.iter_errors(data).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}\n{data:#}");
}

/// Returns a validator of the schema of that name, which may refer to the others.
fn validator(name: &str) -> Validator {
    let base = "json-schema:///";
    let others = ["snapshot.schema.json", "report.schema.json"];
    let registry = others.iter().filter(|other| **other != name).fold(Registry::new(), |registry, other| {
        registry.add(format!("{base}{other}"), schema(other)).expect("it has a place")
    });
    let registry = registry.prepare().expect("it is whole");
    let options = jsonschema::options().with_base_uri(format!("{base}{name}")).with_registry(&registry);
    options.build(&schema(name)).expect("it is a schema")
}

/// Reads a report's page, and asserts that it parses without errors and loads nothing from elsewhere.
#[track_caller]
pub fn page(path: &str) -> Html {
    let text = read(path);
    let html = Html::parse_document(&text);
    assert!(html.errors.is_empty(), "{:?}", html.errors);
    assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    assert!(select(&html, "script, link, img, iframe, object, embed, base, form").is_empty());
    for element in select(&html, "*") {
        for (name, value) in element.value().attrs() {
            let refers =
                name.ends_with("src") || name.ends_with("href") || name == "srcset" || name.starts_with("on");
            assert!(!refers || value.starts_with('#'), "{name}={value}");
        }
    }
    assert!(text.split("url(").skip(1).all(|rest| rest.starts_with('#')) && !text.contains("@import"));
    html
}

/// Returns the elements that match a selector.
pub fn select<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    html.select(&Selector::parse(selector).expect("a selector")).collect()
}

/// Returns all text in an element.
pub fn text_of(element: ElementRef<'_>) -> String {
    element.text().collect()
}

/// Formats the expected text of a figure, independently of the page's code.
#[track_caller]
fn expected_text(value: &Value, unit: &str) -> String {
    let Some(number) = value.as_f64() else { return "–".to_owned() };
    match (unit, value.as_u64()) {
        ("count", Some(count)) => format::thousands(count),
        ("identifier", Some(id)) => id.to_string(),
        ("quantity", _) => format::quantity(number),
        ("seconds", _) => format!("{number:.3} s"),
        ("duration", _) => format::duration(number),
        ("rate", _) => format!("{}/s", format::rate(number)),
        ("fraction" | "ratio", _) => format!("{:.1}%", number * 100.0),
        ("dollars", _) => format::dollars(number),
        ("bill_dollars", _) => format!("${number:.6}"),
        ("price", _) if (number * 100.0).fract() == 0.0 => format!("${number:.2}"),
        ("price", _) => format!("${number}"),
        _ => panic!("{value} in {unit}"),
    }
}

/// Asserts that every figure, text and time of the page is in the data, and is formatted as elsewhere.
#[track_caller]
pub fn assert_tells(html: &Html, data: &Value) {
    let at = |element: ElementRef<'_>, name: &str| {
        let path = element.attr(name).expect("it was chosen by that");
        let value = data.pointer(&format!("/{}", path.replace('.', "/")));
        (path.to_owned(), value.unwrap_or_else(|| panic!("the data have no {path}")).clone())
    };
    let figures = select(html, "[data-figure]");
    assert!(figures.len() > 60, "{}", figures.len());
    for figure in figures {
        let (path, value) = at(figure, "data-figure");
        let shown: Value =
            figure.attr("value").and_then(|text| serde_json::from_str(text).ok()).expect("a value");
        // The two reports have different times.
        let value = if path == "faults.idle_seconds" { shown.clone() } else { value };
        assert_eq!(shown, value, "{path}");
        assert_eq!(
            text_of(figure),
            expected_text(&value, figure.attr("data-unit").expect("a unit")),
            "{path}"
        );
    }
    for text in select(html, "[data-text]") {
        let (path, value) = at(text, "data-text");
        assert_eq!(
            text_of(text),
            stentor_core::escape::escape_control(value.as_str().expect("a text")),
            "{path}"
        );
    }
    for time in select(html, "[data-time]") {
        let (path, value) = at(time, "data-time");
        let is_own = ["made_at", "snapshot.at"].contains(&path.as_str());
        assert!(is_own || time.attr("datetime") == value.as_str(), "{path}");
    }
}

/// Returns a report of the run's current state, as data and as a page.
#[track_caller]
pub fn both(stack: &Stack, folder: &TempDir, flags: &str) -> (Value, Html) {
    let (data_path, page_path) = (path(folder, "both.json"), path(folder, "both.html"));
    for path in [&data_path, &page_path] {
        let ended = stack.monitor(&format!("report {path} --once {flags}")).run().exits(0);
        assert!(ended.stderr.contains(&format!("the report is in {path}")), "{}", ended.stderr);
    }
    (data(&data_path), page(&page_path))
}

/// Lists the names in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is there");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("it is there").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
