//! Measures what Stentor costs, on SQS and DynamoDB in memory, next to other programs that do the same job.
//!
//! - [`fill`]: fills the fake with the messages of a run;
//! - [`measure`]: time, CPU and memory of processes;
//! - [`programs`]: the programs that are measured;
//! - [`stream`]: batches of stream records, as Lambda passes them to the function;
//! - [`viewers`]: many concurrent clients of the monitor's page;
//! - [`scenarios`]: the measurements;
//! - [`report`]: figures, their goals, and the table of both;
//! - [`peers`]: other programs that do the same job, installed on demand.

pub mod fill;
pub mod measure;
pub mod peers;
pub mod programs;
pub mod report;
pub mod scenarios;
pub mod stream;
pub mod viewers;
