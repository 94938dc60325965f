//! What Stentor costs, measured beside the practical limit and what else a user could take.
//!
//! - [`sink`]: a server that answers SQS's and `DynamoDB`'s calls from memory at almost no cost;
//! - [`measure`]: what processes take of time, CPU and memory;
//! - [`programs`]: the programs that are measured;
//! - [`stream`]: a stream's batches, as Lambda hands them to the function;
//! - [`viewers`]: many who look at the monitor's page at once;
//! - [`scenarios`]: what is played, and what is measured of it;
//! - [`report`]: figures, their goals, and the table of them;
//! - [`raw`]: the calls of the producer and the sender, made by hand: the practical limit;
//! - [`peers`]: programs that do the same job by other means, installed on demand.

pub mod measure;
pub mod peers;
pub mod programs;
pub mod raw;
pub mod report;
pub mod scenarios;
pub mod sink;
pub mod stream;
pub mod viewers;
