//! The progress bar or progress line on stderr. Drawn only on a terminal; other lines on stderr are printed above it.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tokio::time::sleep;

use crate::format;
use crate::terminal::{draw_target, is_utf8_locale};

const BAR: &str = "{prefix} {wide_bar:.cyan/dim} {count}  {rate}  {left}";

/// Refresh interval of a line: smooth to the eye, and cheap.
const REFRESH: Duration = Duration::from_millis(500);

/// The bar on the terminal, for code that writes to stderr.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A bar or line on stderr until it is dropped; nothing where stderr is no terminal.
#[derive(Debug)]
pub struct ProgressLine {
    shown: Option<ProgressBar>,
}

impl ProgressLine {
    /// Shows a bar of messages, `done` of `total`: `doing ━━━━╸─── 1,000 of 3,000  500/s  4.0 s left`.
    pub fn bar(doing: &'static str, total: u32, done: u32, quiet: bool) -> Self {
        let Some(target) = target(quiet) else { return Self { shown: None } };
        let bar = ProgressBar::with_draw_target(Some(total.into()), target).with_prefix(doing);
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            let parts = if is_utf8_locale() { "━╸─" } else { "=> " };
            bar.set_style(
                style
                    .progress_chars(parts)
                    .with_key("count", count)
                    .with_key("rate", rate)
                    .with_key("left", left),
            );
        }
        bar.set_position(done.into());
        bar.reset_eta();
        Self::show(bar)
    }

    /// Shows a line, which [`Self::refresh`] updates.
    pub fn line(doing: &'static str, quiet: bool) -> Self {
        let Some(target) = target(quiet) else { return Self { shown: None } };
        let bar = ProgressBar::with_draw_target(None, target).with_prefix(doing);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_msg}") {
            bar.set_style(style);
        }
        Self::show(bar)
    }

    fn show(bar: ProgressBar) -> Self {
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Self { shown: Some(bar) }
    }

    /// Adds completed messages to the bar.
    pub fn advance(&self, messages: u32) {
        if let Some(bar) = &self.shown {
            bar.inc(messages.into());
        }
    }

    /// Updates the line until it is dropped.
    pub async fn refresh(&self, mut text: impl FnMut() -> String) -> Infallible {
        let Some(line) = &self.shown else { return pending().await };
        loop {
            line.set_message(Cow::Owned(text()));
            line.tick();
            sleep(REFRESH).await;
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.shown.is_some() {
            clear();
        }
    }
}

/// Removes the bar or line from the terminal.
pub(crate) fn clear() {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(bar) = shown {
        bar.finish_and_clear();
    }
}

/// Calls `write`, which writes to stderr, so that its lines appear above the bar.
pub(crate) fn above_progress<T>(write: impl FnOnce() -> T) -> T {
    match &*SHOWN.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn target(quiet: bool) -> Option<ProgressDrawTarget> {
    if quiet { None } else { draw_target() }
}

// The fields after the bar have a constant width, so that the bar does not move. Their write errors are ignored: they
// are only displayed.

fn count(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    let total = format::thousands(state.len().unwrap_or_default());
    let _ = write!(out, "{:>width$} of {total}", format::thousands(state.pos()), width = total.len());
}

fn rate(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    let _ = write!(out, "{:>8}", format!("{}/s", format::rate(state.per_sec())));
}

fn left(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    let known = state.pos() > 0 && !state.eta().is_zero();
    let left = if known { format::duration(state.eta().as_secs_f64()) } else { "-".to_owned() };
    let _ = write!(out, "{left:>11} left");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_shown_or_drawn_where_nobody_would_see_it() {
        let live = ProgressLine::line("delivering", true);
        assert!(live.shown.is_none());
        let refreshed =
            tokio::time::timeout(Duration::from_millis(20), live.refresh(|| unreachable!())).await;
        assert!(refreshed.is_err(), "it never asks for a text");
        assert!(above_progress(|| true));
    }
}
