//! What the whole-program tests stand on: the local [`Emulator`], a [`Stack`] of one's own in it, the
//! [`programs`] as processes, and [`Aws`], a way to the emulator that shares no code with them.
//!
//! What no emulator does, Lambda's own way of delivering a stream, is told by [`stream`] and played on a
//! [`Function`] with a [`MetricsStandIn`] as its table.
//!
//! A test waits for conditions by [`wait_until`], never for a while.

mod aws;
mod backend;
mod browser;
mod emulator;
mod function;
mod http;
mod metrics_stand_in;
pub mod npm;
pub mod programs;
pub mod proxy;
mod setup;
pub mod soak;
mod stack;
pub mod stream;
mod terminal;
mod web;

use std::time::{Duration, Instant};

pub use aws::Aws;
pub use backend::{Backend, scaled};
pub use browser::{Browser, Screen};
pub use emulator::Emulator;
pub use function::{Function, Invoked, Life};
pub use metrics_stand_in::{Item, MetricsStandIn};
pub use programs::{Finished, Program, Running};
pub use proxy::Proxy;
pub use setup::Setup;
pub use stack::{Count, Stack, Way};
pub use terminal::{Left, OnTerminal};
pub use web::{Answer, Events, Page};

/// How long a condition may take to come true on a slow machine, unless a test says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds, and fails the test naming `what` where it does not come to it.
#[track_caller]
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_at_most(PATIENCE, what, condition);
}

/// As [`wait_until`], for conditions that take longer by their nature.
#[track_caller]
pub fn wait_at_most(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "waited {limit:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
