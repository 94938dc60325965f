//! A status follows from the reading, and names what to do.

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
    let on_stream =
        RunReading { at_ms: 8_000, deployment, usage: vec![outcomes_of_sender("a", 10)], ..reading(10, 1) };
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
        status.sentence.starts_with("`monitor audit --run 0") && status.sentence.ends_with("` shows which")
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
