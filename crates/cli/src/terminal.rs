//! The terminal behind stderr, for progress lines.

use std::io::{self, IsTerminal};

use console::Term;
use indicatif::{ProgressDrawTarget, TermLike};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::job::is_foreground;
use crate::output::colour;

/// Columns kept free on the right: a `^C` that the terminal echoes must not wrap, which would leave the progress line
/// behind.
const FREE: u16 = 3;

/// Maximum width of a progress line, columns.
const WIDEST: u16 = 100;

/// Maximum number of redraws per second.
const DRAWINGS: u8 = 20;

/// Returns where to draw; `None` if stderr is no terminal, or one that cannot erase a line.
pub(crate) fn draw_target() -> Option<ProgressDrawTarget> {
    if !io::stderr().is_terminal() || std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return None;
    }
    // `console` has one switch for all streams; only progress lines use it here.
    console::set_colors_enabled(colour(&io::stderr()));
    Some(ProgressDrawTarget::term_like_with_hz(Box::new(Stderr(Term::buffered_stderr())), DRAWINGS))
}

/// Returns whether a write to stderr returns at once. On a terminal that Ctrl-S has stopped it would block the program,
/// with its deliveries, until Ctrl-Q.
pub(crate) fn accepts_output() -> bool {
    let stderr = io::stderr();
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&at_once)) != Ok(0)
}

/// Returns whether the locale is UTF-8, by the first of its variables that is set.
pub fn speaks_unicode() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
    set.into_iter().find(|value| !value.is_empty()).is_some_and(|value| is_utf8(&value))
}

/// Parses a locale's name, such as `de_CH.UTF-8` or `C.utf8`.
fn is_utf8(locale: &str) -> bool {
    let codeset = locale.split('.').nth(1).unwrap_or_default().split('@').next().unwrap_or_default();
    codeset.eq_ignore_ascii_case("utf-8") || codeset.eq_ignore_ascii_case("utf8")
}

/// Returns the width to draw in, on the terminal behind stderr.
pub(crate) fn drawn_columns() -> usize {
    drawn_width(Term::stderr().size().1).into()
}

/// Returns the columns of the terminal on standard output; `None` if it is not a terminal, or one without a size.
pub fn terminal_columns() -> Option<u16> {
    Term::stdout().size_checked().map(|(_, columns)| columns)
}

/// Returns the width to draw in, on a terminal of `columns`.
fn drawn_width(columns: u16) -> u16 {
    columns.saturating_sub(FREE).clamp(1, WIDEST)
}

/// Standard error as a terminal that is left alone while this process is in its background.
#[derive(Debug)]
struct Stderr(Term);

impl Stderr {
    fn in_foreground(&self, write: impl FnOnce(&Term) -> io::Result<()>) -> io::Result<()> {
        if is_foreground(io::stderr()) { write(&self.0) } else { Ok(()) }
    }
}

impl TermLike for Stderr {
    fn width(&self) -> u16 {
        drawn_width(self.0.size().1)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.in_foreground(|term| term.move_cursor_up(lines))
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.in_foreground(|term| term.move_cursor_down(lines))
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.in_foreground(|term| term.move_cursor_right(columns))
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.in_foreground(|term| term.move_cursor_left(columns))
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.in_foreground(|term| term.write_line(text))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.in_foreground(|term| term.write_str(text))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.in_foreground(Term::clear_line)
    }

    fn flush(&self) -> io::Result<()> {
        self.in_foreground(Term::flush)
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
