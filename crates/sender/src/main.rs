//! The program `sender`; see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    stentor_cli::main(|args: &sender::Args| &args.shared, sender::run)
}
