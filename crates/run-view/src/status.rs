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
/// told from one that works; outcomes that are recorded and not yet counted need no sender.
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
mod tests {
    use super::*;
    use crate::fixtures::{heartbeat, outcomes_of_sender, reading};
    use crate::reading::RunReading;
    use stentor_aws::metrics::Heartbeat;
    use stentor_core::deployment::Deployment;
    use stentor_sign_in::{Destination, Endpoint};
    use stentor_tally::DamagedTally;

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
    fn a_run_is_not_stalled_while_it_is_enqueued_or_its_last_outcomes_are_on_the_stream() {
        let mut unfinished = reading(10, 1);
        (unfinished.record.enqueued, unfinished.record.finished_at) = (5, None);
        assert_eq!(status(&unfinished).word, "RUNNING");
        let deployment = Deployment::new(Some(60), None, None);
        let on_stream = RunReading {
            at_ms: 8_000,
            deployment,
            usage: vec![outcomes_of_sender("a", 10)],
            ..reading(10, 1)
        };
        assert_eq!(status(&on_stream).word, "RUNNING", "7 s after the last counted outcome");
        assert_eq!(status(&RunReading { at_ms: 100_000, ..on_stream }).word, "LAGGING");
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

    /// The view of a run of 1,000 messages, of which 400 are counted, in this phase.
    fn in_phase(phase: RunPhase, change: fn(&mut RunReading)) -> RunView {
        let mut reading = reading(1_000, 400);
        change(&mut reading);
        RunView { phase, ..RunView::first(reading) }
    }

    #[test]
    fn a_run_whose_counting_is_behind_names_the_status_of_the_stack_and_never_requeue() {
        let view = in_phase(RunPhase::Lagging { behind: 600 }, |_| {});
        let status = RunStatus::of(&view, &ConnectionFlags::default());
        assert_eq!((status.word, status.level), ("LAGGING", StatusLevel::Waiting));
        assert_eq!(
            status.sentence,
            "counting is behind by about 600 messages; the aggregator has not caught up; if that lasts: \
             ./infra/setup.sh status --stack stentor"
        );
        assert!(!view.phase.has_ended() && view.behind() == Some(600));
        let one = in_phase(RunPhase::Lagging { behind: 1 }, |_| {});
        assert!(RunStatus::of(&one, &ConnectionFlags::default()).sentence.contains("about 1 message;"));
        let damaged = DamagedTally { shard: "1".into(), why: "odd".into() };
        let view = RunView { reading: RunReading { damaged: vec![damaged], ..view.reading.clone() }, ..view };
        assert_eq!(RunCondition::of(&view), RunCondition::Damaged);
    }

    #[test]
    fn an_audit_decides_where_look_ups_do_not() {
        let status = RunStatus::of(&in_phase(RunPhase::Undecided, |_| {}), &ConnectionFlags::default());
        assert_eq!((status.word, status.level), ("LAGGING or STALLED", StatusLevel::Bad));
        assert!(
            status.sentence.starts_with("`monitor audit --run 0")
                && status.sentence.ends_with("` shows which")
        );
        assert!(!RunPhase::Undecided.has_ended());
    }

    #[test]
    fn dead_letters_beside_a_late_stream_suggest_an_audit_instead_of_requeue() {
        let late = in_phase(RunPhase::Stalled, |run| {
            (run.dead_letters, run.usage) = (3, vec![outcomes_of_sender("a", 900)]);
        });
        let connection = ConnectionFlags::default();
        let (status, error) = (RunStatus::of(&late, &connection), stall_error(&late, &connection));
        for text in [&status.sentence, &error] {
            assert!(text.contains("monitor audit --run") && !text.contains("requeue"), "{text}");
        }
        assert!(
            error.contains("600 messages without a counted outcome, of which senders have recorded 500"),
            "{error}"
        );
        let stuck = in_phase(RunPhase::Stalled, |run| run.dead_letters = 3);
        assert!(stall_error(&stuck, &connection).contains("producer requeue"));
    }

    #[test]
    fn discarded_batches_are_counted_and_the_remedy_is_named() {
        let warning = |batches| discard_warning(batches, "R", &ConnectionFlags::default());
        assert_eq!([None, Some(0)].map(warning), [None, None]);
        assert_eq!(
            warning(Some(1)).unwrap(),
            "1 batch of the stream was discarded; the tallies may be too low; `monitor repair --run R` can restore them"
        );
        assert!(warning(Some(1_200)).unwrap().starts_with("1,200 batches of the stream were discarded; "));
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
