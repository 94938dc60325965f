//! What Stentor's programs share.
//!
//! The domain is pure; it knows no AWS, no clock and no I/O:
//! - [`run`]: a run and its plan, from which every message follows;
//! - [`message`]: a message, its name, and its form on the queue;
//! - [`delivery`]: the simulated delivery, its waits and outcomes;
//! - [`tally`]: what a run has come to, and the fold over stream records that keeps it right;
//! - [`census`]: a run counted from the table, message by message, which the tallies must equal;
//! - [`backlog`]: what waits on a queue, and when it is surely empty;
//! - [`usage`]: what the services were asked to do, which is what a rehearsal is billed by;
//! - [`cost`]: list prices, and the dollars that this comes to;
//! - [`show`]: results, numbers and texts as they are read.
//!
//! Around it stand [`aws`], the way to the queue and the tables, [`cli`], what the three command lines have
//! in common, and [`clock`]. The programs join them. What only they need is there with the feature `programs`.

pub mod aws;
pub mod backlog;
pub mod census;
#[cfg(feature = "programs")]
pub mod cli;
pub mod clock;
pub mod cost;
pub mod delivery;
mod draw;
pub mod message;
pub mod run;
pub mod show;
pub mod tally;
pub mod usage;
