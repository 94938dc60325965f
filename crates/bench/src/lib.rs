//! Measures Stentor's cost and speed, on SQS and DynamoDB in memory, and compares it with other programs.

pub mod fill;
pub mod measure;
pub mod peers;
pub mod programs;
pub mod report;
pub mod scenarios;
pub mod stream;
pub mod viewers;
