//! Stentor's domain, free of AWS, clocks and I/O.

pub mod adaptive_rate;
pub mod alert_text;
pub mod clock_offset;
pub mod cost;
pub mod delivery;
pub mod deployment;
pub mod escape;
pub mod format;
pub mod lookup;
pub mod message;
pub mod provider;
pub mod queue_depth;
mod rng;
pub mod run;
pub mod usage;

use thiserror::Error;

/// A text is not a value of the type it was parsed to; displays what was expected.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ParseError(pub &'static str);
