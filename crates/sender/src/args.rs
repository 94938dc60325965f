//! The command line of the sender.

use std::sync::Arc;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueHint};
use stentor_cli::VERSION;
use stentor_cli::{SharedArgs, count_parser, examples, fraction_parser, full_ending, seconds_parser};
use stentor_core::delivery::{DistributionKind, FailureRate, MAX_MEAN_WAIT, MAX_SPREAD};
use stentor_core::provider::builtin::{BUILT_IN, BuiltIn};
use stentor_core::provider::profile::{MAX_TTL, ProviderProfile};

use crate::providers::parse_provider;
use crate::stop::{FailureLimit, IdlePolicy};

/// Receive messages from SQS and simulate their delivery: wait, then succeed or fail
///
/// Start any number of senders on any number of machines: they share the queue. A sender exits when the queue is
/// empty and every message of the run has an outcome.
#[derive(Debug, Clone, Parser)]
#[command(version = VERSION, after_help = examples(EXAMPLES), after_long_help = full_ending(EXAMPLES, EXITS))]
pub struct Args {
    /// Mean delivery time, 0 to 36,000 seconds [default: 0.5]
    #[arg(short, long, value_name = "TIME", allow_hyphen_values = true, value_parser = seconds_parser(0.0..=MAX_MEAN_WAIT), help_heading = DELIVERY)]
    pub wait: Option<f64>,
    /// Share of deliveries that fail: 0 to 1, or 0% to 100% [default: 0.1]
    #[arg(short, long, value_name = "RATE", allow_hyphen_values = true, value_parser = parse_rate, help_heading = DELIVERY)]
    pub failure_rate: Option<FailureRate>,
    /// Maximum number of concurrent deliveries, 1 to 50,000 [default: 1]
    #[arg(short, long, value_name = "N", allow_hyphen_values = true, value_parser = count_parser::<u32>(1..=50_000), help_heading = DELIVERY)]
    pub concurrency: Option<u32>,
    /// Simulate a provider: its limits, prices and failures, from a built-in profile or a TOML file
    ///
    /// -w, -f, --distribution and --spread override the profile. With a rate limit, the default of -c is twice the
    /// number of deliveries that reaches it, 10 to 10,000. `sender providers` lists the built-in profiles.
    #[arg(long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath, value_parser = parse_provider, help_heading = DELIVERY)]
    pub provider: Option<Arc<ProviderProfile>>,
    /// Fail messages that are older than this instead of delivering them, 0.001 to 31,536,000 seconds [default: the provider's, or none]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = seconds_parser(0.001..=MAX_TTL), help_heading = DELIVERY)]
    pub ttl: Option<f64>,
    /// Distribution of the wait time [default: normal]
    #[arg(long, value_name = "NAME", value_parser = distribution_parser(), help_heading = DELIVERY)]
    pub distribution: Option<DistributionKind>,
    /// Standard deviation of normal and lognormal waits, as a share of the mean, 0 to 10 [default: 0.25]
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = fraction_parser(0.0..=MAX_SPREAD), help_heading = DELIVERY)]
    pub spread: Option<f64>,
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
    #[command(subcommand)]
    #[expect(missing_docs, reason = "the text would show up in the help")]
    pub command: Option<Command>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the text would show up in the help")]
    pub shared: SharedArgs,
}

/// What the sender does instead of delivering messages.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// List the built-in provider profiles, or print one as TOML
    ///
    /// A profile describes what an SMS provider allows, charges and rejects. Save one to a file, edit it, and pass the file
    /// to --provider.
    #[command(after_help = examples(PROVIDERS), after_long_help = full_ending(PROVIDERS, &[]))]
    Providers {
        /// Profile to print as TOML
        #[arg(value_parser = built_in_parser(), long_help = PROFILE)]
        name: Option<&'static BuiltIn>,
    },
}

const DELIVERY: &str = "Delivery";
const EXIT: &str = "Exit conditions";

/// The longest `--idle-timeout`, seconds.
const WEEK: f64 = 604_800.0;

const EXAMPLES: &[(&str, &str)] = &[
    ("sender -w 0.5 -f 0.1", "0.5 s per delivery, one in ten fails"),
    ("sender -w 2 -f 5% -c 500 --local", "500 concurrent deliveries, local emulator"),
    ("sender --provider us-short-code", "100 parts per second over all senders"),
    ("sender --max-failure-rate 50%", "exit once half of the deliveries failed"),
];

const PROVIDERS: &[(&str, &str)] = &[
    ("sender providers", "limits, prices, time for a million"),
    ("sender providers us-short-code > mine.toml", "a profile to edit"),
    ("sender --provider mine.toml", "deliver with it"),
];

/// The help of the argument of `providers`, with the format of a profile.
const PROFILE: &str = "\
Profile to print as TOML

A profile has these keys; only name is required:
  name                1 to 32 of a-z, 0-9, -; names the shared limit
  source, as_of       where the numbers come from
  [limits]            shared by all senders of the stack
    parts_per_second  0.001 to 1,000,000
    burst_parts       may start at once [default: those of a second]
    ttl_seconds       an older message fails: TTL_EXPIRED
    spend_dollars     a calendar month, UTC: SPEND_LIMIT
  [delivery]          overridden by -w, --distribution, --spread
    mean_seconds      0 to 36,000
    distribution      as of --distribution
    spread            0 to 10
  [price]
    per_part          dollars
  [[carriers]]        chosen at random for each message
    name              1 to 32 characters
    share             of the messages, 0 to 1; the rest is OTHER
    fee_per_part      dollars, in addition to the price
    daily_parts       over all senders: CARRIER_DAILY_CAP
    utc_offset        of the day, such as -08:00 [default: UTC]
  [[failures]]        up to 16; their sum is the failure rate
    code              1 to 32 of A-Z, 0-9 and _
    share             of the deliveries, 0 to 1
    temporary         true: another attempt may succeed
";

const EXITS: &[(&str, &str)] = &[("3", "reached --max-failure-rate")];

/// Parses the name of a distribution; the help lists all with their descriptions.
fn distribution_parser() -> impl TypedValueParser<Value = DistributionKind> {
    let values = DistributionKind::ALL.map(|kind| PossibleValue::new(kind.name()).help(kind.description()));
    PossibleValuesParser::new(values).try_map(|name| name.parse())
}

/// Parses the name of a built-in profile.
fn built_in_parser() -> impl TypedValueParser<Value = &'static BuiltIn> {
    PossibleValuesParser::new(BUILT_IN.iter().map(|built_in| built_in.name))
        .map(|name| BUILT_IN.iter().find(|built_in| built_in.name == name).expect("one of these names"))
}

impl Args {
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

fn parse_rate(text: &str) -> Result<FailureRate, String> {
    let fraction = fraction_parser(0.0..=1.0)(text)?;
    FailureRate::new(fraction).ok_or_else(|| format!("a rate of {fraction} is not within 0 to 1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn numbers_have_units() {
        let parsed = |line: &str| Args::try_parse_from(format!("sender {line}").split(' ')).unwrap();
        let args = parsed("-w 500ms -f 12.5% -c 10k --spread 50% --max-failure-rate 50% --min-sample 1,000");
        assert_eq!((args.wait, args.spread), (Some(0.5), Some(0.5)));
        assert_eq!((args.concurrency, args.min_sample), (Some(10_000), 1_000));
        assert_eq!(args.failure_rate, FailureRate::new(0.125));
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
            "--ttl 0",
            "--ttl -1",
            "--ttl 31536001",
            "providers nobody",
            "-c 5 providers nobody",
            "--forever --idle-timeout 1",
        ] {
            assert!(Args::try_parse_from(format!("sender {line}").split(' ')).is_err(), "{line}");
        }
        for line in ["-w 0", "-w 36000", "-f 100%", "-c 50000", "--max-attempts 9", "--idle-timeout 0.5"] {
            let args = Args::try_parse_from(format!("sender {line}").split(' ')).unwrap();
            assert!(Settings::of(&args).is_ok(), "{line}");
        }
    }
}
