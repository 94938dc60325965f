//! The producer's door: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    stentor_core::cli::main(|args: &producer::Args| &args.shared, producer::run)
}
