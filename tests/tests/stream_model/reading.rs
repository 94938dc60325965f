//! A tally as it lies in the table, read without the code that wrote it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use serde_json::Value;
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
    let tally = &tally["M"];
    let needed = |value: &Value| number(value).ok_or_else(|| format!("a number is missing in {tally}"));
    let (delivery, latency) = (&tally["delivery"]["M"], &tally["latency"]["M"]);
    let (deliveries, latencies) = (histogram(delivery)?, histogram(latency)?);
    let counts = Counts {
        sent: needed(&tally["sent"])?,
        failed: needed(&tally["failed"])?,
        deliveries: deliveries.len(),
        delivery_ms: needed(&delivery["sum_ms"])?,
        latencies: latencies.len(),
        latency_ms: needed(&latency["sum_ms"])?,
        first_concluded_at: number(&tally["first_concluded_at"]),
        last_concluded_at: number(&tally["last_concluded_at"]),
    };
    Ok(Reading { counts, deliveries: recorded(&deliveries), latencies: recorded(&latencies) })
}

fn histogram(times: &Value) -> Result<Histogram<u64>, String> {
    let text = times["histogram"]["B"].as_str().ok_or_else(|| format!("no histogram in {times}"))?;
    let bytes = BASE64_STANDARD.decode(text).map_err(|error| error.to_string())?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| error.to_string())
}

/// As the histograms of a tally keep them: to two digits, up to eight days.
fn durations(durations: impl Iterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut histogram =
        Histogram::new_with_max(8 * 24 * 3_600 * 1_000, 2).expect("the bounds are valid constants");
    durations.for_each(|ms| histogram.saturating_record(ms));
    recorded(&histogram)
}

fn recorded(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    let values = histogram.iter_recorded();
    values.map(|value| (value.value_iterated_to(), value.count_at_value())).collect()
}

fn number(value: &Value) -> Option<u64> {
    value["N"].as_str()?.parse().ok()
}
