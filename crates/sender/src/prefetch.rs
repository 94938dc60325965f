//! How many messages to receive: enough to keep every delivery slot busy, and no more than can be started within
//! about a second, so that a sender that starts later gets its share. Once the messages table has throttled, no more than can be
//! delivered and recorded within a few seconds.

const MAX_BATCH: usize = stentor_aws::queue::BATCH;

const MAX_RECEIVES: usize = 64;

/// The maximum number of messages to prefetch: a process delivers them in well under a second, even without waits.
const MAX_PREFETCH: usize = 1_000;

/// The number of messages waiting for their outcome or settlement at which the intake pauses.
const MAX_UNSETTLED: usize = 1_600;

/// The backlog of outcomes at which the intake pauses once the table has throttled, in seconds at the learned rate. A killed
/// sender loses them, and their messages are delivered again.
const MAX_OUTCOME_WAIT: f64 = 2.0;

/// The load of the pipeline at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PipelineLoad {
    /// Messages whose delivery has not ended.
    pub undelivered: usize,
    /// All messages that are not settled with the queue, including the undelivered.
    pub unfinished: usize,
    /// Messages requested by the open receives.
    pub requested: usize,
    pub receives: usize,
    /// With a rate limit: what it allows.
    pub admission: Option<Admission>,
    /// Once the table has throttled: how many outcomes may be recorded per second.
    pub outcomes_per_second: Option<f64>,
}

/// What a rate limit allows to hold.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Admission {
    /// Messages that have a reserved start or were started, and whose delivery has not ended.
    pub admitted: usize,
    /// Messages to hold beyond those, which the sender can reserve within about a second.
    pub allowance: usize,
}

/// Decides when to receive and how many messages.
#[derive(Debug, Clone)]
pub(crate) struct PrefetchPolicy {
    concurrency: usize,
    mean_wait: f64,
    prefetch: usize,
    max_receives: usize,
}

impl PrefetchPolicy {
    /// Creates the policy for `concurrency` deliveries of `mean_wait` seconds each.
    pub(crate) fn new(concurrency: usize, mean_wait: f64) -> Self {
        Self { concurrency, mean_wait, prefetch: prefetch(concurrency, mean_wait), max_receives: 1 }
    }

    /// Returns how many messages to request now, 1 to 10, or `None` to wait until the load changes.
    pub(crate) fn batch_size(&self, load: PipelineLoad) -> Option<usize> {
        if load.receives >= self.max_receives
            || load.unfinished.saturating_sub(load.undelivered) >= MAX_UNSETTLED
            || load.unfinished + load.requested >= self.max_unfinished(load.outcomes_per_second)
        {
            return None;
        }
        let slots = self.concurrency + self.prefetch;
        let capacity =
            load.admission.map_or(slots, |limit| slots.min(limit.admitted.saturating_add(limit.allowance)));
        let expected = load.undelivered + load.requested;
        let free = capacity.saturating_sub(expected);
        // While all slots are busy, a request waits until it can be a large one.
        let min_batch = match load.admission {
            // The limit does not wait for the slots.
            Some(limit) => {
                MAX_BATCH.min(limit.allowance.div_ceil(2)).min(capacity.saturating_sub(limit.admitted).max(1))
            }
            None if expected < self.concurrency => 1,
            None => MAX_BATCH.min(capacity.div_ceil(2)),
        };
        (free >= min_batch).then(|| free.min(MAX_BATCH)).filter(|size| *size > 0)
    }

    /// Returns the number of messages at which the intake pauses. Deliveries count twice: an attempt that is repeated later
    /// records no outcome, and the learned rate rises only while outcomes wait.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    fn max_unfinished(&self, outcomes_per_second: Option<f64>) -> usize {
        outcomes_per_second
            .map_or(usize::MAX, |rate| (rate * (2.0 * self.mean_wait + MAX_OUTCOME_WAIT)).ceil() as usize)
    }

    /// Adapts to the result of a receive: a full one allows more concurrent receives, an empty one a single long poll.
    pub(crate) fn observe(&mut self, requested: usize, received: usize) {
        self.max_receives = match received {
            0 => 1,
            received if received >= requested => (self.max_receives + 1).min(MAX_RECEIVES),
            received if 2 * received < requested => (self.max_receives - 1).max(1),
            _ => self.max_receives,
        };
    }
}

/// Returns how many messages to hold beyond those in delivery: as many as start within a second.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn prefetch(concurrency: usize, mean_wait: f64) -> usize {
    let started_in_a_second = (concurrency as f64 / mean_wait) as usize;
    started_in_a_second.min(concurrency.max(MAX_BATCH)).min(MAX_PREFETCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(undelivered: usize) -> PipelineLoad {
        PipelineLoad { undelivered, unfinished: undelivered, ..PipelineLoad::default() }
    }

    #[test]
    fn a_slow_sender_receives_one_message_at_a_time() {
        let policy = PrefetchPolicy::new(1, 5.0);
        assert_eq!(policy.batch_size(load(0)), Some(1));
        assert_eq!(policy.batch_size(load(1)), None);
    }

    #[test]
    fn a_wait_of_half_a_second_prefetches_two_messages() {
        let policy = PrefetchPolicy::new(1, 0.5);
        assert_eq!(policy.batch_size(load(0)), Some(3));
        assert_eq!(policy.batch_size(load(1)), Some(2));
        assert_eq!(policy.batch_size(load(2)), None, "no request for a single message yet");
    }

    #[test]
    fn without_a_wait_batches_are_full() {
        let policy = PrefetchPolicy::new(1, 0.0);
        assert_eq!(policy.batch_size(load(0)), Some(10));
        assert_eq!(PrefetchPolicy::new(1_000, 0.0).batch_size(load(900)), Some(10));
    }

    #[test]
    fn full_receives_allow_more_and_an_empty_one_a_single_poll() {
        let mut policy = PrefetchPolicy::new(100, 0.0);
        let busy = PipelineLoad { receives: 1, requested: 10, ..load(0) };
        assert_eq!(policy.batch_size(busy), None);
        policy.observe(10, 10);
        assert_eq!(policy.batch_size(busy), Some(10));
        policy.observe(10, 0);
        assert_eq!(policy.batch_size(busy), None);
    }

    #[test]
    fn a_backlog_of_unsettled_messages_pauses_the_intake() {
        let policy = PrefetchPolicy::new(100, 0.0);
        assert!(policy.batch_size(PipelineLoad { unfinished: 1_599, ..load(0) }).is_some());
        assert_eq!(policy.batch_size(PipelineLoad { unfinished: 1_600, ..load(0) }), None);
    }

    #[test]
    fn a_table_that_throttles_pauses_the_intake() {
        let policy = PrefetchPolicy::new(1_000, 0.5);
        let throttled = |unfinished, requested| {
            let outcomes_per_second = Some(100.0);
            policy.batch_size(PipelineLoad { unfinished, requested, outcomes_per_second, ..load(40) })
        };
        assert_eq!((throttled(299, 0), throttled(300, 0)), (Some(10), None));
        assert_eq!((throttled(289, 10), throttled(290, 10)), (Some(10), None));
    }

    #[test]
    fn a_rate_limit_allows_few_messages_beyond_those_that_it_has_admitted() {
        let policy = PrefetchPolicy::new(10_000, 0.5);
        let load = |undelivered, admitted, allowance| {
            let admission = Some(Admission { admitted, allowance });
            policy.batch_size(PipelineLoad { admission, ..load(undelivered) })
        };
        assert_eq!(load(0, 0, 2), Some(2));
        assert_eq!(load(2, 0, 2), None, "both wait for a reservation");
        assert_eq!(load(2, 1, 2), Some(1));
        assert_eq!((load(150, 100, 50), load(145, 100, 50), load(140, 100, 50)), (None, None, Some(10)));
        let few_slots = PrefetchPolicy::new(1, 5.0);
        let admission = Some(Admission { admitted: 0, allowance: 50 });
        assert_eq!(few_slots.batch_size(PipelineLoad { admission, ..self::load(0) }), Some(1));
        assert_eq!(few_slots.batch_size(PipelineLoad { admission, ..self::load(1) }), None);
    }

    #[test]
    fn prefetch_is_limited_for_many_slots_with_short_waits() {
        let policy = PrefetchPolicy::new(5_000, 0.01);
        assert_eq!(policy.batch_size(load(6_000)), None);
    }

    proptest! {
        #[test]
        fn prefetched_messages_start_within_a_second(concurrency in 1..50_000_usize, mean_wait in 0.0..100.0_f64, undelivered in 0..100_000_usize) {
            let size = PrefetchPolicy::new(concurrency, mean_wait).batch_size(load(undelivered)).unwrap_or(0);
            prop_assert!(size <= MAX_BATCH);
            if size > 0 {
                let waiting = (undelivered + size).saturating_sub(concurrency);
                prop_assert!(waiting as f64 <= concurrency as f64 / mean_wait, "{waiting} would wait");
            }
        }

        #[test]
        fn an_idle_sender_always_receives(concurrency in 1..50_000_usize, mean_wait in 0.0..100.0_f64) {
            prop_assert!(PrefetchPolicy::new(concurrency, mean_wait).batch_size(load(0)).is_some());
        }
    }
}
