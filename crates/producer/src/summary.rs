//! The result of a call.

use std::time::Duration;

use serde::Serialize;
use stentor_cli::format;
use stentor_core::provider::parts::{Encoding, parts};
use stentor_core::run::Plan;
use stentor_core::usage::Usage;

/// The messages and requests of a call; its JSON is the producer's result.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    run: String,
    messages: u32,
    seconds: f64,
    /// `None` from less than a second.
    messages_per_second: Option<f64>,
    throttled_seconds: f64,
    seed: u64,
    /// Encoding of the text of all messages, and its parts; `None` where each has a random text.
    encoding: Option<String>,
    parts: Option<u32>,
    clock_offset_seconds: Option<f64>,
    #[serde(flatten)]
    usage: Usage,
}

impl Summary {
    /// `throttled` is how long the table throttled the writes, `clock_offset_seconds` what was added to this machine's clock, if anything.
    pub(crate) fn new(
        plan: &Plan,
        messages: u32,
        took: Duration,
        throttled: Duration,
        clock_offset_seconds: Option<f64>,
        usage: Usage,
    ) -> Self {
        let seconds = took.as_secs_f64();
        let messages_per_second = (seconds >= 1.0).then(|| f64::from(messages) / seconds);
        Self {
            run: plan.run().to_string(),
            messages,
            seconds,
            messages_per_second,
            throttled_seconds: throttled.as_secs_f64(),
            seed: plan.seed(),
            encoding: plan.text().map(|text| Encoding::of(text.as_str()).to_string()),
            parts: plan.text().map(|text| parts(text.as_str())),
            clock_offset_seconds,
            usage,
        }
    }

    pub(crate) fn line(&self) -> String {
        let rate = self.messages_per_second.map(|rate| format!(" ({} a second)", format::rate(rate)));
        let throttled = self.throttled_seconds;
        let throttled =
            (throttled >= 1.0).then(|| format!("; the table throttled for {}", format::duration(throttled)));
        format!(
            "run {}: {} enqueued in {}{}{}",
            self.run,
            format::counted(self.messages.into(), "message"),
            format::duration(self.seconds),
            rate.unwrap_or_default(),
            throttled.unwrap_or_default(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_core::run::{BodyLength, RunId};

    #[test]
    fn rate_and_throttling_are_shown_from_a_second_on_and_one_message_is_singular() {
        let plan = Plan::new(RunId::from_parts(1, 1), 7, 1, BodyLength { max: 1, exact: false }).unwrap();
        let line = |messages, ms| {
            let took = Duration::from_millis(ms);
            Summary::new(&plan, messages, took, took / 2, None, Usage::default()).line()
        };
        assert!(line(1_000, 36).ends_with(": 1,000 messages enqueued in 0.0 s"), "{}", line(1_000, 36));
        assert!(
            line(1, 2_000)
                .ends_with(": 1 message enqueued in 2.0 s (0.5 a second); the table throttled for 1.0 s"),
            "{}",
            line(1, 2_000)
        );
    }
}
