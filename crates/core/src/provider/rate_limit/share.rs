//! How much of a rate limit a sender reserves at once, and how often.

use std::time::Duration;

use super::{RateLimit, Request};

/// Reservations a second of all senders together. Beyond them, each sender reserves more at once instead.
const MAX_RESERVATIONS: f64 = 400.0;

/// A sender's share of the limit, from the reservations of all senders between two of this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShareEstimate {
    last_seq: Option<u64>,
    senders: Option<u64>,
}

impl ShareEstimate {
    /// Records the `seq` of a reservation of this sender.
    pub fn observe(&mut self, seq: u64) {
        if let Some(last) = self.last_seq {
            self.senders = Some(seq.saturating_sub(last).max(1));
        }
        self.last_seq = Some(seq);
    }

    /// Forgets the last reservation, since this sender had nothing to reserve after it. The estimate stays.
    pub fn interrupt(&mut self) {
        self.last_seq = None;
    }

    /// Returns how many of the waiting messages to reserve for, and their parts: at least one, and only one while the
    /// number of senders is unknown.
    pub fn request(&self, limit: &RateLimit, waiting: impl Iterator<Item = u32>) -> (usize, Request) {
        let share = self.parts_in_a_second(limit);
        let least = self.senders.map_or(0.0, |_| limit.parts_in(Duration::from_secs(1)) / MAX_RESERVATIONS);
        let (mut messages, mut request) = (0, Request { parts: 0, longest: 1 });
        for parts in waiting {
            let sum = request.parts + u64::from(parts);
            // The last message may exceed the least, which keeps the reservations below their maximum.
            if messages > 0 && sum as f64 > share && request.parts as f64 >= least {
                break;
            }
            messages += 1;
            request = Request { parts: sum, longest: request.longest.max(parts) };
        }
        (messages, request)
    }

    /// Returns for how many parts to hold messages: those of the next reservation and of one second. 0 while the number
    /// of senders is unknown.
    pub fn parts_to_hold(&self, limit: &RateLimit) -> f64 {
        let Some(senders) = self.senders else { return 0.0 };
        self.parts_in_a_second(limit) * (1.0 + (senders as f64 / MAX_RESERVATIONS).max(1.0))
    }

    /// Returns this sender's share of a second; 0 while the number of senders is unknown.
    pub fn parts_in_a_second(&self, limit: &RateLimit) -> f64 {
        self.senders.map_or(0.0, |senders| limit.parts_in(Duration::from_secs(1)) / senders as f64)
    }

    /// Returns the shortest time between two reservations of this sender. Only a sender that lacks slots reserves for few
    /// messages, and would reserve more often.
    pub fn min_interval(&self) -> Duration {
        let senders = self.senders.map_or(0.0, |senders| senders as f64);
        Duration::from_secs_f64((senders / MAX_RESERVATIONS).min(1.0))
    }

    /// Returns the mean wait after [`super::Step::Wait`]: the time of as many such reservations as there are senders. While
    /// their number is unknown, they are those that fill the horizon.
    pub fn mean_wait(&self, limit: &RateLimit, request: Request) -> Duration {
        let cost = limit.cost(request.parts);
        let wait =
            self.senders.map_or_else(|| limit.horizon(request), |senders| senders.saturating_mul(cost));
        Duration::from_micros(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::profile::Limits;

    const ONE: Request = Request { parts: 1, longest: 1 };

    fn limit(parts_per_second: f64) -> RateLimit {
        let limits = Limits { parts_per_second: Some(parts_per_second), ..Limits::default() };
        RateLimit::new(&limits).unwrap()
    }

    #[test]
    fn the_number_of_senders_follows_from_the_reservations_between_two() {
        let (limit, mut share) = (limit(100.0), ShareEstimate::default());
        let request = |share: &ShareEstimate, parts| share.request(&limit, std::iter::repeat_n(parts, 40));
        assert_eq!(
            (share.parts_to_hold(&limit), request(&share, 3)),
            (0.0, (1, Request { parts: 3, longest: 3 }))
        );
        share.observe(10);
        assert_eq!(request(&share, 1), (1, ONE));
        share.observe(14);
        assert_eq!((share.parts_to_hold(&limit), request(&share, 1).0, request(&share, 10).0), (50.0, 25, 2));
        share.interrupt();
        share.observe(10_000);
        assert_eq!(request(&share, 1).0, 25, "the time without work does not count");
        share.observe(10_800);
        assert_eq!((share.parts_to_hold(&limit), request(&share, 1)), (0.375, (1, ONE)));
        let fast = self::limit(2_000.0);
        assert_eq!(share.request(&fast, [1, 3, 1, 3].into_iter()), (3, Request { parts: 5, longest: 3 }));
        assert_eq!(share.mean_wait(&limit, ONE), Duration::from_secs(8));
        assert_eq!(share.min_interval(), Duration::from_secs(1));
        share.observe(10_804);
        assert_eq!(share.min_interval(), Duration::from_millis(10));
        assert_eq!(ShareEstimate::default().min_interval(), Duration::ZERO);
        assert_eq!(ShareEstimate::default().mean_wait(&limit, ONE), Duration::from_secs(600));
    }
}
