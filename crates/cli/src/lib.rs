//! What the three command lines have in common: flags, the way an error is told, signals, standard output.

pub mod format;
mod help;
pub mod hints;
mod output;
mod progress;
mod shutdown;
mod terminal;
mod version;

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, ValueHint};
use tokio::task::LocalSet;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use help::{HELP, PLACE};
pub use help::{OUTPUT, examples, full_ending};
use output::report_error;
pub use output::{OutputState, StderrHold, colour, print_line, status};
pub use progress::ProgressLine;
pub use shutdown::Shutdown;
pub use version::{DATE, VERSION};

use stentor_aws::names::StackName;
use stentor_aws::session::{Destination, Endpoint};

/// Where the local emulator listens unless told otherwise.
const LOCAL_PORT: u16 = 4566;

/// The exit code of a usage error.
const USAGE: u8 = 2;

/// Flags that all three programs have.
#[expect(clippy::doc_markdown, reason = "the texts are the help's, where backticks would show")]
#[derive(Debug, Clone, Args)]
#[command(disable_help_flag = true, disable_version_flag = true, styles = help::STYLES)]
pub struct SharedArgs {
    /// The deployed stack to use
    #[arg(long, value_name = "NAME", env = "STENTOR_STACK", hide_env_values = true, default_value = "stentor", help_heading = PLACE)]
    pub stack: StackName,
    /// Use the emulator on this machine (port 4566, or the one in STENTOR_PORT; no credentials needed)
    #[arg(long, env = "STENTOR_LOCAL", hide_env_values = true, value_parser = FalseyValueParser::new(), help_heading = PLACE)]
    pub local: bool,
    /// Use this address in place of AWS's own; goes before --local and AWS_ENDPOINT_URL
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, value_parser = parse_url, help_heading = PLACE)]
    pub endpoint_url: Option<String>,
    /// The AWS region [default: as in your AWS environment or profile]
    #[arg(long, value_name = "REGION", help_heading = PLACE)]
    pub region: Option<String>,
    /// The profile of your AWS configuration
    #[arg(long, value_name = "NAME", help_heading = PLACE)]
    pub profile: Option<String>,
    /// Write results as JSON, one object a line
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// Tell more on stderr: -v what happens, -vv every repeated request
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet", help_heading = OUTPUT)]
    pub verbose: u8,
    /// Tell errors alone on stderr
    #[arg(short, long, help_heading = OUTPUT)]
    pub quiet: bool,
    /// Show the flags, in short with -h
    #[arg(short, long, action = ArgAction::Help, help_heading = HELP)]
    pub help: Option<bool>,
    /// Show the version, and the commit it was built from
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = HELP)]
    pub version: Option<bool>,
}

impl SharedArgs {
    /// Where the flags point.
    fn destination(&self) -> Result<Destination, UsageError> {
        let endpoint = match (&self.endpoint_url, self.local) {
            (Some(url), _) => Endpoint::Url(url.clone()),
            (None, true) => Endpoint::Local(local_port(std::env::var("STENTOR_PORT").ok())?),
            (None, false) => Endpoint::Default,
        };
        Ok(Destination {
            stack: self.stack.clone(),
            endpoint,
            region: self.region.clone(),
            profile: self.profile.clone(),
        })
    }

    fn log_level(&self) -> LevelFilter {
        match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::ERROR,
            (false, 0) => LevelFilter::WARN,
            (false, 1) => LevelFilter::INFO,
            (false, _) => LevelFilter::DEBUG,
        }
    }
}

/// A flag or variable that was parsed but cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

fn local_port(variable: Option<String>) -> Result<u16, UsageError> {
    let Some(text) = variable.filter(|text| !text.is_empty()) else { return Ok(LOCAL_PORT) };
    text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
        UsageError(format!("invalid value '{text}' for STENTOR_PORT: give a port from 1 to 65535"))
    })
}

/// Reads a number within a range; `wanted` says which, as in `seconds from 0 to 60`.
pub fn number_within(text: &str, range: RangeInclusive<f64>, wanted: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        // Adding zero turns "-0" into 0.
        Ok(number) if range.contains(&number) => Ok(number + 0.0),
        _ => Err(format!("give {wanted}")),
    }
}

fn parse_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.trim_matches('/').is_empty() && !rest.contains(char::is_whitespace) => {
            Ok(text.to_owned())
        }
        _ => Err("give an address such as http://127.0.0.1:4566".to_owned()),
    }
}

/// Runs a program: reads its flags, sets up the log, and turns what it returns into an exit code.
///
/// `run` gets the parsed flags, where they point, and a [`Shutdown`] that a first SIGINT or SIGTERM sets off.
pub fn main<A, Run>(shared: fn(&A) -> &SharedArgs, run: Run) -> ExitCode
where
    A: Parser + CommandFactory,
    Run: AsyncFnOnce(A, Destination, Shutdown) -> anyhow::Result<u8>,
{
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) => return ExitCode::from(refuse(&error)),
    };
    let destination = match shared(&args).destination() {
        Ok(destination) => destination,
        Err(error) => {
            report_error(&format!("error: {error}"));
            return ExitCode::from(USAGE);
        }
    };
    start_log(shared(&args).log_level());
    // One thread: the work is waiting for answers, and a request costs a quarter less CPU than on many.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime cannot start: {error}")),
    };
    let code = LocalSet::new().block_on(&runtime, async {
        let stop = match Shutdown::on_signals() {
            Ok(stop) => stop,
            Err(error) => return fail(&format!("signals cannot be watched: {error}")),
        };
        // Boxed, as the request in `Session::ask` is: else the compiler lays out one very deep future.
        match Box::pin(run(args, destination, stop)).await {
            Ok(code) => ExitCode::from(code),
            Err(error) => fail(&hints::describe(&error)),
        }
    });
    // A task that is still busy with a request must not hold the end back.
    runtime.shutdown_background();
    code
}

fn fail(error: &impl Display) -> ExitCode {
    report_error(&format!("error: {error}"));
    ExitCode::FAILURE
}

/// Tells a usage error in three lines at most, or shows help and version; returns the exit code.
fn refuse(error: &clap::Error) -> u8 {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Nobody reading the help is no error.
        let _ = error.print();
        return 0;
    }
    report_error(&brief(error));
    USAGE
}

/// clap's text without its usage block: what is wrong, a tip or the values there are, and where to read more.
fn brief(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let mut lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if let Some(usage) = lines.iter().position(|line| line.starts_with("Usage:")) {
        lines.truncate(usage);
    }
    let line_with = |start: &str| lines.iter().find(|line| line.starts_with(start)).copied();
    let advice = line_with("tip:").or_else(|| line_with("[possible values:"));
    let mut told: Vec<&str> = lines.first().copied().into_iter().chain(advice).collect();
    told.push("For all flags, try '--help'.");
    told.join("\n")
}

/// Logs go to stderr, and only our own: the SDK's would be noise, and could tell secrets.
fn start_log(level: LevelFilter) {
    let ours =
        ["stentor_aws", "stentor_run_view", "producer", "sender", "monitor"].map(|target| (target, level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| output::StderrWriter)
        .with_ansi(colour(&std::io::stderr()))
        .without_time()
        .with_target(false);
    tracing_subscriber::registry().with(lines).with(Targets::new().with_targets(ours)).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    #[command(version)]
    struct Program {
        #[command(flatten)]
        shared: SharedArgs,
        #[arg(short, long, allow_negative_numbers = true)]
        messages: Option<u32>,
        #[arg(long, value_parser = ["round", "square"])]
        shape: Option<String>,
    }

    fn refusal(args: &[&str]) -> String {
        brief(&Program::try_parse_from([&["program"], args].concat()).unwrap_err())
    }

    #[test]
    fn a_usage_error_names_flag_and_value_in_three_lines_at_most() {
        for (args, words) in [
            (&["-m", "abc"][..], &["'abc'", "--messages"][..]),
            (&["-m", "-5"], &["'-5'", "--messages"]),
            (&["-m", "1", "--mesages"], &["'--mesages'"]),
            (&["-m", "1", "--stack", "a b"], &["'a b'", "--stack"]),
            (&["-m", "1", "--endpoint-url", "ftp://x"], &["'ftp://x'", "--endpoint-url"]),
        ] {
            let told = refusal(args);
            assert!(told.lines().count() <= 3, "{told}");
            let first = told.lines().next().unwrap();
            assert!(words.iter().all(|word| first.contains(word)), "{told}");
        }
    }

    #[test]
    fn a_typo_is_answered_by_what_was_meant() {
        for (args, advice) in [
            (&["--mesages", "1"][..], "tip: a similar argument exists: '--messages'"),
            (&["--locl"], "tip: a similar argument exists: '--local'"),
            (&["--shape", "rond"], "tip: a similar value exists: 'round'"),
            (&["--shape", "x"], "[possible values: round, square]"),
        ] {
            assert_eq!(refusal(args).lines().nth(1), Some(advice));
        }
    }

    #[test]
    fn an_endpoint_goes_before_local() {
        let args =
            |args: &[&str]| Program::try_parse_from([&["program", "-m", "1"], args].concat()).unwrap().shared;
        let endpoint = |given: &[&str]| args(given).destination().unwrap().endpoint;
        assert_eq!(
            endpoint(&["--local", "--endpoint-url", "http://h:1"]),
            Endpoint::Url("http://h:1".into())
        );
        assert_eq!(endpoint(&[]), Endpoint::Default);
    }

    #[test]
    fn the_local_port_is_4566_or_what_the_variable_says() {
        assert_eq!(local_port(None).unwrap(), 4566);
        assert_eq!(local_port(Some(String::new())).unwrap(), 4566);
        assert_eq!(local_port(Some("5000".into())).unwrap(), 5000);
        for bad in ["0", "x", "70000"] {
            assert!(local_port(Some(bad.into())).unwrap_err().to_string().contains("STENTOR_PORT"));
        }
    }
}
