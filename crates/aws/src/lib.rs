//! The way to AWS, and the only place that knows it: how a run, a message and a tally lie in the tables
//! and on the queue. It answers what it is asked and decides nothing about the rehearsal.
//!
//! Whatever passes (throttling, lost connections, internal errors, also of one entry in a batch that
//! was answered with 200) is asked again here, so that a caller only ever sees answers; see [`session`].
//!
//! The queue, and what a program looks through for its credentials, are there with the feature `programs` alone: the
//! function on the stream needs neither, and is started the faster the less it is linked with.

mod batch;
pub mod clock;
mod error;
mod item;
pub mod messages;
mod meter;
pub mod metrics;
pub mod names;
#[cfg(feature = "programs")]
pub mod queue;
pub mod session;
pub mod tally_store;

pub use error::Error;
pub use messages::MessagesTable;
pub use metrics::MetricsTable;
#[cfg(feature = "programs")]
pub use queue::Queue;
pub use session::Session;
