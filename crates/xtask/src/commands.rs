//! `docs/commands.md`: the reference of every command, made from what defines it.
//!
//! Flags, environment variables and exit statuses come from the help of the programs, the monitor's fields and metrics
//! from the registry of figures, the fields of reports from their JSON schemas, and the usage of `infra/setup.sh` from
//! the script.

mod fields;
mod figures;
mod help;
mod markdown;
mod schema;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{Arg, Command};
use serde_json::Value;

use help::{description, examples, flags, section};
use markdown::{block, code, link, prose, table};

/// The file, relative to the root of the checkout.
pub const FILE: &str = "docs/commands.md";

/// The command that writes the file.
pub const REGENERATE: &str = "UPDATE_DOCS=1 cargo test --workspace --test commands";

const SETUP: &str = "infra/setup.sh";
const SHARED_FLAGS: &str = "Flags of every program";
const VALUES: &str = "Values";
const ENVIRONMENT: &str = "Environment variables";
const EXIT_STATUSES: &str = "Exit statuses";
const JSON: &str = "JSON output";
const METRICS: &str = "Metrics";

/// Returns the root of the checkout.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the text of the document.
pub fn document() -> anyhow::Result<String> {
    let programs = crate::programs();
    let mut text = format!(
        "# Commands\n\n\
        Every program with its flags, exit statuses and output. The [guide](guide.md) explains how to use them. This page is\n\
        generated from the programs: edit their help texts, then run `{REGENERATE}`.\n\n"
    );
    text.push_str(&contents(&programs));
    let parts = [
        shared_flags(&programs),
        values(&programs),
        environment(&programs),
        exit_statuses(&programs),
        json_output(),
    ];
    for part in parts {
        let _ = write!(text, "\n{part}");
    }
    for program in &programs {
        for command in crate::commands(program) {
            let _ = write!(text, "\n{}", command_section(command, &programs)?);
        }
    }
    let metrics = table(["metric", "labels", "what"], &figures::metrics());
    let _ = write!(
        text,
        "\n## {METRICS}\n\n`monitor serve` serves them at `/metrics` in the text format of Prometheus. Unknown values are \
        left out.\n\n{metrics}"
    );
    let _ = write!(text, "\n## {SETUP}\n\n{}", block("text", &setup_usage()?));
    Ok(text)
}

fn contents(programs: &[Command]) -> String {
    let mut text = String::new();
    for heading in [SHARED_FLAGS, VALUES, ENVIRONMENT, EXIT_STATUSES, JSON] {
        let _ = writeln!(text, "- {}", link(heading));
    }
    for program in programs {
        let commands: Vec<String> = crate::commands(program).map(|command| link(&title(command))).collect();
        let _ = writeln!(text, "- {}", commands.join(", "));
    }
    for heading in [METRICS, SETUP] {
        let _ = writeln!(text, "- {}", link(heading));
    }
    text
}

/// Returns the words that call a command, such as `monitor report`.
fn title(command: &Command) -> String {
    crate::page_name(command).replace('-', " ")
}

/// Whether all programs have this flag.
fn is_shared(flag: &Arg, programs: &[Command]) -> bool {
    programs.iter().all(|program| {
        program.get_arguments().any(|other| other.get_id() == flag.get_id() && other.is_global_set())
    })
}

fn shared_flags(programs: &[Command]) -> String {
    let table = programs.first().map(|program| flags(program, |flag| is_shared(flag, programs)));
    format!(
        "## {SHARED_FLAGS}\n\nThey are accepted before and after a subcommand, and so is `--run` of the monitor. \
        `--local` overrides `AWS_ENDPOINT_URL`.\nA value out of range is a usage error.\n\n{}",
        table.unwrap_or_default()
    )
}

fn values(programs: &[Command]) -> String {
    format!(
        "## {VALUES}\n\n{}\nA number that can be read in two ways, such as `1.000` (1 or 1,000) or `1,5` (1.5 or 15), is a \
        usage error that shows\nboth values. A dot is accepted if only the decimal value is in range: `-f 1.000` is 1.\n",
        listed(programs, VALUES, ["value", "for"])
    )
}

fn environment(programs: &[Command]) -> String {
    format!("## {ENVIRONMENT}\n\n{}", listed(programs, "Environment", ["variable", "what"]))
}

/// Formats a section that the help of every program ends with.
fn listed(programs: &[Command], title: &str, header: [&str; 2]) -> String {
    let lines = programs.first().map(|program| section(program, title)).unwrap_or_default();
    let rows: Vec<[String; 2]> = lines.iter().map(|(names, what)| [literals(names), prose(what)]).collect();
    table(header, &rows)
}

/// Marks each text in a list as literal.
fn literals(names: &str) -> String {
    names
        .split(", ")
        .map(|name| if name == "..." { name.to_owned() } else { code(name) })
        .collect::<Vec<_>>()
        .join(", ")
}

/// Lists each exit status with the commands that have it.
fn exit_statuses(programs: &[Command]) -> String {
    let commands: Vec<&Command> = programs.iter().flat_map(crate::commands).collect();
    let mut statuses: Vec<((String, String), Vec<String>)> = Vec::new();
    for command in &commands {
        for status in section(command, "Exit status") {
            match statuses.iter_mut().find(|(known, _)| *known == status) {
                Some((_, of)) => of.push(code(&title(command))),
                None => statuses.push((status, vec![code(&title(command))])),
            }
        }
    }
    statuses.sort_by_key(|((status, _), _)| (status.len(), status.clone()));
    let row = |((status, what), of): &((String, String), Vec<String>)| {
        let of = if of.len() == commands.len() { "every program".to_owned() } else { of.join(", ") };
        [status.clone(), prose(what), of]
    };
    let rows: Vec<[String; 3]> = statuses.iter().map(row).collect();
    format!("## {EXIT_STATUSES}\n\n{}", table(["status", "what", "of"], &rows))
}

fn json_output() -> String {
    format!(
        "## {JSON}\n\nWith `--json`, results go to stdout, one object per line; messages go to stderr. Unknown values are \
        null.\nEach command below lists its fields. `a.b` is the field `b` of the object `a`, and `a[].b` a field of each \
        object\nin the list `a`.\n"
    )
}

/// Formats the section of a program or subcommand.
fn command_section(command: &Command, programs: &[Command]) -> anyhow::Result<String> {
    let name = crate::page_name(command);
    let level = if name.contains('-') { "###" } else { "##" };
    let mut text = format!("{level} {}\n\n{}\n{}", title(command), description(command), examples(command));
    let own = flags(command, |flag| !is_shared(flag, programs));
    if !own.is_empty() {
        let _ = write!(text, "\n{own}");
    }
    let _ = write!(text, "\n{}", json(name)?);
    Ok(text)
}

/// Formats the JSON of a command, or names the command whose JSON it prints.
fn json(name: &str) -> anyhow::Result<String> {
    let with = |what: &str, rows: &[[String; 3]]| {
        let rows: Vec<[String; 3]> =
            rows.iter().map(|[path, kind, help]| [code(path), kind.clone(), stripped(help)]).collect();
        format!("{what}\n\n{}", table(["field", "type", "what"], &rows))
    };
    Ok(match name {
        "monitor" => with(
            "With `--json`, one object per interval ([schema](../crates/monitor/snapshot.schema.json)):",
            &schema::rows(&read_schema("snapshot")?),
        ),
        "monitor-serve" => {
            "With `--json` and `--until-complete`, the last object of [monitor](#monitor).\n".to_owned()
        }
        "monitor-report" => with(
            "With `--json`, the objects of [monitor](#monitor). `FILE.json` has one object \
            ([schema](../crates/monitor/report.schema.json)). A sum\nis an object: `amount` is its known part, or null, and \
            `at_least` is whether the true sum may be greater.",
            &schema::rows(&read_schema("report")?),
        ),
        "monitor-compare" => with(
            "With `--json`, and in `FILE.json` of `--output`, one object \
            ([schema](../crates/monitor/comparison.schema.json)):",
            &schema::rows(&read_schema("comparison")?),
        ),
        "producer-resume" | "producer-requeue" => {
            "With `--json`, the object of [producer](#producer).\n".to_owned()
        }
        _ => {
            let fields = monitor::json_schema(name).map(|schema| schema::rows(schema.as_value()));
            let fields = fields.or_else(|| fields::of(name));
            let fields = fields.with_context(|| format!("no JSON is described for {name}"))?;
            let what = match name {
                "monitor-runs" => "one object per run",
                "sender-providers" => "the profile, or without `NAME` one object per profile",
                _ => "one object",
            };
            with(&format!("With `--json`, {what}:"), &fields)
        }
    })
}

/// Removes the full stop of a single sentence.
fn stripped(help: &str) -> String {
    help.trim_end_matches('.').to_owned()
}

fn read_schema(name: &str) -> anyhow::Result<Value> {
    let path = checkout().join(format!("crates/monitor/{name}.schema.json"));
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

/// Returns the usage text of the setup script.
fn setup_usage() -> anyhow::Result<String> {
    let output = std::process::Command::new(checkout().join(SETUP))
        .arg("--help")
        .output()
        .with_context(|| format!("cannot run {SETUP}"))?;
    ensure!(output.status.success(), "{SETUP} --help failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
