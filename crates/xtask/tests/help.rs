//! The help as it stands on a terminal of 80 columns.

#[test]
fn the_help_is_as_it_was_last_looked_at() {
    for program in xtask::programs() {
        let name = program.get_name().to_owned();
        let mut program = program.term_width(80);
        insta::assert_snapshot!(format!("{name}_short"), program.render_help().to_string());
        insta::assert_snapshot!(format!("{name}_long"), program.render_long_help().to_string());
    }
}

#[test]
fn no_line_of_the_examples_is_wider_than_a_terminal() {
    for program in xtask::programs() {
        let after = program.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        for line in after.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
