//! Senders that share the rate limit of a provider profile, on the fake.

use std::time::Duration;

use anyhow::ensure;
use stentor_core::run::BodyLength;
use stentor_test_support::ProfileFile;
use stentor_test_support::starts::{most_parts_in_ten_seconds, parts_allowed_in_ten_seconds, share_used};

use super::play::deliver_all;
use super::{Bench, Scenario};
use crate::report::Figure;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "limit-1-part",
        figures: &FIGURES,
        play: |bench| shared(bench, 1, BodyLength { max: 100, exact: true }),
    },
    Scenario {
        name: "limit-3-parts",
        figures: &FIGURES,
        play: |bench| shared(bench, 3, BodyLength { max: 3 * 153, exact: true }),
    },
];

const FIGURES: [Figure; 6] = [
    Figure::at_least("use of 2,000 parts/s, 1 sender", "%", 95.0),
    Figure::at_most("most parts in 10 s, 1 sender", "% of the bound", 100.0),
    Figure::at_least("use of 2,000 parts/s, 4 senders", "%", 95.0),
    Figure::at_most("most parts in 10 s, 4 senders", "% of the bound", 100.0),
    Figure::at_least("use of 2,000 parts/s, 16 senders", "%", 95.0),
    Figure::at_most("most parts in 10 s, 16 senders", "% of the bound", 100.0),
];

/// Parts a second.
const LIMIT: u32 = 2_000;

/// Time for which work is queued: a minute, and what [`share_used`] leaves out.
const QUEUED_SECONDS: u32 = 70;

/// Runs 1, 4 and 16 senders on messages of this number of parts.
fn shared(bench: &Bench, parts: u32, length: BodyLength) -> anyhow::Result<Vec<f64>> {
    let mut figures = Vec::new();
    for senders in [1, 4, 16] {
        let starts = starts(bench, senders, LIMIT * QUEUED_SECONDS / parts, length)?;
        let most = most_parts_in_ten_seconds(&starts, parts) as f64;
        figures.push(100.0 * share_used(&starts, LIMIT.into(), parts));
        figures.push(100.0 * most / parts_allowed_in_ten_seconds(LIMIT.into(), parts));
    }
    Ok(figures)
}

/// Returns when the delivery of each message began, ms since the epoch, in order.
fn starts(bench: &Bench, senders: usize, messages: u32, length: BodyLength) -> anyhow::Result<Vec<u64>> {
    let profile = ProfileFile::new(format!("name = \"bench\"\n[limits]\nparts_per_second = {LIMIT}\n"));
    let line = format!("{} -w 0.5 -f 0 --idle-timeout 1", profile.flag());
    let (fake, _) = deliver_all(messages, length, Duration::from_millis(5), |target| {
        (0..senders).map(|_| bench.programs.sender(target, &line)).collect()
    })?;
    let starts = fake.delivery_starts();
    ensure!(starts.len() == messages as usize, "{} of {messages} messages were delivered", starts.len());
    Ok(starts)
}
