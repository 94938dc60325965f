//! What tables and queues accept, on the clock of this machine.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::on_demand::{OnDemandTable, TokenBucket};

/// The write capacity of a table, from the time at which it was set.
#[derive(Debug)]
pub(crate) struct TableCapacity {
    model: OnDemandTable,
    start: Instant,
    /// Added to the time since then.
    pub(crate) advanced: Duration,
}

impl TableCapacity {
    pub(crate) fn new(partition_units: f64) -> Self {
        Self { model: OnDemandTable::new(partition_units), start: Instant::now(), advanced: Duration::ZERO }
    }

    pub(crate) fn try_write(&mut self, key: &str, units: f64) -> bool {
        self.model.try_write(self.start.elapsed() + self.advanced, key, units)
    }
}

/// The rate of each operation of the queues, calls per second, with the unused calls of one second.
#[derive(Debug)]
pub(crate) struct CallRates {
    per_second: f64,
    start: Instant,
    buckets: HashMap<String, TokenBucket>,
}

impl CallRates {
    pub(crate) fn new(per_second: f64) -> Self {
        Self { per_second, start: Instant::now(), buckets: HashMap::new() }
    }

    pub(crate) fn try_call(&mut self, operation: &str) -> bool {
        let now = self.start.elapsed();
        let bucket = self.buckets.entry(operation.to_owned());
        bucket.or_insert_with(|| TokenBucket::new(self.per_second, now)).try_take(now, 1.0)
    }
}
