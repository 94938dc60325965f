//! The measurements.

mod chain;
mod emulator;
mod function;
mod limit;
mod monitor;
mod others;
mod play;
mod producer;
mod sender;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::peers::Peers;
use crate::programs::{Programs, build_function};
use crate::report::Figure;

/// A measurement that is repeated several times.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// The figures that it measures.
    pub figures: &'static [Figure],
    /// Runs it once, and returns a value for each figure.
    pub play: fn(&Bench) -> anyhow::Result<Vec<f64>>,
}

/// The programs that the scenarios use.
#[derive(Debug)]
pub struct Bench {
    programs: Programs,
    function: OnceLock<PathBuf>,
    peers: OnceLock<Peers>,
}

impl Bench {
    /// Uses these programs.
    pub fn of(programs: Programs) -> Self {
        Self { programs, function: OnceLock::new(), peers: OnceLock::new() }
    }

    /// Returns the function's `bootstrap`, built at the first call.
    fn function(&self) -> anyhow::Result<&Path> {
        once(&self.function, build_function).map(PathBuf::as_path)
    }

    /// Returns the other programs, installed at the first call.
    fn peers(&self) -> anyhow::Result<&Peers> {
        once(&self.peers, Peers::install)
    }
}

/// Returns the value of a cell, which `make` makes at the first call.
fn once<T>(cell: &OnceLock<T>, make: fn() -> anyhow::Result<T>) -> anyhow::Result<&T> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

/// All scenarios, in their order.
pub fn all() -> Vec<Scenario> {
    [
        producer::SCENARIOS,
        sender::SCENARIOS,
        limit::SCENARIOS,
        tls::SCENARIOS,
        function::SCENARIOS,
        chain::SCENARIOS,
        monitor::SCENARIOS,
        others::SCENARIOS,
        emulator::SCENARIOS,
    ]
    .concat()
}

/// Short scenarios with figures that do not depend on the load of the machine.
pub fn quick() -> Vec<Scenario> {
    vec![producer::QUICK, sender::QUICK]
}
