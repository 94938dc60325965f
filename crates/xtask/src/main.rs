//! Writes the completions and man pages of Stentor's programs: see the library.

use std::path::PathBuf;

use clap::Parser;

/// Write the completions and man pages of producer, sender and monitor
#[derive(Debug, Parser)]
struct Args {
    /// Where to: below it they lie as below /usr/local
    folder: PathBuf,
}

fn main() -> anyhow::Result<()> {
    xtask::write(&Args::parse().folder)
}
