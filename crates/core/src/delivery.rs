//! The simulated delivery of a message: how long an attempt takes and how it ends.

mod distribution;

use std::time::Duration;

use rand::RngExt;

pub use distribution::{DistributionKind, InvalidWait, MAX_MEAN_WAIT, MAX_SPREAD, WaitDistribution};

use crate::message::MessageId;
use crate::rng::{self, RngStream};

/// The simulated provider. Everything about a delivery comes from here: its wait and its outcome.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryModel {
    /// The distribution of the time a delivery takes.
    pub wait: WaitDistribution,
    /// The fraction of deliveries that fail.
    pub failure_rate: FailureRate,
    /// The seed of the random generator. Senders with the same seed deliver a message in the same way.
    pub seed: u64,
}

/// A delivery before it starts: what will happen in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedDelivery {
    /// The time that the delivery takes.
    pub wait: Duration,
    /// The outcome at its end.
    pub outcome: Outcome,
}

impl DeliveryModel {
    /// Plans delivery attempt `attempt` (from 1) of a message. The same arguments always give the same plan.
    pub fn plan_delivery(&self, id: MessageId, attempt: u32) -> PlannedDelivery {
        let mut rng = rng::for_message(RngStream::Delivery, self.seed, id.index(), attempt);
        // The outcome is drawn first, because the number of draws for a wait varies.
        let fails = rng.random_bool(self.failure_rate.as_fraction());
        PlannedDelivery {
            wait: self.wait.sample(&mut rng),
            outcome: if fails { Outcome::Failed } else { Outcome::Sent },
        }
    }
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The provider accepted the message.
    Sent,
    /// The provider rejected the message.
    Failed,
}

impl Outcome {
    /// Returns the status of a message with this outcome.
    pub fn status(self) -> Status {
        match self {
            Self::Sent => Status::Sent,
            Self::Failed => Status::Failed,
        }
    }
}

/// The status of a message in the messages table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Created, without an outcome.
    Pending,
    /// Delivered.
    Sent,
    /// Given up after the last delivery attempt.
    Failed,
}

impl Status {
    /// Returns the value of the table's attribute `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sent => "SENT",
            Self::Failed => "FAILED",
        }
    }

    /// Parses the value of the table's attribute `status`.
    pub fn from_table(text: &str) -> Option<Self> {
        [Self::Pending, Self::Sent, Self::Failed].into_iter().find(|status| status.as_str() == text)
    }

    /// Returns the outcome, or `None` for a pending message.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Pending => None,
            Self::Sent => Some(Outcome::Sent),
            Self::Failed => Some(Outcome::Failed),
        }
    }
}

/// The fraction of deliveries that fail, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct FailureRate(f64);

impl FailureRate {
    /// Creates a rate; `None` if the fraction is not within 0 to 1.
    pub fn new(fraction: f64) -> Option<Self> {
        (0.0..=1.0).contains(&fraction).then_some(Self(fraction))
    }

    /// Returns the rate as a fraction, 0 to 1.
    pub fn as_fraction(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod fixtures {
    use super::{DeliveryModel, FailureRate, WaitDistribution};
    use crate::message::MessageId;
    use crate::run::RunId;

    pub(super) fn id(index: u32) -> MessageId {
        MessageId::new(RunId::from_parts(0, 0), index).unwrap()
    }

    pub(super) fn model(wait: WaitDistribution, failure_rate: f64) -> DeliveryModel {
        DeliveryModel { wait, failure_rate: FailureRate::new(failure_rate).unwrap(), seed: 7 }
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::{id, model};
    use super::*;

    #[test]
    fn deliveries_fail_at_the_failure_rate() {
        let wait = WaitDistribution::new(DistributionKind::Constant, 0.0, 0.0).unwrap();
        for fraction in [0.1_f64, 0.5, 0.0, 1.0] {
            let model = model(wait, fraction);
            let failed =
                (0..100_000).filter(|i| model.plan_delivery(id(*i), 1).outcome == Outcome::Failed).count();
            // Five standard deviations of the binomial distribution.
            let margin = 5.0 * (100_000.0 * fraction * (1.0 - fraction)).sqrt();
            assert!((failed as f64 - 100_000.0 * fraction).abs() <= margin, "{fraction}: {failed}");
        }
    }

    #[test]
    fn each_attempt_is_drawn_independently() {
        let model = model(WaitDistribution::new(DistributionKind::Normal, 1.0, 0.25).unwrap(), 0.5);
        assert_eq!(model.plan_delivery(id(3), 1), model.plan_delivery(id(3), 1));
        assert_ne!(model.plan_delivery(id(3), 1), model.plan_delivery(id(3), 2));
    }

    /// Rehearsals with the same seed must be comparable across versions.
    #[test]
    fn deliveries_of_a_seed_never_change() {
        let expected = [
            ("normal", [(373_887_676, Outcome::Failed), (510_442_053, Outcome::Sent)]),
            ("exponential", [(200_235_683, Outcome::Failed), (1_219_243_967, Outcome::Sent)]),
            ("lognormal", [(378_374_367, Outcome::Failed), (495_151_701, Outcome::Sent)]),
            ("uniform", [(202_465_567, Outcome::Failed), (514_965_744, Outcome::Sent)]),
            ("constant", [(500_000_000, Outcome::Failed), (500_000_000, Outcome::Sent)]),
        ];
        for (kind, attempts) in expected {
            let model = model(WaitDistribution::new(kind.parse().unwrap(), 0.5, 0.25).unwrap(), 0.5);
            let planned = [1, 2].map(|attempt| {
                let delivery = model.plan_delivery(id(3), attempt);
                (delivery.wait.as_nanos(), delivery.outcome)
            });
            assert_eq!(planned, attempts, "{kind}");
        }
    }

    #[test]
    fn a_rate_is_a_fraction() {
        assert_eq!(FailureRate::new(0.25).map(FailureRate::as_fraction), Some(0.25));
        for invalid in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(FailureRate::new(invalid), None, "{invalid}");
        }
    }
}
