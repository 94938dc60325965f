//! What is played, and what is measured of it.

mod chain;
mod emulator;
mod function;
mod monitor;
mod others;
mod play;
mod producer;
mod sender;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::peers::Peers;
use crate::programs::{Programs, build_function};
use crate::report::Figure;

/// Something that is played several times, and what each time gives.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is measured of it.
    pub figures: &'static [Figure],
    /// Plays it once; a value for each figure.
    pub play: fn(&Bench) -> anyhow::Result<Vec<f64>>,
}

/// What scenarios are played with.
#[derive(Debug)]
pub struct Bench {
    programs: Programs,
    function: OnceLock<PathBuf>,
    peers: OnceLock<Peers>,
}

impl Bench {
    /// With those programs.
    pub fn of(programs: Programs) -> Self {
        Self { programs, function: OnceLock::new(), peers: OnceLock::new() }
    }

    /// The function's `bootstrap`, built by whoever asks first.
    fn function(&self) -> anyhow::Result<&Path> {
        if self.function.get().is_none() {
            let _ = self.function.set(build_function()?);
        }
        Ok(self.function.get().expect("it was just built"))
    }

    /// The peers, installed by whoever asks first.
    fn peers(&self) -> anyhow::Result<&Peers> {
        if self.peers.get().is_none() {
            let _ = self.peers.set(Peers::install()?);
        }
        Ok(self.peers.get().expect("they were just installed"))
    }
}

/// All of it, in the order in which it is played.
pub fn all() -> Vec<Scenario> {
    let own = [producer::SCENARIOS, sender::SCENARIOS, function::SCENARIOS, chain::SCENARIOS].concat();
    [own.as_slice(), monitor::SCENARIOS, others::SCENARIOS, emulator::SCENARIOS].concat()
}

/// What noise cannot move, with few messages: for checks of every change.
pub fn quick() -> Vec<Scenario> {
    vec![producer::QUICK, sender::QUICK]
}
