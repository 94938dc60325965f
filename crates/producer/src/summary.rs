//! The result of a call.

use std::time::Duration;

use serde::Serialize;
use stentor_cli::format;
use stentor_core::run::Plan;
use stentor_core::usage::Usage;

/// The messages and requests of a call; its JSON is the producer's result.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    run: String,
    messages: u32,
    seconds: f64,
    messages_per_second: f64,
    seed: u64,
    clock_offset_seconds: Option<f64>,
    #[serde(flatten)]
    usage: Usage,
}

impl Summary {
    /// `clock_offset_seconds` is what was added to this machine's clock, if anything.
    pub(crate) fn new(
        plan: &Plan,
        messages: u32,
        took: Duration,
        clock_offset_seconds: Option<f64>,
        usage: Usage,
    ) -> Self {
        let seconds = took.as_secs_f64();
        let messages_per_second = if seconds > 0.0 { f64::from(messages) / seconds } else { 0.0 };
        Self {
            run: plan.run().to_string(),
            messages,
            seconds,
            messages_per_second,
            seed: plan.seed(),
            clock_offset_seconds,
            usage,
        }
    }

    pub(crate) fn line(&self) -> String {
        format!(
            "run {}: {} messages enqueued in {} ({} a second)",
            self.run,
            format::thousands(self.messages.into()),
            format::duration(self.seconds),
            format::rate(self.messages_per_second),
        )
    }
}
