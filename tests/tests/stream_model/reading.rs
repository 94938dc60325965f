//! A stored tally, decoded by the library and compared with the raw values.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use stentor_tally::{DurationHistogram, Tally};
use stentor_tests::stream::{CODES, Conclusion, Counts};

/// What a tally must hold: exact counts and sums, and all durations, ms, in ascending order.
#[derive(Debug)]
pub struct Expected {
    counts: Counts,
    deliveries: Vec<u64>,
    latencies: Vec<u64>,
}

impl Expected {
    /// Computes the values for these messages.
    pub fn of<'a>(conclusions: impl Iterator<Item = &'a Conclusion> + Clone) -> Self {
        Self {
            counts: conclusions.clone().collect(),
            deliveries: sorted(conclusions.clone().filter_map(|conclusion| conclusion.delivery_ms)),
            latencies: sorted(conclusions.filter_map(Conclusion::latency_ms)),
        }
    }

    /// Compares a tally: counts and sums exactly, and every duration within 2 %.
    pub fn check(&self, tally: &Tally) -> Result<(), String> {
        let counts = Counts {
            sent: tally.sent,
            failed: tally.failed,
            failures: failures(tally),
            parts: tally.parts,
            deliveries: tally.delivery.count(),
            delivery_ms: tally.delivery.sum_ms(),
            latencies: tally.latency.count(),
            latency_ms: tally.latency.sum_ms(),
            first_concluded_at: tally.first_concluded_at,
            last_concluded_at: tally.last_concluded_at,
        };
        if counts != self.counts {
            return Err(format!("{counts:?}, expected {:?}", self.counts));
        }
        check_durations(&tally.delivery, &self.deliveries).map_err(|error| format!("deliveries: {error}"))?;
        check_durations(&tally.latency, &self.latencies).map_err(|error| format!("latencies: {error}"))
    }
}

/// The failures of a tally in the order of [`CODES`].
fn failures(tally: &Tally) -> [u64; CODES.len()] {
    let of = |code| tally.failures.iter().find(|(found, _)| found.as_str() == code);
    CODES.map(|code| of(code).map_or(0, |(_, count)| count))
}

/// Decodes the attribute `tally` of an item, in DynamoDB's JSON.
pub fn read(tally: &Value) -> Result<Tally, String> {
    let stored = &tally["M"];
    let number = |name: &str| stored[name]["N"].as_str().and_then(|text| text.parse::<u64>().ok());
    let text = stored["times"]["B"].as_str().ok_or_else(|| format!("no times in {stored}"))?;
    let times = BASE64_STANDARD.decode(text).map_err(|error| error.to_string())?;
    let read = json!({"sent": number("sent"), "failed": number("failed"), "times": times});
    serde_json::from_value(read).map_err(|error| error.to_string())
}

fn sorted(durations: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut durations: Vec<u64> = durations.collect();
    durations.sort_unstable();
    durations
}

/// Compares the quantile at every rank with the duration at that rank.
fn check_durations(histogram: &DurationHistogram, durations: &[u64]) -> Result<(), String> {
    for (rank, exact) in durations.iter().enumerate() {
        // Half a rank below the share, so that rounding cannot select the next rank.
        let quantile = (rank as f64 + 0.5) / durations.len() as f64;
        let estimate = histogram.quantile_ms(quantile).ok_or("no durations")?;
        if estimate.abs_diff(*exact) * 100 > exact * 2 {
            return Err(format!("{estimate} ms at quantile {quantile}, expected {exact} ms within 2 %"));
        }
    }
    Ok(())
}
