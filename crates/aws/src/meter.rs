//! Counts the requests of a session, retries included, and the capacity units that `DynamoDB` reports.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::ConsumedCapacity;

use stentor_core::usage::Usage;

/// Requests and capacity units of a session so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<Mutex<Usage>>);

/// Interceptor that counts the requests of one service's client.
#[derive(Debug)]
pub(crate) struct RequestCount {
    pub(crate) meter: Meter,
    pub(crate) is_queue: bool,
}

impl Meter {
    /// Returns what was counted so far.
    pub(crate) fn usage(&self) -> Usage {
        *self.lock()
    }

    /// Adds the capacity of writes.
    pub(crate) fn add_write_units<'a>(&self, capacity: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        let mut usage = self.lock();
        usage.write_units = sum(usage.write_units, capacity);
    }

    /// Adds the capacity of reads.
    pub(crate) fn add_read_units<'a>(&self, capacity: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        let mut usage = self.lock();
        usage.read_units = sum(usage.read_units, capacity);
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds reported units; after an answer without any, the sum stays unknown.
fn sum<'a>(so_far: Option<f64>, reported: impl IntoIterator<Item = &'a ConsumedCapacity>) -> Option<f64> {
    let mut reported = reported.into_iter().map(ConsumedCapacity::capacity_units).peekable();
    reported.peek()?;
    reported.fold(so_far, |sum, units| Some(sum? + units?))
}

impl Intercept for RequestCount {
    fn name(&self) -> &'static str {
        "RequestCount"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut usage = self.meter.lock();
        usage.requests += 1;
        usage.queue_requests += u64::from(self.is_queue);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_without_capacity_makes_the_sum_unknown() {
        let capacity = |units: f64| ConsumedCapacity::builder().capacity_units(units).build();
        let meter = Meter::default();
        meter.add_write_units(&[capacity(25.0), capacity(2.0)]);
        meter.add_write_units(&Some(capacity(1.0)));
        assert_eq!(meter.usage().write_units, Some(28.0));
        meter.add_write_units(&[]);
        meter.add_write_units(&[capacity(1.0)]);
        assert_eq!((meter.usage().write_units, meter.usage().read_units), (None, Some(0.0)));
    }
}
