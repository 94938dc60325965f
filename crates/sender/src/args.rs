//! The command line, and the checked settings it comes to.

use std::time::Duration;

use clap::{Parser, ValueEnum};
use stentor_cli::VERSION;
use stentor_cli::{SharedArgs, UsageError, examples, full_ending, number_within};
use stentor_core::delivery::{DeliveryModel, FailureRate, MAX_MEAN_WAIT, MAX_SPREAD, Shape, Wait};

use crate::ending::{FailureLimit, Patience};

/// Take messages from the queue and play their delivery: wait, then succeed or fail
///
/// Start as many senders as you like, on as many machines as you like; they share the queue. A sender ends by
/// itself when the queue is empty.
#[derive(Debug, Clone, Parser)]
#[command(version = VERSION, after_help = examples(EXAMPLES), after_long_help = full_ending(EXAMPLES, EXITS))]
pub struct Args {
    /// How long a delivery takes on average, 0 to 36000 seconds
    #[arg(short, long, value_name = "SECONDS", default_value_t = 0.5, allow_negative_numbers = true, value_parser = parse_mean, help_heading = DELIVERY)]
    pub wait: f64,
    /// How many deliveries fail: a share from 0 to 1, or 0% to 100%
    #[arg(short, long, value_name = "RATE", default_value = "0.1", allow_negative_numbers = true, help_heading = DELIVERY)]
    pub failure_rate: FailureRate,
    /// How many deliveries are under way at once, 1 to 50000
    #[arg(short, long, value_name = "N", default_value_t = 1, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=50_000), help_heading = DELIVERY)]
    pub concurrency: u32,
    /// How the waits spread around their mean
    #[arg(long, value_enum, value_name = "SHAPE", default_value_t = Distribution::Normal, help_heading = DELIVERY)]
    pub distribution: Distribution,
    /// Standard deviation of normal and lognormal waits, as a share of the mean, 0 to 10
    #[arg(long, value_name = "SHARE", default_value_t = 0.25, allow_negative_numbers = true, value_parser = parse_spread, help_heading = DELIVERY)]
    pub spread: f64,
    /// How often a message is tried before it counts as failed, 1 to 9; a failed try goes back to the queue
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=9), help_heading = DELIVERY)]
    pub max_attempts: u32,
    /// Die (exit 3) when this share of the own deliveries has failed: the sender that hit its limit
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, help_heading = END)]
    pub max_failure_rate: Option<FailureRate>,
    /// Judge --max-failure-rate from this many deliveries on
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..), help_heading = END)]
    pub min_sample: u64,
    /// End after this many seconds without a message, if the queue says it is empty [default: when all of the
    /// run is accounted for]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = parse_idle, conflicts_with = "forever", help_heading = END)]
    pub idle_timeout: Option<f64>,
    /// Stay when the queue is empty
    #[arg(long, help_heading = END)]
    pub forever: bool,
    /// Play each message the same way in every rehearsal of this seed [default: a random one]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = DELIVERY)]
    pub seed: Option<u64>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the text would show up in the help")]
    pub shared: SharedArgs,
}

const DELIVERY: &str = "Delivery";
const END: &str = "Ending";

const EXAMPLES: &[(&str, &str)] = &[
    ("sender -w 0.5 -f 0.1", "half a second a message, one in ten fails"),
    ("sender -w 2 -f 5% -c 500 --local", "500 at once, on the local emulator"),
    ("sender --max-failure-rate 50%", "die once half of the own deliveries failed"),
];

const EXITS: &[(&str, &str)] = &[("3", "hit its --max-failure-rate")];

/// The shapes a user may choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Distribution {
    /// Around the mean, cut at 0 and twice the mean
    Normal,
    /// Many short waits, a few long ones
    Exponential,
    /// Around the mean, with a long tail
    Lognormal,
    /// Anything from 0 to twice the mean
    Uniform,
    /// Always the mean
    Constant,
}

impl From<Distribution> for Shape {
    fn from(distribution: Distribution) -> Self {
        match distribution {
            Distribution::Normal => Self::Normal,
            Distribution::Exponential => Self::Exponential,
            Distribution::Lognormal => Self::Lognormal,
            Distribution::Uniform => Self::Uniform,
            Distribution::Constant => Self::Constant,
        }
    }
}

impl Args {
    pub(crate) fn provider(&self) -> Result<DeliveryModel, UsageError> {
        let wait = Wait::new(self.wait, self.distribution.into(), self.spread)
            .map_err(|error| UsageError(format!("--wait and --spread: {error}")))?;
        let seed = self.seed.unwrap_or_else(rand::random);
        Ok(DeliveryModel { wait, failure_rate: self.failure_rate, seed })
    }

    pub(crate) fn failure_limit(&self) -> Option<FailureLimit> {
        self.max_failure_rate.map(|rate| FailureLimit { rate, min_sample: self.min_sample })
    }

    pub(crate) fn patience(&self) -> Patience {
        match (self.forever, self.idle_timeout) {
            (true, _) => Patience::Forever,
            (false, Some(seconds)) => Patience::Idle(Duration::from_secs_f64(seconds)),
            (false, None) => Patience::UntilAccountedFor,
        }
    }
}

fn parse_mean(text: &str) -> Result<f64, String> {
    number_within(text, 0.0..=MAX_MEAN_WAIT, "seconds from 0 to 36,000")
}

fn parse_spread(text: &str) -> Result<f64, String> {
    number_within(text, 0.0..=MAX_SPREAD, "a share of the mean from 0 to 10")
}

fn parse_idle(text: &str) -> Result<f64, String> {
    number_within(text, 0.0..=604_800.0, "seconds from 0 to 604,800, a week")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn values_outside_the_ranges_are_refused() {
        for line in [
            "-w -1",
            "-w nan",
            "-w inf",
            "-w 36001",
            "-w x",
            "-f 1.5",
            "-f 110%",
            "-f nan",
            "-f -0.1",
            "-c 0",
            "-c 50001",
            "--max-attempts 0",
            "--max-attempts 10",
            "--spread -1",
            "--max-failure-rate 2",
            "--min-sample 0",
            "--idle-timeout -1",
            "--distribution flat",
            "--forever --idle-timeout 1",
        ] {
            assert!(Args::try_parse_from(format!("sender {line}").split(' ')).is_err(), "{line}");
        }
        for line in ["-w 0", "-w 36000", "-f 100%", "-c 50000", "--max-attempts 9", "--idle-timeout 0.5"] {
            let args = Args::try_parse_from(format!("sender {line}").split(' ')).unwrap();
            assert!(args.provider().is_ok(), "{line}");
        }
    }
}
