//! The `monitor` binary; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    stentor_cli::main(|args: &monitor::Args| &args.shared, monitor::Args::policy, monitor::run)
}
