//! What really happened to the messages, shard by shard.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use super::sequences::sequences;

/// The most shards, the most runs, and the most changes of a shard.
const SHARDS: usize = 3;
const RUNS: usize = 3;
const CHANGES: usize = 24;

/// When the first message of all was created, ms since the epoch.
const BEGINNING: u64 = 1_764_000_000_000;

/// All that happened.
#[derive(Debug, Clone)]
pub struct Truth {
    /// The stream's shards, parents before their children, whose numbers may well begin below their parents' end.
    pub shards: Vec<Shard>,
    /// How many runs there are.
    pub runs: usize,
}

/// A shard's changes, in its order.
#[derive(Debug, Clone)]
pub struct Shard {
    /// Its name.
    pub id: String,
    /// What happened in it.
    pub changes: Vec<Change>,
}

/// A change of an item in the messages table.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its sequence number, as the stream spells it.
    pub sequence: String,
    /// Whose message it is: one of the runs, by number.
    pub run: usize,
    /// What it is.
    pub what: What,
}

/// What a change is.
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// The end of a message, which counts.
    Conclusion(Conclusion),
    /// Anything else, which does not.
    Noise(Noise),
}

/// A message's end.
#[derive(Debug, Clone, Copy)]
pub struct Conclusion {
    /// SENT, not FAILED.
    pub sent: bool,
    /// When the message was created, ms since the epoch.
    pub created_at: u64,
    /// When it ended, ms since the epoch; a few items do not say.
    pub concluded_at: Option<u64>,
    /// How long its delivery took, ms; a few items do not say.
    pub delivery_ms: Option<u64>,
}

/// A record that counts nothing.
#[derive(Debug, Clone, Copy)]
pub enum Noise {
    /// An INSERT of a message that is PENDING.
    Insert,
    /// An INSERT of an item that is SENT from the first.
    InsertOfSent,
    /// A MODIFY from SENT to SENT.
    SentAgain,
    /// A MODIFY from FAILED to SENT.
    Revived,
    /// A MODIFY from PENDING to PENDING.
    StillPending,
    /// A REMOVE, which has no new image.
    Remove,
    /// A MODIFY without its images.
    NoImages,
    /// A MODIFY whose old image is missing.
    NoOldImage,
    /// A MODIFY whose images are null.
    NullImages,
    /// A conclusion of an item whose key is no message's.
    StrangeKey,
    /// A conclusion whose status is a number.
    StrangeStatus,
    /// An image that is a text.
    ImageOfText,
    /// An attribute's text that is a number.
    AttributeOfNumber,
    /// A conclusion whose sequence number is no number.
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

    /// Whether the record tells its place and its run, so that it moves a checkpoint.
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

/// What conclusions come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages that ended SENT.
    pub sent: u64,
    /// Messages that ended FAILED.
    pub failed: u64,
    /// How many told how long their delivery took.
    pub deliveries: u64,
    /// The sum of that, ms.
    pub delivery_ms: u64,
    /// How many told when they ended.
    pub latencies: u64,
    /// The sum of the times from creation to end, ms.
    pub latency_ms: u64,
    /// The first end, ms since the epoch.
    pub first_concluded_at: Option<u64>,
    /// The last end, ms since the epoch.
    pub last_concluded_at: Option<u64>,
}

impl Conclusion {
    /// From creation to end, never below zero.
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
    /// The shard of that number, with so many changes of so many runs.
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

    /// How many of its changes lie up to a checkpoint, that one included; `None` where it is none of theirs.
    pub fn up_to(&self, checkpoint: &str) -> Option<usize> {
        let bare = |text: &'_ str| text.trim_start_matches('0').to_owned();
        let checkpoint = bare(checkpoint);
        self.changes.iter().position(|change| bare(&change.sequence) == checkpoint).map(|place| place + 1)
    }

    /// The conclusions of a run among its first `count` changes.
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
    /// Any truth.
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
    (any::<bool>(), BEGINNING..BEGINNING + 60_000, concluded_at, weighted(0.95, 0..90_000_u64)).prop_map(
        |(sent, created_at, concluded_at, delivery_ms)| Conclusion {
            sent,
            created_at,
            concluded_at,
            delivery_ms,
        },
    )
}
