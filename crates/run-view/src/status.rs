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
            let sentence = format!(
                "counts are too low, a tally is damaged; when all is sent or failed: monitor repair --run {} (shard {shard})",
                view.run()
            );
            return Self::new(StatusLevel::Bad, "DAMAGED", sentence);
        }
        match view.phase {
            RunPhase::Complete => {
                let duration = format::duration(view.throughput.seconds());
                let sentence = format!("{} messages in {duration}", format::thousands(reading.total()));
                Self::new(StatusLevel::Good, "COMPLETE", sentence)
            }
            RunPhase::Stalled => {
                let pending = format::thousands(reading.pending());
                let sentence = format!("{pending} pending, queue empty: producer requeue {}", view.run());
                Self::new(StatusLevel::Bad, "STALLED", sentence)
            }
            RunPhase::Active if view.alive_senders().next().is_none() && view.idle_seconds() > IDLE => {
                Self::new(StatusLevel::Bad, "STALLED", "no sender is alive; start one: sender -c 20")
            }
            RunPhase::Active => Self::new(StatusLevel::Good, "RUNNING", progress(view)),
        }
    }

    /// No reading yet, and no error.
    pub fn reading() -> Self {
        Self::new(StatusLevel::Waiting, "READING", "reading the run")
    }

    /// The stack has no run.
    pub fn no_run() -> Self {
        Self::new(StatusLevel::Waiting, "WAITING", "no run in this stack yet; make one: producer -m 1000")
    }

    /// The user paused the reader.
    pub fn paused() -> Self {
        Self::new(StatusLevel::Waiting, "PAUSED", "press p to resume")
    }

    /// AWS has not answered for too long.
    pub fn no_answer(reason: String) -> Self {
        Self::new(StatusLevel::Bad, "NO ANSWER", reason)
    }

    fn new(level: StatusLevel, word: &'static str, sentence: impl Into<String>) -> Self {
        Self { level, word, sentence: sentence.into() }
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
            "run {run} is stalled: {} messages are pending and the queue is empty (dead letters of the stack: {})\n\
             Put them on the queue again: producer requeue {run}",
            format::thousands(view.reading.pending()),
            format::thousands(view.reading.dead_letters),
        ),
    }
}
