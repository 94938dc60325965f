//! The `producer` binary; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    stentor_cli::main(|args: &producer::Args| &args.shared, producer::run)
}
