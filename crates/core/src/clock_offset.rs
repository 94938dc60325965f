//! The difference between the services' clock and this machine's, as an interval.
//!
//! The `Date` of a response is the service's time at a moment between the request and the response, rounded down to a
//! second. So it bounds the difference from both sides, and the bounds of several responses are intersected.

const SECOND: i64 = 1_000_000;

/// Narrower intervals would be more precise than the clocks of the services are.
const MIN_WIDTH: i64 = 50_000;

/// How far two clocks drift apart, µs a second.
const DRIFT_PPM: i64 = 50;

/// A response whose bounds are further from zero is ignored: its `Date` is probably that of a faulty proxy.
const MAX_OFFSET: i64 = 24 * 3_600 * SECOND;

/// A response with a `Date`. All times are µs since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatedResponse {
    /// The `Date`, by the service's clock.
    pub date: i64,
    /// When the request was sent, by this machine's clock.
    pub sent_at: i64,
    /// When the response was received, by this machine's clock.
    pub received_at: i64,
}

/// What must be added to this machine's time for the services' time: unknown until the first response, then an interval,
/// which further responses narrow and time widens.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClockOffset(Option<[Bound; 2]>);

/// A bound of the offset, µs, and when it was set. It widens with the time since then, computed from the original value, so
/// that rounding does not accumulate.
#[derive(Debug, Clone, Copy)]
struct Bound {
    offset: i64,
    set_at: i64,
}

impl Bound {
    fn drift(self, now: i64) -> i64 {
        now.saturating_sub(self.set_at).max(0).saturating_mul(DRIFT_PPM) / SECOND
    }
}

impl ClockOffset {
    /// Narrows the interval by a response; starts afresh where it contradicts the earlier ones. Returns `false` for a
    /// response that is more than 24 h off, which changes nothing.
    pub fn observe(&mut self, response: &DatedResponse) -> bool {
        let now = response.received_at;
        let low = response.date.saturating_sub(response.received_at);
        let high = response.date.saturating_add(SECOND).saturating_sub(response.sent_at);
        if low > MAX_OFFSET || high < -MAX_OFFSET {
            return false;
        }
        let mut bounds = [Bound { offset: low, set_at: now }, Bound { offset: high, set_at: now }];
        if let (Some(earlier), Some([earlier_low, earlier_high])) = (self.0, self.interval(now))
            && earlier_low <= high
            && low <= earlier_high
        {
            if earlier_low > low {
                bounds[0] = earlier[0];
            }
            if earlier_high < high {
                bounds[1] = earlier[1];
            }
        }
        self.0 = Some(bounds);
        if let Some([low, high]) = self.interval(now).filter(|[low, high]| high - low < MIN_WIDTH) {
            let start = low + (high - low - MIN_WIDTH) / 2;
            self.0 = Some([start, start + MIN_WIDTH].map(|offset| Bound { offset, set_at: now }));
        }
        true
    }

    /// Returns the lower and the upper end at `now`, by this machine's clock; `None` before the first response. All in
    /// µs.
    pub fn interval(&self, now: i64) -> Option<[i64; 2]> {
        self.0.map(|[low, high]| {
            [low.offset.saturating_sub(low.drift(now)), high.offset.saturating_add(high.drift(now))]
        })
    }

    /// Returns when to send a request that halves the interval, by this machine's clock: at the next moment from `now` on at
    /// which the service's second rolls over if the middle of the interval is right. `None` before the first response.
    pub fn next_rollover(&self, now: i64) -> Option<i64> {
        let [low, high] = self.interval(now)?;
        let middle = low + (high - low) / 2;
        Some(now + (-(now + middle)).rem_euclid(SECOND))
    }

    /// Returns the correction of this machine's time at `now`, µs: the middle of the interval where zero lies outside,
    /// else nothing.
    pub fn correction(&self, now: i64) -> Option<i64> {
        let [low, high] = self.interval(now)?;
        (low > 0 || high < 0).then(|| low + (high - low) / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: i64 = 1_796_000_000 * SECOND;

    /// A response that the service made `there` µs after the request and that arrived `back` µs later.
    fn response(sent_at: i64, there: i64, back: i64, offset: i64) -> DatedResponse {
        let date = (sent_at + there + offset).div_euclid(SECOND) * SECOND;
        DatedResponse { date, sent_at, received_at: sent_at + there + back }
    }

    fn after(responses: &[DatedResponse]) -> ClockOffset {
        let mut offset = ClockOffset::default();
        for response in responses {
            assert!(offset.observe(response));
        }
        offset
    }

    #[test]
    fn a_response_bounds_the_offset_to_a_second_and_its_round_trip() {
        let unknown = ClockOffset::default();
        assert_eq!((unknown.interval(START), unknown.correction(START)), (None, None));
        let behind = after(&[DatedResponse {
            date: START + 180 * SECOND,
            sent_at: START + 300_000,
            received_at: START + 400_000,
        }]);
        let now = START + 400_000;
        assert_eq!(behind.interval(now), Some([179_600_000, 180_700_000]));
        assert_eq!(behind.correction(now), Some(180_150_000));
        // A millisecond more after twenty seconds.
        assert_eq!(behind.interval(now + 20 * SECOND), Some([179_599_000, 180_701_000]));
    }

    #[test]
    fn a_right_clock_is_not_corrected() {
        let responses: Vec<_> = (0..200).map(|i| response(START + i * 130_000, 2_000, 3_000, 0)).collect();
        for count in 1..=responses.len() {
            let last = responses[count - 1].received_at;
            assert_eq!(after(&responses[..count]).correction(last), None);
        }
    }

    #[test]
    fn the_rollover_of_the_second_narrows_the_interval_down_to_50_ms() {
        let true_offset = -3_600 * SECOND - 432_100;
        let responses: Vec<_> =
            (0..100).map(|i| response(START + i * 10_000, 1_000, 1_000, true_offset)).collect();
        let now = responses[99].received_at;
        let [low, high] = after(&responses).interval(now).unwrap();
        assert!((MIN_WIDTH..MIN_WIDTH + 1_000).contains(&(high - low)));
        assert!(low <= true_offset && true_offset <= high);
    }

    #[test]
    fn requests_at_the_rollover_of_the_middle_halve_the_interval() {
        for true_offset in [0, 1, 499_999, -3_600 * SECOND - 432_100, 2 * SECOND + 987_654] {
            let mut offset = after(&[response(START, 1_000, 1_000, true_offset)]);
            let mut now = START;
            for _ in 0..4 {
                let sent_at = offset.next_rollover(now).unwrap();
                assert!((now..now + SECOND).contains(&sent_at));
                let halved = response(sent_at, 1_000, 1_000, true_offset);
                assert!(offset.observe(&halved));
                now = halved.received_at;
            }
            let [low, high] = offset.interval(now).unwrap();
            assert!(high - low <= 70_000 && low <= true_offset && true_offset <= high, "{low} {high}");
        }
        assert_eq!(ClockOffset::default().next_rollover(START), None);
    }

    #[test]
    fn a_clock_that_was_set_starts_the_interval_afresh() {
        let before: Vec<_> = (0..50).map(|i| response(START + i * 50_000, 500, 500, 0)).collect();
        let mut offset = after(&before);
        let hour = 3_600 * SECOND;
        let set = response(START + 10 * SECOND, 500, 500, hour);
        assert!(offset.observe(&set));
        assert_eq!(offset.interval(set.received_at), after(&[set]).interval(set.received_at));
        assert!(offset.correction(set.received_at).is_some_and(|by| (by - hour).abs() <= SECOND));
    }

    #[test]
    fn a_date_more_than_a_day_off_changes_nothing() {
        for day in [-1, 1] {
            let mut offset = after(&[response(START, 500, 500, 0)]);
            let before = offset.interval(START);
            assert!(!offset.observe(&response(START, 500, 500, day * (MAX_OFFSET + 2 * SECOND))));
            assert_eq!(offset.interval(START), before);
            assert!(offset.observe(&response(START, 500, 500, day * (MAX_OFFSET - 2 * SECOND))));
        }
        let mut offset = ClockOffset::default();
        for date in [i64::MIN, i64::MAX] {
            assert!(!offset.observe(&DatedResponse { date, sent_at: START, received_at: START }));
        }
    }

    proptest! {
        /// Whatever the delays, and while the clocks drift apart by 50 ppm at most, the interval holds the true offset.
        #[test]
        fn the_interval_holds_the_true_offset(
            offset in -23 * 3_600 * SECOND..23 * 3_600 * SECOND,
            drift_ppm in -DRIFT_PPM + 1..DRIFT_PPM,
            requests in prop::collection::vec((0..60 * SECOND, 0..3 * SECOND, 0..3 * SECOND), 1..80),
        ) {
            let mut known = ClockOffset::default();
            let mut now = START;
            for (pause, there, back) in requests {
                let sent_at = now + pause;
                let true_offset = |at: i64| offset + (at - START) * drift_ppm / SECOND;
                let response = response(sent_at, there, back, true_offset(sent_at + there));
                prop_assert!(known.observe(&response));
                now = response.received_at;
                let [low, high] = known.interval(now).unwrap();
                // The drift during a request is not counted, and the true offset is rounded.
                let tolerance = 6 * DRIFT_PPM + 2;
                let truth = true_offset(now);
                prop_assert!(low - tolerance <= truth && truth <= high + tolerance, "{low} {truth} {high}");
                prop_assert!((MIN_WIDTH..=SECOND + there + back).contains(&(high - low)));
                let error = (truth - known.correction(now).unwrap_or(0)).abs();
                prop_assert!(error <= high - low + tolerance, "{error} µs");
            }
        }
    }
}
