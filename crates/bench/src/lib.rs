//! What Stentor costs, measured beside the practical limit and what else a user could take.
//!
//! - [`sink`]: a server that answers SQS's and `DynamoDB`'s calls from memory at almost no cost;
//! - [`measure`]: what processes take of time, CPU and memory;
//! - [`cost`]: dollars, from list prices and what was counted;
//! - [`raw`]: the calls of the producer and the sender, made by hand: the practical limit;
//! - [`peers`]: programs that do the same job by other means, installed on demand.

pub mod cost;
pub mod measure;
pub mod peers;
pub mod raw;
pub mod sink;
