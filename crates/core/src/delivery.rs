//! The simulated delivery of a message: how long an attempt takes and how it ends.

mod distribution;

use std::time::Duration;

use rand::RngExt;

pub use distribution::{DistributionKind, InvalidWait, MAX_MEAN_WAIT, MAX_SPREAD, WaitDistribution};

use crate::message::MessageId;
use crate::provider::code::FailureCode;
use crate::provider::profile::{FailureShare, pick};
use crate::rng::{self, RngStream};

/// The simulated provider. Everything about a delivery comes from here: its wait and its outcome.
#[derive(Debug, Clone)]
pub struct DeliveryModel {
    /// The distribution of the time a delivery takes.
    pub wait: WaitDistribution,
    /// The fraction of deliveries that fail.
    pub failure_rate: FailureRate,
    /// The causes of failures, in proportion to their shares. Without any, failures are temporary and have no code.
    pub causes: Vec<FailureShare>,
    /// The seed of the random generator. Senders with the same seed deliver a message in the same way.
    pub seed: u64,
}

/// A delivery before it starts: what will happen in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedDelivery {
    /// The time that the delivery takes.
    pub wait: Duration,
    /// The failure at its end; `None` for a success.
    pub failure: Option<DeliveryFailure>,
}

/// Why a delivery fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// The failure code of the message, if this is its last attempt.
    pub code: FailureCode,
    /// Whether another attempt may succeed.
    pub is_temporary: bool,
}

/// A failure without a code.
const UNKNOWN_FAILURE: DeliveryFailure = DeliveryFailure { code: FailureCode::UNKNOWN, is_temporary: true };

impl PlannedDelivery {
    /// Returns the outcome of the delivery.
    pub fn outcome(&self) -> Outcome {
        if self.failure.is_some() { Outcome::Failed } else { Outcome::Sent }
    }
}

impl DeliveryModel {
    /// Plans delivery attempt `attempt` (from 1) of a message. The same arguments always give the same plan.
    pub fn plan_delivery(&self, id: MessageId, attempt: u32) -> PlannedDelivery {
        let mut rng = rng::for_message(RngStream::Delivery, self.seed, id.index(), attempt);
        // The outcome is drawn first, because the number of draws for a wait varies. The cause is drawn last, so that
        // causes change neither outcomes nor waits.
        let fails = rng.random_bool(self.failure_rate.as_fraction());
        let wait = self.wait.sample(&mut rng);
        PlannedDelivery { wait, failure: fails.then(|| self.draw_failure(rng.random())) }
    }

    /// Selects the failure at this point, 0 to 1, of all causes.
    fn draw_failure(&self, point: f64) -> DeliveryFailure {
        let shares = || self.causes.iter().map(|cause| cause.share);
        let total: f64 = shares().sum();
        let drawn = pick(shares(), point * total).and_then(|place| self.causes.get(place));
        drawn.map_or(UNKNOWN_FAILURE, |cause| DeliveryFailure {
            code: cause.code,
            is_temporary: cause.temporary,
        })
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
        let failure_rate = FailureRate::new(failure_rate).unwrap();
        DeliveryModel { wait, failure_rate, causes: vec![], seed: 7 }
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::{id, model};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn deliveries_fail_at_the_failure_rate() {
        let wait = WaitDistribution::new(DistributionKind::Constant, 0.0, 0.0).unwrap();
        for fraction in [0.1_f64, 0.5, 0.0, 1.0] {
            let model = model(wait, fraction);
            let failed =
                (0..100_000).filter(|i| model.plan_delivery(id(*i), 1).outcome() == Outcome::Failed).count();
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
                (delivery.wait.as_nanos(), delivery.outcome())
            });
            assert_eq!(planned, attempts, "{kind}");
        }
    }

    fn with_causes(model: &DeliveryModel, causes: &[(&str, f64, bool)]) -> DeliveryModel {
        let causes = causes.iter().map(|(code, share, temporary)| FailureShare {
            code: code.parse().unwrap(),
            share: *share,
            temporary: *temporary,
        });
        DeliveryModel { causes: causes.collect(), ..model.clone() }
    }

    #[test]
    fn causes_change_neither_outcomes_nor_waits() {
        let plain = model(WaitDistribution::new(DistributionKind::Normal, 0.5, 0.25).unwrap(), 0.5);
        let coded = with_causes(&plain, &[("A", 0.1, false), ("B", 0.2, true)]);
        for index in 0..1_000 {
            let [plain, coded] = [&plain, &coded].map(|model| model.plan_delivery(id(index), 1));
            assert_eq!((plain.wait, plain.outcome()), (coded.wait, coded.outcome()));
            assert!(plain.failure.is_none_or(|failure| failure == UNKNOWN_FAILURE));
            assert!(
                coded.failure.is_none_or(|failure| failure.is_temporary == (failure.code.as_str() == "B"))
            );
        }
    }

    #[test]
    fn failures_without_a_positive_share_have_no_code() {
        let wait = WaitDistribution::new(DistributionKind::Constant, 0.0, 0.0).unwrap();
        for causes in [&[][..], &[("A", 0.0, false)]] {
            let model = with_causes(&model(wait, 1.0), causes);
            assert_eq!(model.plan_delivery(id(0), 1).failure, Some(UNKNOWN_FAILURE));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn causes_have_their_shares_of_the_failures(weights in prop::collection::vec(0.0..1.0_f64, 1..=16), rate in 0.0..=1.0_f64, seed: u64) {
            const MESSAGES: u32 = 20_000;
            let wait = WaitDistribution::new(DistributionKind::Constant, 0.0, 0.0).unwrap();
            let total: f64 = weights.iter().sum();
            let names: Vec<String> = (0..weights.len()).map(|place| format!("CODE_{place}")).collect();
            let causes: Vec<_> = names.iter().zip(&weights).map(|(name, weight)| (&**name, *weight, false)).collect();
            let model = DeliveryModel { seed, ..with_causes(&model(wait, rate), &causes) };
            let mut counts = std::collections::BTreeMap::<FailureCode, f64>::new();
            for index in 0..MESSAGES {
                if let Some(failure) = model.plan_delivery(id(index), 1).failure {
                    *counts.entry(failure.code).or_default() += 1.0;
                }
            }
            for cause in &model.causes {
                let share = rate * cause.share / total.max(f64::MIN_POSITIVE);
                let expected = f64::from(MESSAGES) * share;
                // Five standard deviations, and one message for shares close to 0.
                let margin = 5.0 * (expected * (1.0 - share)).max(0.0).sqrt() + 1.0;
                let count = counts.get(&cause.code).copied().unwrap_or(0.0);
                prop_assert!((count - expected).abs() <= margin, "{}: {count} instead of {expected}", cause.code);
            }
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
