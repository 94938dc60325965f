//! What the page is told: all that it shows at a moment, in numbers.

use std::time::Duration;

use serde::Serialize;
use stentor_core::escape;

use stentor_run_view::charts::{Column, Course, Spread};
use stentor_run_view::follow::Standing;
use stentor_run_view::snapshot::Snapshot;
use stentor_run_view::view::{Data, Known, Place, State};

/// Columns of a run over time: a pixel or more each on the smallest screen, fine on the largest.
const COURSE_COLUMNS: usize = 120;

/// The number of bars for delivery times, whose bins are 4 % wide.
const SPREAD_BARS: usize = 48;

/// The present view.
#[derive(Debug, Serialize)]
pub(crate) struct Update<'a> {
    place: &'a Place,
    state: State,
    /// How often the monitor looks.
    every_seconds: f64,
    run: Option<Run>,
}

/// A run, where there is one.
#[derive(Debug, Serialize)]
struct Run {
    /// When the data came, by the broadcast's clock.
    came_at: f64,
    goes_on: bool,
    snapshot: Snapshot,
    course: CourseChart,
    spread: Option<SpreadChart>,
}

/// Messages a second from the first conclusion on.
#[derive(Debug, Serialize)]
struct CourseChart {
    seconds: f64,
    sent: Vec<f64>,
    failed: Vec<f64>,
}

/// How many deliveries took how long, seconds.
#[derive(Debug, Serialize)]
struct SpreadChart {
    shortest: f64,
    longest: f64,
    counts: Vec<f64>,
}

impl<'a> Update<'a> {
    /// What is known at `now`, where new data are due every `interval`.
    pub(crate) fn of(known: &Known, place: &'a Place, now: Duration, interval: Duration) -> Self {
        let state = known.state(now, interval);
        Self {
            place,
            state: State { why: escape::escape_control(&state.why), ..state },
            every_seconds: interval.as_secs_f64(),
            run: known.data.as_ref().map(Run::of),
        }
    }
}

impl Run {
    fn of(data: &Data) -> Self {
        Self {
            came_at: data.at.as_secs_f64(),
            goes_on: data.standing == Standing::GoesOn,
            snapshot: printable_snapshot(&data.snapshot),
            course: CourseChart::of(&data.course),
            spread: SpreadChart::of(&data.spread),
        }
    }
}

impl CourseChart {
    fn of(course: &Course) -> Self {
        let columns = course.columns(COURSE_COLUMNS);
        let of = |part: fn(&Column) -> f64| columns.iter().map(|column| rounded(part(column))).collect();
        Self { seconds: course.seconds(), sent: of(|column| column.sent), failed: of(|column| column.failed) }
    }
}

impl SpreadChart {
    fn of(spread: &Spread) -> Option<Self> {
        let (shortest, longest) = spread.ends()?;
        let counts = spread.columns(SPREAD_BARS).iter().map(|bar| rounded(bar.sent)).collect();
        Some(Self { shortest, longest, counts })
    }
}

/// To four digits: more nobody sees, and every viewer pays for.
fn rounded(number: f64) -> f64 {
    format!("{number:.3e}").parse().unwrap_or(number)
}

/// The snapshot with texts from elsewhere as a person reads them.
fn printable_snapshot(snapshot: &Snapshot) -> Snapshot {
    let mut snapshot = snapshot.clone();
    for sender in &mut snapshot.senders {
        sender.name = escape::escape_control(&sender.name);
    }
    for broken in &mut snapshot.broken {
        (broken.shard, broken.why) =
            (escape::escape_control(&broken.shard), escape::escape_control(&broken.why));
    }
    snapshot
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_run_view::fixtures::{beat, reading};
    use stentor_run_view::follow::Seen;
    use stentor_run_view::snapshot::BrokenTally;
    use stentor_run_view::throughput::History;
    use stentor_run_view::view::Answer;

    fn seen() -> Seen {
        let mut reading = reading(2_000, 1_500);
        reading.beats = vec![beat("a\u{1b}[2J", 0, 99_000, 1)];
        let snapshot = History::default().snapshot(&reading);
        Seen { snapshot, reading, standing: Standing::GoesOn }
    }

    fn told(answer: Answer) -> serde_json::Value {
        let mut known = Known::default();
        known.learn(answer, Duration::from_secs(3));
        let place = Place { stack: "drill".into(), region: "r".into(), endpoint: "http://e".into() };
        let update = Update::of(&known, &place, Duration::from_secs(4), Duration::from_secs(5));
        serde_json::to_value(&update).unwrap()
    }

    #[test]
    fn before_a_run_there_is_the_place_and_the_state() {
        let none = told(Answer::NoRun);
        assert_eq!(none["state"]["kind"], "waiting");
        assert_eq!(none["place"]["stack"], "drill");
        assert!(none["run"].is_null());
    }

    #[test]
    fn a_run_comes_with_its_charts_and_the_time_that_its_data_came() {
        let update = told(Answer::Seen(Box::new(seen())));
        let run = &update["run"];
        assert_eq!((&run["came_at"], &run["snapshot"]["sent"]), (&3.0.into(), &1_350.into()));
        assert_eq!(run["course"]["sent"].as_array().map(Vec::len), Some(COURSE_COLUMNS));
        let counts = run["spread"]["counts"].as_array().unwrap();
        let all: f64 = counts.iter().filter_map(serde_json::Value::as_f64).sum();
        assert!((all - 1_500.0).abs() < 1.0, "{all}");
    }

    #[test]
    fn a_slow_pace_is_not_rounded_away() {
        for (number, told) in
            [(0.0, 0.0), (0.001_234_56, 0.001_235), (12.345_6, 12.35), (1_234_567.0, 1_235_000.0)]
        {
            assert_eq!(rounded(number).to_string(), told.to_string());
        }
    }

    #[test]
    fn text_from_elsewhere_is_what_a_person_can_read() {
        let mut seen = seen();
        seen.snapshot.broken.push(BrokenTally { shard: "\u{202e}s".into(), why: "\u{7}".into() });
        let update = told(Answer::Seen(Box::new(seen)));
        let snapshot = &update["run"]["snapshot"];
        assert_eq!(snapshot["senders"][0]["sender"], "a\\u{1b}[2J");
        assert_eq!(snapshot["broken"][0], serde_json::json!({"shard": "\\u{202e}s", "why": "\\u{7}"}));
    }
}
