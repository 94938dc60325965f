//! What the page shows at a moment, as numbers.

use std::time::Duration;

use serde::Serialize;
use stentor_core::escape::escape_control;
use stentor_run_view::charts::{self, ChartBin, Histogram};
use stentor_run_view::reading::Target;
use stentor_run_view::snapshot::Snapshot;
use stentor_run_view::state::RunState;
use stentor_run_view::status::{RunPhase, RunStatus};
use stentor_run_view::view::RunView;

/// Columns of throughput: a pixel or more each on the smallest screen, fine on the largest.
const THROUGHPUT_COLUMNS: usize = 120;

/// Bars of the delivery durations, whose bins are 4 % wide.
const HISTOGRAM_BARS: usize = 48;

/// What the page shows.
#[derive(Debug, Serialize)]
pub(crate) struct PageUpdate<'a> {
    #[serde(rename = "place")]
    target: &'a Target,
    #[serde(rename = "state")]
    status: RunStatus,
    /// The poll interval.
    every_seconds: f64,
    run: Option<RunUpdate>,
}

/// The run, where there is one.
#[derive(Debug, Serialize)]
struct RunUpdate {
    /// When the view was read, on the broadcast's clock.
    came_at: f64,
    #[serde(rename = "goes_on")]
    is_active: bool,
    snapshot: Snapshot,
    #[serde(rename = "course")]
    throughput: ThroughputChart,
    #[serde(rename = "spread")]
    histogram: Option<HistogramChart>,
}

/// Messages a second from the first outcome on.
#[derive(Debug, Serialize)]
struct ThroughputChart {
    seconds: f64,
    sent: Vec<f64>,
    failed: Vec<f64>,
}

/// Number of deliveries by duration, seconds.
#[derive(Debug, Serialize)]
struct HistogramChart {
    shortest: f64,
    longest: f64,
    counts: Vec<f64>,
}

impl<'a> PageUpdate<'a> {
    /// The state at `now`, where a poll is due every `interval`.
    pub(crate) fn of(state: &RunState, target: &'a Target, now: Duration, interval: Duration) -> Self {
        let status = state.status(now, interval);
        let run = state.view.as_ref().zip(state.read_at());
        Self {
            target,
            status: RunStatus { sentence: escape_control(&status.sentence), ..status },
            every_seconds: interval.as_secs_f64(),
            run: run.map(|(view, read_at)| RunUpdate::of(view, read_at)),
        }
    }
}

impl RunUpdate {
    fn of(view: &RunView, read_at: Duration) -> Self {
        Self {
            came_at: read_at.as_secs_f64(),
            is_active: view.phase == RunPhase::Active,
            snapshot: Snapshot::escaped(view),
            throughput: ThroughputChart::of(&view.throughput),
            histogram: HistogramChart::of(&view.deliveries),
        }
    }
}

impl ThroughputChart {
    fn of(chart: &charts::ThroughputChart) -> Self {
        let bins = chart.bins(THROUGHPUT_COLUMNS);
        let heights = |of: fn(&ChartBin) -> f64| bins.iter().map(|bin| rounded(of(bin))).collect();
        Self { seconds: chart.seconds(), sent: heights(|bin| bin.sent), failed: heights(|bin| bin.failed) }
    }
}

impl HistogramChart {
    fn of(histogram: &Histogram) -> Option<Self> {
        let (shortest, longest) = histogram.range()?;
        let counts = histogram.bins(HISTOGRAM_BARS).iter().map(|bin| rounded(bin.total())).collect();
        Some(Self { shortest, longest, counts })
    }
}

/// To four digits: more are not visible, and every viewer's connection carries them.
fn rounded(number: f64) -> f64 {
    format!("{number:.3e}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_core::tally::DamagedTally;
    use stentor_run_view::fixtures::{heartbeat, reading, target};
    use stentor_run_view::reading::RunReading;

    fn update(reading: Option<RunReading>) -> serde_json::Value {
        let mut state = RunState::default();
        let view = reading.map(|reading| Box::new(RunView::first(reading)));
        state.update(Ok(view), Duration::from_secs(3));
        let target = target();
        let update = PageUpdate::of(&state, &target, Duration::from_secs(4), Duration::from_secs(5));
        serde_json::to_value(&update).unwrap()
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
        let counts = run["spread"]["counts"].as_array().unwrap();
        let all: f64 = counts.iter().filter_map(serde_json::Value::as_f64).sum();
        assert!((all - 1_500.0).abs() < 1.0, "{all}");
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
        assert_eq!(snapshot["broken"][0], serde_json::json!({"shard": "\\u{202e}s", "why": "\\u{7}"}));
    }
}
