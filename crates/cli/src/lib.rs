//! What the three command lines share: flags, usage errors, logging, signals, output and formatting.

pub mod columns;
mod command_line;
mod connection;
mod flags;
pub mod format;
mod help;
pub mod hints;
mod job;
mod logging;
mod narrow;
mod output;
mod progress;
mod shutdown;
mod terminal;
mod units;
mod version;

use std::ffi::OsString;
use std::fmt::Display;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use stentor_sign_in::Destination;
use tokio::task::LocalSet;

use command_line::{brief, parse};
pub use connection::ConnectionFlags;
pub use flags::{SharedArgs, UsageError};
pub use help::{OUTPUT, examples, full_ending};
pub use hints::Policy;
pub use job::{continuations, is_foreground, suspend_job};
pub use narrow::fit_to_terminal;
use narrow::narrow_columns;
use output::report_error;
pub use output::{OutputState, StderrHold, colour, is_hung_up, print_line, status};
pub use progress::ProgressLine;
pub use shutdown::{HANGUP, Shutdown};
pub use terminal::{speaks_unicode, terminal_columns};
pub use units::{count_parser, fraction_parser, parse_fraction, parse_number, parse_seconds, seconds_parser};
pub use version::{DATE, VERSION};

/// Exit status of a usage error.
const USAGE: u8 = 2;

/// Runs a program: parses its command line, starts logging, and turns the result of `run` into an exit status.
///
/// `policy` returns the policy that a call with these flags needs, for the errors of denied calls. `run` gets the parsed
/// flags, the destination they name, and a [`Shutdown`] for a first SIGHUP, SIGINT or SIGTERM. A [`UsageError`] that it
/// returns ends the program as one of the command line does.
pub fn main<A, Run>(shared: fn(&A) -> &SharedArgs, policy: fn(&A) -> Policy, run: Run) -> ExitCode
where
    A: Parser,
    Run: AsyncFnOnce(A, Destination, Shutdown) -> anyhow::Result<u8>,
{
    let narrow = narrow_columns();
    let args = match parse::<A>(&std::env::args_os().collect::<Vec<OsString>>(), narrow.is_some()) {
        Ok(args) => args,
        Err(error) => return ExitCode::from(refuse(&error, narrow)),
    };
    let destination = match shared(&args).destination() {
        Ok(destination) => destination,
        Err(error) => {
            report_error(&format!("error: {error}"));
            return ExitCode::from(USAGE);
        }
    };
    logging::start(shared(&args).log_level());
    let policy = policy(&args);
    // One thread: the work waits for responses, and a request costs a quarter less CPU than on many threads.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    let code = LocalSet::new().block_on(&runtime, async {
        let stop = match Shutdown::on_signals() {
            Ok(stop) => stop,
            Err(error) => return fail(&format!("cannot handle signals: {error}")),
        };
        // Boxed, as the request in `Session::call` is: else the compiler lays out one very deep future.
        match Box::pin(run(args, destination, stop)).await {
            Ok(code) => ExitCode::from(code),
            Err(error) if error.is::<UsageError>() => {
                report_error(&format!("error: {error}"));
                ExitCode::from(USAGE)
            }
            Err(error) => fail(&hints::describe(&error, policy)),
        }
    });
    // Does not wait for requests of tasks that still run.
    runtime.shutdown_background();
    code
}

fn fail(error: &impl Display) -> ExitCode {
    report_error(&format!("error: {error}"));
    ExitCode::FAILURE
}

/// Prints a usage error in at most three lines, or the help or version asked for, with `narrow` for so few columns;
/// returns the exit status.
fn refuse(error: &clap::Error, narrow: Option<u16>) -> u8 {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A closed pipe is not an error.
        let _ = match narrow {
            Some(columns) => {
                print_line(&narrow::narrow(&error.render().to_string(), columns.into())).map(drop)
            }
            None => error.print(),
        };
        return 0;
    }
    report_error(&brief(error));
    USAGE
}
