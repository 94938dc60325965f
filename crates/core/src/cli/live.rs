//! What moves on stderr while a program works: a bar or a line. Only on a terminal, and never in the way of what else
//! is said there.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::pending;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tokio::time::sleep;

use super::output::colour;
use crate::show;

/// How often a line is drawn: to a person it moves, and the CPU does not notice.
const REFRESH: Duration = Duration::from_millis(500);

/// The one that is on the terminal, for whoever else wants to write there.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A bar or a line, until it is dropped; nothing at all where nobody would see it.
#[derive(Debug)]
pub struct Live {
    shown: Option<ProgressBar>,
}

impl Live {
    /// A bar of messages, of which so many are done: `doing ━━━━╸─── 1,000 of 3,000  500/s  4.0 s left`.
    pub fn bar(doing: &'static str, total: u32, done: u32, quiet: bool) -> Self {
        let target =
            if is_wanted(quiet) { ProgressDrawTarget::stderr() } else { return Self { shown: None } };
        let bar = ProgressBar::with_draw_target(Some(total.into()), target).with_prefix(doing);
        let painted = if colour(&io::stderr()) { ":.cyan/dim" } else { "" };
        let template = format!("{{prefix}} {{wide_bar{painted}}} {{count}}  {{rate}}  {{left}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            let bars = if speaks_unicode() { "━╸─" } else { "=> " };
            bar.set_style(
                style
                    .progress_chars(bars)
                    .with_key("count", count)
                    .with_key("rate", rate)
                    .with_key("left", left),
            );
        }
        bar.set_position(done.into());
        bar.reset_eta();
        Self::show(bar)
    }

    /// A line, which [`Self::refresh`] writes.
    pub fn line(doing: &'static str, quiet: bool) -> Self {
        if !is_wanted(quiet) {
            return Self { shown: None };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_prefix(doing);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_msg}") {
            bar.set_style(style);
        }
        Self::show(bar)
    }

    fn show(bar: ProgressBar) -> Self {
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Self { shown: Some(bar) }
    }

    /// So many more messages are done.
    pub fn advance(&self, messages: u32) {
        if let Some(bar) = &self.shown {
            bar.inc(messages.into());
        }
    }

    /// Keeps the line up to date, for ever.
    pub async fn refresh(&self, mut text: impl FnMut() -> String) -> Infallible {
        let Some(line) = &self.shown else { return pending().await };
        loop {
            line.set_message(Cow::Owned(text()));
            line.tick();
            sleep(REFRESH).await;
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.shown.is_some() {
            clear();
        }
    }
}

/// Takes what is shown off the terminal.
pub(super) fn clear() {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(bar) = shown {
        bar.finish_and_clear();
    }
}

/// Writes to stderr, above what is shown there.
pub(super) fn aside<T>(write: impl FnOnce() -> T) -> T {
    match &*SHOWN.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Stderr as logs use it: one write is one record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        aside(|| io::stderr().lock().write(record))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn is_wanted(quiet: bool) -> bool {
    !quiet && io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether the terminal takes more than ASCII, by the first of the variables that decide it and is set.
fn speaks_unicode() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
    set.into_iter().find(|value| !value.is_empty()).is_some_and(|value| is_utf8(&value))
}

/// A locale's name, as in `de_CH.UTF-8` or `C.utf8`.
fn is_utf8(locale: &str) -> bool {
    let codeset = locale.split('.').nth(1).unwrap_or_default().split('@').next().unwrap_or_default();
    codeset.eq_ignore_ascii_case("utf-8") || codeset.eq_ignore_ascii_case("utf8")
}

// What follows the bar keeps its width as the numbers change, so that the bar stands still. A part that cannot be
// written is nobody's loss.

fn count(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    let total = show::count(state.len().unwrap_or_default());
    let _ = write!(out, "{:>width$} of {total}", show::count(state.pos()), width = total.len());
}

fn rate(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    let _ = write!(out, "{:>8}", format!("{}/s", show::rate(state.per_sec())));
}

fn left(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    let known = state.pos() > 0 && !state.eta().is_zero();
    let left = if known { show::span(state.eta().as_secs_f64()) } else { "-".to_owned() };
    let _ = write!(out, "{left:>11} left");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_says_whether_the_terminal_takes_unicode() {
        for (locale, takes) in [("de_CH.UTF-8", true), ("C.utf8", true), ("sr_RS.UTF-8@latin", true)] {
            assert_eq!(is_utf8(locale), takes, "{locale}");
        }
        for locale in ["", "C", "POSIX", "de_CH.ISO-8859-1", "de_CH@euro"] {
            assert!(!is_utf8(locale), "{locale}");
        }
    }

    #[tokio::test]
    async fn nothing_is_shown_or_drawn_where_nobody_would_see_it() {
        let live = Live::line("delivering", true);
        assert!(live.shown.is_none());
        let refreshed =
            tokio::time::timeout(Duration::from_millis(20), live.refresh(|| unreachable!())).await;
        assert!(refreshed.is_err(), "it never asks for a text");
        assert!(aside(|| true));
    }
}
