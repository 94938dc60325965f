//! How a run stands: whether it goes on, and the word and sentence that every surface shows for it.

use schemars::JsonSchema;
use serde::Serialize;
use stentor_cli::format;

use crate::view::RunView;

/// A run without senders counts as stalled after this time without an outcome, seconds: tallies lag a little.
const IDLE: f64 = 5.0;

/// With senders, this time without an outcome is worth a sentence, seconds.
const LONG_IDLE: f64 = 15.0;

/// Whether a run can get any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunPhase {
    /// Messages may still get an outcome.
    Active,
    /// Every message is enqueued and has an outcome.
    Complete,
    /// Messages are pending, and nothing is left that could deliver them.
    Stalled,
}

/// The status of a run in a word and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunStatus {
    /// How it is marked.
    #[serde(rename = "kind")]
    pub level: StatusLevel,
    /// The status in capitals.
    pub word: &'static str,
    /// What the word is based on, and what to do.
    #[serde(rename = "why")]
    pub sentence: String,
}

/// How a status is marked, by colour for example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StatusLevel {
    /// Nothing is known yet.
    Waiting,
    /// As expected.
    Good,
    /// Somebody has to act.
    Bad,
}

impl RunPhase {
    /// Whether a watch of the run ends.
    pub fn has_ended(self) -> bool {
        self != Self::Active
    }
}

impl RunStatus {
    /// The status of a run.
    pub fn of(view: &RunView) -> Self {
        let reading = &view.reading;
        if let Some(shard) = view.damaged_shard() {
            return Self::bad(
                "DAMAGED",
                format!(
                    "counts are too low, a tally is damaged; when all is sent or failed: monitor repair --run {} (shard {shard})",
                    view.run()
                ),
            );
        }
        match view.phase {
            RunPhase::Complete => Self::good(
                "COMPLETE",
                format!(
                    "{} messages in {}",
                    format::thousands(reading.total()),
                    format::duration(view.throughput.seconds())
                ),
            ),
            RunPhase::Stalled => Self::bad(
                "STALLED",
                format!(
                    "{} pending, queue empty: producer requeue {}",
                    format::thousands(reading.pending()),
                    view.run()
                ),
            ),
            RunPhase::Active if view.alive_senders().next().is_none() && view.idle_seconds() > IDLE => {
                Self::bad("STALLED", "no sender is alive; start one: sender -c 20".to_owned())
            }
            RunPhase::Active => Self::good("RUNNING", progress(view)),
        }
    }

    /// No reading yet, and no error.
    pub fn reading() -> Self {
        Self::waiting("READING", "reading the run")
    }

    /// The stack has no run.
    pub fn no_run() -> Self {
        Self::waiting("WAITING", "no run in this stack yet; make one: producer -m 1000")
    }

    /// The user paused the reader.
    pub fn paused() -> Self {
        Self::waiting("PAUSED", "press p to resume")
    }

    /// AWS has not answered for too long.
    pub fn no_answer(reason: String) -> Self {
        Self::bad("NO ANSWER", reason)
    }

    fn waiting(word: &'static str, sentence: &str) -> Self {
        Self { level: StatusLevel::Waiting, word, sentence: sentence.to_owned() }
    }

    fn good(word: &'static str, sentence: String) -> Self {
        Self { level: StatusLevel::Good, word, sentence }
    }

    fn bad(word: &'static str, sentence: String) -> Self {
        Self { level: StatusLevel::Bad, word, sentence }
    }
}

fn progress(view: &RunView) -> String {
    let reading = &view.reading;
    if view.idle_seconds() > LONG_IDLE {
        format!("no message was sent or failed for {}", format::duration(view.idle_seconds()))
    } else if reading.is_enqueued() {
        "all messages are enqueued".to_owned()
    } else {
        format!(
            "the producer has enqueued {} of {}",
            format::thousands(reading.record.enqueued.into()),
            format::thousands(reading.total())
        )
    }
}

/// The error that ends a watch of a stalled run (exit status 1): why it is stalled, and what continues it.
pub fn stall_error(view: &RunView) -> String {
    let run = view.run();
    match view.damaged_shard() {
        Some(shard) => format!(
            "run {run} cannot be counted to its end: the tally of shard {shard} is damaged\n\
             Count it from the table: monitor repair --run {run}"
        ),
        None => format!(
            "run {run} is stalled: {} messages are pending and the queue is empty ({} dead letters)\n\
             Put them on the queue again: producer requeue {run}",
            format::thousands(view.reading.pending()),
            format::thousands(view.reading.dead_letters),
        ),
    }
}
