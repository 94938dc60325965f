//! Durations of many messages: exact sum and count, and a histogram for the percentiles.

use std::cell::RefCell;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};
use serde::{Deserialize, Deserializer as SerdeDeserializer, Serialize, Serializer, de, ser};
use serde_bytes::ByteBuf;

/// The longest duration that is told apart, ms: 8 days, a day longer than an item lives.
const MAX_MS: u64 = 8 * 24 * 3_600 * 1_000;

/// Significant decimal digits of a percentile.
const DIGITS: u8 = 2;

/// Durations in ms.
#[derive(Debug, Clone, PartialEq)]
pub struct Times {
    sum_ms: u64,
    histogram: Histogram<u64>,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            sum_ms: 0,
            histogram: Histogram::new_with_max(MAX_MS, DIGITS).expect("the bounds are valid constants"),
        }
    }
}

impl Times {
    pub(super) fn record(&mut self, ms: u64) {
        self.sum_ms = self.sum_ms.saturating_add(ms);
        self.histogram.saturating_record(ms);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
        self.histogram.add(&other.histogram).expect("all histograms have the same bounds");
    }

    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Their exact sum, ms.
    pub fn sum_ms(&self) -> u64 {
        self.sum_ms
    }

    /// Their exact mean, ms; `None` without any.
    pub fn mean_ms(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum_ms as f64 / self.count() as f64)
    }

    /// The duration, ms to two digits, that a share `quantile` (0 to 1) of them does not exceed.
    pub fn quantile_ms(&self, quantile: f64) -> Option<u64> {
        (self.count() > 0).then(|| self.histogram.value_at_quantile(quantile))
    }

    /// The longest, ms to two digits.
    pub fn max_ms(&self) -> Option<u64> {
        (self.count() > 0).then(|| self.histogram.max())
    }
}

thread_local! {
    /// A serializer keeps a buffer worth reusing: one tally is written a second and shard.
    static SERIALIZER: RefCell<V2DeflateSerializer> = RefCell::new(V2DeflateSerializer::new());
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    sum_ms: u64,
    /// HdrHistogram V2, compressed.
    histogram: ByteBuf,
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use hdrhistogram::serialization::Serializer as _;
        let mut bytes = Vec::new();
        SERIALIZER
            .with_borrow_mut(|histograms| histograms.serialize(&self.histogram, &mut bytes))
            .map_err(ser::Error::custom)?;
        Stored { sum_ms: self.sum_ms, histogram: ByteBuf::from(bytes) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: SerdeDeserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let read: Histogram<u64> = Deserializer::new()
            .deserialize(&mut stored.histogram.as_slice())
            .map_err(|error| de::Error::custom(format!("the histogram does not decode: {error}")))?;
        let mut times = Self::default();
        times
            .histogram
            .add(&read)
            .map_err(|error| de::Error::custom(format!("the histogram is of another kind: {error}")))?;
        times.sum_ms = stored.sum_ms;
        Ok(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(values: &[u64]) -> Times {
        let mut times = Times::default();
        for ms in values {
            times.record(*ms);
        }
        times
    }

    #[test]
    fn without_durations_nothing_is_known() {
        let none = Times::default();
        assert_eq!((none.mean_ms(), none.quantile_ms(0.5), none.max_ms()), (None, None, None));
    }

    #[test]
    fn a_histogram_that_does_not_decode_is_an_error() {
        for bytes in [&b""[..], b"garbage", &[0; 64]] {
            let stored = serde_json::json!({"sum_ms": 1, "histogram": bytes});
            assert!(serde_json::from_value::<Times>(stored).is_err());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(values in prop::collection::vec(0..MAX_MS, 0..200)) {
            let times = times(&values);
            let json = serde_json::to_string(&times).unwrap();
            prop_assert_eq!(serde_json::from_str::<Times>(&json).unwrap(), times);
        }

        #[test]
        fn percentiles_are_right_to_two_digits(values in prop::collection::vec(1..1_000_000_u64, 1..200)) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let times = times(&values);
            let exact = sorted[(sorted.len() - 1) / 2] as f64;
            let told = times.quantile_ms(0.5).unwrap() as f64;
            prop_assert!((told / exact - 1.0).abs() < 0.011 || (told - exact).abs() <= 1.0, "{told} {exact}");
            prop_assert_eq!(times.sum_ms(), values.iter().sum::<u64>());
        }
    }
}
