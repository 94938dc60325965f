//! Measures Stentor's cost and speed, on SQS and DynamoDB in memory, and compares it with other programs.
//!
//! - [`fill`]: fills the fake with the messages of a run;
//! - [`measure`]: time, CPU and memory of processes;
//! - [`programs`]: the programs that are measured;
//! - [`stream`]: batches of stream records, as Lambda passes them to the function;
//! - [`viewers`]: many concurrent clients of the monitor's page;
//! - [`scenarios`]: the measurements;
//! - [`report`]: figures, their goals, and the table of results;
//! - [`peers`]: the other programs, installed on demand.

pub mod fill;
pub mod measure;
pub mod peers;
pub mod programs;
pub mod report;
pub mod scenarios;
pub mod stream;
pub mod viewers;
