//! The simulated delivery: how long it takes, and how it ends.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::{Rng, RngExt};
use rand_distr::{Distribution as _, Exp, LogNormal, Normal};
use thiserror::Error;

use crate::message::MessageId;
use crate::rng::{RngStream, for_message};

/// The longest mean wait, seconds: a message may stay invisible for 12 h after it was received
/// (Amazon SQS Developer Guide, "Amazon SQS visibility timeout"), and a wait is at most twice its mean
/// in the distributions that are cut; ten hours leave room to conclude.
pub const MAX_MEAN_WAIT: f64 = 36_000.0;

/// The longest single wait, seconds: 11 h 30 min, within what the queue allows a message to be held.
const MAX_WAIT: f64 = 41_400.0;

/// The widest spread: from there on a cut normal distribution is all but uniform.
pub const MAX_SPREAD: f64 = 10.0;

/// How a delivery ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The provider took it.
    Sent,
    /// The provider refused it.
    Failed,
}

impl Outcome {
    /// The status it leaves in the messages table.
    pub fn status(self) -> Status {
        match self {
            Self::Sent => Status::Sent,
            Self::Failed => Status::Failed,
        }
    }
}

/// Where a message stands in the messages table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Created, not concluded.
    Pending,
    /// Delivered.
    Sent,
    /// Given up.
    Failed,
}

impl Status {
    /// Its spelling in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sent => "SENT",
            Self::Failed => "FAILED",
        }
    }

    /// Reads the table's spelling.
    pub fn from_table(text: &str) -> Option<Self> {
        [Self::Pending, Self::Sent, Self::Failed].into_iter().find(|status| status.as_str() == text)
    }

    /// How the message ended, where it has.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Pending => None,
            Self::Sent => Some(Outcome::Sent),
            Self::Failed => Some(Outcome::Failed),
        }
    }
}

/// The share of deliveries that fail, 0 to 1; `0.1` and `10%` both read as one in ten.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct FailureRate(f64);

/// Why a text is no failure rate.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("is no rate: give a share from 0 to 1, or 0% to 100%")]
pub struct ParseFailureRateError;

impl FailureRate {
    /// The share, 0 to 1.
    pub fn as_fraction(self) -> f64 {
        self.0
    }
}

impl FromStr for FailureRate {
    type Err = ParseFailureRateError;

    fn from_str(text: &str) -> Result<Self, ParseFailureRateError> {
        let (number, unit) = match text.strip_suffix('%') {
            Some(number) => (number, 100.0),
            None => (text, 1.0),
        };
        let share = number.parse::<f64>().map_err(|_| ParseFailureRateError)? / unit;
        // Adding zero turns "-0" into 0.
        if (0.0..=1.0).contains(&share) { Ok(Self(share + 0.0)) } else { Err(ParseFailureRateError) }
    }
}

impl fmt::Display for FailureRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The shape of the waits around their mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Normal with a standard deviation of spread × mean, cut at 0 and twice the mean.
    Normal,
    /// Exponential: many short waits, a few long ones.
    Exponential,
    /// Log-normal with a standard deviation of spread × mean: a long tail.
    Lognormal,
    /// Anything from 0 to twice the mean, equally likely.
    Uniform,
    /// Always the mean.
    Constant,
}

/// How long deliveries take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wait {
    mean: f64,
    draw: Draw,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Draw {
    CutNormal(Normal<f64>),
    Exponential(Exp<f64>),
    Lognormal(LogNormal<f64>),
    Uniform,
    Constant,
}

/// Why numbers make no wait.
#[derive(Debug, Error, PartialEq)]
pub enum InvalidWait {
    /// The mean is outside 0 to [`MAX_MEAN_WAIT`] seconds.
    #[error("a mean wait of {0} is outside 0 to 36,000 seconds")]
    Mean(f64),
    /// The spread is outside 0 to [`MAX_SPREAD`].
    #[error("a spread of {0} is outside 0 to 10")]
    Spread(f64),
}

impl Wait {
    /// Waits of `mean` seconds on average; `spread` is the standard deviation as a share of the mean,
    /// for the shapes that have one.
    pub fn new(mean: f64, shape: Shape, spread: f64) -> Result<Self, InvalidWait> {
        if !(0.0..=MAX_MEAN_WAIT).contains(&mean) {
            return Err(InvalidWait::Mean(mean));
        }
        if !(0.0..=MAX_SPREAD).contains(&spread) {
            return Err(InvalidWait::Spread(spread));
        }
        let draw = match shape {
            _ if mean == 0.0 => Draw::Constant,
            Shape::Normal => {
                Draw::CutNormal(Normal::new(mean, spread * mean).map_err(|_| InvalidWait::Spread(spread))?)
            }
            Shape::Exponential => {
                Draw::Exponential(Exp::new(1.0 / mean).map_err(|_| InvalidWait::Mean(mean))?)
            }
            Shape::Lognormal => Draw::Lognormal(
                LogNormal::from_mean_cv(mean, spread).map_err(|_| InvalidWait::Spread(spread))?,
            ),
            Shape::Uniform => Draw::Uniform,
            Shape::Constant => Draw::Constant,
        };
        Ok(Self { mean, draw })
    }

    /// The mean, seconds.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    fn sample(&self, chance: &mut impl Rng) -> Duration {
        let twice = 2.0 * self.mean;
        let seconds = match self.draw {
            // Drawn again rather than clamped: the cut is symmetric, so the mean stays exact, and no
            // wait piles up at its ends.
            Draw::CutNormal(normal) => loop {
                let wait = normal.sample(chance);
                if (0.0..=twice).contains(&wait) {
                    break wait;
                }
            },
            Draw::Exponential(exponential) => exponential.sample(chance),
            Draw::Lognormal(lognormal) => lognormal.sample(chance),
            Draw::Uniform => chance.random_range(0.0..=twice),
            Draw::Constant => self.mean,
        };
        Duration::from_secs_f64(seconds.min(MAX_WAIT.max(self.mean)))
    }
}

/// The provider that is played: how long it takes over a message, and how often it refuses one.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryModel {
    /// How long a delivery takes.
    pub wait: Wait,
    /// How many of them fail.
    pub failure_rate: FailureRate,
    /// What all chance comes from: the same seed plays the same message the same way, whoever has it.
    pub seed: u64,
}

/// One delivery, as it will be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How long it takes.
    pub wait: Duration,
    /// How it ends.
    pub outcome: Outcome,
}

impl DeliveryModel {
    /// The `attempt`-th try (from 1) at that message.
    pub fn delivery(&self, id: MessageId, attempt: u32) -> Delivery {
        let mut chance = for_message(RngStream::Delivery, self.seed, id.index(), attempt);
        // The outcome first: the number of draws for a wait differs.
        let fails = chance.random_bool(self.failure_rate.as_fraction());
        Delivery {
            wait: self.wait.sample(&mut chance),
            outcome: if fails { Outcome::Failed } else { Outcome::Sent },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RunId;
    use proptest::prelude::*;

    const SHAPES: [Shape; 5] =
        [Shape::Normal, Shape::Exponential, Shape::Lognormal, Shape::Uniform, Shape::Constant];

    fn id(index: u32) -> MessageId {
        MessageId::new(RunId::from_parts(0, 0), index).unwrap()
    }

    fn provider(wait: Wait, rate: &str) -> DeliveryModel {
        DeliveryModel { wait, failure_rate: rate.parse().unwrap(), seed: 7 }
    }

    #[test]
    fn every_shape_keeps_its_mean_within_a_hundredth() {
        for shape in SHAPES {
            for spread in [0.0, 0.25, 0.6] {
                let provider = provider(Wait::new(0.5, shape, spread).unwrap(), "0");
                let total: f64 = (0..100_000).map(|i| provider.delivery(id(i), 1).wait.as_secs_f64()).sum();
                assert!((total / 100_000.0 / 0.5 - 1.0).abs() < 0.01, "{shape:?} {spread}: {total}");
            }
        }
    }

    #[test]
    fn the_cut_shapes_stay_below_twice_the_mean() {
        for (shape, spread) in [(Shape::Normal, 3.0), (Shape::Uniform, 0.25)] {
            let provider = provider(Wait::new(0.5, shape, spread).unwrap(), "0");
            assert!(
                (0..10_000).all(|i| provider.delivery(id(i), 1).wait <= Duration::from_secs(1)),
                "{shape:?}"
            );
        }
    }

    #[test]
    fn failures_come_as_often_as_asked() {
        let wait = Wait::new(0.0, Shape::Constant, 0.0).unwrap();
        for (rate, share) in [("0.1", 0.1_f64), ("50%", 0.5), ("0", 0.0), ("1", 1.0)] {
            let provider = provider(wait, rate);
            let failed =
                (0..100_000).filter(|i| provider.delivery(id(*i), 1).outcome == Outcome::Failed).count();
            // Five standard deviations of the binomial distribution.
            let margin = 5.0 * (100_000.0 * share * (1.0 - share)).sqrt();
            assert!((failed as f64 - 100_000.0 * share).abs() <= margin, "{rate}: {failed}");
        }
    }

    #[test]
    fn another_try_is_another_draw() {
        let provider = provider(Wait::new(1.0, Shape::Normal, 0.25).unwrap(), "0.5");
        assert_eq!(provider.delivery(id(3), 1), provider.delivery(id(3), 1));
        assert_ne!(provider.delivery(id(3), 1), provider.delivery(id(3), 2));
    }

    #[test]
    fn rates_read_as_shares_and_as_percentages() {
        for (text, share) in
            [("0.1", 0.1), ("10%", 0.1), ("0", 0.0), ("-0", 0.0), ("100%", 1.0), ("1", 1.0), ("1e-3", 0.001)]
        {
            assert_eq!(text.parse::<FailureRate>().map(FailureRate::as_fraction), Ok(share), "{text}");
        }
        for text in ["", "%", "1.5", "110%", "nan", "-0.1", "inf", "ten", "0,1", "1 %"] {
            assert_eq!(text.parse::<FailureRate>(), Err(ParseFailureRateError), "{text}");
        }
    }

    #[test]
    fn waits_outside_the_ranges_are_refused() {
        for mean in [-1.0, f64::NAN, f64::INFINITY, 36_000.1] {
            assert!(matches!(Wait::new(mean, Shape::Normal, 0.25), Err(InvalidWait::Mean(_))), "{mean}");
        }
        for spread in [-0.1, f64::NAN, f64::INFINITY, 10.1] {
            assert!(matches!(Wait::new(1.0, Shape::Normal, spread), Err(InvalidWait::Spread(_))), "{spread}");
        }
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_queue_allows(mean in 0.0..=MAX_MEAN_WAIT, spread in 0.0..=MAX_SPREAD, shape in 0..5_usize, index in 0..1_000_000_u32) {
            let provider = provider(Wait::new(mean, SHAPES[shape], spread).unwrap(), "0.5");
            prop_assert!(provider.delivery(id(index), 1).wait <= Duration::from_secs(12 * 3_600));
        }
    }
}
