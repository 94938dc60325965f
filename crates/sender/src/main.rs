//! The program `sender`; see the library of the same name.

use std::process::ExitCode;

use stentor_cli::Policy;

fn main() -> ExitCode {
    stentor_cli::main(|args: &sender::Args| &args.shared, |_| Policy::Sender, sender::run)
}
