//! A progress bar or line on stderr: only on a terminal, and below everything else that is printed there.

mod bar;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::Write;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tokio::time::sleep;

use crate::terminal::{accepts_output, draw_target, drawn_columns, speaks_unicode};
use bar::Bar;

/// Refresh interval of a line.
const REFRESH: Duration = Duration::from_millis(500);

/// The bar on the terminal. Other output to stderr clears it, and draws it again below.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A progress bar or line until it is dropped; nothing if stderr is no terminal or must stay quiet.
#[derive(Debug)]
pub struct ProgressLine {
    shown: Option<ProgressBar>,
    /// Messages done, those included that the bar does not show yet.
    done: AtomicU64,
}

impl ProgressLine {
    /// Shows a bar of `total` messages of which `done` are done: `doing ━━━━╸─── 1,000 of 3,000  500/s  4.0 s left`. On
    /// a narrow terminal it is shorter.
    pub fn bar(doing: &'static str, total: u32, done: u32, quiet: bool) -> Self {
        let Some(target) = target(quiet) else { return Self::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total.into()), target);
        if let Ok(style) = ProgressStyle::with_template("{line}") {
            let is_unicode = speaks_unicode();
            bar.set_style(style.with_key("line", move |state: &ProgressState, out: &mut dyn Write| {
                // An error is ignored: the line is drawn again.
                let _ = out.write_str(&Bar::of(doing, state).text(drawn_columns(), is_unicode));
            }));
        }
        bar.set_position(done.into());
        bar.reset_eta();
        Self::show(bar)
    }

    /// Shows a line, which [`Self::refresh`] writes.
    pub fn line(doing: &'static str, quiet: bool) -> Self {
        let Some(target) = target(quiet) else { return Self::hidden() };
        let bar = ProgressBar::with_draw_target(None, target).with_prefix(doing);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_msg}") {
            bar.set_style(style);
        }
        Self::show(bar)
    }

    fn show(bar: ProgressBar) -> Self {
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        let done = AtomicU64::new(bar.position());
        Self { shown: Some(bar), done }
    }

    fn hidden() -> Self {
        Self { shown: None, done: AtomicU64::default() }
    }

    /// Adds to the number of messages done.
    pub fn advance(&self, messages: u32) {
        let Some(bar) = &self.shown else { return };
        let messages = u64::from(messages);
        let done = self.done.fetch_add(messages, Ordering::Relaxed) + messages;
        if accepts_output() {
            bar.set_position(done);
        }
    }

    /// Keeps the line up to date; never returns.
    pub async fn refresh(&self, mut text: impl FnMut() -> String) -> Infallible {
        let Some(line) = &self.shown else { return pending().await };
        loop {
            let text = Cow::Owned(text());
            if accepts_output() {
                line.set_message(text);
                line.tick();
            }
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

/// Erases the progress line.
pub(crate) fn clear() {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(bar) = shown {
        bar.finish_and_clear();
    }
}

/// Writes to stderr, above the progress line.
pub(crate) fn aside<T>(write: impl FnOnce() -> T) -> T {
    match &*SHOWN.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn target(quiet: bool) -> Option<ProgressDrawTarget> {
    if quiet { None } else { draw_target() }
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
        assert!(aside(|| true));
    }
}
