//! The terminal behind stderr, as live lines are drawn on it.

use std::io::{self, IsTerminal};

use console::Term;
use indicatif::{ProgressDrawTarget, TermLike};

use crate::output::colour;

/// Columns that stay free on the right: a `^C` that the terminal echoes there must not begin a new line, which would
/// leave what is shown standing.
const FREE: u16 = 3;

/// A line that is longer is no better to read.
const WIDEST: u16 = 100;

/// Drawings in a second, at most.
const DRAWINGS: u8 = 20;

/// Where to draw; `None` where nobody would see it, or the terminal cannot take a line back.
pub(crate) fn draw_target() -> Option<ProgressDrawTarget> {
    if !io::stderr().is_terminal() || std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return None;
    }
    // What is drawn this way has the colours that are meant for standard output: there is no other use of them here.
    console::set_colors_enabled(colour(&io::stderr()));
    Some(ProgressDrawTarget::term_like_with_hz(Box::new(Stderr(Term::buffered_stderr())), DRAWINGS))
}

/// Whether the terminal takes more than ASCII, by the first of the variables that decide it and is set.
pub(crate) fn speaks_unicode() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
    set.into_iter().find(|value| !value.is_empty()).is_some_and(|value| is_utf8(&value))
}

/// A locale's name, as in `de_CH.UTF-8` or `C.utf8`.
fn is_utf8(locale: &str) -> bool {
    let codeset = locale.split('.').nth(1).unwrap_or_default().split('@').next().unwrap_or_default();
    codeset.eq_ignore_ascii_case("utf-8") || codeset.eq_ignore_ascii_case("utf8")
}

/// The width to draw in, on a terminal that is so wide.
fn drawn_width(columns: u16) -> u16 {
    columns.saturating_sub(FREE).clamp(1, WIDEST)
}

#[derive(Debug)]
struct Stderr(Term);

impl TermLike for Stderr {
    fn width(&self) -> u16 {
        drawn_width(self.0.size().1)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_says_whether_the_terminal_takes_unicode() {
        for locale in ["de_CH.UTF-8", "C.utf8", "sr_RS.UTF-8@latin"] {
            assert!(is_utf8(locale), "{locale}");
        }
        for locale in ["", "C", "POSIX", "de_CH.ISO-8859-1", "de_CH@euro"] {
            assert!(!is_utf8(locale), "{locale}");
        }
    }

    #[test]
    fn some_columns_stay_free_and_no_line_is_too_long_or_without_width() {
        assert_eq!([0, 2, 80, 300].map(drawn_width), [1, 1, 77, 100]);
    }
}
