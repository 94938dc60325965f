//! How a run stands: whether it goes on, and the word and sentence that every surface shows for it.

use schemars::JsonSchema;
use serde::Serialize;
use stentor_cli::ConnectionFlags;
use stentor_cli::format::{self, counted};

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
    /// Nothing has happened yet.
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
    /// The status of a run; commands in it have the flags of the connection.
    pub fn of(view: &RunView, connection: &ConnectionFlags) -> Self {
        let reading = &view.reading;
        if let Some(shard) = view.damaged_shard() {
            let command = connection.command(&format!("monitor repair --run {}", view.run()));
            let sentence = format!(
                "counts are too low, a tally is damaged; when all is sent or failed: {command} (shard {shard})"
            );
            return Self::new(StatusLevel::Bad, "DAMAGED", sentence);
        }
        match view.phase {
            RunPhase::Complete => {
                let duration = format::duration(view.outcome_seconds().unwrap_or_default());
                let sentence = format!("{} in {duration}", counted(reading.total(), "message"));
                Self::new(StatusLevel::Good, "COMPLETE", sentence)
            }
            RunPhase::Stalled => {
                let pending = format::thousands(reading.pending());
                let command = connection.command(&format!("producer requeue {}", view.run()));
                let sentence = format!("{pending} pending, queue empty: {command}");
                Self::new(StatusLevel::Bad, "STALLED", sentence)
            }
            RunPhase::Active if view.is_waiting() => {
                Self::new(StatusLevel::Waiting, "WAITING", start_sender("no sender yet", connection))
            }
            RunPhase::Active if view.alive_senders().next().is_none() && view.idle_seconds() > IDLE => {
                Self::new(StatusLevel::Bad, "STALLED", start_sender("no sender is alive", connection))
            }
            RunPhase::Active => Self::new(StatusLevel::Good, "RUNNING", progress(view)),
        }
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

/// Why a sender is needed, and the command that starts one.
fn start_sender(why: &str, connection: &ConnectionFlags) -> String {
    format!("{why}: start one with `{}`", connection.command("sender -w 0.5 -f 0.1"))
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
/// Its commands have the flags of the connection.
pub fn stall_error(view: &RunView, connection: &ConnectionFlags) -> String {
    let run = view.run();
    let (repair, requeue) = (format!("monitor repair --run {run}"), format!("producer requeue {run}"));
    let [repair, requeue] = [repair, requeue].map(|call| connection.command(&call));
    match view.damaged_shard() {
        Some(shard) => format!(
            "run {run} cannot be counted to its end: the tally of shard {shard} is damaged\n\
             Count it from the table: {repair}"
        ),
        None => format!(
            "run {run} is stalled: {} {} pending and the queue is empty (dead letters of the stack: {})\n\
             Put them on the queue again: {requeue}",
            counted(view.reading.pending(), "message"),
            if view.reading.pending() == 1 { "is" } else { "are" },
            format::thousands(view.reading.dead_letters),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{heartbeat, reading};
    use crate::reading::RunReading;
    use stentor_aws::metrics::Heartbeat;
    use stentor_aws::session::{Destination, Endpoint};

    fn status(reading: &RunReading) -> RunStatus {
        RunStatus::of(&RunView::first(reading.clone()), &ConnectionFlags::default())
    }

    #[test]
    fn a_run_waits_for_its_first_sender_however_long() {
        let mut run = reading(10, 0);
        // Created at 1 s; this sender ended before.
        run.heartbeats = vec![Heartbeat { ended_at: Some(900), ..heartbeat("earlier", 0, 900, 7) }];
        for at_ms in [1_500, 100_000, 100_000_000] {
            run.at_ms = at_ms;
            let status = status(&run);
            assert_eq!((status.word, status.level), ("WAITING", StatusLevel::Waiting));
            assert_eq!(status.sentence, "no sender yet: start one with `sender -w 0.5 -f 0.1`");
        }
        run.record.enqueued = 0;
        assert_eq!(status(&run).word, "WAITING", "before the first message is enqueued");
    }

    #[test]
    fn a_run_that_has_had_a_sender_is_running_or_stalled() {
        let with = |heartbeat: Heartbeat| RunReading { heartbeats: vec![heartbeat], ..reading(10, 0) };
        assert_eq!(status(&with(heartbeat("alive", 0, 99_000, 0))).word, "RUNNING");
        // Its clock is behind: it seems to precede the run, and is alive all the same.
        let behind = RunReading { at_ms: 2_000, ..with(heartbeat("behind", 0, 500, 0)) };
        assert_eq!(status(&behind).word, "RUNNING");
        let gone = Heartbeat { ended_at: Some(50_000), ..heartbeat("gone", 0, 50_000, 0) };
        assert_eq!(status(&with(gone)).word, "STALLED");
        assert_eq!(status(&with(heartbeat("lost", 0, 50_000, 0))).word, "STALLED");
        assert_eq!(status(&RunReading { at_ms: 2_000, ..reading(10, 1) }).word, "RUNNING");
        assert_eq!(status(&reading(10, 1)).word, "STALLED");
        assert_eq!(status(&reading(10, 10)).word, "COMPLETE");
    }

    #[test]
    fn suggested_commands_have_the_flags_of_the_monitor() {
        let (stack, endpoint) = ("drill".parse().unwrap(), Endpoint::Local(4566));
        let local = Destination { stack, endpoint, region: None, profile: None };
        let flags = ConnectionFlags::of(&local);
        let sentence = |run| RunStatus::of(&RunView::first(run), &flags).sentence;
        let waiting = "no sender yet: start one with `sender -w 0.5 -f 0.1 --stack drill --local`";
        assert_eq!(sentence(reading(10, 0)), waiting);
        assert!(
            sentence(reading(10, 1)).ends_with("start one with `sender -w 0.5 -f 0.1 --stack drill --local`")
        );
        assert!(RunStatus::no_run(&flags).sentence.ends_with("`producer -m 1000 --stack drill --local`"));
    }

    #[test]
    fn one_message_is_singular() {
        assert_eq!(status(&reading(1, 1)).sentence, "1 message in 0.0 s");
        let view = RunView::first(RunReading { dead_letters: 1, ..reading(10, 9) });
        let error = stall_error(&view, &ConnectionFlags::default());
        assert!(
            error.contains("1 message is pending and the queue is empty (dead letters of the stack: 1)"),
            "{error}"
        );
    }
}
