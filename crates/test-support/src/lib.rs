//! Builds Stentor's programs, and runs them as processes on a [`Stack`] of an [`Emulator`].
//!
//! [`Aws`] calls the emulator without any code of the programs. [`Function`] invokes the aggregator as Lambda
//! does. Tests wait for conditions with [`wait_until`], never for a fixed time.

mod aws;
mod backend;
pub mod build;
mod emulator;
mod function;
pub mod npm;
mod policy;
mod process;
mod profile_file;
mod python;
mod stack;
pub mod starts;
mod terminal;
mod tls;
mod web;
mod wrong_clock;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use aws::Aws;
pub use backend::{Backend, scaled, time_limit};
pub use emulator::Emulator;
pub use function::{Function, FunctionProcess, InvocationResult};
pub use policy::Permission;
pub use process::{Process, ProcessOutput, Program, children, send_signal};
pub use profile_file::ProfileFile;
pub use python::python_with;
pub use stack::{MessageCount, Stack, StackEndpoint};
pub use terminal::{TerminalOutput, TerminalSession};
pub use tls::TlsServer;
pub use web::{Events, Page, PageResponse};

/// Returns whether the long tests run in full: `STENTOR_TESTS=full`.
pub fn is_full() -> bool {
    match std::env::var("STENTOR_TESTS").as_deref() {
        Err(_) => false,
        Ok("full") => true,
        Ok(other) => panic!("STENTOR_TESTS={other}: the only value is `full`"),
    }
}

/// Returns how often a long test repeats its generated cases: all `cases` in full, else a fifth.
pub fn repetitions(cases: u32) -> u32 {
    if is_full() { cases } else { cases / 5 }
}

/// Returns the cases of a long list that a test tries: all of them in full, else each third.
pub fn sampled<T>(cases: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    cases.into_iter().step_by(if is_full() { 1 } else { 3 })
}

/// Returns the number in an attribute of an item; `None` if it has none.
pub fn number(item: &serde_json::Value, attribute: &str) -> Option<u64> {
    item[attribute]["N"].as_str()?.parse().ok()
}

/// Returns the time of this machine's wall clock, ms since the epoch.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(since.as_millis()).expect("it is no distant future")
}

/// Waits until `condition` holds, and panics with `what` after [`time_limit`].
#[track_caller]
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_at_most(time_limit(), what, condition);
}

/// Waits until `condition` holds, and panics with `what` after `limit`.
#[track_caller]
pub fn wait_at_most(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    loop {
        let checked = Instant::now();
        if condition() {
            return;
        }
        assert!(start.elapsed() < limit, "timed out after {limit:?}: {what}");
        // A check may start a program or read a table. So checks take at most a third of the time, and fewer are made of a
        // slow emulator.
        std::thread::sleep((limit.min(time_limit()) / 1_200).max(2 * checked.elapsed()));
    }
}
