//! What is shown of a run, whatever shows it.
//!
//! `reader → reading → view → figures`.

pub mod bill;
pub mod charts;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod follow;
pub mod reader;
pub mod reading;
pub mod senders;
pub mod snapshot;
pub mod stall;
pub mod thresholds;
pub mod throughput;
pub mod view;
