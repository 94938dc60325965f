//! The real function counts exactly once, for every order of deliveries, faults of its table and kills: every
//! tally is that of the stream up to its checkpoint, and that of the whole stream at the end.
//!
//! The in-memory test of the counting uses the same scripts. Here the instances are processes that use the
//! Lambda Runtime API, and run concurrently.

mod call_check;
mod reading;
mod stage;

use stentor_tests::stream::{Script, for_every_case};

use stage::Stage;

/// Total number of scripts.
const CASES: u32 = 300;

/// Number of concurrent scripts: an instance mostly waits, for the table or for its next attempt.
const STAGES: u32 = 6;

#[test]
fn every_script_ends_with_the_right_tallies_in_the_table() {
    for_every_case(CASES, STAGES, Script::any, Stage::set, |stage, script| stage.play(&script));
}
