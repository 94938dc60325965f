//! What the page is told: all that it shows at a moment, in numbers.

use std::time::Duration;

use serde::Serialize;
use stentor_core::show;

use crate::charts::{Column, Course, Spread};
use crate::known::{Data, Known, Place, State};
use crate::snapshot::Snapshot;
use crate::watch::Standing;

/// Columns of a run over time: a pixel or more each on the smallest screen, fine on the largest.
const COURSE_COLUMNS: usize = 120;

/// Bars of the delivery times, which are known to two digits only.
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
    /// When the data came, by the board's clock.
    came_at: f64,
    goes_on: bool,
    /// The time left when they came.
    seconds_left: Option<f64>,
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
        Self {
            place,
            state: printable_state(known.state(now, interval)),
            every_seconds: interval.as_secs_f64(),
            run: known.data.as_ref().map(|data| Run::of(data, known)),
        }
    }
}

impl Run {
    fn of(data: &Data, known: &Known) -> Self {
        Self {
            came_at: data.at.as_secs_f64(),
            goes_on: data.standing == Standing::GoesOn,
            seconds_left: known.seconds_left(data.at),
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

/// More digits nobody sees, and every viewer pays for.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn printable_state(state: State) -> State {
    State { why: show::printable(&state.why), ..state }
}

/// The snapshot with texts from elsewhere as a person reads them.
fn printable_snapshot(snapshot: &Snapshot) -> Snapshot {
    let mut snapshot = snapshot.clone();
    for sender in &mut snapshot.senders {
        sender.name = show::printable(&sender.name);
    }
    for broken in &mut snapshot.broken {
        (broken.shard, broken.why) = (show::printable(&broken.shard), show::printable(&broken.why));
    }
    snapshot
}
