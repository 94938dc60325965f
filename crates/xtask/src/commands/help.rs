//! What the help of a command has: its flags, and the sections at its end.

use std::fmt::Write;

use clap::{Arg, Command};

use super::markdown::{block, code, prose, table};

/// The lines of a section at the end of a long help, each with a term and its explanation.
pub(super) type Lines = Vec<(String, String)>;

/// Returns the lines of the section with this title: examples, environment variables or exit statuses.
pub(super) fn section(command: &Command, title: &str) -> Lines {
    let ending = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let sections = ending.split("\n\n").filter_map(|section| section.split_once(":\n"));
    let lines = sections.filter(|(name, _)| *name == title).flat_map(|(_, lines)| lines.lines());
    let pairs = lines.filter_map(|line| line.trim_start().split_once("  "));
    pairs.map(|(term, meaning)| (term.to_owned(), meaning.trim_start().to_owned())).collect()
}

/// Formats what a command does: the first line of its help as a sentence, then the rest.
pub(super) fn description(command: &Command) -> String {
    let short = command.get_about().map(ToString::to_string).unwrap_or_default();
    let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    let rest = long.strip_prefix(&short).unwrap_or_default().trim();
    let mut text = prose(&short) + ".\n";
    if !rest.is_empty() {
        let _ = write!(text, "\n{}\n", prose(rest));
    }
    text
}

/// Formats the examples of a command, with what each does as a comment.
pub(super) fn examples(command: &Command) -> String {
    let lines = section(command, "Examples");
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
    let lines = lines.iter().map(|(line, what)| format!("{line:width$}  # {what}\n"));
    block("sh", &lines.collect::<String>())
}

/// Formats the flags and arguments of a command that `wanted` accepts, those of a group of the help together, and
/// below them what is too long for a table.
pub(super) fn flags(command: &Command, wanted: impl Fn(&Arg) -> bool) -> String {
    let flags: Vec<&Arg> =
        command.get_arguments().filter(|flag| !flag.is_hide_set() && wanted(flag)).collect();
    if flags.is_empty() {
        return String::new();
    }
    let mut groups: Vec<Option<&str>> = Vec::new();
    for flag in &flags {
        if !groups.contains(&flag.get_help_heading()) {
            groups.push(flag.get_help_heading());
        }
    }
    let grouped =
        groups.iter().flat_map(|group| flags.iter().filter(move |flag| flag.get_help_heading() == *group));
    let (mut rows, mut notes) = (Vec::new(), String::new());
    for flag in grouped {
        let help = Help::of(flag);
        rows.push([spelling(flag), default(flag, &help), help.what]);
        if !help.rest.is_empty() {
            let _ = write!(notes, "\nValues of {}:\n\n{}", spelling(flag), block("text", &help.rest));
        }
    }
    table(["flag", "default, environment", "what"], &rows) + &notes
}

/// The help of a flag in parts.
struct Help {
    /// The first paragraph, and the possible values.
    what: String,
    /// The default, where only the text has it.
    default: Option<String>,
    /// The other paragraphs, which have lists.
    rest: String,
}

impl Help {
    fn of(flag: &Arg) -> Self {
        let text = flag.get_long_help().or(flag.get_help()).map(ToString::to_string).unwrap_or_default();
        let (first, rest) = text.split_once("\n\n").unwrap_or((text.as_str(), ""));
        let (first, default) = match first.split_once(" [default: ") {
            Some((first, default)) => (first, Some(default.trim_end_matches(']').to_owned())),
            None => (first, None),
        };
        let mut what = prose(first.replace('\n', " ").trim_end_matches('.'));
        for value in flag.get_possible_values() {
            if let Some(help) = value.get_help() {
                let _ = write!(what, "<br>{}: {help}", code(value.get_name()));
            }
        }
        Self { what, default, rest: rest.to_owned() }
    }
}

/// Formats how a flag or argument is written, such as `-m`, `--messages N`.
fn spelling(flag: &Arg) -> String {
    let takes_value = flag.get_action().takes_values();
    let names = flag.get_value_names().unwrap_or_default();
    let mut value = String::new();
    for name in names.iter().filter(|_| takes_value) {
        let _ = write!(value, " {name}");
    }
    if flag.is_positional() {
        return code(value.trim_start());
    }
    let short = flag.get_short().map(|short| code(&format!("-{short}")) + ", ").unwrap_or_default();
    short + &code(&format!("--{}{value}", flag.get_long().unwrap_or_default()))
}

/// Formats the default of a flag, and the environment variable that sets it.
fn default(flag: &Arg, help: &Help) -> String {
    let values = flag.get_default_values().iter().map(|value| code(&value.to_string_lossy()));
    let values = values.filter(|_| flag.get_action().takes_values());
    let variable = flag.get_env().map(|name| code(&name.to_string_lossy()));
    let required = flag.is_required_set().then(|| "required".to_owned());
    values
        .chain(help.default.as_deref().map(prose))
        .chain(variable)
        .chain(required)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command::new("x")
            .about("Do it")
            .long_about("Do it\n\nWith --force.")
            .after_long_help(
                "Examples:\n  x -f 1  once\n\nExit status:\n  0         done\n  130, 143  signal",
            )
            .arg(Arg::new("file").value_name("FILE").required(true).help("File to read"))
            .arg(
                Arg::new("force")
                    .short('f')
                    .long("force")
                    .value_name("N")
                    .default_value("2")
                    .help("How much"),
            )
            .arg(
                Arg::new("seed")
                    .long("seed")
                    .help("Seed [default: random]")
                    .long_help("Seed [default: random]\n\n  a  b"),
            )
    }

    #[test]
    fn the_sections_of_the_help_are_found() {
        let statuses = section(&command(), "Exit status");
        assert_eq!(statuses[1], ("130, 143".to_owned(), "signal".to_owned()));
        assert_eq!(examples(&command()), "```sh\nx -f 1  # once\n```\n");
        assert_eq!(description(&command()), "Do it.\n\nWith `--force`.\n");
    }

    #[test]
    fn a_flag_has_its_spelling_default_and_text() {
        let expected = "\
| flag | default, environment | what |
|---|---|---|
| `FILE` | required | File to read |
| `-f`, `--force N` | `2` | How much |
| `--seed` | random | Seed |

Values of `--seed`:

```text
  a  b
```
";
        assert_eq!(flags(&command(), |flag| flag.get_id() != "help"), expected);
    }
}
