//! The sender's door: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    stentor_cli::main(|args: &sender::Args| &args.shared, sender::run)
}
