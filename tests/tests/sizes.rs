//! Terminals of all sizes, without control sequences, and without Unicode.

use stentor_tests::build::ProgramPaths;
use stentor_tests::{Program, Stack};

/// Returns what the program writes to a terminal of these columns.
fn written(program: Program, columns: u16) -> String {
    program.start_on_terminal(columns, 40).finish().exits(0).transcript
}

#[test]
fn the_help_fits_terminals_of_20_to_500_columns() {
    let built = ProgramPaths::get();
    for (program, lines) in [
        (&built.producer, ["--help", "-h", "requeue --help"]),
        (&built.sender, ["--help", "-h", "--version"]),
        (&built.monitor, ["--help", "-h", "report --help"]),
    ] {
        for line in lines {
            let help = |columns| {
                written(Program::new(program, line).env("NO_COLOR", "1").env("LC_ALL", "C"), columns)
            };
            let widest = help(500);
            assert!(widest.is_ascii(), "{widest}");
            for columns in [20, 40, 59, 60, 80] {
                let help = help(columns);
                // A narrow help has commas between what a wide one has in columns.
                let words = |help: &str| -> Vec<String> {
                    help.split_whitespace().map(|word| word.trim_end_matches(',').to_owned()).collect()
                };
                assert_eq!(words(&help), words(&widest), "{line} in {columns} columns");
                for row in help.lines().map(str::trim_end) {
                    let fits = row.chars().count() <= usize::from(columns);
                    assert!(fits || !row.trim_start().contains(' '), "{line} in {columns} columns: {row:?}");
                }
            }
        }
    }
}

#[test]
fn a_terminal_without_control_sequences_gets_lines_that_fit() {
    let stack = Stack::deploy();
    stack.produce("-m 500");
    for columns in [20, 80] {
        let monitor = stack.monitor("--once").env("TERM", "dumb").env("LC_ALL", "C");
        let text = written(monitor, columns);
        assert!(text.contains("pending 500"), "{text}");
        assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text:?}");
        for row in text.lines().map(str::trim_end) {
            // A command to copy is not broken on a terminal of usual width.
            let fits = row.chars().count() <= usize::from(columns) || row.starts_with("no sender yet: ");
            assert!(fits || !row.trim_start().contains(' '), "{columns} columns: {row:?}");
        }
    }
}

#[test]
fn a_terminal_without_a_size_gets_lines_and_a_bar() {
    let stack = Stack::deploy();
    let bar = written(stack.producer("-m 60 --rate 100").env("LC_ALL", "C"), 0);
    assert!(bar.contains("enqueuing") && bar.is_ascii(), "{bar}");
    let monitor = stack.monitor("-t 0.2").start_on_terminal(0, 0);
    monitor.shows("pending 60");
    assert!(!monitor.is_taken_over());
}
