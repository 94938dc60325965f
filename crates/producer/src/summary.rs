//! What the producer says: a bar while it works, a line at the end.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde::Serialize;
use stentor_core::run::Plan;
use stentor_core::show;
use stentor_core::usage::Usage;

/// What this call came to; its JSON is the producer's result.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    run: String,
    messages: u32,
    seconds: f64,
    messages_per_second: f64,
    seed: u64,
    #[serde(flatten)]
    usage: Usage,
}

impl Summary {
    pub(crate) fn new(plan: &Plan, messages: u32, took: Duration, usage: Usage) -> Self {
        let seconds = took.as_secs_f64();
        let messages_per_second = if seconds > 0.0 { f64::from(messages) / seconds } else { 0.0 };
        Self { run: plan.run().to_string(), messages, seconds, messages_per_second, seed: plan.seed(), usage }
    }

    pub(crate) fn json(&self) -> String {
        show::json(self)
    }

    pub(crate) fn line(&self) -> String {
        format!(
            "run {}: {} messages enqueued in {} ({} a second)",
            self.run,
            show::count(self.messages.into()),
            show::span(self.seconds),
            show::rate(self.messages_per_second),
        )
    }
}

/// A bar on stderr where that is a terminal, else nothing.
pub(crate) fn progress_bar(total: u32, done: u32, quiet: bool) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(total.into()), target);
    let rate = |state: &ProgressState, out: &mut dyn Write| {
        // A bar that cannot be drawn is nobody's loss.
        let _ = write!(out, "{}", show::rate(state.per_sec()));
    };
    let style = ProgressStyle::with_template(
        "{bar:40} {human_pos} of {human_len} messages, {rate} a second, {eta} left",
    )
    .map(|style| style.with_key("rate", rate));
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_position(done.into());
    bar.reset_eta();
    bar
}
