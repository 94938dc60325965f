//! A stream as Lambda really delivers it: what happened ([`Truth`]), in which deliveries it comes
//! ([`Script`]), and how far they have come ([`Progress`]).
//!
//! Lambda begins a shard's later records only after the earlier ones were answered; so every delivery
//! starts at a record below which all is answered. Beyond that everything goes: again, from an earlier or a
//! later start, in halves, grown, hours late, and to several instances at once.

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
pub use truth::{Change, Conclusion, Counts, Noise, Shard, Truth, What};
