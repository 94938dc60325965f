//! What is shown of a run, whatever shows it.
//!
//! `reader` polls and sends a [`view::RunView`], made of a [`reading::RunReading`] and the readings before it; `figures`
//! computes every figure from it.

pub mod bill;
pub mod charts;
pub mod failures;
mod figure;
pub mod figures;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
mod lookups;
pub mod metric;
mod profiles;
pub mod provider;
pub mod reached;
pub mod reader;
pub mod reading;
mod sender_figures;
pub mod senders;
pub mod snapshot;
mod stall;
pub mod state;
pub mod status;
mod throughput;
pub mod unit;
pub mod view;
