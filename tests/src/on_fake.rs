//! The programs on SQS and DynamoDB in memory.

use std::path::Path;
use std::time::Duration;

use stentor_fake_aws::FakeAws;

use crate::Program;
use crate::build::ProgramPaths;

const STACK: &str = "drill";

/// Starts a fake whose calls take that long.
pub fn start(latency: Duration) -> FakeAws {
    FakeAws::start(STACK, latency).expect("a loopback port is free")
}

/// Returns a producer with these arguments, which prints JSON, for this fake.
pub fn producer(fake: &FakeAws, line: &str) -> Program {
    program(&ProgramPaths::get().producer, fake, line)
}

/// Returns a sender with these arguments, which prints JSON, for this fake.
pub fn sender(fake: &FakeAws, line: &str) -> Program {
    program(&ProgramPaths::get().sender, fake, line)
}

fn program(path: &Path, fake: &FakeAws, line: &str) -> Program {
    Program::new(path, &format!("--stack {STACK} --json {line}")).toward(&fake.endpoint())
}
