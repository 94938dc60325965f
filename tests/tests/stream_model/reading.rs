//! A tally as it lies in the table: read by the library, held against histograms of the tests' own.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use stentor_core::tally::{Tally, Times};
use stentor_tests::stream::{Conclusion, Counts};

/// What a tally says: its counts and sums, and each duration that its histograms hold, with how often.
#[derive(Debug, PartialEq)]
pub struct Reading {
    counts: Counts,
    deliveries: Vec<(u64, u64)>,
    latencies: Vec<(u64, u64)>,
}

impl Reading {
    /// What it should say of these conclusions.
    pub fn of<'a>(conclusions: impl Iterator<Item = &'a Conclusion> + Clone) -> Self {
        Self {
            counts: conclusions.clone().collect(),
            deliveries: durations(conclusions.clone().filter_map(|conclusion| conclusion.delivery_ms)),
            latencies: durations(conclusions.filter_map(Conclusion::latency_ms)),
        }
    }
}

/// What a stored tally says.
pub fn read(tally: &Value) -> Result<Reading, String> {
    let stored = &tally["M"];
    let number = |name: &str| stored[name]["N"].as_str().and_then(|text| text.parse::<u64>().ok());
    let text = stored["times"]["B"].as_str().ok_or_else(|| format!("no times in {stored}"))?;
    let times = BASE64_STANDARD.decode(text).map_err(|error| error.to_string())?;
    let read = json!({"sent": number("sent"), "failed": number("failed"), "times": times});
    let tally: Tally = serde_json::from_value(read).map_err(|error| error.to_string())?;
    let counts = Counts {
        sent: tally.sent,
        failed: tally.failed,
        deliveries: tally.delivery.count(),
        delivery_ms: tally.delivery.sum_ms(),
        latencies: tally.latency.count(),
        latency_ms: tally.latency.sum_ms(),
        first_concluded_at: tally.first_concluded_at,
        last_concluded_at: tally.last_concluded_at,
    };
    let recorded = |times: &Times| times.recorded().collect();
    Ok(Reading { counts, deliveries: recorded(&tally.delivery), latencies: recorded(&tally.latency) })
}

/// As the histograms of a tally keep them: to two digits, up to eight days.
fn durations(durations: impl Iterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut histogram =
        Histogram::new_with_max(8 * 24 * 3_600 * 1_000, 2).expect("the bounds are valid constants");
    durations.for_each(|ms| histogram.saturating_record(ms));
    let values = histogram.iter_recorded();
    values.map(|value| (value.value_iterated_to(), value.count_at_value())).collect()
}
