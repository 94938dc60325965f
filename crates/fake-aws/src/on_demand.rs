//! The write capacity of an on-demand table, and the request rate of a queue.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Write units per second of a partition on AWS (Amazon DynamoDB Developer Guide, "Best practices for designing and
/// using partition keys effectively").
pub const PARTITION_UNITS: f64 = 1_000.0;

/// Partitions of a new table, which accepts 4,000 write units a second (Amazon DynamoDB Developer Guide, "`DynamoDB`
/// on-demand capacity mode").
const INITIAL_PARTITIONS: usize = 4;

/// A table accepts at most twice its earlier peak within this time (as above).
const GROWTH_PERIOD: Duration = Duration::from_secs(30 * 60);

/// The time over which a peak is averaged.
const PEAK_PERIOD: Duration = Duration::from_secs(60);

/// What an on-demand table accepts. All times are since its creation.
///
/// A new table has four partitions of [`PARTITION_UNITS`] write units a second. A key is in the partition of its hash.
/// Each partition saves the units of one second that were not used. After every 30 minutes the table has as many partitions as twice
/// its peak in that time needs, and never fewer than before; the peak is the highest mean of a minute. AWS splits
/// partitions at other times, and saves units for up to five minutes; neither is modelled.
#[derive(Debug, Clone)]
pub struct OnDemandTable {
    partition_units: f64,
    partitions: Vec<TokenBucket>,
    minute: Period,
    /// Highest mean of a minute in this growth period, units per second.
    peak: f64,
    growth_period: u64,
}

#[derive(Debug, Clone, Default)]
struct Period {
    number: u64,
    units: f64,
}

impl OnDemandTable {
    /// Returns a new table whose partitions accept that many write units a second: [`PARTITION_UNITS`], or fewer for
    /// shorter tests.
    pub fn new(partition_units: f64) -> Self {
        Self {
            partition_units,
            partitions: vec![TokenBucket::new(partition_units, Duration::ZERO); INITIAL_PARTITIONS],
            minute: Period::default(),
            peak: 0.0,
            growth_period: 0,
        }
    }

    /// Consumes the units of a write to an item with that partition key. Returns `false` if the write is throttled.
    pub fn try_write(&mut self, now: Duration, key: &str, units: f64) -> bool {
        self.grow(now);
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let place = hasher.finish() % self.partitions.len() as u64;
        let partition = usize::try_from(place).expect("fewer partitions than memory");
        let is_accepted = self.partitions[partition].try_take(now, units);
        if is_accepted {
            self.minute.units += units;
        }
        is_accepted
    }

    /// Write units per second that it accepts.
    pub fn units_per_second(&self) -> f64 {
        self.partitions.len() as f64 * self.partition_units
    }

    fn grow(&mut self, now: Duration) {
        let minute = now.as_secs() / PEAK_PERIOD.as_secs();
        if minute > self.minute.number {
            self.peak = self.peak.max(self.minute.units / PEAK_PERIOD.as_secs_f64());
            self.minute = Period { number: minute, units: 0.0 };
        }
        let growth_period = now.as_secs() / GROWTH_PERIOD.as_secs();
        if growth_period > self.growth_period {
            self.growth_period = growth_period;
            let twice = 2.0 * std::mem::take(&mut self.peak);
            while self.units_per_second() < twice {
                self.partitions.push(TokenBucket::new(self.partition_units, now));
            }
        }
    }
}

/// A rate with the unused rest of one second.
#[derive(Debug, Clone)]
pub(crate) struct TokenBucket {
    per_second: f64,
    tokens: f64,
    refilled_at: Duration,
}

impl TokenBucket {
    pub(crate) fn new(per_second: f64, now: Duration) -> Self {
        Self { per_second, tokens: per_second, refilled_at: now }
    }

    /// Takes tokens if there are as many.
    pub(crate) fn try_take(&mut self, now: Duration, tokens: f64) -> bool {
        let refill = now.saturating_sub(self.refilled_at).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + refill).min(self.per_second);
        self.refilled_at = self.refilled_at.max(now);
        let is_enough = self.tokens >= tokens;
        if is_enough {
            self.tokens -= tokens;
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Writes of one unit to different keys in a second, and how many were accepted.
    fn write(table: &mut OnDemandTable, second: u32, writes: u32) -> u32 {
        let accepted = (0..writes).filter(|write| {
            let now = SECOND * second + SECOND * *write / writes;
            table.try_write(now, &format!("{second}-{write}"), 1.0)
        });
        u32::try_from(accepted.count()).unwrap()
    }

    #[test]
    fn a_new_table_accepts_four_thousand_units_a_second_and_those_of_a_second_before() {
        let mut table = OnDemandTable::new(PARTITION_UNITS);
        let first = write(&mut table, 0, 40_000);
        assert!((7_900..=8_000).contains(&first), "{first}");
        let second = write(&mut table, 1, 40_000);
        assert!((3_900..=4_000).contains(&second), "{second}");
    }

    #[test]
    fn one_key_has_the_units_of_one_partition() {
        let mut table = OnDemandTable::new(PARTITION_UNITS);
        let accepted = (0..10_000).filter(|_| table.try_write(SECOND, "the only key", 1.0)).count();
        assert_eq!(accepted, 1_000);
    }

    #[test]
    fn sustained_traffic_doubles_the_capacity_after_half_an_hour_and_little_traffic_does_not() {
        let mut table = OnDemandTable::new(PARTITION_UNITS);
        let mut minute = |from: u32, writes: u32| {
            for second in from * 60..(from + 1) * 60 {
                write(&mut table, second, writes);
            }
            table.partitions.len()
        };
        assert_eq!(minute(0, 100), 4);
        assert_eq!(minute(31, 5_000), 4);
        assert!((7..=9).contains(&minute(61, 100)));
        assert!((7..=9).contains(&minute(91, 100)), "it never shrinks");
    }
}
