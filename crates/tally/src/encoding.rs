//! The encoding of a tally in the metrics table.
//!
//! `sent` and `failed` are plain numbers that a reader of the table understands. Everything else is one binary
//! attribute: [`Details`] in the postcard format (integers of variable length), followed by a CRC-32.

use std::borrow::Cow;

use crc::{CRC_32_ISO_HDLC, Crc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_bytes::ByteBuf;
use thiserror::Error;

use super::{DurationHistogram, FailureCounts, Tally, Timeline};

/// The version of a stored tally that this code reads and writes. Version 1 stored `HdrHistogram`'s V2 format, version
/// 2 an arithmetic code, version 3 neither failure codes nor parts.
pub const VERSION: u32 = 4;

/// CRC-32 as in Ethernet and zip.
static CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The attributes of a stored tally. A tally with further attributes is rejected, so that this code never overwrites
/// them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TallyItem {
    sent: u64,
    failed: u64,
    times: ByteBuf,
}

/// The content of the attribute `times`.
#[derive(Serialize, Deserialize)]
struct Details<'a> {
    failures: Cow<'a, FailureCounts>,
    parts: u64,
    delivery: Cow<'a, DurationHistogram>,
    latency: Cow<'a, DurationHistogram>,
    first_concluded_at: Option<u64>,
    last_concluded_at: Option<u64>,
    timeline: Cow<'a, Timeline>,
}

/// An error in the attribute `times`.
#[derive(Debug, PartialEq, Eq, Error)]
enum DecodeError {
    #[error("checksum mismatch")]
    ChecksumMismatch,
    #[error("invalid encoding: {0}")]
    InvalidEncoding(postcard::Error),
    #[error("trailing bytes")]
    TrailingBytes,
}

impl Tally {
    fn encode_times(&self) -> Vec<u8> {
        let details = Details {
            failures: Cow::Borrowed(&self.failures),
            parts: self.parts,
            delivery: Cow::Borrowed(&self.delivery),
            latency: Cow::Borrowed(&self.latency),
            first_concluded_at: self.first_concluded_at,
            last_concluded_at: self.last_concluded_at,
            timeline: Cow::Borrowed(&self.timeline),
        };
        postcard::to_stdvec_crc32(&details, CHECKSUM.digest()).expect("integers and sequences always encode")
    }

    fn decode(item: &TallyItem) -> Result<Self, DecodeError> {
        let decoded = postcard::take_from_bytes_crc32::<Details>(&item.times, CHECKSUM.digest());
        let (details, rest) = decoded.map_err(|error| match error {
            postcard::Error::DeserializeBadCrc => DecodeError::ChecksumMismatch,
            error => DecodeError::InvalidEncoding(error),
        })?;
        if !rest.is_empty() {
            return Err(DecodeError::TrailingBytes);
        }
        Ok(Self {
            sent: item.sent,
            failed: item.failed,
            failures: details.failures.into_owned(),
            parts: details.parts,
            delivery: details.delivery.into_owned(),
            latency: details.latency.into_owned(),
            first_concluded_at: details.first_concluded_at,
            last_concluded_at: details.last_concluded_at,
            timeline: details.timeline.into_owned(),
        })
    }
}

impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let times = ByteBuf::from(self.encode_times());
        TallyItem { sent: self.sent, failed: self.failed, times }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Tally {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::decode(&TallyItem::deserialize(deserializer)?)
            .map_err(|error| de::Error::custom(format!("cannot decode `times`: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OutcomeEvent;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution as _, Normal};
    use std::time::Duration;
    use stentor_core::delivery::Outcome;
    use stentor_core::provider::code::FailureCode;

    fn stored(tally: &Tally) -> serde_json::Value {
        serde_json::to_value(tally).unwrap()
    }

    fn read(stored: serde_json::Value) -> Result<Tally, String> {
        serde_json::from_value(stored).map_err(|error| error.to_string())
    }

    fn event() -> impl Strategy<Value = OutcomeEvent> {
        let time = prop_oneof![9 => 1_700_000_000_000..1_700_090_000_000_u64, 1 => any::<u64>()];
        let duration = prop_oneof![9 => 0..90_000_u64, 1 => any::<u64>()];
        (
            any::<bool>(),
            proptest::option::of(time.clone()),
            proptest::option::of(time),
            proptest::option::of(duration),
            prop_oneof![9 => Just(None), 1 => any::<Option<u32>>()],
            proptest::option::of("[A-Z0-9_]{1,32}"),
        )
            .prop_map(|(sent, created_at, concluded_at, delivery_ms, parts, reason)| OutcomeEvent {
                outcome: if sent { Outcome::Sent } else { Outcome::Failed },
                created_at,
                concluded_at,
                delivery_ms,
                parts,
                reason: reason.filter(|_| !sent).map(|code| code.parse().unwrap()),
            })
    }

    fn tally_of(events: impl IntoIterator<Item = OutcomeEvent>) -> Tally {
        let mut tally = Tally::default();
        events.into_iter().for_each(|event| tally.count(&event));
        tally
    }

    /// The other attributes and the key of a tally item take less than 250 bytes (see the metrics table in stentor-aws).
    const REST_OF_ITEM: usize = 250;

    /// Failure codes of the greatest length.
    fn codes(count: u64) -> Vec<FailureCode> {
        (0..count).map(|number| format!("CARRIER_UNREACHABLE_{number:012}").parse().unwrap()).collect()
    }

    /// A run with the default settings: deliveries of 0.5 s on average, 1 in 10 fails, with one of 4 codes. The producer creates all
    /// messages in the first 100 s; the senders need `run_ms` for them.
    fn default_run(messages: u64, run_ms: u64) -> Tally {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let wait_s = Normal::new(0.5_f64, 0.125).unwrap();
        let codes = codes(4);
        tally_of((0..messages).zip(codes.iter().cycle()).map(|(number, code)| {
            let wait = Duration::from_secs_f64(wait_s.sample(&mut random).clamp(0.0, 1.0));
            let delivery_ms = u64::try_from(wait.as_millis()).unwrap();
            let created_at = 1_700_000_000_000 + number * 100_000 / messages;
            let is_failed = random.random_bool(0.1);
            OutcomeEvent {
                outcome: if is_failed { Outcome::Failed } else { Outcome::Sent },
                created_at: Some(created_at),
                concluded_at: Some(created_at + number * run_ms / messages + delivery_ms),
                delivery_ms: Some(delivery_ms),
                parts: Some(1),
                reason: is_failed.then_some(*code),
            }
        }))
    }

    #[test]
    fn a_million_messages_of_a_default_run_fit_in_2_kb() {
        for run_s in [60, 600, 1_800, 3_600, 3_700] {
            let tally = default_run(1_000_000, run_s * 1_000);
            let bytes = tally.encode_times().len();
            assert!(bytes <= 2_048 - REST_OF_ITEM, "{bytes} bytes for {run_s} s");
            assert!(read(stored(&tally)).unwrap() == tally);
        }
    }

    #[test]
    fn hundred_million_messages_in_all_bins_and_buckets_with_codes_and_parts_fit_in_6_kb() {
        // Steps of 2 % up to 8 days reach every bin.
        let next = |ms: &u64| Some(ms + ms / 50 + 1).filter(|ms| *ms <= 8 * 24 * 3_600_000);
        let durations: Vec<u64> = std::iter::successors(Some(0), next).collect();
        let width_ms = 2_048_000;
        let (codes, places) = (codes(16), durations.iter().cycle());
        let mut tally = tally_of((0..100_000_u64).zip(places).zip(codes.iter().cycle()).map(
            |((number, duration), code)| {
                let at = (830_079 + number % 240) * width_ms;
                let is_failed = number / 240 % 3 == 0;
                OutcomeEvent {
                    outcome: if is_failed { Outcome::Failed } else { Outcome::Sent },
                    created_at: Some(at - duration),
                    concluded_at: Some(at),
                    delivery_ms: Some(*duration),
                    parts: Some(if number % 7 == 0 { 10 } else { 9 }),
                    reason: is_failed.then_some(*code),
                }
            },
        ));
        let thousandth = tally.clone();
        (1..1_000).for_each(|_| tally.merge(&thousandth));
        assert_eq!(tally.total(), 100_000_000);
        let (bins, buckets) = (tally.latency.bins().count(), tally.timeline.buckets().count());
        assert_eq!((bins, buckets, tally.failures.iter().count()), (468, 240, 16));
        let bytes = tally.encode_times().len();
        assert!(bytes <= 6_144 - REST_OF_ITEM, "{bytes} bytes");
        assert!(read(stored(&tally)).unwrap() == tally);
    }

    #[test]
    fn errors_name_the_damage() {
        let error = |times: Vec<u8>| {
            let item = TallyItem { sent: 1, failed: 0, times: ByteBuf::from(times) };
            Tally::decode(&item).unwrap_err().to_string()
        };
        let bytes = Tally::default().encode_times();
        let mut flipped = bytes.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(error(flipped), "checksum mismatch");
        assert_eq!(error([bytes, vec![0]].concat()), "trailing bytes");
        assert!(error(Vec::new()).starts_with("invalid encoding"));
    }

    proptest! {
        #[test]
        fn an_encoded_tally_reads_back(events in prop::collection::vec(event(), 0..200)) {
            let mut tally = tally_of(events);
            prop_assert_eq!(read(stored(&tally)).unwrap(), tally.clone());
            tally.merge(&tally.clone());
            prop_assert_eq!(read(stored(&tally)).unwrap(), tally);
        }

        #[test]
        fn damage_is_an_error(events in prop::collection::vec(event(), 0..60), place: prop::sample::Index, bits in 1..=255_u8, cut in 1..20_usize) {
            let tally = tally_of(events);
            let bytes = tally.encode_times();
            let of = |times: Vec<u8>| Tally::decode(&TallyItem { sent: 0, failed: 0, times: ByteBuf::from(times) });
            let mut flipped = bytes.clone();
            flipped[place.index(bytes.len())] ^= bits;
            prop_assert!(of(flipped).is_err());
            prop_assert!(of(bytes[..bytes.len().saturating_sub(cut)].to_vec()).is_err());
            prop_assert!(of([bytes, vec![0]].concat()).is_err());
        }

        #[test]
        fn bytes_with_a_valid_checksum_never_panic(content in prop::collection::vec(any::<u8>(), 0..400)) {
            let times = [content.as_slice(), &CHECKSUM.checksum(&content).to_le_bytes()].concat();
            let _ = Tally::decode(&TallyItem { sent: 0, failed: 0, times: ByteBuf::from(times) });
        }
    }
}
