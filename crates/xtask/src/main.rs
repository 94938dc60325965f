//! The `xtask` binary; see the library.

use std::path::PathBuf;

use clap::Parser;

/// Write the completions and man pages of producer, sender and monitor
#[derive(Debug, Parser)]
struct Args {
    /// Prefix to write below, as /usr/local
    folder: PathBuf,
}

fn main() -> anyhow::Result<()> {
    xtask::write(&Args::parse().folder)
}
