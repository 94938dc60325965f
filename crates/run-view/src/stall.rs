//! Detection of runs that cannot get any further on their own, and of those whose counting is behind.

use std::time::Duration;

use stentor_core::lookup::LookupSample;
use stentor_core::queue_depth::{IdleDetector, settle_time};

use crate::reading::RunReading;
use crate::status::RunPhase;

/// Messages are looked up at most this often.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(300);

/// What random look-ups of a run's messages have shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookupResult {
    /// A message is PENDING.
    Pending,
    /// None is PENDING, and the sample was large enough.
    NonePending,
    /// None that was read is PENDING, but that shows nothing: the sample was too small, a message is missing or unreadable,
    /// or the caller may not read them.
    Inconclusive,
}

/// What a reading shows, and what must be looked up to know more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StallCheck {
    pub phase: RunPhase,
    /// The look-ups that are due.
    pub lookups: Option<LookupSample>,
}

/// Detects a run of which everything is enqueued and something is pending while the queue stays empty, and decides whether
/// it is stalled or only its counting is behind. Times are those of any monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct StallDetector {
    empty: IdleDetector,
    outcomes: u64,
    result: Option<LookupResult>,
    looked_up_at: Option<Duration>,
}

impl StallDetector {
    /// Adds a reading taken at `now`.
    pub(crate) fn check(&mut self, reading: &RunReading, now: Duration) -> StallCheck {
        let has_moved = std::mem::replace(&mut self.outcomes, reading.outcomes()) != reading.outcomes();
        if !reading.is_enqueued() || reading.is_complete() || !reading.queue.is_zero() {
            self.empty.reset();
            self.result = None;
            let phase = if reading.is_complete() { RunPhase::Complete } else { self.early_phase(reading) };
            return StallCheck { phase, lookups: None };
        }
        if has_moved {
            self.empty.reset();
            // An outcome never changes; what was pending may have one by now.
            self.result = self.result.filter(|result| *result == LookupResult::NonePending);
            return StallCheck { phase: self.early_phase(reading), lookups: None };
        }
        let empty_for = self.empty.observe(&reading.queue, now);
        if empty_for.is_some_and(|empty_for| empty_for >= stall_wait(reading)) {
            self.decide(reading, now)
        } else {
            StallCheck { phase: self.early_phase(reading), lookups: None }
        }
    }

    /// Adds the result of look-ups that ended at `now`.
    pub(crate) fn add_lookups(&mut self, result: LookupResult, now: Duration) {
        (self.result, self.looked_up_at) = (Some(result), Some(now));
    }

    /// Decides about a run whose queue has stayed empty, by what costs nothing before look-ups.
    fn decide(&self, reading: &RunReading, now: Duration) -> StallCheck {
        if reading.dead_letters > 0 || !reading.damaged.is_empty() {
            return StallCheck { phase: RunPhase::Stalled, lookups: None };
        }
        if reading.uncounted() > 0 {
            return StallCheck { phase: RunPhase::Lagging { behind: reading.uncounted() }, lookups: None };
        }
        let phase = match self.result {
            None => RunPhase::Active,
            Some(LookupResult::Pending) => RunPhase::Stalled,
            Some(LookupResult::NonePending) => RunPhase::Lagging { behind: reading.pending() },
            Some(LookupResult::Inconclusive) => RunPhase::Undecided,
        };
        let is_due = self.looked_up_at.is_none_or(|at| now.saturating_sub(at) >= LOOKUP_INTERVAL);
        let total = reading.record.plan.total();
        StallCheck { phase, lookups: is_due.then(|| LookupSample::of(total, reading.pending())) }
    }

    /// The phase of a run that is not complete, until its queue has been empty for long enough. Senders that have recorded
    /// more than is counted show it in a single reading, whatever else is on the queue.
    fn early_phase(&self, reading: &RunReading) -> RunPhase {
        let is_overdue = reading.idle_seconds() > reading.deployment.stream_lag().as_secs_f64();
        if !reading.damaged.is_empty() {
            RunPhase::Active
        } else if self.result == Some(LookupResult::NonePending) {
            RunPhase::Lagging { behind: reading.pending() }
        } else if is_overdue && reading.uncounted() > 0 {
            RunPhase::Lagging { behind: reading.uncounted() }
        } else {
            RunPhase::Active
        }
    }
}

/// How long the queue must be empty and the tallies unchanged: the queue's counts are reliable by then, and a working
/// stream has counted every outcome.
fn stall_wait(reading: &RunReading) -> Duration {
    settle_time(reading.visibility).max(reading.deployment.stream_lag())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{ended, outcomes_of_sender, reading};
    use stentor_core::deployment::Deployment;
    use stentor_tally::DamagedTally;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The phase once the queue has stayed empty, and the look-ups that are due then.
    fn settled(reading: &RunReading) -> (StallDetector, StallCheck) {
        let mut detector = StallDetector::default();
        detector.check(reading, at(0));
        detector.check(reading, at(5));
        let check = detector.check(reading, at(125));
        (detector, check)
    }

    const ALL: LookupSample = LookupSample { size: 10, is_conclusive: true };

    #[test]
    fn a_run_is_looked_up_when_the_queue_stays_empty_with_messages_pending() {
        let mut detector = StallDetector::default();
        for (seconds, lookups) in [(0, None), (5, None), (124, None), (125, Some(ALL))] {
            let check = detector.check(&reading(10, 9), at(seconds));
            assert_eq!(check, StallCheck { phase: RunPhase::Active, lookups }, "{seconds}");
        }
    }

    #[test]
    fn a_batching_window_lengthens_the_wait() {
        let deployment = Deployment::new(Some(300), None, None);
        let slow = RunReading { deployment, ..reading(10, 9) };
        let mut detector = StallDetector::default();
        for (seconds, is_due) in [(0, false), (5, false), (125, false), (314, false), (315, true)] {
            assert_eq!(detector.check(&slow, at(seconds)).lookups.is_some(), is_due, "{seconds}");
        }
        let patient = RunReading { visibility: at(600), ..slow };
        assert_eq!(stall_wait(&patient), at(660), "whichever is longer");
    }

    #[test]
    fn progress_a_backlog_or_an_unfinished_producer_is_no_stall() {
        let mut busy = reading(10, 9);
        busy.queue.in_flight = 1;
        let mut unfinished = reading(10, 9);
        unfinished.record.enqueued = 9;
        let active = StallCheck { phase: RunPhase::Active, lookups: None };
        for reading in [busy, unfinished] {
            let mut detector = StallDetector::default();
            assert!((0..100).all(|i| detector.check(&reading, at(i * 10)) == active));
        }
        let mut detector = StallDetector::default();
        assert!((0..10).all(|i| detector.check(&reading(10, i), at(u64::from(i) * 100)) == active));
        let mut detector = StallDetector::default();
        assert!((0..100).all(|i| detector.check(&reading(10, 10), at(i * 10)).phase == RunPhase::Complete));
    }

    #[test]
    fn dead_letters_and_damage_go_before_the_senders_counts_and_those_before_look_ups() {
        let counted = RunReading { usage: vec![outcomes_of_sender("a", 7)], ..reading(10, 4) };
        let (_, check) = settled(&counted);
        assert_eq!(check, StallCheck { phase: RunPhase::Lagging { behind: 3 }, lookups: None });
        let dead = RunReading { dead_letters: 1, ..counted.clone() };
        assert_eq!(settled(&dead).1, StallCheck { phase: RunPhase::Stalled, lookups: None });
        let damaged = DamagedTally { shard: "1".into(), why: "odd".into() };
        let damaged = RunReading { damaged: vec![damaged], ..counted };
        assert_eq!(settled(&damaged).1, StallCheck { phase: RunPhase::Stalled, lookups: None });
        let equal = RunReading { usage: vec![outcomes_of_sender("a", 4)], ..reading(10, 4) };
        assert_eq!(settled(&equal).1.lookups, Some(ALL));
    }

    #[test]
    fn look_ups_decide_and_are_repeated_after_five_minutes_at_the_earliest() {
        for (result, phase) in [
            (LookupResult::Pending, RunPhase::Stalled),
            (LookupResult::NonePending, RunPhase::Lagging { behind: 6 }),
            (LookupResult::Inconclusive, RunPhase::Undecided),
        ] {
            let (mut detector, _) = settled(&reading(10, 4));
            detector.add_lookups(result, at(126));
            for (seconds, lookups) in [(130, None), (425, None), (426, Some(ALL)), (4_000, Some(ALL))] {
                let check = detector.check(&reading(10, 4), at(seconds));
                assert_eq!(check, StallCheck { phase, lookups }, "{seconds}");
            }
        }
    }

    #[test]
    fn a_run_whose_counting_is_behind_stays_so_while_the_tallies_move() {
        let (mut detector, _) = settled(&reading(10, 4));
        detector.add_lookups(LookupResult::NonePending, at(126));
        let phases = [5, 6, 10].map(|outcomes| detector.check(&reading(10, outcomes), at(130)).phase);
        assert_eq!(
            phases,
            [RunPhase::Lagging { behind: 5 }, RunPhase::Lagging { behind: 4 }, RunPhase::Complete]
        );
        let (mut detector, _) = settled(&reading(10, 4));
        detector.add_lookups(LookupResult::Inconclusive, at(126));
        assert_eq!(detector.check(&reading(10, 5), at(130)).phase, RunPhase::Active);
        let check = detector.check(&reading(10, 5), at(300));
        assert_eq!(check, StallCheck { phase: RunPhase::Active, lookups: None }, "not within five minutes");
        assert_eq!(detector.check(&reading(10, 5), at(430)).lookups, Some(ALL));
    }

    #[test]
    fn a_message_on_the_queue_ends_what_look_ups_have_shown() {
        let (mut detector, _) = settled(&reading(10, 4));
        detector.add_lookups(LookupResult::NonePending, at(126));
        let mut requeued = reading(10, 4);
        requeued.queue.visible = 1;
        assert_eq!(detector.check(&requeued, at(130)).phase, RunPhase::Active);
        assert_eq!(detector.check(&reading(10, 4), at(135)).phase, RunPhase::Active);
    }

    #[test]
    fn senders_that_have_recorded_more_than_is_counted_show_it_in_a_single_reading() {
        let first = |reading: &RunReading| StallDetector::default().check(reading, at(0)).phase;
        let late = RunReading { usage: vec![outcomes_of_sender("a", 10)], ..reading(10, 0) };
        assert_eq!(first(&late), RunPhase::Lagging { behind: 10 });
        for has_ended in [false, true] {
            let seen = RunReading { heartbeats: vec![ended("a", has_ended)], ..late.clone() };
            assert_eq!(first(&seen), RunPhase::Lagging { behind: 10 }, "{has_ended}");
        }
        let dead = RunReading { dead_letters: 1, ..late.clone() };
        let mut backlog = late.clone();
        backlog.queue.visible = 1;
        let mut unfinished = late.clone();
        (unfinished.record.enqueued, unfinished.record.finished_at) = (9, None);
        for reading in [dead, backlog, unfinished] {
            assert_eq!(first(&reading), RunPhase::Lagging { behind: 10 }, "{reading:?}");
        }
        let just_created = RunReading { at_ms: 2_000, ..late.clone() };
        let slow = RunReading { deployment: Deployment::new(Some(300), None, None), ..late };
        for reading in [just_created, slow] {
            assert_eq!(first(&reading), RunPhase::Active, "the stream may take that long");
        }
    }
}
