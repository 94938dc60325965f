//! Frames of the view as they are drawn, and the effects of keys.

use std::time::Duration;

use crossterm::event::KeyCode::{self, Char};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;
use stentor_aws::metrics::RunRecord;
use stentor_cli::ConnectionFlags;
use stentor_core::delivery::Outcome;
use stentor_core::run::{BodyLength, Plan, RunId};
use stentor_sign_in::{Destination, Endpoint};
use stentor_tally::{DamagedTally, OutcomeEvent, Tally};

use super::draw::Frame;
use super::model::Model;
use crate::live::theme::Theme;
use stentor_cli::format::Zone;
use stentor_run_view::fixtures::{fail_with, failure, heartbeat, reading, target, with_provider};
use stentor_run_view::reader::{ReaderCommand, ReaderEvent, RunSelection};
use stentor_run_view::reading::RunReading;
use stentor_run_view::status::RunPhase;
use stentor_run_view::view::RunView;

const PLAIN: Theme = Theme { ascii: false, colour: true };
const ASCII: Theme = Theme { ascii: true, colour: false };

/// 2026-11-25, 12:00 UTC.
const NOON: u64 = 1_795_608_000_000;

fn model() -> Model {
    let mut model = Model::new(target(), ReaderCommand::new(RunSelection::Latest, secs(5)));
    model.zone = Zone::UTC;
    model
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A run of 20,000, a hundred a second, of which the first `outcomes` are done; one in `one_in` fails.
fn run(outcomes: u64, one_in: u64) -> RunReading {
    let mut tally = Tally::default();
    for i in 0..outcomes {
        // A bell between 0.1 and 0.9 s.
        let delivery = 100 + [7, 11, 13, 17].map(|step| i * step % 200).iter().sum::<u64>();
        let concluded_at = NOON + 10 * i + 3 * (i % 100);
        tally.count(&OutcomeEvent {
            outcome: if i % one_in == one_in - 1 { Outcome::Failed } else { Outcome::Sent },
            created_at: Some(NOON + i / 2 - 1_000),
            concluded_at: Some(concluded_at),
            delivery_ms: Some(delivery),
            parts: None,
            reason: None,
        });
    }
    let mut run = reading(20_000, 0);
    run.record.created_at = NOON - 2_000;
    run.at_ms = NOON + 10 * outcomes + 500;
    run.heartbeats = ["sender-1", "sender-2", "sender-3"]
        .into_iter()
        .zip(1..)
        .map(|(name, i)| heartbeat(name, NOON, run.at_ms - 1_000 * i, outcomes / (i + 1)))
        .collect();
    run.queue.visible = 4_000;
    run.queue.in_flight = 60;
    RunReading { tally, ..run }
}

fn read(reading: RunReading, phase: RunPhase) -> ReaderEvent {
    ReaderEvent::Read(Ok(Some(Box::new(RunView { phase, ..RunView::first(reading) }))))
}

/// The view one second after this was read.
fn showing(event: ReaderEvent) -> Model {
    let mut model = model();
    model.update(event, secs(1));
    model
}

fn draw(model: &Model, now: u64, theme: Theme, width: u16, height: u16) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let frame = Frame { model, now: secs(now), theme };
    terminal.draw(|canvas| canvas.render_widget(frame, canvas.area())).unwrap();
    terminal.backend().clone()
}

fn empty() -> Model {
    let mut model = model();
    model.update(ReaderEvent::Read(Ok(None)), secs(0));
    model
}

/// No sender yet; the monitor was started for another stack on the local emulator.
fn waiting() -> Model {
    let mut model = showing(read(RunReading { heartbeats: Vec::new(), ..run(0, 1) }, RunPhase::Active));
    let (stack, endpoint) = ("rehearsal-of-2026".parse().unwrap(), Endpoint::Local(45_661));
    let destination = Destination { stack, endpoint, region: None, profile: None };
    model.target.connection = ConnectionFlags::of(&destination);
    model
}

fn running() -> Model {
    let mut run = run(15_000, 10);
    run.record.enqueued = 19_500;
    showing(read(run, RunPhase::Active))
}

fn stalled() -> Model {
    let mut run = run(12_000, 10);
    (run.heartbeats, run.queue.visible, run.queue.in_flight) = (Vec::new(), 0, 0);
    run.dead_letters = 8_000;
    run.at_ms += 130_000;
    showing(read(run, RunPhase::Stalled))
}

/// The stream is late, and some of it was discarded.
fn lagging() -> Model {
    let mut run = run(12_000, 10);
    (run.heartbeats, run.queue.visible, run.queue.in_flight) = (Vec::new(), 0, 0);
    run.discarded_batches = Some(2);
    run.at_ms += 130_000;
    showing(read(run, RunPhase::Lagging { behind: 8_000 }))
}

fn finished() -> Model {
    let mut run = run(20_000, 10);
    (run.queue.visible, run.queue.in_flight) = (0, 0);
    showing(read(run, RunPhase::Complete))
}

/// With a provider, on a running run: the bill is a lower bound.
fn charging() -> Model {
    let (mut run, provider) = (run(15_000, 10), with_provider());
    for heartbeat in &mut run.heartbeats {
        heartbeat.provider.clone_from(&provider.heartbeats[0].provider);
    }
    (run.usage, run.profiles) = (provider.usage, provider.profiles);
    let mut view = RunView { phase: RunPhase::Active, ..RunView::first(run) };
    view.alive.iter_mut().for_each(|sender| sender.parts_per_second = Some(32.8));
    showing(ReaderEvent::Read(Ok(Some(Box::new(view)))))
}

fn failing() -> Model {
    let mut run = run(9_000, 2);
    fail_with(&mut run, &[("CARRIER_UNREACHABLE", 900), ("UNREACHABLE", 300), ("TTL_EXPIRED", 40)]);
    run.dead_letters = 12;
    run.heartbeats.extend((0..30).map(|i| heartbeat(&format!("failing-{i:02}"), NOON, run.at_ms, 10)));
    showing(read(run, RunPhase::Active))
}

#[test]
fn each_kind_of_run_at_two_sizes() {
    for (name, model) in [
        ("empty", empty()),
        ("waiting", waiting()),
        ("running", running()),
        ("stalled", stalled()),
        ("lagging", lagging()),
        ("finished", finished()),
        ("failing", failing()),
    ] {
        insta::assert_snapshot!(format!("{name}_80x24"), draw(&model, 3, PLAIN, 80, 24));
        insta::assert_snapshot!(format!("{name}_200x60"), draw(&model, 3, PLAIN, 200, 60));
    }
}

#[test]
fn without_unicode_and_in_little_room() {
    insta::assert_snapshot!("running_ascii_80x24", draw(&running(), 3, ASCII, 80, 24));
    insta::assert_snapshot!("running_80x16", draw(&running(), 3, PLAIN, 80, 16));
    insta::assert_snapshot!("running_40x12", draw(&running(), 3, PLAIN, 40, 12));
    insta::assert_snapshot!("running_20x5", draw(&running(), 3, PLAIN, 20, 5));
    insta::assert_snapshot!("charging_80x24", draw(&charging(), 3, PLAIN, 80, 24));
    insta::assert_snapshot!("charging_40x12", draw(&charging(), 3, PLAIN, 40, 12));
    insta::assert_snapshot!("stalled_20x5", draw(&stalled(), 3, PLAIN, 20, 5));
}

#[test]
fn nothing_beyond_ascii_is_drawn_where_only_that_is_wanted() {
    for model in [empty(), running(), stalled(), finished(), failing()] {
        let drawn = draw(&model, 3, ASCII, 120, 40).to_string();
        assert!(drawn.is_ascii(), "{drawn}");
    }
}

#[test]
fn no_size_breaks_it() {
    for model in [empty(), waiting(), charging(), failing(), helped(), choosing()] {
        for width in [0, 1, 2, 20, 59, 60, 61, 100, 500] {
            for height in (0..13).chain([18, 24, 50]) {
                draw(&model, 3, PLAIN, width, height);
                Frame { model: &model, now: secs(3), theme: PLAIN }.summary(Size::new(width, height));
            }
        }
    }
}

#[test]
fn the_summary_has_no_keys_and_leaves_rows_for_a_prompt() {
    let model = finished();
    let summary = Frame { model: &model, now: secs(3), theme: PLAIN }.summary(Size::new(80, 24));
    assert_eq!(summary.area.height, 20);
    let text: String = summary.content.iter().map(ratatui::buffer::Cell::symbol).collect();
    assert!(text.contains("COMPLETE") && !text.contains("quit"), "{text}");
}

#[test]
fn colour_is_left_out_where_it_is_not_wanted() {
    use ratatui::style::Color::Reset;
    let coloured = |theme: Theme| {
        let drawn = draw(&failing(), 3, theme, 80, 24);
        drawn.buffer().content.iter().any(|cell| cell.fg != Reset || cell.bg != Reset)
    };
    assert!(coloured(PLAIN) && !coloured(Theme { colour: false, ..PLAIN }));
}

#[test]
fn hostile_names_and_reasons_are_escaped() {
    let mut run = run(100, 10);
    run.heartbeats = vec![heartbeat("\u{1b}[2J\u{202e}evil", NOON, run.at_ms, 1)];
    run.damaged = vec![DamagedTally { shard: "\u{1b}]0;x\u{7}".into(), why: String::new() }];
    let drawn = draw(&showing(read(run, RunPhase::Active)), 3, PLAIN, 160, 40).to_string();
    assert!(!drawn.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{drawn}");
    assert!(drawn.contains("\\u{1b}[2J\\u{202e}evil") && drawn.contains("\\u{1b}]0;x\\u{7}"), "{drawn}");
}

#[test]
fn old_data_stay_with_their_age_and_the_reason() {
    let mut model = running();
    assert_eq!(model.status(secs(9)).word, "RUNNING");
    model.update(ReaderEvent::Read(Err(failure())), secs(20));
    let drawn = draw(&model, 41, PLAIN, 80, 24).to_string();
    for words in ["NO ANSWER", "no run 0000", "data 40 s old", "sent 13,500"] {
        assert!(drawn.contains(words), "{words}: {drawn}");
    }
    model.update(read(run(16_000, 10), RunPhase::Active), secs(42));
    assert_eq!(model.status(secs(43)).word, "RUNNING");
}

#[test]
fn the_time_left_counts_down() {
    let model = running();
    let left = |now: u64| model.state.seconds_left(secs(now)).unwrap();
    assert!((left(1) - left(4) - 3.0).abs() < 1e-9);
    assert!(left(1_000_000).abs() < 1e-9);
}

#[test]
fn a_run_without_senders_is_stalled_with_the_reason() {
    let mut run = run(12_000, 10);
    run.heartbeats.clear();
    let status = |run: &RunReading| showing(read(run.clone(), RunPhase::Active)).status(secs(3));
    assert_eq!(status(&run).word, "RUNNING");
    run.at_ms += 30_000;
    let status = status(&run);
    assert!(status.word == "STALLED" && status.sentence.contains("no sender is alive"), "{status:?}");
}

#[test]
fn keys_pause_and_change_the_interval() {
    let mut model = running();
    for (key, interval, paused) in [
        (Char('+'), 10, false),
        (Char('+'), 20, false),
        (Char('-'), 10, false),
        (Char('p'), 10, true),
        (Char('p'), 10, false),
        (KeyCode::Up, 10, false),
    ] {
        assert!(model.handle_key(key));
        assert_eq!((model.command.interval, model.command.paused), (secs(interval), paused), "{key:?}");
    }
    assert!(!model.handle_key(Char('q')));
}

#[test]
fn the_ends_of_the_intervals_hold() {
    let mut model = running();
    (0..30).for_each(|_| assert!(model.handle_key(Char('+'))));
    assert_eq!(model.command.interval, secs(3_600));
    (0..30).for_each(|_| assert!(model.handle_key(Char('-'))));
    assert_eq!(model.command.interval, Duration::from_millis(100));
}

fn helped() -> Model {
    let mut model = running();
    model.handle_key(Char('?'));
    model
}

fn choosing() -> Model {
    let mut model = running();
    model.handle_key(Char('r'));
    let record = |minute: u64, total| RunRecord {
        plan: Plan::new(
            RunId::from_parts(NOON - 60_000 * minute, 7),
            1,
            total,
            BodyLength { max: 1, exact: false },
        )
        .unwrap(),
        created_at: NOON - 60_000 * minute,
        enqueued: 0,
        finished_at: None,
    };
    model.update(ReaderEvent::Runs(vec![record(1, 20_000), record(75, 1_000_000)]), secs(2));
    model
}

#[test]
fn help_and_the_list_of_runs_lie_over_the_view() {
    insta::assert_snapshot!("help_80x24", draw(&helped(), 3, PLAIN, 80, 24));
    insta::assert_snapshot!("runs_80x24", draw(&choosing(), 3, PLAIN, 80, 24));
    let mut model = helped();
    assert!(model.handle_key(Char('q')), "q closes the help first");
    assert!(!model.handle_key(Char('q')));
}

#[test]
fn a_selected_run_is_watched_until_the_user_quits() {
    let mut model = choosing();
    for key in [KeyCode::Down, KeyCode::Down, KeyCode::Down, KeyCode::Up, KeyCode::Enter] {
        assert!(model.handle_key(key));
    }
    assert_eq!(model.command.selection, RunSelection::Run(RunId::from_parts(NOON - 60_000, 7)));
    assert!(model.view().is_none(), "the other run's data are gone");
    model.update(read(run(20_000, 10), RunPhase::Complete), secs(4));
    assert!(!model.has_ended());
    assert!(finished().has_ended() && stalled().has_ended() && !running().has_ended());
}
