//! However a stream is delivered to the real function, whatever its table does, and whoever is killed: every
//! tally is that of the stream's beginning up to its checkpoint, and that of the whole stream at the end.
//!
//! The scripts are those that the counting is held against in memory too; here instances are processes that
//! speak the Lambda Runtime API, and really run at once.

mod call_check;
mod reading;
mod stage;

use stentor_tests::stream::{Script, for_every_case};

use stage::Stage;

/// How many scripts are played in all.
const CASES: u32 = 300;

/// How many are played at once: an instance mostly waits, for the table or for its next try.
const STAGES: u32 = 6;

#[test]
fn every_script_ends_with_the_right_tallies_in_the_table() {
    for_every_case(CASES, STAGES, Script::any, Stage::set, |stage, script| stage.play(&script));
}
