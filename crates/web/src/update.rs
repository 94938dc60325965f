//! What the page shows at a moment: figures as texts of the registry, and the numbers of its charts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use stentor_core::escape::escape_control;
use stentor_run_view::charts::ChartBin;
use stentor_run_view::figures::{
    DELIVERY_P50, DELIVERY_P99, FAILED, FAILED_RATE, FIGURES, Figure, PENDING, REACHED_TABLE,
    SENDER_CONCURRENCY, SENDER_DUPLICATES, SENDER_FAILED, SENDER_FAILED_RATE, SENDER_SEEN, SENDER_SENT,
    SENDER_THROUGHPUT, SENT, THROUGHPUT,
};
use stentor_run_view::reading::Target;
use stentor_run_view::senders::SenderRecord;
use stentor_run_view::snapshot::Snapshot;
use stentor_run_view::state::RunState;
use stentor_run_view::status::RunStatus;
use stentor_run_view::unit::{UNKNOWN, Unit};
use stentor_run_view::view::RunView;

/// Columns of throughput: a pixel or more each on the smallest screen, fine on the largest.
const THROUGHPUT_COLUMNS: usize = 120;

/// Bars of the delivery durations, whose bins are 4 % wide.
const HISTOGRAM_BARS: usize = 48;

/// The columns of the senders, after the name.
static SENDER_COLUMNS: [&Figure<SenderRecord>; 7] = [
    &SENDER_THROUGHPUT,
    &SENDER_SENT,
    &SENDER_FAILED,
    &SENDER_FAILED_RATE,
    &SENDER_DUPLICATES,
    &SENDER_CONCURRENCY,
    &SENDER_SEEN,
];

/// The state at `now`, where a poll is due every `interval`.
pub(crate) fn page_update(state: &RunState, target: &Target, now: Duration, interval: Duration) -> Value {
    let status = state.status(now, interval, &target.connection);
    json!({
        "place": target,
        "state": RunStatus { sentence: escape_control(&status.sentence), ..status },
        "every_seconds": interval.as_secs_f64(),
        "run": state.view.as_ref().zip(state.read_at()).map(|(view, read_at)| run(view, read_at, target)),
    })
}

/// A run that was read at `read_at` on the broadcast's clock.
fn run(view: &RunView, read_at: Duration, target: &Target) -> Value {
    let figures = FIGURES
        .iter()
        .filter_map(|figure| Some((figure.key_below("snapshot")?.to_owned(), text(figure, view))));
    let share = |figure: &Figure| (format!("{} share", figure.label), figure.percentage_of_total(view));
    let shares = [&SENT, &FAILED, &PENDING].map(share);
    json!({
        "came_at": read_at.as_secs_f64(),
        "goes_on": !view.phase.has_ended(),
        "warning": view.discard_warning(&target.connection),
        "snapshot": Snapshot::escaped(view),
        "texts": figures.chain(shares).collect::<BTreeMap<_, _>>(),
        "done": view.percentage_done(),
        "senders": senders(view),
        "failures": failures(view),
        "course": throughput(view),
        "reached": reached(view),
        "spread": histogram(view),
    })
}

fn text<S>(figure: &Figure<S>, subject: &S) -> String {
    let text = figure.compact_text(subject);
    if text == UNKNOWN { "–".to_owned() } else { text }
}

fn senders(view: &RunView) -> Value {
    let row = |sender: &SenderRecord| {
        let texts = SENDER_COLUMNS.iter().map(|figure| text(figure, sender));
        std::iter::once(escape_control(&sender.name)).chain(texts).collect::<Vec<String>>()
    };
    json!({
        "heads": SENDER_COLUMNS.map(Figure::heading),
        "rows": view.alive.iter().map(row).collect::<Vec<_>>(),
    })
}

/// Messages a second from the first outcome on.
fn throughput(view: &RunView) -> Value {
    let (bins, seconds) = (view.throughput.bins(THROUGHPUT_COLUMNS), view.throughput.seconds());
    let heights = |of: fn(&ChartBin) -> f64| bins.iter().map(|bin| rounded(of(bin))).collect::<Vec<f64>>();
    let peak = bins.iter().map(ChartBin::total).fold(0.0, f64::max);
    let peak = THROUGHPUT.unit.format_compact(peak);
    let duration = Unit::Duration.format(seconds);
    let (rate, failed) = (text(&THROUGHPUT, view), text(&FAILED_RATE, view));
    let label =
        format!("Messages a second over {duration}: {rate} lately, {peak} at most; {failed} of them failed");
    json!({
        "seconds": seconds,
        "sent": heights(|bin| bin.sent),
        "failed": heights(|bin| bin.failed),
        "peak": peak,
        "label": label,
    })
}

/// The failures by code as a text that breaks only between the codes; null where no failure has one.
fn failures(view: &RunView) -> Option<String> {
    let failures = view.coded_failures();
    let texts: Vec<String> = failures.iter().map(|failures| failures.text().replace(' ', "\u{a0}")).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

/// Share of the messages sent, from the run's creation on.
fn reached(view: &RunView) -> Value {
    let seconds = view.reached.seconds();
    let shares = view.reached.columns(THROUGHPUT_COLUMNS).into_iter().map(rounded);
    let marks = REACHED_TABLE.iter().filter_map(|figure| Some((figure.short(), figure.value(view)?)));
    let text = view.reached_text();
    let duration = Unit::Duration.format(seconds);
    let words = text.as_deref().unwrap_or("less than 50 % yet");
    json!({
        "seconds": seconds,
        "shares": shares.collect::<Vec<f64>>(),
        "marks": marks.collect::<Vec<_>>(),
        "label": format!("Share of the messages sent over {duration}: {words}"),
        "text": text,
    })
}

/// Number of deliveries by duration, seconds.
fn histogram(view: &RunView) -> Option<Value> {
    let (shortest, longest) = view.deliveries.range()?;
    let bins = view.deliveries.bins(HISTOGRAM_BARS);
    let [from, to] = [shortest, longest].map(|seconds| Unit::Duration.format(seconds));
    let (p50, p99) = (DELIVERY_P50.text(view), DELIVERY_P99.text(view));
    Some(json!({
        "shortest": shortest,
        "longest": longest,
        "counts": bins.iter().map(|bin| rounded(bin.total())).collect::<Vec<f64>>(),
        "label": format!("How long deliveries take: from {from} to {to}, half within {p50}, 99 of 100 within {p99}"),
    }))
}

/// To four digits: more are not visible, and every viewer's connection carries them.
fn rounded(number: f64) -> f64 {
    format!("{number:.3e}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_run_view::fixtures::{
        fail_with, heartbeat, outcomes_of_sender, reading, target, with_provider,
    };
    use stentor_run_view::reading::RunReading;
    use stentor_tally::DamagedTally;

    fn update(reading: Option<RunReading>) -> Value {
        let mut state = RunState::default();
        let view = reading.map(|reading| Box::new(RunView::first(reading)));
        state.update(Ok(view), Duration::from_secs(3));
        page_update(&state, &target(), Duration::from_secs(4), Duration::from_secs(5))
    }

    #[test]
    fn before_a_run_there_is_the_target_and_the_status() {
        let none = update(None);
        assert_eq!(none["state"]["kind"], "waiting");
        assert_eq!(none["place"]["stack"], "drill");
        assert!(none["run"].is_null());
    }

    #[test]
    fn a_run_comes_with_its_charts_and_the_time_of_its_reading() {
        let update = update(Some(reading(2_000, 1_500)));
        let run = &update["run"];
        assert_eq!((&run["came_at"], &run["snapshot"]["sent"]), (&3.0.into(), &1_350.into()));
        assert_eq!(run["course"]["sent"].as_array().map(Vec::len), Some(THROUGHPUT_COLUMNS));
        let shares = run["reached"]["shares"].as_array().unwrap();
        assert_eq!((shares.len(), shares.last()), (THROUGHPUT_COLUMNS, Some(&0.675.into())));
        assert_eq!(
            (&run["reached"]["marks"][0][0], run["reached"]["marks"].as_array().map(Vec::len)),
            (&"50 %".into(), Some(1))
        );
        assert!(run["failures"].is_null(), "failures without a code");
        let counts = run["spread"]["counts"].as_array().unwrap();
        let all: f64 = counts.iter().filter_map(Value::as_f64).sum();
        assert!((all - 1_500.0).abs() < 1.0, "{all}");
    }

    #[test]
    fn figures_come_as_texts_of_the_registry() {
        let mut begun = reading(2_000, 1_500);
        begun.heartbeats = vec![heartbeat("a", 80_000, 99_000, 38)];
        let begun = update(Some(begun));
        let run = &begun["run"];
        assert_eq!((&run["texts"]["sent"], &run["texts"]["queue.visible"]), (&"1,350".into(), &"0".into()));
        assert_eq!((&run["texts"]["sent share"], &run["done"]), (&"67.5%".into(), &"75.0%".into()));
        assert_eq!(run["senders"]["heads"][0], "rate/s");
        let row = run["senders"]["rows"][0].as_array().unwrap();
        assert_eq!(row[..3], ["a", "2.0", "38"].map(Value::from));
        let none = update(Some(reading(2_000, 0)));
        assert_eq!(none["run"]["texts"]["average_seconds"], "–");
        let word_and_why = (&none["state"]["word"], none["state"]["why"].as_str().unwrap());
        assert_eq!(word_and_why, (&"WAITING".into(), "no sender yet: start one with `sender -w 0.5 -f 0.1`"));
        assert!(none["run"]["spread"].is_null());
    }

    #[test]
    fn the_bill_of_a_provider_is_marked_until_it_is_final() {
        let text_of = |reading| {
            let update = update(Some(reading));
            (
                update["run"]["texts"]["provider.dollars"].clone(),
                update["run"]["snapshot"]["provider"]["profile"].clone(),
            )
        };
        assert_eq!(text_of(with_provider()), ("$56.55".into(), "us-short-code".into()));
        let mut open = with_provider();
        open.usage[0].has_ended = false;
        assert_eq!(text_of(open).0, "at least $56.55");
        assert_eq!(text_of(reading(2_000, 1_500)), ("–".into(), Value::Null));
    }

    #[test]
    fn a_run_whose_counting_is_behind_goes_on_and_discarded_batches_are_a_warning() {
        let mut late = reading(2_000, 1_500);
        late.usage = vec![outcomes_of_sender("a", 2_000)];
        (late.discarded_batches, late.at_ms) = (Some(1), 200_000);
        let late = update(Some(late));
        assert_eq!((&late["state"]["word"], &late["run"]["goes_on"]), (&"LAGGING".into(), &true.into()));
        assert_eq!(
            (&late["run"]["snapshot"]["state"], &late["run"]["snapshot"]["behind"]),
            (&"lagging".into(), &500.into())
        );
        let warning = late["run"]["warning"].as_str().unwrap();
        assert!(warning.starts_with("1 batch of the stream was discarded; "), "{warning}");
        assert!(update(Some(reading(2_000, 1_500)))["run"]["warning"].is_null());
    }

    #[test]
    fn failures_by_code_come_as_a_text() {
        let mut coded = reading(2_000, 0);
        fail_with(&mut coded, &[("UNREACHABLE", 1), ("BLOCKED", 3)]);
        let text = "BLOCKED\u{a0}3\u{a0}(75.0%), UNREACHABLE\u{a0}1\u{a0}(25.0%)";
        assert_eq!(update(Some(coded))["run"]["failures"], text);
    }

    #[test]
    fn a_low_rate_is_not_rounded_to_zero() {
        for (number, expected) in
            [(0.0, 0.0), (0.001_234_56, 0.001_235), (12.345_6, 12.35), (1_234_567.0, 1_235_000.0)]
        {
            assert_eq!(rounded(number).to_string(), expected.to_string());
        }
    }

    #[test]
    fn foreign_text_is_escaped() {
        let mut reading = reading(2_000, 1_500);
        reading.heartbeats = vec![heartbeat("a\u{1b}[2J", 0, 99_000, 1)];
        reading.damaged.push(DamagedTally { shard: "\u{202e}s".into(), why: "\u{7}".into() });
        let update = update(Some(reading));
        let snapshot = &update["run"]["snapshot"];
        assert_eq!(snapshot["senders"][0]["sender"], "a\\u{1b}[2J");
        assert_eq!(update["run"]["senders"]["rows"][0][0], "a\\u{1b}[2J");
        assert_eq!(snapshot["broken"][0], json!({"shard": "\\u{202e}s", "why": "\\u{7}"}));
    }
}
