//! Comparisons for the tests of this crate and of the monitor (feature `fixtures`).

use stentor_aws::metrics::Heartbeat;
use stentor_core::usage::{ProgramKind, Usage, UsageRecord};
use stentor_run_view::fixtures::{heartbeat, reading, target};
use stentor_run_view::view::RunView;

use crate::comparison::Comparison;

fn usage(id: &str, program: ProgramKind, requests: u64) -> UsageRecord {
    let queue_requests = requests / 2;
    let usage = Usage { requests, queue_requests, write_units: Some(2_000.0), read_units: Some(0.0) };
    UsageRecord {
        id: id.into(),
        program: Some(program),
        usage: Some(usage),
        outcomes: None,
        provider: None,
        has_ended: true,
    }
}

/// Compares a complete run of one slow sender with one of two faster senders, of which one has reported no usage.
pub fn compared() -> Comparison {
    let ended = |heartbeat: Heartbeat| Heartbeat { ended_at: Some(99_000), ..heartbeat };
    let mut slow = reading(1_000, 1_000);
    slow.heartbeats = vec![ended(heartbeat("a", 1_000, 99_000, 1_000))];
    slow.usage = vec![usage("p", ProgramKind::Producer, 140), usage("a", ProgramKind::Sender, 400)];
    let mut fast = reading(2_000, 2_000);
    fast.heartbeats =
        ["a", "b"].map(|name| Heartbeat { wait: 0.1, ..ended(heartbeat(name, 1_000, 99_000, 1_000)) }).into();
    fast.heartbeats[1].concurrency = 20;
    fast.usage = vec![usage("p", ProgramKind::Producer, 280), usage("a", ProgramKind::Sender, 200)];
    Comparison::of([&RunView::first(slow), &RunView::first(fast)], &target(), 0)
}
