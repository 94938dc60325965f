//! The true contents of a stream, shard by shard.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use super::sequences::sequences;

/// Maximum numbers of shards, of runs, and of changes of a shard.
const SHARDS: usize = 3;
const RUNS: usize = 3;
const CHANGES: usize = 24;

/// Creation time of the first message, ms since the epoch.
const BEGINNING: u64 = 1_764_000_000_000;

/// All changes of a stream.
#[derive(Debug, Clone)]
pub struct Truth {
    /// The stream's shards, parents before their children. A child's numbers may start below the end of its
    /// parent's.
    pub shards: Vec<Shard>,
    /// Number of runs.
    pub runs: usize,
}

/// A shard with its changes in order.
#[derive(Debug, Clone)]
pub struct Shard {
    /// Shard ID.
    pub id: String,
    /// Changes, in the order of the stream.
    pub changes: Vec<Change>,
}

/// A change of an item in the messages table.
#[derive(Debug, Clone)]
pub struct Change {
    /// Sequence number, as the stream formats it.
    pub sequence: String,
    /// Index of the message's run.
    pub run: usize,
    /// Kind of the change.
    pub what: What,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// The outcome of a message, which counts.
    Conclusion(Conclusion),
    /// Any other change, which does not count.
    Noise(Noise),
}

/// The outcome of a message.
#[derive(Debug, Clone, Copy)]
pub struct Conclusion {
    /// `SENT` rather than `FAILED`.
    pub sent: bool,
    /// Creation time of the message, ms since the epoch.
    pub created_at: u64,
    /// Time of the outcome, ms since the epoch; missing in a few items.
    pub concluded_at: Option<u64>,
    /// Duration of the delivery, ms; missing in a few items.
    pub delivery_ms: Option<u64>,
    /// Parts of the text; missing in items of older versions.
    pub parts: Option<u32>,
    /// Why the message is FAILED, one of [`CODES`]; missing where no code was given.
    pub reason: Option<&'static str>,
}

/// Failure codes of messages. A message without one counts under the first.
pub const CODES: [&str; 3] = ["UNKNOWN", "TTL_EXPIRED", "CARRIER_UNREACHABLE"];

/// A record that does not count.
#[derive(Debug, Clone, Copy)]
pub enum Noise {
    /// An INSERT of a message that is PENDING.
    Insert,
    /// An INSERT of an item that is already SENT.
    InsertOfSent,
    /// A MODIFY from SENT to SENT.
    SentAgain,
    /// A MODIFY from FAILED to SENT.
    Revived,
    /// A MODIFY from PENDING to PENDING.
    StillPending,
    /// A REMOVE, which has no new image.
    Remove,
    /// A MODIFY without images.
    NoImages,
    /// A MODIFY whose old image is missing.
    NoOldImage,
    /// A MODIFY whose images are null.
    NullImages,
    /// An outcome of an item whose key is not a message ID.
    StrangeKey,
    /// An outcome whose status is a number.
    StrangeStatus,
    /// An image that is a string.
    ImageOfText,
    /// A string attribute whose value is a number.
    AttributeOfNumber,
    /// An outcome whose sequence number is not a number.
    NoSequence,
    /// An empty record.
    Nothing,
}

impl Noise {
    const ALL: [Self; 15] = [
        Self::Insert,
        Self::InsertOfSent,
        Self::SentAgain,
        Self::Revived,
        Self::StillPending,
        Self::Remove,
        Self::NoImages,
        Self::NoOldImage,
        Self::NullImages,
        Self::StrangeKey,
        Self::StrangeStatus,
        Self::ImageOfText,
        Self::AttributeOfNumber,
        Self::NoSequence,
        Self::Nothing,
    ];

    /// Whether the record has a sequence number and a run, so that it advances a checkpoint.
    pub fn has_a_place(self) -> bool {
        matches!(
            self,
            Self::Insert
                | Self::InsertOfSent
                | Self::SentAgain
                | Self::Revived
                | Self::StillPending
                | Self::NoOldImage
                | Self::StrangeStatus
        )
    }
}

/// Totals of outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages with the status SENT.
    pub sent: u64,
    /// Messages with the status FAILED.
    pub failed: u64,
    /// FAILED messages by code, in the order of [`CODES`].
    pub failures: [u64; CODES.len()],
    /// Parts of the messages that were delivered.
    pub parts: u64,
    /// Messages with a known delivery duration.
    pub deliveries: u64,
    /// Sum of the delivery durations, ms.
    pub delivery_ms: u64,
    /// Messages with a known time of the outcome.
    pub latencies: u64,
    /// Sum of the latencies from creation to outcome, ms.
    pub latency_ms: u64,
    /// Time of the first outcome, ms since the epoch.
    pub first_concluded_at: Option<u64>,
    /// Time of the last outcome, ms since the epoch.
    pub last_concluded_at: Option<u64>,
}

impl Conclusion {
    /// Returns the time from creation to outcome, never negative.
    pub fn latency_ms(&self) -> Option<u64> {
        self.concluded_at.map(|at| at.saturating_sub(self.created_at))
    }
}

impl<'a> FromIterator<&'a Conclusion> for Counts {
    fn from_iter<I: IntoIterator<Item = &'a Conclusion>>(conclusions: I) -> Self {
        let mut counts = Self::default();
        for conclusion in conclusions {
            counts.sent += u64::from(conclusion.sent);
            counts.failed += u64::from(!conclusion.sent);
            if !conclusion.sent {
                let code = CODES.iter().position(|code| Some(*code) == conclusion.reason);
                counts.failures[code.unwrap_or(0)] += 1;
            }
            counts.parts += conclusion.delivery_ms.map_or(0, |_| conclusion.parts.unwrap_or(1).into());
            counts.deliveries += u64::from(conclusion.delivery_ms.is_some());
            counts.delivery_ms += conclusion.delivery_ms.unwrap_or(0);
            counts.latencies += u64::from(conclusion.concluded_at.is_some());
            counts.latency_ms += conclusion.latency_ms().unwrap_or(0);
            let first = counts.first_concluded_at.into_iter().chain(conclusion.concluded_at).min();
            counts.first_concluded_at = first;
            counts.last_concluded_at = counts.last_concluded_at.max(conclusion.concluded_at);
        }
        counts
    }
}

impl Shard {
    /// Generates the shard of that number, with `changes` changes of `runs` runs.
    fn any(number: u64, changes: usize, runs: usize) -> impl Strategy<Value = Self> {
        let whats = vec((0..runs, what()), changes);
        (sequences(changes), whats).prop_map(move |(sequences, whats)| Self {
            id: format!("shardId-{:020}-{:08x}", BEGINNING + number * 14_400_000, 0x5eed_1e55 + number),
            changes: sequences
                .into_iter()
                .zip(whats)
                .map(|(sequence, (run, what))| Change { sequence, run, what })
                .collect(),
        })
    }

    /// Counts the changes up to and including a checkpoint. Returns `None` if it is not one of this shard's
    /// numbers.
    pub fn up_to(&self, checkpoint: &str) -> Option<usize> {
        let bare = |text: &'_ str| text.trim_start_matches('0').to_owned();
        let checkpoint = bare(checkpoint);
        self.changes.iter().position(|change| bare(&change.sequence) == checkpoint).map(|place| place + 1)
    }

    /// Returns the outcomes of a run among the first `count` changes.
    pub fn conclusions(&self, run: usize, count: usize) -> impl Iterator<Item = &Conclusion> + Clone {
        self.changes[..count].iter().filter(move |change| change.run == run).filter_map(
            |change| match &change.what {
                What::Conclusion(conclusion) => Some(conclusion),
                What::Noise(_) => None,
            },
        )
    }
}

impl Truth {
    /// Generates the contents of any stream.
    pub fn any() -> impl Strategy<Value = Self> {
        (vec(1..=CHANGES, 1..=SHARDS), 1..=RUNS).prop_flat_map(|(sizes, runs)| {
            let shards: Vec<_> =
                (0..).zip(sizes).map(|(number, changes)| Shard::any(number, changes, runs)).collect();
            shards.prop_map(move |shards| Self { shards, runs })
        })
    }
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        5 => conclusion().prop_map(What::Conclusion),
        1 => prop::sample::select(&Noise::ALL[..]).prop_map(What::Noise),
    ]
}

fn conclusion() -> impl Strategy<Value = Conclusion> {
    let concluded_at = weighted(0.95, BEGINNING - 1_000..BEGINNING + 3_600_000);
    let reason = proptest::option::of(prop::sample::select(&CODES[..]));
    let created_at = BEGINNING..BEGINNING + 60_000;
    let text = (weighted(0.9, 1..12_u32), reason);
    (any::<bool>(), created_at, concluded_at, weighted(0.95, 0..90_000_u64), text).prop_map(
        |(sent, created_at, concluded_at, delivery_ms, (parts, reason))| Conclusion {
            sent,
            created_at,
            concluded_at,
            delivery_ms,
            parts,
            reason: reason.filter(|_| !sent),
        },
    )
}
