//! The state of a run: whether it goes on, and the word and sentence that every surface shows for it.

use schemars::JsonSchema;
use serde::Serialize;
use stentor_cli::ConnectionFlags;
use stentor_cli::format::{self, counted};

use crate::view::RunView;

/// A run without senders counts as stalled after this time without an outcome, seconds: tallies lag a little.
const IDLE_SECONDS: f64 = 5.0;

/// With senders, this time without an outcome is worth a sentence, seconds.
const LONG_IDLE: f64 = 15.0;

/// Whether a run can get any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunPhase {
    /// Messages may still get an outcome.
    Active,
    /// Every message is enqueued and has an outcome.
    Complete,
    /// Messages have outcomes that are not counted yet.
    Lagging {
        /// Approximate number of them.
        behind: u64,
    },
    /// Messages have no counted outcome: they are pending, or have outcomes that are not counted yet.
    Undecided,
    /// Messages are pending, and nothing is left that could deliver them.
    Stalled,
}

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunCondition {
    /// No sender was seen yet.
    Waiting,
    /// Messages get outcomes, or the producer has not enqueued all of them.
    Running,
    /// Messages have outcomes that are not counted yet.
    Lagging,
    /// Lagging or stalled; an audit shows which.
    LaggingOrStalled,
    /// Messages are pending, and nothing delivers them.
    Stalled,
    /// A tally is damaged: the counts are too low.
    Damaged,
    /// Every message is enqueued and has an outcome.
    Complete,
}

impl RunCondition {
    /// The condition of a view.
    pub fn of(view: &RunView) -> Self {
        match view.phase {
            _ if view.damaged_shard().is_some() => Self::Damaged,
            RunPhase::Complete => Self::Complete,
            RunPhase::Lagging { .. } => Self::Lagging,
            RunPhase::Undecided => Self::LaggingOrStalled,
            RunPhase::Stalled => Self::Stalled,
            RunPhase::Active if view.is_waiting() => Self::Waiting,
            RunPhase::Active if lacks_sender(view) => Self::Stalled,
            RunPhase::Active => Self::Running,
        }
    }

    /// The condition in capitals.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Running => "RUNNING",
            Self::Lagging => "LAGGING",
            Self::LaggingOrStalled => "LAGGING or STALLED",
            Self::Stalled => "STALLED",
            Self::Damaged => "DAMAGED",
            Self::Complete => "COMPLETE",
        }
    }

    fn level(self) -> StatusLevel {
        match self {
            Self::Waiting | Self::Lagging => StatusLevel::Waiting,
            Self::Running | Self::Complete => StatusLevel::Good,
            Self::LaggingOrStalled | Self::Stalled | Self::Damaged => StatusLevel::Bad,
        }
    }
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
    /// Nothing has happened yet, or counting is behind.
    Waiting,
    /// As expected.
    Good,
    /// Somebody has to act.
    Bad,
}

impl RunPhase {
    /// Whether a watch of the run ends.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Complete | Self::Stalled)
    }
}

impl RunStatus {
    /// The status of a run; commands in it have the flags of the connection.
    pub fn of(view: &RunView, connection: &ConnectionFlags) -> Self {
        let condition = RunCondition::of(view);
        let sentence = match condition {
            RunCondition::Damaged => damage(view, connection),
            RunCondition::Complete => {
                let duration = format::duration(view.outcome_seconds().unwrap_or_default());
                format!("{} in {duration}", counted(view.reading.total(), "message"))
            }
            RunCondition::Lagging => format!(
                "counting is behind by about {}; the aggregator has not caught up; if that lasts: {}",
                counted(view.behind().unwrap_or_default(), "message"),
                connection.setup("status")
            ),
            RunCondition::LaggingOrStalled => format!("`{}` shows which", audit(view, connection)),
            RunCondition::Stalled if view.phase == RunPhase::Stalled => stall(view, connection),
            RunCondition::Stalled => start_sender("no sender is alive", connection),
            RunCondition::Waiting => start_sender("no sender yet", connection),
            RunCondition::Running => progress(view),
        };
        Self::new(condition.level(), condition.word(), sentence)
    }

    /// No reading yet, and no error.
    pub fn reading() -> Self {
        Self::new(StatusLevel::Waiting, "READING", "reading the run")
    }

    /// The stack has no run.
    pub fn no_run(connection: &ConnectionFlags) -> Self {
        let command = connection.command("producer -m 1000");
        let sentence = format!("no run in this stack yet: create one with `{command}`");
        Self::new(StatusLevel::Waiting, "WAITING", sentence)
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

/// Whether no sender is left for the messages of an active run. A producer has no heartbeat, so one that was killed cannot be
/// distinguished from one that works; outcomes that are recorded and not yet counted need no sender.
fn lacks_sender(view: &RunView) -> bool {
    let reading = &view.reading;
    view.alive.is_empty()
        && reading.idle_seconds() > IDLE_SECONDS
        && reading.is_enqueued()
        && reading.uncounted() == 0
}

/// Why a sender is needed, and the command that starts one.
fn start_sender(why: &str, connection: &ConnectionFlags) -> String {
    format!("{why}: start one with `{}`", connection.command("sender -w 0.5 -f 0.1"))
}

fn progress(view: &RunView) -> String {
    let reading = &view.reading;
    if reading.idle_seconds() > LONG_IDLE {
        format!("no message was sent or failed for {}", format::duration(reading.idle_seconds()))
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

fn audit(view: &RunView, connection: &ConnectionFlags) -> String {
    connection.command(&format!("monitor audit --run {}", view.run()))
}

fn damage(view: &RunView, connection: &ConnectionFlags) -> String {
    let command = connection.command(&format!("monitor repair --run {}", view.run()));
    let shard = view.damaged_shard().unwrap_or_default();
    format!("counts are too low, a tally is damaged; when all is sent or failed: {command} (shard {shard})")
}

fn stall(view: &RunView, connection: &ConnectionFlags) -> String {
    let pending = format::thousands(view.reading.pending());
    if view.reading.uncounted() > 0 {
        let audit = audit(view, connection);
        let uncounted = format::counted(view.reading.pending(), "message");
        return format!(
            "{uncounted} without a counted outcome, and dead letters: `{audit}` counts the pending ones"
        );
    }
    format!(
        "{pending} pending, queue empty: {}",
        connection.command(&format!("producer requeue {}", view.run()))
    )
}

/// What to do about discarded batches of the stream; `None` where there are none.
pub fn discard_warning(batches: Option<u64>, run: &str, connection: &ConnectionFlags) -> Option<String> {
    let batches = match batches.filter(|batches| *batches > 0)? {
        1 => "1 batch of the stream was".to_owned(),
        batches => format!("{} batches of the stream were", format::thousands(batches)),
    };
    let repair = connection.command(&format!("monitor repair --run {run}"));
    Some(format!("{batches} discarded; the tallies may be too low; `{repair}` can restore them"))
}

/// The error that ends a watch of a stalled run (exit status 1): why it is stalled, and what continues it.
/// Its commands have the flags of the connection.
pub fn stall_error(view: &RunView, connection: &ConnectionFlags) -> String {
    let (run, reading) = (view.run(), &view.reading);
    let (repair, requeue) = (format!("monitor repair --run {run}"), format!("producer requeue {run}"));
    let [repair, requeue] = [repair, requeue].map(|call| connection.command(&call));
    if let Some(shard) = view.damaged_shard() {
        return format!(
            "run {run} cannot be counted to its end: the tally of shard {shard} is damaged\n\
             Count it from the table: {repair}"
        );
    }
    let dead_letters = format!("dead letters of the stack: {}", format::thousands(reading.dead_letters));
    // Its senders have recorded more outcomes than are counted, so the dead letters may be those of another run.
    if reading.uncounted() > 0 {
        return format!(
            "run {run} is stalled: {} without a counted outcome, of which senders have recorded {}, and the queue is empty \
             ({dead_letters})\n\
             Count what is pending: {}",
            counted(reading.pending(), "message"),
            format::thousands(reading.uncounted()),
            audit(view, connection),
        );
    }
    format!(
        "run {run} is stalled: {} {} pending and the queue is empty ({dead_letters})\n\
         Put them on the queue again: {requeue}",
        counted(reading.pending(), "message"),
        if reading.pending() == 1 { "is" } else { "are" },
    )
}

#[cfg(test)]
mod tests;
