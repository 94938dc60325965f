//! A tally as it is stored: what it counts as two plain numbers, which anyone may read in the table, and all else
//! as bytes.
//!
//! The bytes are a [`Head`] (postcard: variable-length integers), the counts of both histograms and of the timeline
//! in one code (see [`super::counts`]), and a checksum, for that code makes something of any bytes.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_bytes::ByteBuf;

use super::timeline::Parts;
use super::{Tally, Timeline, Times, counts};

/// The version of a stored tally that this code reads and writes. In version 1 histograms were HdrHistogram's V2.
pub const VERSION: u32 = 2;

/// The tally as a reader of the table sees it. One that has more in it is not ours to write over.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    sent: u64,
    failed: u64,
    times: ByteBuf,
}

/// What stands before the counts.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    delivery_sum_ms: u64,
    latency_sum_ms: u64,
    first_concluded_at: Option<u64>,
    last_concluded_at: Option<u64>,
    timeline_doublings: u32,
    timeline_first: u64,
    /// How many slots the histograms of delivery and latency have, and how many buckets the timeline.
    lengths: [u16; 3],
}

/// What is wrong with bytes that should tell times.
type Damage = &'static str;

impl Tally {
    fn times_to_bytes(&self) -> Vec<u8> {
        let (delivery, latency, timeline) =
            (self.delivery.slots(), self.latency.slots(), self.timeline.parts());
        let length = |row: &[u64]| u16::try_from(row.len()).expect("histograms and timelines are bounded");
        let head = Head {
            delivery_sum_ms: self.delivery.sum_ms(),
            latency_sum_ms: self.latency.sum_ms(),
            first_concluded_at: self.first_concluded_at,
            last_concluded_at: self.last_concluded_at,
            timeline_doublings: timeline.doublings,
            timeline_first: timeline.first,
            lengths: [length(&delivery), length(&latency), length(&timeline.ended)],
        };
        let mut bytes = postcard::to_stdvec(&head).expect("numbers can always be written");
        bytes.extend(counts::write(&[&delivery, &latency, &timeline.ended, &timeline.failed]));
        bytes.extend(checksum(&bytes).to_be_bytes());
        bytes
    }

    fn of_stored(stored: &Stored) -> Result<Self, Damage> {
        let (content, sum) = stored.times.split_last_chunk().ok_or("there are too few bytes")?;
        if checksum(content).to_be_bytes() != *sum {
            return Err("the checksum is another");
        }
        let (head, code) = postcard::take_from_bytes::<Head>(content).map_err(|_| "the head is none")?;
        let [delivery, latency, buckets] = head.lengths.map(usize::from);
        if delivery.max(latency) > Times::most_slots() {
            return Err("a histogram is too long");
        }
        let rows = counts::read(code, [delivery, latency, buckets, buckets]);
        let [delivery, latency, ended, failed] = rows.ok_or("a count is too large")?;
        let parts = Parts { doublings: head.timeline_doublings, first: head.timeline_first, ended, failed };
        Ok(Self {
            sent: stored.sent,
            failed: stored.failed,
            delivery: Times::of_slots(head.delivery_sum_ms, &delivery),
            latency: Times::of_slots(head.latency_sum_ms, &latency),
            first_concluded_at: head.first_concluded_at,
            last_concluded_at: head.last_concluded_at,
            timeline: Timeline::of_parts(&parts).ok_or("the timeline is out of its bounds")?,
        })
    }
}

impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let times = ByteBuf::from(self.times_to_bytes());
        Stored { sent: self.sent, failed: self.failed, times }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Tally {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of_stored(&Stored::deserialize(deserializer)?)
            .map_err(|damage| de::Error::custom(format!("its times do not decode: {damage}")))
    }
}

/// CRC-32 as of Ethernet and zip (ISO 3309).
fn checksum(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (POLYNOMIAL * (sum & 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Outcome;
    use crate::tally::Conclusion;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::time::Duration;

    fn stored(tally: &Tally) -> serde_json::Value {
        serde_json::to_value(tally).unwrap()
    }

    fn read(stored: serde_json::Value) -> Result<Tally, String> {
        serde_json::from_value(stored).map_err(|error| error.to_string())
    }

    fn conclusion() -> impl Strategy<Value = Conclusion> {
        let time = prop_oneof![9 => 1_700_000_000_000..1_700_090_000_000_u64, 1 => any::<u64>()];
        let duration = prop_oneof![9 => 0..90_000_u64, 1 => any::<u64>()];
        (
            any::<bool>(),
            proptest::option::of(time.clone()),
            proptest::option::of(time),
            proptest::option::of(duration),
        )
            .prop_map(|(sent, created_at, concluded_at, delivery_ms)| Conclusion {
                outcome: if sent { Outcome::Sent } else { Outcome::Failed },
                created_at,
                concluded_at,
                delivery_ms,
            })
    }

    fn tally_of(conclusions: impl IntoIterator<Item = Conclusion>) -> Tally {
        let mut tally = Tally::default();
        conclusions.into_iter().for_each(|conclusion| tally.count(&conclusion));
        tally
    }

    /// A million messages in one shard's tally, of exponential times: those of the deliveries, and on top those of
    /// waiting before it, with such means in seconds. One in ten failed.
    fn million(delivery_s: f64, waiting_s: f64, seed: u64) -> Tally {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut exponential = |mean_s: f64| {
            let drawn = Duration::from_secs_f64(-(1.0 - random.random::<f64>()).ln() * mean_s);
            u64::try_from(drawn.as_millis()).unwrap()
        };
        tally_of((0..1_000_000_u64).map(|number| {
            let (delivery, waiting) = (exponential(delivery_s), exponential(waiting_s));
            let created_at = 1_700_000_000_000 + number * 8;
            Conclusion {
                outcome: if number * 7_919 % 10 == 3 { Outcome::Failed } else { Outcome::Sent },
                created_at: Some(created_at),
                concluded_at: Some(created_at + waiting + delivery),
                delivery_ms: Some(delivery),
            }
        }))
    }

    #[test]
    fn the_checksum_is_that_of_everybody() {
        assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_million_messages_of_times_over_an_hour_leave_room_for_the_rest_of_an_item() {
        // Key, version, checkpoint and names take less than 250 of an item's 4,096 bytes.
        for (delivery_s, waiting_s) in [(4_000.0, 4_000.0), (36_000.0, 3_600.0), (600.0, 60.0)] {
            let tally = million(delivery_s, waiting_s, 1);
            let bytes = tally.times_to_bytes().len();
            assert!(bytes < 4_096 - 250, "{bytes} bytes of means {delivery_s} s and {waiting_s} s");
            assert!(read(stored(&tally)).unwrap() == tally);
        }
    }

    #[test]
    fn bytes_that_nobody_wrote_are_told() {
        let refused =
            |times: &[u8]| read(serde_json::json!({"sent": 1, "failed": 0, "times": times})).unwrap_err();
        let summed = |content: &[u8]| [content, &checksum(content).to_be_bytes()].concat();
        let head = |slots: u16, buckets: u16| {
            postcard::to_stdvec(&Head {
                delivery_sum_ms: 0,
                latency_sum_ms: 0,
                first_concluded_at: None,
                last_concluded_at: None,
                timeline_doublings: 0,
                timeline_first: 0,
                lengths: [slots, 0, buckets],
            })
            .unwrap()
        };
        assert!(refused(b"").contains("too few bytes"));
        assert!(refused(&[7; 64]).contains("checksum"));
        assert!(refused(&summed(b"")).contains("head"));
        assert!(refused(&summed(&head(u16::MAX, 0))).contains("too long"));
        assert!(refused(&summed(&head(0, 241))).contains("out of its bounds"));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(conclusions in prop::collection::vec(conclusion(), 0..200)) {
            let mut tally = tally_of(conclusions);
            prop_assert_eq!(read(stored(&tally)).unwrap(), tally.clone());
            tally.merge(&tally.clone());
            prop_assert_eq!(read(stored(&tally)).unwrap(), tally);
        }

        #[test]
        fn damage_is_an_error(conclusions in prop::collection::vec(conclusion(), 0..60), place: prop::sample::Index, bits in 1..=255_u8, cut in 1..20_usize) {
            let tally = tally_of(conclusions);
            let bytes = tally.times_to_bytes();
            let of = |times: Vec<u8>| Tally::of_stored(&Stored { sent: 0, failed: 0, times: ByteBuf::from(times) });
            let mut flipped = bytes.clone();
            flipped[place.index(bytes.len())] ^= bits;
            prop_assert!(of(flipped).is_err());
            prop_assert!(of(bytes[..bytes.len().saturating_sub(cut)].to_vec()).is_err());
            prop_assert!(of([bytes, vec![0]].concat()).is_err());
        }

        #[test]
        fn any_bytes_under_a_right_checksum_do_no_harm(content in prop::collection::vec(any::<u8>(), 0..400)) {
            let times = [content.as_slice(), &checksum(&content).to_be_bytes()].concat();
            let _ = Tally::of_stored(&Stored { sent: 0, failed: 0, times: ByteBuf::from(times) });
        }
    }
}
