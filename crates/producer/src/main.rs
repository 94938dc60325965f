//! The `producer` binary; see the library.

use std::process::ExitCode;

use stentor_cli::Policy;

fn main() -> ExitCode {
    stentor_cli::main(|args: &producer::Args| &args.shared, |_| Policy::Producer, producer::run)
}
