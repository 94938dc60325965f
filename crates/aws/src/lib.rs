//! Every call that Stentor makes to SQS and DynamoDB: how runs, messages and tallies are stored in the tables and
//! sent through the queue. Errors are typed; policy and advice are left to the programs.
//!
//! Transient failures (throttling, lost connections, internal errors, also of one entry of a batch that was answered
//! with 200) are retried here, so that a caller only sees answers and final errors; see `retry`.
//!
//! The queue and the corrected clock need the feature `programs`. The aggregator does without, which makes its binary
//! smaller and its start faster.

mod batch;
#[cfg(feature = "programs")]
pub mod boot_instant;
#[cfg(feature = "programs")]
pub mod clock;
mod credentials;
pub mod error;
mod item;
mod limiter;
pub mod messages;
mod meter;
pub mod metrics;
pub mod names;
#[cfg(feature = "programs")]
pub mod queue;
mod retry;
pub mod session;
pub mod tally_store;

pub use credentials::{CredentialProvider, CredentialRenewal, CredentialSource};
pub use error::{Error, ProxyError};
pub use messages::MessagesTable;
pub use metrics::MetricsTable;
#[cfg(feature = "programs")]
pub use queue::Queue;
pub use session::Session;
