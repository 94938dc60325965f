//! `monitor compare`: comparison of two runs.

use serde_json::{Value, json};
use stentor_tests::{ProcessOutput, Stack};

use super::reading::{folder, follows, page, path, read, select};

/// Creates two runs that differ in the sender's settings.
fn two_runs(stack: &Stack) -> [String; 2] {
    ["-w 0.02 -f 0", "-w 0.08 -f 1"].map(|settings| {
        let run = stack.produce("-m 60 --seed 5");
        stack.sender(&format!("{settings} -c 4 --idle-timeout 1")).run().exits(0);
        stack.completed(&run);
        run
    })
}

fn figure<'c>(comparison: &'c Value, name: &str) -> &'c Value {
    let sections = comparison["sections"].as_array().unwrap();
    let mut figures = sections.iter().flat_map(|section| section["figures"].as_array().unwrap());
    figures
        .find(|figure| figure["name"] == name)
        .unwrap_or_else(|| panic!("there is no {name}: {comparison}"))
}

#[test]
fn the_effect_of_a_changed_setting_is_compared() {
    let stack = Stack::deploy();
    let [first, second] = two_runs(&stack);
    let compare = |flags: &str| -> ProcessOutput {
        stack.monitor(&format!("compare {first} {second} {flags}")).run().exits(0)
    };
    let comparison = compare("--json").json();
    follows(&comparison, "comparison.schema.json");
    assert_eq!(figure(&comparison, "sent")["values"], json!([60.0, 0.0]));
    assert_eq!(figure(&comparison, "failed of outcomes")["values"], json!([0.0, 1.0]));
    assert_eq!(figure(&comparison, "failure rate")["values"], json!(["0.0%", "100.0%"]));
    assert_eq!(figure(&comparison, "mean wait")["values"], json!(["0.02 s", "0.08 s"]));
    for (place, run) in [&first, &second].into_iter().enumerate() {
        let alone = stack.monitor(&format!("--once --json --run {run}")).run().exits(0).json();
        assert_eq!(comparison["runs"][place]["plan"]["run"], **run);
        let average = &figure(&comparison, "average")["values"][place];
        assert_eq!(*average, alone["average_seconds"], "the comparison differs from the run's own snapshot");
    }

    let folder = folder();
    let (html, json) = (path(&folder, "both.html"), path(&folder, "both.json"));
    for file in [&html, &json] {
        compare(&format!("--output {file}"));
    }
    let kept: Value = serde_json::from_str(&read(&json)).unwrap();
    assert_eq!(figure(&kept, "sent"), figure(&comparison, "sent"));
    let html = page(&html);
    let sent = select(&html, "[data-figure='sections.1.figures.1.values.0']");
    assert_eq!(sent[0].attr("value"), Some("60"));

    let table = compare("").stdout;
    assert!(table.contains(&format!("A  {first}")) && table.contains(&format!("B  {second}")), "{table}");
    let row = |name: &str| -> Vec<String> {
        let mut rows = table.lines().filter_map(|line| line.strip_prefix(&format!("  {name}  ")));
        let row = rows.next().unwrap_or_else(|| panic!("{name} is not in {table}"));
        row.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(row("sent"), ["60", "0", "-100.0%"]);
    assert_eq!(row("failed"), ["0", "60", "+60"]);
    assert_eq!(row("failed of outcomes"), ["0.0%", "100.0%", "+100.0", "points"]);
    assert_eq!(row("seed"), ["5", "5", "="]);
}

#[test]
fn a_comparison_with_an_unknown_run_names_it() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 1");
    let none = "01JDD0QYJ8000000000000000A";
    for pair in [format!("{run} {none}"), format!("{none} {run}")] {
        let refused = stack.monitor(&format!("compare {pair}")).run().exits(1);
        assert!(refused.stderr.contains(none) && refused.stdout.is_empty(), "{refused:?}");
    }
}
