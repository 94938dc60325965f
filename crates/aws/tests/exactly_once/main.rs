//! However a stream is delivered, whatever the table does, and whoever is killed: every tally is that of the
//! stream's beginning up to its checkpoint, at every moment, and that of the whole stream at the end.
//!
//! The function's own [`stentor_aws::tally_store::TallyWriter`] counts into a table in memory. The instances are
//! futures that stop at every call of the table, so that the script decides who goes on.

mod instance;
mod play;
mod table;

use proptest::prelude::*;
use stentor_tests::stream::{Script, for_every_case};

use play::Play;

/// How many scripts are played, in how many threads.
const CASES: u32 = 10_000;
const THREADS: u32 = 2;

#[test]
fn every_script_ends_with_the_right_tallies() {
    // Writing tallies out and reading them back is slow; one script in eight does.
    let any = || (Script::any(), prop::bool::weighted(0.125));
    let play = |(): &mut (), (script, written_out): (Script, bool)| Play::of(&script, written_out).play_out();
    for_every_case(CASES, THREADS, any, || (), play);
}
