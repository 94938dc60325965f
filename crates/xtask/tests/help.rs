//! Tests the help of every command on a terminal of 80 columns.

use xtask::{commands, page_name, programs};

#[test]
fn the_help_of_every_command_matches_its_snapshot() {
    for program in programs() {
        for command in commands(&program) {
            let name = page_name(command);
            let mut command = command.clone().term_width(80);
            insta::assert_snapshot!(format!("{name}_short"), command.render_help().to_string());
            insta::assert_snapshot!(format!("{name}_long"), command.render_long_help().to_string());
        }
    }
}

#[test]
fn no_line_of_the_examples_is_wider_than_a_terminal() {
    for program in programs() {
        for command in commands(&program) {
            let after = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.starts_with("Examples:"), "{}", page_name(command));
            for line in after.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }
}
