//! Reports and comparisons for the tests of this crate and of the monitor (feature `fixtures`).

use std::time::Duration;

use stentor_aws::metrics::Heartbeat;
use stentor_core::cost::Prices;
use stentor_core::usage::{ProgramKind, Usage, UsageRecord};
use stentor_run_view::fixtures::{beat, reading};
use stentor_run_view::follow::{Seen, Standing};
use stentor_run_view::snapshot::Reading;
use stentor_run_view::view::{Data, Place};

use crate::Report;
use crate::comparison::Comparison;

pub fn report(reading: &Reading) -> Report {
    let snapshot = reading.snapshot(None, String::new());
    let standing = if snapshot.complete { Standing::Complete } else { Standing::GoesOn };
    let seen = Seen { snapshot, reading: reading.clone(), standing };
    let place = Place { stack: "stentor".into(), region: "us-east-1".into(), endpoint: "aws".into() };
    Report::of(&Data::of(seen, Duration::ZERO), &place, &Prices::default(), 0)
}

fn account(id: &str, program: ProgramKind, requests: u64) -> UsageRecord {
    let queue_requests = requests / 2;
    let usage = Usage { requests, queue_requests, write_units: Some(2_000.0), read_units: Some(0.0) };
    UsageRecord { id: id.into(), program: Some(program), usage: Some(usage), has_ended: true }
}

/// A complete run of one slow sender, and another of two faster ones, which told what they spent only in part.
pub fn compared() -> Comparison {
    let mut slow = reading(1_000, 1_000);
    let ended = |beat: Heartbeat| Heartbeat { ended_at: Some(99_000), ..beat };
    slow.beats = vec![ended(beat("a", 1_000, 99_000, 1_000))];
    slow.accounts = vec![account("p", ProgramKind::Producer, 140), account("a", ProgramKind::Sender, 400)];
    let mut fast = reading(2_000, 2_000);
    fast.beats =
        ["a", "b"].map(|name| Heartbeat { wait: 0.1, ..ended(beat(name, 1_000, 99_000, 1_000)) }).into();
    fast.beats[1].concurrency = 20;
    fast.accounts = vec![account("p", ProgramKind::Producer, 280), account("a", ProgramKind::Sender, 200)];
    Comparison::of([report(&slow), report(&fast)], 0)
}
