//! What the help looks like, and what stands in it after the flags.

use std::fmt::Write;

use clap::builder::styling::{AnsiColor, Style};
use clap::builder::{StyledStr, Styles};

/// The colours of help and errors. clap leaves them out where a stream shall have none.
pub(crate) const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(TYPED)
    .placeholder(AnsiColor::Cyan.on_default());

/// What is to be typed as it stands.
const TYPED: Style = AnsiColor::Cyan.on_default().bold();

/// The heading of the flags that status where a program works.
pub(crate) const PLACE: &str = "Where";
/// The heading of the flags that status how a program tells what it does.
pub const OUTPUT: &str = "Output";
/// The heading of the flags that explain the others.
pub(crate) const HELP: &str = "Help";

/// Variables that all three programs heed.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("STENTOR_STACK, STENTOR_LOCAL=1", "as --stack and --local"),
    ("STENTOR_PORT", "port of the local emulator, 4566 if unset"),
    ("AWS_ENDPOINT_URL, AWS_REGION, …", "as everywhere with AWS"),
    ("NO_COLOR=1", "no colour; goes before the next two"),
    ("CLICOLOR=0", "no colour"),
    ("CLICOLOR_FORCE=1", "colour in a pipe too"),
];

/// Exit codes that all three programs have.
const EXITS: [(&str, &str); 4] = [
    ("0", "done"),
    ("1", "failed: the message on stderr says what to do"),
    ("2", "usage error"),
    ("130, 143", "ended by SIGINT (Ctrl-C), by SIGTERM"),
];

/// What stands after the flags in the short help: what to type, and what it does.
pub fn examples(lines: &[(&str, &str)]) -> StyledStr {
    let mut text = StyledStr::new();
    section(&mut text, "Examples", lines);
    text
}

/// What stands after the flags in the long help and the man page; `own` are exit codes of this program alone.
pub fn full_ending(lines: &[(&str, &str)], own: &[(&str, &str)]) -> StyledStr {
    let mut exits = [&EXITS, own].concat();
    exits.sort_by_key(|(code, _)| code.len());
    let mut text = examples(lines);
    for (title, lines) in [("Environment", &ENVIRONMENT[..]), ("Exit status", &exits)] {
        let _ = write!(text, "\n\n");
        section(&mut text, title, lines);
    }
    text
}

fn section(text: &mut StyledStr, title: &str, lines: &[(&str, &str)]) {
    let header = STYLES.get_header();
    let _ = write!(text, "{header}{title}:{header:#}");
    let width = lines.iter().map(|(left, _)| left.chars().count()).max().unwrap_or(0);
    for (left, right) in lines {
        let _ = write!(text, "\n  {TYPED}{left:width$}{TYPED:#}  {right}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_aligned_and_stand_apart() {
        let text = full_ending(&[("a -b", "one"), ("a", "two")], &[("3", "limit")]).to_string();
        assert!(text.starts_with("Examples:\n  a -b  one\n  a     two\n\nEnvironment:\n"), "{text}");
        assert!(text.contains("  2         usage error\n  3         limit\n  130, 143  ended"), "{text}");
    }
}
