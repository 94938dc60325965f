//! Readings for the tests of this crate and of the surfaces (feature `fixtures`).

use std::collections::BTreeMap;
use std::time::Duration;

use stentor_aws::Error;
use stentor_aws::metrics::{Heartbeat, RunRecord};
use stentor_cli::ConnectionFlags;
use stentor_core::delivery::Outcome;
use stentor_core::deployment::Deployment;
use stentor_core::provider::profile::{Carrier, DeliverySettings, Limits, Price, ProviderProfile};
use stentor_core::queue_depth::QueueDepth;
use stentor_core::run::{BodyLength, Plan, RunId};
use stentor_core::usage::{OutcomeCounts, ProgramKind, ProviderUsage, Usage, UsageRecord};
use stentor_tally::{OutcomeEvent, Tally};

use crate::reading::{RunReading, Target};

/// A run of `total` messages, all enqueued, of which the first `outcomes` took 100 ms each, one after the other; one in
/// ten failed.
pub fn reading(total: u32, outcomes: u32) -> RunReading {
    let plan = Plan::new(RunId::from_parts(1, 1), 7, total, BodyLength { max: 100, exact: false }).unwrap();
    let mut tally = Tally::default();
    for i in 0..outcomes {
        tally.count(&OutcomeEvent {
            outcome: if i % 10 == 9 { Outcome::Failed } else { Outcome::Sent },
            created_at: Some(1_000),
            concluded_at: Some(1_000 + 100 * u64::from(i)),
            delivery_ms: Some(100),
            parts: None,
            reason: None,
        });
    }
    RunReading {
        record: RunRecord { plan, created_at: 1_000, enqueued: total, finished_at: Some(2_000) },
        tally,
        damaged: Vec::new(),
        queue: QueueDepth { visible: 0, in_flight: 0, delayed: 0 },
        visibility: Duration::from_secs(60),
        dead_letters: 0,
        discarded_batches: Some(0),
        deployment: Deployment::default(),
        looked_up: 0,
        heartbeats: Vec::new(),
        usage: Vec::new(),
        profiles: BTreeMap::new(),
        tally_units: Vec::new(),
        at_ms: 100_000,
        clock_offset_seconds: None,
    }
}

/// Adds failed messages with these codes, at the time of the run's last outcome.
pub fn fail_with(reading: &mut RunReading, failures: &[(&str, u32)]) {
    let at = reading.tally.last_concluded_at.unwrap_or(1_000);
    for (code, count) in failures {
        for _ in 0..*count {
            reading.tally.count(&OutcomeEvent {
                outcome: Outcome::Failed,
                created_at: Some(at),
                concluded_at: Some(at),
                delivery_ms: Some(100),
                parts: Some(1),
                reason: code.parse().ok(),
            });
        }
    }
}

/// The heartbeat of a sender that has sent `sent` messages.
pub fn heartbeat(sender: &str, started_at: u64, seen_at: u64, sent: u64) -> Heartbeat {
    Heartbeat {
        sender: sender.into(),
        started_at,
        seen_at,
        ended_at: None,
        wait: 0.5,
        failure_rate: 0.1,
        concurrency: 1,
        sent,
        failed: 0,
        duplicates: 0,
        released: 0,
        leases_expired: 0,
        invalid: 0,
        invalid_example: None,
        provider: None,
    }
}

/// The heartbeat of a sender at the time of [`reading`], which has ended or is alive.
pub fn ended(sender: &str, has_ended: bool) -> Heartbeat {
    Heartbeat { ended_at: has_ended.then_some(99_000), ..heartbeat(sender, 1_000, 99_000, 10) }
}

/// The usage record of a sender that has ended and recorded that many outcomes of the run.
pub fn outcomes_of_sender(sender: &str, sent: u64) -> UsageRecord {
    UsageRecord {
        id: sender.into(),
        program: Some(ProgramKind::Sender),
        usage: Some(Usage::default()),
        outcomes: Some(OutcomeCounts { sent, failed: 0 }),
        provider: None,
        has_ended: true,
    }
}

/// A provider profile with a limit of 100 parts a second, at $0.0083 a part, and a carrier with a fee of $0.0045.
pub fn profile(name: &str) -> ProviderProfile {
    let fee = Carrier {
        name: "T-Mobile".to_owned(),
        share: 0.36,
        fee_per_part: Some(0.0045),
        daily_parts: None,
        utc_offset: None,
    };
    ProviderProfile {
        name: name.to_owned(),
        source: Some("a price list".to_owned()),
        as_of: Some("2026-11".to_owned()),
        limits: Limits { parts_per_second: Some(100.0), ..Limits::default() },
        delivery: DeliverySettings::default(),
        price: Price { per_part: Some(0.0083) },
        carriers: vec![fee],
        failures: Vec::new(),
    }
}

/// A sender's usage of a provider.
pub fn provider_usage(profile: &str, parts: &[(&str, u64)]) -> ProviderUsage {
    let parts = parts.iter().map(|(carrier, count)| ((*carrier).to_owned(), *count)).collect();
    ProviderUsage { profile: profile.to_owned(), parts, forfeited: 0 }
}

/// The usage record of a sender that has ended and began these parts with a provider.
pub fn parts_of_sender(sender: &str, profile: &str, parts: &[(&str, u64)]) -> UsageRecord {
    UsageRecord { provider: Some(provider_usage(profile, parts)), ..outcomes_of_sender(sender, 0) }
}

/// A complete run of 1,000 messages in 99.9 s, of which two senders with the provider `us-short-code` have ended and
/// began 6,000 parts.
pub fn with_provider() -> RunReading {
    let mut run = reading(1_000, 1_000);
    run.profiles = [("us-short-code".to_owned(), profile("us-short-code"))].into();
    for (sender, parts) in
        [("a", [("OTHER", 2_000), ("T-Mobile", 1_000)]), ("b", [("OTHER", 2_500), ("T-Mobile", 500)])]
    {
        let provider = Some(provider_usage("us-short-code", &parts));
        run.heartbeats.push(Heartbeat { provider, ..ended(sender, true) });
        run.usage.push(parts_of_sender(sender, "us-short-code", &parts));
    }
    run
}

/// A stack on an emulator.
pub fn target() -> Target {
    Target {
        stack: "drill".to_owned(),
        region: "eu-central-1".to_owned(),
        endpoint: "http://127.0.0.1:4566".to_owned(),
        connection: ConnectionFlags::default(),
    }
}

/// An error of a poll.
pub fn failure() -> Error {
    Error::NoSuchRun { run: RunId::from_parts(1, 1) }
}
