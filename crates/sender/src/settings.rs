//! What a sender delivers with: its flags, completed by the provider profile and the defaults.

use std::sync::Arc;
use std::time::Duration;

use stentor_cli::{UsageError, status};
use stentor_core::delivery::{DeliveryModel, DistributionKind, FailureRate, WaitDistribution};
use stentor_core::provider::profile::{Limits, ProviderProfile};

use crate::args::Args;

const DEFAULT_WAIT: f64 = 0.5;
const DEFAULT_SPREAD: f64 = 0.25;
const DEFAULT_FAILURE_RATE: f64 = 0.1;

/// The concurrency that is chosen for a provider's limit, at least and at most.
const CHOSEN_CONCURRENCY: [f64; 2] = [10.0, 10_000.0];

/// What a sender delivers with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub model: DeliveryModel,
    /// Maximum number of concurrent deliveries.
    pub concurrency: u32,
    /// Age from which a message is not delivered.
    pub ttl: Option<Duration>,
    /// The provider that is simulated; `None` without `--provider`.
    pub provider: Option<Arc<ProviderProfile>>,
}

impl Settings {
    /// Completes the flags. The seed is random unless the user gave one.
    pub(crate) fn of(args: &Args) -> Result<Self, UsageError> {
        let provider = args.provider.as_deref();
        let limits = provider.map(|provider| provider.limits.clone()).unwrap_or_default();
        let delivery = provider.map(|provider| provider.delivery.clone()).unwrap_or_default();
        let wait = WaitDistribution::new(
            args.distribution.or(delivery.distribution).unwrap_or(DistributionKind::Normal),
            args.wait.or(delivery.mean_seconds).unwrap_or(DEFAULT_WAIT),
            args.spread.or(delivery.spread).unwrap_or(DEFAULT_SPREAD),
        );
        let wait = wait.map_err(|error| UsageError(format!("--wait and --spread: {error}")))?;
        let failure_rate = args.failure_rate.or_else(|| provider.and_then(ProviderProfile::failure_rate));
        let failure_rate = failure_rate.or_else(|| FailureRate::new(DEFAULT_FAILURE_RATE));
        let concurrency = args.concurrency.unwrap_or_else(|| {
            limits.parts_per_second.map_or(1, |rate| slots(rate, &wait, CHOSEN_CONCURRENCY))
        });
        Ok(Self {
            model: DeliveryModel {
                wait,
                failure_rate: failure_rate.expect("the default is within 0 to 1"),
                causes: provider.map(|provider| provider.failures.clone()).unwrap_or_default(),
                seed: args.seed.unwrap_or_else(rand::random),
            },
            concurrency,
            ttl: ttl(args.ttl, &limits)?,
            provider: args.provider.clone(),
        })
    }

    /// Prints what was chosen for the provider, and warns about a concurrency that cannot use its limit.
    pub(crate) fn print(&self, args: &Args) {
        let Some(provider) = self.provider.as_deref() else { return };
        let Some(rate) = provider.limits.parts_per_second else { return };
        let (name, concurrency) = (&provider.name, self.concurrency);
        if args.concurrency.is_none() && !args.shared.quiet {
            status(&format!(
                "provider {name}: {rate} parts per second for all senders; up to {concurrency} concurrent deliveries"
            ));
        }
        let wait = &self.model.wait;
        let usable = f64::from(concurrency) / wait.mean();
        if usable < rate {
            let needed = slots(rate, wait, [1.0, f64::from(u32::MAX)]);
            let remedy = if needed > 50_000 { String::new() } else { format!("raise -c to {needed}, or ") };
            tracing::warn!(
                "{concurrency} concurrent deliveries of {} s start at most {usable:.1} of the {rate} parts per second \
                 of provider {name}: {remedy}start more senders",
                wait.mean()
            );
        }
    }
}

/// Returns twice the concurrent deliveries that use a rate, within bounds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn slots(rate: f64, wait: &WaitDistribution, [min, max]: [f64; 2]) -> u32 {
    (2.0 * rate * wait.mean()).ceil().clamp(min, max) as u32
}

/// Returns the time to live of the flag, or else of the profile.
fn ttl(flag: Option<f64>, limits: &Limits) -> Result<Option<Duration>, UsageError> {
    if let Some(seconds) = flag {
        limits.check_ttl(seconds).map_err(|why| UsageError(format!("--ttl: {why}")))?;
    }
    Ok(flag.or(limits.ttl_seconds).map(Duration::from_secs_f64))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const PROFILE: &str = r#"
        name = "test"
        [limits]
        parts_per_second = 50
        ttl_seconds = 60
        [delivery]
        mean_seconds = 2.0
        distribution = "exponential"
        spread = 0.5
        [[failures]]
        code = "A"
        share = 0.03
        [[failures]]
        code = "B"
        share = 0.01
    "#;

    fn settings(profile: Option<&str>, line: &str) -> Result<Settings, UsageError> {
        let mut args = Args::try_parse_from(["sender"].into_iter().chain(line.split_whitespace())).unwrap();
        args.provider = profile.map(|text| Arc::new(ProviderProfile::from_toml(text).unwrap()));
        Settings::of(&args)
    }

    #[test]
    fn flags_override_the_profile_which_overrides_the_defaults() {
        let of = |profile, line| {
            let Settings { model, concurrency, ttl, .. } = settings(profile, line).unwrap();
            (model.wait, model.failure_rate.as_fraction(), concurrency, ttl.map(|ttl| ttl.as_secs()))
        };
        let wait = |kind, mean, spread| WaitDistribution::new(kind, mean, spread).unwrap();
        let default = wait(DistributionKind::Normal, 0.5, 0.25);
        assert_eq!(of(None, ""), (default, 0.1, 1, None));
        assert_eq!(of(Some("name = \"x\""), ""), (default, 0.1, 1, None));
        let profile = wait(DistributionKind::Exponential, 2.0, 0.5);
        assert_eq!(of(Some(PROFILE), ""), (profile, 0.04, 200, Some(60)));
        let flags = wait(DistributionKind::Uniform, 1.0, 0.1);
        let line = "-w 1 --distribution uniform --spread 0.1 -f 0.2 -c 7 --ttl 5";
        assert_eq!(of(Some(PROFILE), line), (flags, 0.2, 7, Some(5)));
        assert_eq!(of(Some(PROFILE), "-w 1").2, 100);
        assert_eq!(of(Some(PROFILE), "-w 0").2, 10);
        assert_eq!(of(Some(PROFILE), "-w 10000").2, 10_000);
    }

    #[test]
    fn a_failure_rate_keeps_the_proportions_of_the_causes() {
        let model = settings(Some(PROFILE), "-f 1").unwrap().model;
        assert_eq!(model.causes.iter().map(|cause| cause.share).collect::<Vec<_>>(), [0.03, 0.01]);
        assert!(settings(None, "-f 1").unwrap().model.causes.is_empty());
    }

    #[test]
    fn a_ttl_within_which_no_part_is_delivered_is_refused() {
        let error = settings(Some(PROFILE), "--ttl 10ms").unwrap_err().to_string();
        assert_eq!(error, "--ttl: 0.01 s is shorter than the 0.02 s that one part takes at the limit");
        assert!(settings(Some(PROFILE), "--ttl 20ms").is_ok());
        assert!(settings(None, "--ttl 10ms").is_ok());
    }
}
