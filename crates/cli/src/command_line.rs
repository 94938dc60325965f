//! Parsing of a command line with subcommands, and its usage errors.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, Parser};

/// Flags that became subcommands: program, flag, subcommand, and the values of both.
const FORMER_FLAGS: [(&str, &str, &str, &[&str]); 7] = [
    ("producer", "--resume", "resume", &["RUN"]),
    ("producer", "--requeue", "requeue", &["RUN"]),
    ("monitor", "--web", "serve", &["[ADDR]"]),
    ("monitor", "--report", "report", &["FILE"]),
    ("monitor", "--compare", "compare", &["RUN", "RUN"]),
    ("monitor", "--audit", "audit", &[]),
    ("monitor", "--repair", "repair", &[]),
];

/// Parses the words of a command line, of which the first is the program. With `unwrapped`, each paragraph of the help
/// is one line.
pub(crate) fn parse<A: Parser>(words: &[OsString], unwrapped: bool) -> Result<A, clap::Error> {
    let mut command = A::command();
    if unwrapped {
        command = command.term_width(0).next_line_help(true);
    }
    if let Some(hint) = former_flag(command.get_name(), words) {
        return Err(command.error(ErrorKind::UnknownArgument, hint));
    }
    let matches = command.try_get_matches_from_mut(words)?;
    if let Some(conflict) = misplaced_flag(&command, &matches) {
        return Err(command.error(ErrorKind::ArgumentConflict, conflict));
    }
    A::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Names the subcommand that took the place of a flag, with the values given.
fn former_flag(program: &str, words: &[OsString]) -> Option<String> {
    let words: Vec<_> = words.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    let options = words.iter().take_while(|word| *word != "--");
    options.enumerate().find_map(|(at, word)| {
        let (flag, value) = word.split_once('=').map_or((&**word, None), |(flag, value)| (flag, Some(value)));
        let (.., subcommand, names) =
            FORMER_FLAGS.iter().find(|(of, former, ..)| *of == program && *former == flag)?;
        let rest = words[at + 1..].iter().map(|word| &**word).take_while(|word| !word.starts_with('-'));
        let values: Vec<&str> =
            value.into_iter().filter(|value| !value.is_empty()).chain(rest).take(names.len()).collect();
        let missing = names[values.len()..].iter().filter(|name| !name.starts_with('[')).copied();
        let given = [&[flag], &values[..]].concat().join(" ");
        let call: Vec<&str> = [program, subcommand].into_iter().chain(values).chain(missing).collect();
        Some(format!("'{given}' is now a subcommand: {}", call.join(" ")))
    })
}

/// Names a flag that was given and that the subcommand does not take: one of the plain call, or a global one that the
/// subcommand declares again, hidden.
fn misplaced_flag(command: &Command, matches: &ArgMatches) -> Option<String> {
    let name = matches.subcommand_name()?;
    let subcommand = command.find_subcommand(name)?;
    let is_hidden = |id| subcommand.get_arguments().any(|arg| arg.get_id() == id && arg.is_hide_set());
    let is_given = |id: &clap::Id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
    let flag = command
        .get_arguments()
        .find(|arg| is_given(arg.get_id()) && (!arg.is_global_set() || is_hidden(arg.get_id())))?;
    let is_taken = subcommand.get_arguments().any(|arg| arg.get_id() == flag.get_id() && !arg.is_hide_set());
    let flag = flag.get_long().unwrap_or_default();
    Some(if is_taken {
        format!(
            "the argument '--{flag}' belongs after the subcommand: {} {name} --{flag} ...",
            command.get_name()
        )
    } else {
        format!("the argument '--{flag}' cannot be used with the subcommand '{name}'")
    })
}

/// Shortens clap's text to three lines: the error, a tip or the possible values, and where to read more.
pub(crate) fn brief(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let mut lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if let Some(usage) = lines.iter().position(|line| line.starts_with("Usage:")) {
        lines.truncate(usage);
    }
    let line_with = |start: &str| lines.iter().find(|line| line.starts_with(start)).copied();
    let advice = line_with("tip:").or_else(|| line_with("[possible values:"));
    let mut kept: Vec<&str> = lines.first().copied().into_iter().chain(advice).collect();
    kept.push("For all flags, try '--help'.");
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::SharedArgs;

    #[derive(Debug, Parser)]
    #[command(name = "monitor", version)]
    struct Program {
        #[command(flatten)]
        shared: SharedArgs,
        #[arg(short, long, allow_negative_numbers = true)]
        messages: Option<u32>,
        #[arg(long, global = true)]
        run: Option<String>,
        #[arg(long, value_parser = ["round", "square"])]
        shape: Option<String>,
        #[command(subcommand)]
        command: Option<Subcommand>,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Subcommand {
        Audit,
        Runs {
            #[arg(long, hide = true)]
            run: Option<String>,
        },
        Send {
            #[arg(short, long)]
            messages: Option<u32>,
        },
    }

    fn parsed(args: &[&str]) -> Result<Program, clap::Error> {
        let words: Vec<OsString> = ["monitor"].iter().chain(args).map(OsString::from).collect();
        parse(&words, false)
    }

    fn refusal(args: &[&str]) -> String {
        brief(&parsed(args).unwrap_err())
    }

    #[test]
    fn a_usage_error_names_flag_and_value_in_three_lines_at_most() {
        for (args, words) in [
            (&["-m", "abc"][..], &["'abc'", "--messages"][..]),
            (&["-m", "-5"], &["'-5'", "--messages"]),
            (&["-m", "1", "--mesages"], &["'--mesages'"]),
            (&["-m", "1", "--stack", "a b"], &["'a b'", "--stack"]),
            (&["-m", "1", "--endpoint-url", "ftp://x"], &["'ftp://x'", "--endpoint-url"]),
            (&["audti"], &["'audti'"]),
        ] {
            let refusal = refusal(args);
            assert!(refusal.lines().count() <= 3, "{refusal}");
            let first = refusal.lines().next().unwrap();
            assert!(words.iter().all(|word| first.contains(word)), "{refusal}");
        }
    }

    #[test]
    fn a_typo_is_answered_by_what_was_meant() {
        for (args, advice) in [
            (&["--mesages", "1"][..], "tip: a similar argument exists: '--messages'"),
            (&["--locl"], "tip: a similar argument exists: '--local'"),
            (&["--shape", "rond"], "tip: a similar value exists: 'round'"),
            (&["--shape", "x"], "[possible values: round, square]"),
            (&["audti"], "tip: a similar subcommand exists: 'audit'"),
        ] {
            assert_eq!(refusal(args).lines().nth(1), Some(advice));
        }
    }

    #[test]
    fn a_former_flag_names_its_subcommand_in_full() {
        for (program, line, hint) in [
            ("producer", "--resume 01JX", "'--resume 01JX' is now a subcommand: producer resume 01JX"),
            ("producer", "--local --requeue=7 -m 5", "'--requeue 7' is now a subcommand: producer requeue 7"),
            ("producer", "--resume", "'--resume' is now a subcommand: producer resume RUN"),
            ("monitor", "--web", "'--web' is now a subcommand: monitor serve"),
            ("monitor", "--web 0 -t 1", "'--web 0' is now a subcommand: monitor serve 0"),
            (
                "monitor",
                "--once --report a.html",
                "'--report a.html' is now a subcommand: monitor report a.html",
            ),
            ("monitor", "--compare A B", "'--compare A B' is now a subcommand: monitor compare A B"),
            ("monitor", "--compare A --json", "'--compare A' is now a subcommand: monitor compare A RUN"),
            ("monitor", "--audit x", "'--audit' is now a subcommand: monitor audit"),
            ("monitor", "-v --repair", "'--repair' is now a subcommand: monitor repair"),
        ] {
            let words: Vec<OsString> = ["x"].into_iter().chain(line.split(' ')).map(OsString::from).collect();
            assert_eq!(former_flag(program, &words).as_deref(), Some(hint));
        }
        for (program, line) in [
            ("sender", "--report"),
            ("producer", "--audit"),
            ("monitor", "report x"),
            ("monitor", "-- --web"),
        ] {
            let words: Vec<OsString> = ["x"].into_iter().chain(line.split(' ')).map(OsString::from).collect();
            assert_eq!(former_flag(program, &words), None);
        }
        assert!(refusal(&["--audit"]).starts_with("error: '--audit' is now a subcommand: monitor audit\n"));
    }

    #[test]
    fn a_flag_before_the_subcommand_that_takes_it_is_refused_with_its_place() {
        let refusal = refusal(&["-m", "1", "send"]);
        let place = "the argument '--messages' belongs after the subcommand: monitor send --messages ...";
        assert!(refusal.contains(place), "{refusal}");
    }

    #[test]
    fn a_flag_that_the_subcommand_does_not_take_is_refused_before_and_after_it() {
        for args in [&["-m", "1", "audit"][..], &["--run", "A", "runs"], &["runs", "--run", "A"]] {
            let refusal = refusal(args);
            assert!(refusal.contains("cannot be used with the subcommand"), "{refusal}");
        }
        assert!(refusal(&["audit", "-m", "1"]).contains("unexpected argument '-m'"));
        for args in [&["--run", "A", "audit"], &["audit", "--run", "A"]] {
            assert_eq!(parsed(args).unwrap().run.as_deref(), Some("A"));
        }
    }
}
