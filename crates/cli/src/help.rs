//! Styles, headings and the final sections of the help texts.

use std::fmt::Write;

use clap::builder::styling::{AnsiColor, Style};
use clap::builder::{StyledStr, Styles};

use crate::units::FORMS;

/// The colours of help and errors; clap omits them where the stream takes none.
pub(crate) const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(TYPED)
    .placeholder(AnsiColor::Cyan.on_default());

/// The style of literal text.
const TYPED: Style = AnsiColor::Cyan.on_default().bold();

/// Heading of the flags that name stack, endpoint and credentials.
pub(crate) const CONNECTION: &str = "Connection";
/// Heading of the flags that control what is printed.
pub const OUTPUT: &str = "Output";
/// Heading of `--help` and `--version`.
pub(crate) const HELP: &str = "Help";

/// Environment variables of all three programs.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("STENTOR_STACK, STENTOR_LOCAL=1", "same as --stack and --local"),
    ("STENTOR_PORT", "port of the local emulator [default: 4566]"),
    ("AWS_ENDPOINT_URL, AWS_REGION, ...", "standard AWS SDK variables"),
    ("NO_COLOR=1", "disable colour (overrides the two below)"),
    ("CLICOLOR=0", "disable colour"),
    ("CLICOLOR_FORCE=1", "enable colour in pipes"),
];

/// Exit statuses of all three programs.
const EXITS: [(&str, &str); 6] = [
    ("0", "success"),
    ("1", "failure (the remedy is on stderr)"),
    ("2", "usage error"),
    ("129", "interrupted by SIGHUP (the terminal was closed)"),
    ("131", "ended at once by SIGQUIT"),
    ("130, 143", "interrupted by SIGINT (Ctrl-C) or SIGTERM"),
];

/// Returns the last section of the short help: commands and what each does.
pub fn examples(lines: &[(&str, &str)]) -> StyledStr {
    let mut text = StyledStr::new();
    section(&mut text, "Examples", lines);
    text
}

/// Returns the last sections of the long help and the man page; `own` are the exit statuses of this program alone.
pub fn full_ending(lines: &[(&str, &str)], own: &[(&str, &str)]) -> StyledStr {
    let mut exits = [&EXITS, own].concat();
    exits.sort_by_key(|(code, _)| code.len());
    let mut text = examples(lines);
    for (title, lines) in [("Values", &FORMS[..]), ("Environment", &ENVIRONMENT), ("Exit status", &exits)] {
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
        assert!(text.starts_with("Examples:\n  a -b  one\n  a     two\n\nValues:\n"), "{text}");
        assert!(
            text.contains("  2         usage error\n  3         limit\n  129       interrupted")
                && text.contains("at once by SIGQUIT\n  130, 143  interrupted"),
            "{text}"
        );
    }
}
