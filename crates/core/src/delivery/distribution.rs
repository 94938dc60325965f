//! How long deliveries take: a distribution with a mean and a spread.
//!
//! A new distribution is one variant of [`DistributionKind`] that is also in [`DistributionKind::ALL`], with its name,
//! description and sample.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::{Rng, RngExt};
use rand_distr::{Distribution as _, Exp, LogNormal, Normal};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ParseError;

/// The longest mean wait, seconds. A message can stay in flight for 12 h after its receive (Amazon SQS Developer
/// Guide, "Amazon SQS visibility timeout"); ten hours leave time for recording the outcome.
pub const MAX_MEAN_WAIT: f64 = 36_000.0;

/// The longest single wait, seconds: 11 h 30 min.
const MAX_WAIT: f64 = 41_400.0;

/// The largest spread. A truncated normal distribution of a larger one would be almost uniform.
pub const MAX_SPREAD: f64 = 10.0;

/// The family of a wait distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DistributionKind {
    /// Normal with a standard deviation of spread × mean, truncated at 0 and twice the mean.
    Normal,
    /// Exponential; ignores the spread.
    Exponential,
    /// Log-normal with a standard deviation of spread × mean.
    Lognormal,
    /// Uniform from 0 to twice the mean; ignores the spread.
    Uniform,
    /// Always the mean; ignores the spread.
    Constant,
}

impl DistributionKind {
    /// Every kind, in the order of the help.
    pub const ALL: [Self; 5] =
        [Self::Normal, Self::Exponential, Self::Lognormal, Self::Uniform, Self::Constant];

    /// Returns the name on the command line, which [`FromStr`] parses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Exponential => "exponential",
            Self::Lognormal => "lognormal",
            Self::Uniform => "uniform",
            Self::Constant => "constant",
        }
    }

    /// Returns a short description for the help.
    pub fn description(self) -> &'static str {
        match self {
            Self::Normal => "Around the mean, truncated at 0 and twice the mean",
            Self::Exponential => "Many short waits, a few long ones",
            Self::Lognormal => "Around the mean, with a long tail",
            Self::Uniform => "Any time from 0 to twice the mean",
            Self::Constant => "Always the mean",
        }
    }
}

impl fmt::Display for DistributionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DistributionKind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(ParseError("unknown distribution"))
    }
}

/// The distribution of the wait of a delivery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WaitDistribution {
    kind: DistributionKind,
    mean: f64,
    spread: f64,
}

/// A parameter of a [`WaitDistribution`] that is out of range.
#[derive(Debug, Error, PartialEq)]
#[error("{0}")]
pub struct InvalidWait(String);

impl WaitDistribution {
    /// Creates a distribution with a mean in seconds and, where the kind has one, a standard deviation of `spread` × mean.
    pub fn new(kind: DistributionKind, mean: f64, spread: f64) -> Result<Self, InvalidWait> {
        if !(0.0..=MAX_MEAN_WAIT).contains(&mean) {
            return Err(InvalidWait(format!("a mean wait of {mean} is outside 0 to 36,000 seconds")));
        }
        if !(0.0..=MAX_SPREAD).contains(&spread) {
            return Err(InvalidWait(format!("a spread of {spread} is outside 0 to 10")));
        }
        Ok(Self { kind, mean, spread })
    }

    /// Returns the mean in seconds.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Draws one wait.
    pub(super) fn sample(&self, rng: &mut impl Rng) -> Duration {
        const IN_RANGE: &str = "mean and spread are finite and not negative";
        let Self { kind, mean, spread } = *self;
        if mean == 0.0 {
            return Duration::ZERO;
        }
        let twice = 2.0 * mean;
        let seconds = match kind {
            DistributionKind::Normal => {
                let normal = Normal::new(mean, spread * mean).expect(IN_RANGE);
                // Redrawn rather than clamped: the truncation is symmetric, so the mean stays exact, and no
                // waits pile up at its ends.
                loop {
                    let wait = normal.sample(rng);
                    if (0.0..=twice).contains(&wait) {
                        break wait;
                    }
                }
            }
            DistributionKind::Exponential => Exp::new(1.0 / mean).expect(IN_RANGE).sample(rng),
            DistributionKind::Lognormal => LogNormal::from_mean_cv(mean, spread).expect(IN_RANGE).sample(rng),
            DistributionKind::Uniform => rng.random_range(0.0..=twice),
            DistributionKind::Constant => mean,
        };
        Duration::from_secs_f64(seconds.min(MAX_WAIT.max(mean)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::fixtures::{id, model};
    use proptest::prelude::*;

    #[test]
    fn every_distribution_keeps_its_mean_within_one_percent() {
        for kind in DistributionKind::ALL {
            for spread in [0.0, 0.25, 0.6] {
                let model = model(WaitDistribution::new(kind, 0.5, spread).unwrap(), 0.0);
                let total: f64 = (0..100_000).map(|i| model.plan_delivery(id(i), 1).wait.as_secs_f64()).sum();
                assert!((total / 100_000.0 / 0.5 - 1.0).abs() < 0.01, "{kind} {spread}: {total}");
            }
        }
    }

    #[test]
    fn truncated_distributions_stay_below_twice_the_mean() {
        for (kind, spread) in [(DistributionKind::Normal, 3.0), (DistributionKind::Uniform, 0.25)] {
            let model = model(WaitDistribution::new(kind, 0.5, spread).unwrap(), 0.0);
            assert!(
                (0..10_000).all(|i| model.plan_delivery(id(i), 1).wait <= Duration::from_secs(1)),
                "{kind}"
            );
        }
    }

    #[test]
    fn a_mean_or_spread_out_of_range_is_rejected() {
        let kind = DistributionKind::Normal;
        for mean in [-1.0, f64::NAN, f64::INFINITY, 36_000.1] {
            let error = WaitDistribution::new(kind, mean, 0.25).unwrap_err().to_string();
            assert_eq!(error, format!("a mean wait of {mean} is outside 0 to 36,000 seconds"));
        }
        for spread in [-0.1, f64::NAN, f64::INFINITY, 10.1] {
            let error = WaitDistribution::new(kind, 1.0, spread).unwrap_err().to_string();
            assert_eq!(error, format!("a spread of {spread} is outside 0 to 10"));
        }
    }

    #[test]
    fn every_kind_parses_from_its_name() {
        for kind in DistributionKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("flat".parse::<DistributionKind>(), Err(ParseError("unknown distribution")));
    }

    proptest! {
        #[test]
        fn no_wait_exceeds_the_longest_visibility_timeout(mean in prop_oneof![0.0..=MAX_MEAN_WAIT, 0.0..1e-300], spread in 0.0..=MAX_SPREAD, kind in 0..DistributionKind::ALL.len(), index in 0..1_000_000_u32) {
            let model = model(WaitDistribution::new(DistributionKind::ALL[kind], mean, spread).unwrap(), 0.5);
            prop_assert!(model.plan_delivery(id(index), 1).wait <= Duration::from_secs(12 * 3_600));
        }
    }
}
