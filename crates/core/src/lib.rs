//! Stentor's domain, free of AWS, clocks and I/O.
//!
//! - [`run`]: a run and its plan, which determines every message;
//! - [`message`]: a message, its ID and its JSON on the queue;
//! - [`delivery`]: the simulated delivery: how long an attempt takes and how it ends;
//! - [`tally`]: counts and durations of a run, and the fold of stream records that keeps them exact;
//! - [`table_count`]: a run counted from the messages table, message by message;
//! - [`queue_depth`]: how many messages a queue holds, and when it is reliably empty;
//! - [`usage`]: requests and capacity units that a program used;
//! - [`cost`]: list prices and bills;
//! - [`escape`]: escapes for text that a terminal would interpret.

pub mod cost;
pub mod delivery;
pub mod escape;
pub mod message;
pub mod queue_depth;
mod rng;
pub mod run;
pub mod table_count;
pub mod tally;
pub mod usage;
