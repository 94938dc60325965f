//! However a stream is delivered, whatever the table does, and whoever is killed: every tally is that of the
//! stream's beginning up to its checkpoint, at every moment, and that of the whole stream at the end.
//!
//! The function's own [`stentor_core::tally::Counter`] counts into a table in memory. The instances are
//! futures that stop at every call of the table, so that the script decides who goes on.

mod instance;
mod play;
mod table;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use stentor_tests::stream::Script;

use play::Play;

/// How many scripts are played.
const CASES: u32 = 10_000;

#[test]
fn every_script_ends_with_the_right_tallies() {
    // No file is kept of a script that failed: it is printed, and its seed brings it back.
    let mut config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(rand::random());
    }
    let seed = config.rng_seed;
    // Writing tallies out and reading them back is slow; one script in eight does.
    let written_out = prop::bool::weighted(0.125);
    let played = TestRunner::new(config).run(&(Script::any(), written_out), |(script, written_out)| {
        Play::of(&script, written_out).to_its_end().map_err(TestCaseError::fail)
    });
    if let Err(failure) = played {
        panic!("{failure}\nPROPTEST_RNG_SEED={seed} plays it again");
    }
}
