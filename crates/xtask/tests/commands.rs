//! Tests `docs/commands.md`: it is up to date, and lists what the programs print.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use stentor_fake_aws::FakeAws;
use stentor_test_support::Program;
use stentor_test_support::build::ProgramPaths;
use xtask::commands::{FILE, REGENERATE, checkout, document};

const STACK: &str = "docs";

fn committed() -> String {
    std::fs::read_to_string(checkout().join(FILE)).expect("docs/commands.md is there")
}

/// Returns the names in the first column of the tables with this header in the section of a command.
fn listed(section: &str, header: &str) -> BTreeSet<String> {
    let text = committed();
    let heading = |line: &str| line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_owned());
    let lines = text.lines().skip_while(|line| heading(line).as_deref() != Some(section)).skip(1);
    let lines = lines.take_while(|line| heading(line).is_none()).skip_while(|line| !line.starts_with(header));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split('`').nth(1)).map(str::to_owned).collect()
}

/// Returns the fields that are listed for a command; a list counts as one field, and an object only by its fields.
fn listed_fields(command: &str) -> BTreeSet<String> {
    let names = listed(command, "| field ");
    let is_object = |name: &String| names.iter().any(|other| other.starts_with(&format!("{name}.")));
    let fields = names.iter().filter(|name| !is_object(name));
    fields.map(|name| name.split("[]").next().unwrap_or_default().to_owned()).collect()
}

/// Adds the paths of all fields of an object.
fn add_fields(object: &Value, parent: &str, fields: &mut BTreeSet<String>) {
    for (name, value) in object.as_object().into_iter().flatten() {
        let path = format!("{parent}{name}");
        if value.is_object() {
            add_fields(value, &format!("{path}."), fields);
        } else {
            fields.insert(path);
        }
    }
}

fn program(fake: &FakeAws, path: &Path, line: &str) -> Program {
    Program::new(path, line).env("STENTOR_STACK", STACK).toward(&fake.endpoint())
}

#[test]
fn commands_md_is_up_to_date() {
    let generated = document().expect("the sources of the document are there");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(checkout().join(FILE), &generated).expect("the checkout is writable");
    }
    assert!(committed() == generated, "{FILE} differs from the programs; write it again with `{REGENERATE}`");
}

#[test]
fn the_listed_fields_and_metrics_are_those_that_the_programs_print() {
    let fake = FakeAws::start(STACK, Duration::ZERO).expect("a free port");
    let built = ProgramPaths::get();
    // The audit comes before the sender: on the fake no stream counts, so it would wait for tallies. The fake has no
    // Scan for `monitor runs`, whose rows its own test compares with the schema.
    for (command, path, line) in [
        ("producer", &built.producer, "-m 5 --json"),
        ("monitor audit", &built.monitor, "audit --json"),
        ("sender", &built.sender, "-w 0 -f 0 -c 5 --idle-timeout 0 --json"),
        ("monitor repair", &built.monitor, "repair --json"),
    ] {
        let printed = program(&fake, path, line).run().exits(0).json();
        let mut fields = BTreeSet::new();
        add_fields(&printed, "", &mut fields);
        assert_eq!(listed_fields(command), fields, "{command}");
        if let Some(schema) = monitor::json_schema(&command.replace(' ', "-")) {
            let schema = jsonschema::validator_for(schema.as_value()).expect("it is a schema");
            let faults: Vec<String> = schema.iter_errors(&printed).map(|error| error.to_string()).collect();
            assert!(faults.is_empty(), "{command}: {faults:#?}\n{printed:#}");
        }
    }
    let page = program(&fake, &built.monitor, "serve 0 -t 0.1").start_page();
    let text = || page.get("/metrics").body;
    stentor_test_support::wait_until("the metrics of the run", || text().contains("stentor_senders "));
    let served = text();
    let served = served.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let (served, listed) =
        (served.map(str::to_owned).collect::<BTreeSet<_>>(), listed("Metrics", "| metric "));
    assert!(served.is_subset(&listed) && served.len() > 10, "served {served:?}, listed {listed:?}");
}
