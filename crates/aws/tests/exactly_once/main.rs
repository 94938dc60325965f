//! Records count exactly once, for every order of deliveries, faults of the table and kills: every tally is
//! that of the stream up to its checkpoint, at every moment, and that of the whole stream at the end.
//!
//! The function's [`stentor_aws::tally_store::TallyWriter`] counts into a table in memory. The instances are
//! futures that stop at every call to the table, so that the script decides which one continues.

mod instance;
mod play;
mod table;

use proptest::prelude::*;
use stentor_tests::stream::{Script, for_every_case};

use play::Play;

/// Number of scripts, and of threads that run them.
const CASES: u32 = 10_000;
const THREADS: u32 = 2;

#[test]
fn every_script_ends_with_the_right_tallies() {
    // Encoding and decoding tallies is slow, so only one script in eight does it.
    let any = || (Script::any(), prop::bool::weighted(0.125));
    let play = |(): &mut (), (script, written_out): (Script, bool)| Play::of(&script, written_out).play_out();
    for_every_case(CASES, THREADS, any, || (), play);
}
