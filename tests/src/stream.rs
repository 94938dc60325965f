//! A stream as Lambda delivers it: its contents ([`Truth`]), its deliveries ([`Script`]), and their progress
//! ([`Progress`]).
//!
//! Lambda delivers a shard's later records only after the earlier ones were processed. So every delivery starts
//! at a record before which all were processed. Otherwise deliveries may be repeated, start earlier or later,
//! be halved or extended, come hours late, and go to several instances at once.

mod cases;
mod event;
mod progress;
mod script;
mod sequences;
mod truth;

pub use cases::for_every_case;
pub use event::{empty_answer, empty_event, event, run_name};
pub use progress::Progress;
pub use script::{Emptiness, From, INSTANCES, Script, Step, Window};
pub use stentor_fake_aws::Fault;
pub use truth::{CODES, Change, Conclusion, Counts, Noise, Shard, Truth, What};
