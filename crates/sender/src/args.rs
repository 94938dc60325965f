//! The command line of the sender.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use stentor_cli::VERSION;
use stentor_cli::{
    SharedArgs, UsageError, count_parser, examples, fraction_parser, full_ending, seconds_parser,
};
use stentor_core::delivery::{
    DeliveryModel, DistributionKind, FailureRate, MAX_MEAN_WAIT, MAX_SPREAD, WaitDistribution,
};
use stentor_core::provider::profile::ProviderProfile;

use crate::stop::{FailureLimit, IdlePolicy};

/// Receive messages from SQS and simulate their delivery: wait, then succeed or fail
///
/// Start any number of senders on any number of machines: they share the queue. A sender exits when the queue is
/// empty and every message of the run has an outcome.
#[derive(Debug, Clone, Parser)]
#[command(version = VERSION, after_help = examples(EXAMPLES), after_long_help = full_ending(EXAMPLES, EXITS))]
pub struct Args {
    /// Mean delivery time, 0 to 36,000 seconds
    #[arg(short, long, value_name = "TIME", default_value_t = 0.5, allow_hyphen_values = true, value_parser = seconds_parser(0.0..=MAX_MEAN_WAIT), help_heading = DELIVERY)]
    pub wait: f64,
    /// Share of deliveries that fail: 0 to 1, or 0% to 100%
    #[arg(short, long, value_name = "RATE", default_value = "0.1", allow_hyphen_values = true, value_parser = parse_rate, help_heading = DELIVERY)]
    pub failure_rate: FailureRate,
    /// Maximum number of concurrent deliveries, 1 to 50,000
    #[arg(short, long, value_name = "N", default_value_t = 1, allow_hyphen_values = true, value_parser = count_parser::<u32>(1..=50_000), help_heading = DELIVERY)]
    pub concurrency: u32,
    /// Simulate a provider: its limits, prices and failures, from a profile
    #[arg(long, value_name = "FILE", value_parser = parse_provider, help_heading = DELIVERY)]
    pub provider: Option<Arc<ProviderProfile>>,
    /// Distribution of the wait time
    #[arg(long, value_name = "NAME", default_value_t = DistributionKind::Normal, value_parser = distribution_parser(), help_heading = DELIVERY)]
    pub distribution: DistributionKind,
    /// Standard deviation of normal and lognormal waits, as a share of the mean, 0 to 10
    #[arg(long, value_name = "SHARE", default_value_t = 0.25, allow_hyphen_values = true, value_parser = fraction_parser(0.0..=MAX_SPREAD), help_heading = DELIVERY)]
    pub spread: f64,
    /// Maximum delivery attempts per message, 1 to 9; a failed attempt returns the message to the queue
    #[arg(long, value_name = "N", default_value_t = 1, allow_hyphen_values = true, value_parser = count_parser::<u32>(1..=9), help_heading = DELIVERY)]
    pub max_attempts: u32,
    /// Exit with status 3 once this share of this sender's deliveries has failed
    #[arg(long, value_name = "RATE", allow_hyphen_values = true, value_parser = parse_rate, help_heading = EXIT)]
    pub max_failure_rate: Option<FailureRate>,
    /// Minimum number of deliveries before --max-failure-rate applies
    #[arg(long, value_name = "N", default_value_t = 20, allow_hyphen_values = true, value_parser = count_parser::<u64>(1..=u64::MAX), help_heading = EXIT)]
    pub min_sample: u64,
    /// Exit after this time without a message while the queue is empty [default: exit once every message of
    /// the run has an outcome]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = seconds_parser(0.0..=WEEK), conflicts_with = "forever", help_heading = EXIT)]
    pub idle_timeout: Option<f64>,
    /// Keep running when the queue is empty
    #[arg(long, help_heading = EXIT)]
    pub forever: bool,
    /// Seed for the random generator; the same seed gives the same deliveries [default: random]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true, value_parser = count_parser::<u64>(0..=u64::MAX), help_heading = DELIVERY)]
    pub seed: Option<u64>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the text would show up in the help")]
    pub shared: SharedArgs,
}

const DELIVERY: &str = "Delivery";
const EXIT: &str = "Exit conditions";

/// The longest `--idle-timeout`, seconds.
const WEEK: f64 = 604_800.0;

const EXAMPLES: &[(&str, &str)] = &[
    ("sender -w 0.5 -f 0.1", "0.5 s per delivery, one in ten fails"),
    ("sender -w 2 -f 5% -c 500 --local", "500 concurrent deliveries, local emulator"),
    ("sender --max-failure-rate 50%", "exit once half of the deliveries failed"),
];

const EXITS: &[(&str, &str)] = &[("3", "reached --max-failure-rate")];

/// Parses the name of a distribution; the help lists all with their descriptions.
fn distribution_parser() -> impl TypedValueParser<Value = DistributionKind> {
    let values = DistributionKind::ALL.map(|kind| PossibleValue::new(kind.name()).help(kind.description()));
    PossibleValuesParser::new(values).try_map(|name| name.parse())
}

impl Args {
    /// Returns the delivery model, with a random seed unless the user gave one.
    pub(crate) fn delivery_model(&self) -> Result<DeliveryModel, UsageError> {
        let wait = WaitDistribution::new(self.distribution, self.wait, self.spread)
            .map_err(|error| UsageError(format!("--wait and --spread: {error}")))?;
        let seed = self.seed.unwrap_or_else(rand::random);
        Ok(DeliveryModel { wait, failure_rate: self.failure_rate, seed })
    }

    pub(crate) fn failure_limit(&self) -> Option<FailureLimit> {
        self.max_failure_rate.map(|rate| FailureLimit { rate, min_sample: self.min_sample })
    }

    pub(crate) fn idle_policy(&self) -> IdlePolicy {
        match (self.forever, self.idle_timeout) {
            (true, _) => IdlePolicy::KeepRunning,
            (false, Some(seconds)) => IdlePolicy::StopAfter(Duration::from_secs_f64(seconds)),
            (false, None) => IdlePolicy::UntilRunsComplete,
        }
    }
}

fn parse_provider(file: &str) -> Result<Arc<ProviderProfile>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read it: {error}"))?;
    ProviderProfile::from_toml(&text).map(Arc::new)
}

fn parse_rate(text: &str) -> Result<FailureRate, String> {
    let fraction = fraction_parser(0.0..=1.0)(text)?;
    FailureRate::new(fraction).ok_or_else(|| format!("a rate of {fraction} is not within 0 to 1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn numbers_have_units() {
        let parsed = |line: &str| Args::try_parse_from(format!("sender {line}").split(' ')).unwrap();
        let args = parsed("-w 500ms -f 12.5% -c 10k --spread 50% --max-failure-rate 50% --min-sample 1,000");
        assert_eq!((args.wait, args.spread, args.concurrency, args.min_sample), (0.5, 0.5, 10_000, 1_000));
        assert_eq!(Some(args.failure_rate), FailureRate::new(0.125));
        assert_eq!(args.max_failure_rate, FailureRate::new(0.5));
        assert_eq!(
            parsed("--idle-timeout 2m").idle_policy(),
            IdlePolicy::StopAfter(Duration::from_secs(120))
        );
    }

    #[test]
    fn values_out_of_range_are_rejected() {
        for line in [
            "-w -1",
            "-w nan",
            "-w inf",
            "-w 36001",
            "-w x",
            "-w 5x",
            "-w 1.500",
            "-w 1,5",
            "-w 11h",
            "-w -5s",
            "-f 1.5",
            "-f 110%",
            "-f 0,1",
            "-f -10%",
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
            assert!(args.delivery_model().is_ok(), "{line}");
        }
    }
}
