//! Look-ups of random messages of a run, at a limited rate.

use std::cell::Cell;
use std::time::Duration;

use stentor_aws::Error;
use stentor_aws::messages::KEYS;
use stentor_core::delivery::Status;
use stentor_core::lookup::LookupSample;
use stentor_core::message::{MessageId, MessageRecord};
use stentor_core::run::Plan;
use tokio::time::{MissedTickBehavior, interval};

use crate::stall::LookupResult;

/// Time from one batch to the next: 500 messages a second, at most.
const BATCH_INTERVAL: Duration = Duration::from_millis(200);

/// Looks up a sample of the run's messages with `read`, in batches of up to [`KEYS`], until one is pending. Adds the number
/// of messages read to `looked_up`.
pub(crate) async fn look_up(
    plan: &Plan,
    sample: LookupSample,
    seed: u64,
    looked_up: &Cell<u64>,
    read: impl AsyncFn(&[MessageId]) -> Result<Vec<Option<MessageRecord>>, Error>,
) -> LookupResult {
    let drawn = sample.draw(plan.total(), seed).into_iter();
    let ids: Vec<MessageId> = drawn.filter_map(|index| MessageId::new(plan.run(), index)).collect();
    let mut ticks = interval(BATCH_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_conclusive = sample.is_conclusive;
    for batch in ids.chunks(KEYS) {
        ticks.tick().await;
        let records = match read(batch).await {
            Ok(records) => records,
            Err(error) => {
                let what = format!("cannot look up messages of run {}: {error}", plan.run());
                if error.is_access_denied() {
                    tracing::warn!("{what}");
                } else {
                    tracing::debug!("{what}");
                }
                return LookupResult::Inconclusive;
            }
        };
        looked_up.set(looked_up.get() + batch.len() as u64);
        let has = |wanted: Option<Status>| {
            records.iter().any(|record| record.and_then(|record| record.status) == wanted)
        };
        if has(Some(Status::Pending)) {
            return LookupResult::Pending;
        }
        is_conclusive &= !has(None);
    }
    if is_conclusive { LookupResult::NonePending } else { LookupResult::Inconclusive }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::HashSet;
    use stentor_core::run::{BodyLength, RunId};
    use tokio::time::Instant;

    fn plan(total: u32) -> Plan {
        Plan::new(RunId::from_parts(1, 1), 7, total, BodyLength { max: 100, exact: false }).unwrap()
    }

    fn record(status: Status) -> MessageRecord {
        MessageRecord {
            status: Some(status),
            created_at: None,
            concluded_at: None,
            delivery_ms: None,
            parts: None,
            reason: None,
        }
    }

    /// The result of look-ups of a table where each message has the status of its index, and the batches that were read,
    /// each with its time.
    async fn looked_up(
        total: u32,
        missing: u64,
        status: fn(u32) -> Option<Status>,
    ) -> (LookupResult, Vec<(Duration, Vec<MessageId>)>, u64) {
        let (start, batches, count) = (Instant::now(), RefCell::new(Vec::new()), Cell::new(0));
        let read = async |ids: &[MessageId]| {
            batches.borrow_mut().push((start.elapsed(), ids.to_vec()));
            Ok::<Vec<_>, Error>(ids.iter().map(|id| status(id.index()).map(record)).collect())
        };
        let result = look_up(&plan(total), LookupSample::of(total, missing), 3, &count, read).await;
        (result, batches.into_inner(), count.get())
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_read_once_each_in_batches_at_a_limited_rate() {
        let (result, batches, count) = looked_up(1_000_000, 1_000, |_| Some(Status::Sent)).await;
        assert_eq!((result, count), (LookupResult::NonePending, 7_000));
        let ids: HashSet<MessageId> = batches.iter().flat_map(|(_, ids)| ids.clone()).collect();
        assert_eq!((ids.len(), batches.len()), (7_000, 70));
        for (place, (at, ids)) in batches.iter().enumerate() {
            assert!(ids.len() <= KEYS && at.as_millis() >= 200 * place as u128, "{at:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_pending_message_ends_the_look_ups() {
        let (result, batches, count) = looked_up(10_000, 10_000, |_| Some(Status::Pending)).await;
        assert_eq!((result, batches.len(), count), (LookupResult::Pending, 1, 100));
        let one = |index| Some(if index == 77 { Status::Pending } else { Status::Failed });
        assert_eq!(looked_up(1_000, 1, one).await.0, LookupResult::Pending, "all are read, if need be");
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_sample_a_missing_message_and_a_denied_read_show_nothing() {
        let (result, _, count) = looked_up(1_000_000, 10, |_| Some(Status::Sent)).await;
        assert_eq!((result, count), (LookupResult::Inconclusive, 100_000));
        let missing = |index| (index != 77).then_some(Status::Sent);
        assert_eq!(looked_up(100, 100, missing).await.0, LookupResult::Inconclusive);
        let denied = async |_: &[MessageId]| {
            Err::<Vec<Option<MessageRecord>>, _>(Error::Rejected {
                call: "BatchGetItem",
                code: "AccessDenied".into(),
                message: String::new(),
            })
        };
        let count = Cell::new(0);
        let result = look_up(&plan(10), LookupSample::of(10, 10), 3, &count, denied).await;
        assert_eq!((result, count.get()), (LookupResult::Inconclusive, 0));
    }
}
