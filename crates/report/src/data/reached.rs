//! The share of a run's messages that was SENT over time.

use schemars::JsonSchema;
use serde::Serialize;
use stentor_run_view::figures::REACHED_TABLE;
use stentor_run_view::view::RunView;

use super::{columns_for, width};

/// The share of the messages that was SENT over time, from the run's creation on.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Reached {
    /// The least share that was never reached, in words; null while the run is active, and where all were reached.
    pub never: Option<String>,
    /// Seconds until 50 % were SENT.
    pub p50: Option<f64>,
    /// Seconds until 90 % were SENT.
    pub p90: Option<f64>,
    /// Seconds until 99 % were SENT.
    pub p99: Option<f64>,
    /// Length of all columns.
    pub seconds: f64,
    /// Length of each column.
    pub column_seconds: Option<f64>,
    /// Share SENT at the end of each column.
    #[schemars(length(max = 60), inner(range(min = 0.0, max = 1.0)))]
    pub columns: Vec<f64>,
}

impl Reached {
    pub(super) fn of(view: &RunView) -> Self {
        let seconds = view.reached.seconds();
        // As in the progress, a column is a second wide at least.
        let columns = view.reached.columns(columns_for(seconds));
        let [p50, p90, p99] = REACHED_TABLE.map(|figure| figure.value(view));
        Self {
            never: view.unreached_text(),
            p50,
            p90,
            p99,
            seconds,
            column_seconds: width(seconds, columns.len()),
            columns: columns.into_iter().map(|share| (share * 100_000.0).round() / 100_000.0).collect(),
        }
    }
}
