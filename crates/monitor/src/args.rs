//! The command line.

use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueHint};
use stentor_cli::VERSION;
use stentor_cli::{
    OUTPUT, Policy, SharedArgs, count_parser, examples, full_ending, parse_number, seconds_parser,
};
use stentor_core::cost::{MAX_PRICE, PriceOverride};
use stentor_core::run::RunId;

use stentor_report::ReportPath;
use stentor_web::{BasePath, HostName, ListenAddress};

use crate::thresholds::{self, Threshold};

/// Watch a rehearsal: messages sent and failed, the average time per message, and the time left
///
/// Draws a live view on a terminal, prints one line per interval elsewhere, and exits with the run. Messages are counted
/// from the table's stream, each exactly once, so the numbers lag by a second or two and are never too high.
#[derive(Debug, Clone, Parser)]
#[command(version = VERSION, after_help = examples(EXAMPLES), after_long_help = full_ending(EXAMPLES, CROSSED))]
pub struct Args {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the text would show up in the help")]
    pub watch: WatchArgs,
    /// Keep watching after the run is complete or stalled; without --run, continue with the next run
    #[arg(long, conflicts_with = "once", help_heading = WATCH)]
    pub follow: bool,
    /// Run to read [default: the latest]
    #[arg(long, global = true, value_name = "ID", help_heading = RUN)]
    pub run: Option<RunId>,
    #[command(subcommand)]
    #[expect(missing_docs, reason = "the text would show up in the help")]
    pub command: Option<Command>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the text would show up in the help")]
    pub shared: SharedArgs,
}

impl Args {
    /// Returns the policy that the call needs.
    pub fn policy(&self) -> Policy {
        match self.command {
            Some(Command::Audit | Command::Repair) => Policy::Audit,
            _ => Policy::Monitor,
        }
    }
}

/// Flags of every call that watches a run.
#[expect(clippy::doc_markdown, reason = "the texts are the help's, where backticks would show")]
#[derive(Debug, Clone, clap::Args)]
pub struct WatchArgs {
    #[command(flatten)]
    pub interval: IntervalArg,
    /// Print one snapshot and exit
    #[arg(long, help_heading = WATCH)]
    pub once: bool,
    /// Exit with status 4 if the last snapshot crosses a threshold, such as 'failed_rate>20%' (repeatable)
    #[arg(long, value_name = "EXPR", long_help = format!("{FAIL_IF}{}", thresholds::help()), help_heading = WATCH)]
    pub fail_if: Vec<Threshold>,
    /// Print one line per interval instead of the live view
    #[arg(long, help_heading = OUTPUT)]
    pub plain: bool,
    /// Use ASCII characters only
    #[arg(long, help_heading = OUTPUT)]
    pub ascii: bool,
}

/// The refresh interval.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct IntervalArg {
    /// Refresh interval, 0.1 to 3,600 seconds
    #[arg(short = 't', long, value_name = "TIME", default_value = "5", allow_hyphen_values = true, value_parser = parse_interval, help_heading = WATCH)]
    pub interval: Duration,
}

/// Prices of the cost.
#[expect(clippy::doc_markdown, reason = "the texts are the help's, where backticks would show")]
#[derive(Debug, Clone, clap::Args)]
pub struct PriceArg {
    /// Override a price, such as write_units=0.75 or provider_part=0.01 (repeatable)
    #[arg(id = "price", long = "price", value_name = "NAME=DOLLARS", value_parser = parse_price, long_help = PRICE, help_heading = REPORT)]
    pub overrides: Vec<PriceOverride>,
}

/// Hides the global `--run` from a subcommand, which then refuses it.
#[derive(Debug, Clone, clap::Args)]
pub struct WithoutRun {
    #[arg(long, hide = true)]
    run: Option<RunId>,
}

/// What the monitor does instead of watching a run.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Serve a live web page
    ///
    /// Shows the latest run, or the one of --run, to any number of browsers. Runs until Ctrl-C, or with --until-complete
    /// until the run ends: exit status 0 if it is complete, 1 if it is stalled.
    #[command(after_help = examples(SERVE), after_long_help = full_ending(SERVE, &[]))]
    Serve {
        /// Listen address: HOST:PORT, or PORT or :PORT on 127.0.0.1
        #[arg(value_name = "ADDR", default_value = "127.0.0.1:8787")]
        address: ListenAddress,
        /// Exit when the run is complete or stalled
        #[arg(long, help_heading = WATCH)]
        until_complete: bool,
        /// Also answer requests for this host name, such as a reverse proxy's (repeatable)
        #[arg(long, value_name = "NAME", help_heading = REVERSE_PROXY)]
        allow_host: Vec<HostName>,
        /// Serve everything below this path, which a reverse proxy passes on unchanged
        #[arg(long, value_name = "PATH", default_value = "/", help_heading = REVERSE_PROXY)]
        base_path: BasePath,
        #[command(flatten)]
        interval: IntervalArg,
    },
    /// Watch a run and write a report when it ends
    ///
    /// Shows the run as the monitor does without a subcommand. With --once, the report is written at once.
    #[command(after_help = examples(REPORTS), after_long_help = full_ending(REPORTS, CROSSED))]
    Report {
        /// File to write: FILE.html for a page, FILE.json for its data
        #[arg(value_hint = ValueHint::FilePath, value_parser = PathBufValueParser::new().try_map(ReportPath::of))]
        file: ReportPath,
        #[command(flatten)]
        price: PriceArg,
        #[command(flatten)]
        watch: WatchArgs,
    },
    /// Compare two runs
    ///
    /// Prints settings, results, times, faults and cost of both runs, and how the second differs from the first.
    #[command(after_help = examples(COMPARE), after_long_help = full_ending(COMPARE, &[]))]
    Compare {
        /// Run to compare with
        #[arg(value_name = "RUN")]
        first: RunId,
        /// Run whose differences are shown
        #[arg(value_name = "RUN")]
        second: RunId,
        /// Write the comparison to a file too: FILE.html for a page, FILE.json for its data
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = PathBufValueParser::new().try_map(ReportPath::of), help_heading = REPORT)]
        output: Option<ReportPath>,
        #[command(flatten)]
        price: PriceArg,
        #[command(flatten)]
        without_run: WithoutRun,
    },
    /// Compare the tallies of a run with a count of its messages
    ///
    /// Reads every message of the run from DynamoDB. Exit status 1 if a figure differs.
    #[command(after_help = examples(AUDIT), after_long_help = full_ending(AUDIT, &[]))]
    Audit,
    /// Replace the damaged tallies of a finished run by a count of its messages
    ///
    /// Reads every message of the run from DynamoDB. If all are sent or failed, later readers use that count instead of the
    /// tallies; otherwise nothing is written, and the exit status is 1.
    #[command(after_help = examples(REPAIR), after_long_help = full_ending(REPAIR, &[]))]
    Repair,
    /// List the runs of the stack, newest first
    #[command(after_help = examples(RUNS), after_long_help = full_ending(RUNS, &[]))]
    Runs {
        /// Maximum number of runs
        #[arg(long, value_name = "N", default_value_t = 100, allow_hyphen_values = true, value_parser = count_parser::<u32>(1..=u64::from(u32::MAX)), help_heading = OUTPUT)]
        limit: u32,
        #[command(flatten)]
        without_run: WithoutRun,
    },
}

const WATCH: &str = "Watch";
const RUN: &str = "Run";
const REPORT: &str = "Report";
const REVERSE_PROXY: &str = "Reverse proxy";

const EXAMPLES: &[(&str, &str)] = &[
    ("monitor -t 5", "the latest run, every 5 s, to its end"),
    ("monitor --once --json", "one snapshot for a script"),
    ("monitor --fail-if 'failed_rate>20%'", "exit status 4 if over 20% failed"),
    ("monitor serve", "a live page at http://127.0.0.1:8787/"),
    ("monitor report run.html", "a report when the run ends"),
    ("monitor runs", "all runs of the stack"),
];
const SERVE: &[(&str, &str)] = &[
    ("monitor serve", "http://127.0.0.1:8787/, until Ctrl-C"),
    ("monitor serve --until-complete", "until the run ends"),
    ("monitor serve 0.0.0.0:8080 -t 1", "for the whole network, every second"),
    ("monitor serve --base-path /stentor", "behind a reverse proxy"),
];
const REPORTS: &[(&str, &str)] = &[
    ("monitor report run.html", "a page when the run ends"),
    ("monitor report run.json --once", "its data now"),
    ("monitor report run.html --price write_units=0.75", "with another price"),
];
const COMPARE: &[(&str, &str)] = &[
    ("monitor compare 01JDD0Q... 01JDD1B...", "a table on the terminal"),
    ("monitor compare 01JDD0Q... 01JDD1B... -o both.html", "a page too"),
];
const AUDIT: &[(&str, &str)] = &[
    ("monitor audit", "the latest run"),
    ("monitor audit --run 01JDD0Q... --json", "another run, for a script"),
];
const REPAIR: &[(&str, &str)] =
    &[("monitor repair", "the latest run"), ("monitor repair --run 01JDD0Q...", "another run")];
const RUNS: &[(&str, &str)] =
    &[("monitor runs", "the newest 100 runs"), ("monitor runs --limit 1 --json", "the latest, for a script")];

const CROSSED: &[(&str, &str)] = &[("4", "a threshold of --fail-if is crossed")];

const FAIL_IF: &str = "\
Exit with status 4 if the last snapshot crosses a threshold, such as 'failed_rate>20%' or 'p99_latency>30s' (repeatable).

";

const PRICE: &str = "\
Override a price, such as write_units=0.75 or provider_part=0.01 (repeatable).

Prices in dollars; the defaults are those of us-east-1, and of the provider's profile:
  queue_requests, write_units, read_units, invocations
                  per million
  gb_seconds      per second of 1 GB of the function's memory
  provider_part   per message part; carrier fees are still added";

fn parse_price(text: &str) -> Result<PriceOverride, String> {
    let Some((name, dollars)) = text.split_once('=') else {
        return Err("expected NAME=DOLLARS, as in write_units=0.75".to_owned());
    };
    let dollars = parse_number(dollars, &(0.0..=MAX_PRICE), "expected dollars from 0 to 1,000,000")?;
    PriceOverride::new(name, dollars)
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    seconds_parser(0.1..=3_600.0)(text).map(Duration::from_secs_f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn a_price_is_a_name_and_a_number_of_dollars() {
        for text in [
            "provider_part=0.01",
            "write_units=0.75",
            "write_units=0",
            "gb_seconds=.5",
            "write_units=1,000",
            "write_units=1k",
        ] {
            assert!(parse_price(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "=",
            "write_units",
            "write_units=",
            "=1",
            "units=1",
            "WRITE_UNITS=1",
            "write_units=-1",
            "write_units=nan",
            "write_units=inf",
            "write_units=1e999",
            "write_units=1000001",
            "write_units= 1",
            "write_units=$1",
            "write_units=1=1",
            "write_units=0,75",
        ] {
            assert!(parse_price(text).is_err(), "{text}");
        }
    }

    const A: &str = "01JDD0QYJ8000000000000000A";

    fn is_valid(line: &str) -> bool {
        let line = format!("monitor {line}").replace("RUN", A);
        Args::try_parse_from(line.split_whitespace()).is_ok()
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn values_outside_the_ranges_are_refused() {
        for line in [
            "-t 0",
            "-t x",
            "-t -1",
            "-t nan",
            "-t inf",
            "-t 0.09",
            "-t 3601",
            "-t 5x",
            "-t 2h",
            "-t 1.500",
            "-t -1s",
            "--run x",
            "--once --follow",
            "--fail-if failed",
            "--fail-if average>1",
            "--fail-if failed>1.000",
            "serve 70000",
            "serve 127.0.0.1",
            "serve --allow-host a:80",
            "serve --allow-host=",
            "serve --base-path stentor",
            "report",
            "report a.txt",
            "report a",
            "report a.html --price write_units=-1",
            "report a.html --price units=1",
            "compare RUN",
            "compare RUN x",
            "compare RUN RUN RUN",
            "compare RUN RUN -o a.txt",
            "runs --limit 0",
            "runs --limit -1",
        ] {
            assert!(!is_valid(line), "{line}");
        }
        for line in [
            "-t 0.1",
            "-t 500ms",
            "-t 1h",
            "--once --fail-if failed_rate>=20% --fail-if average>10m --fail-if sent<1,000",
            "serve :8787",
            "runs --limit 1k",
            "--once --fail-if failed>1 --fail-if average>1s",
            "serve",
            "serve -t 1 --until-complete",
            "serve 0.0.0.0:80 --run RUN",
            "serve --allow-host a.example --allow-host b.example --base-path /stentor/",
            "report a.JSON --once --price write_units=1 --price gb_seconds=0 --plain --ascii",
            "compare RUN RUN --price write_units=1",
            "compare RUN RUN --json -o a.html",
            "audit --json",
            "repair --json --run RUN",
            "runs --json --limit 1",
        ] {
            assert!(is_valid(line), "{line}");
        }
    }

    #[test]
    fn a_subcommand_takes_only_the_flags_that_apply() {
        for line in [
            "--price write_units=1",
            "serve --once",
            "serve --plain",
            "serve --fail-if failed>1",
            "serve --follow",
            "report a.html --follow",
            "compare RUN RUN --once",
            "compare RUN RUN --fail-if failed>1",
            "compare RUN RUN -t 1",
            "audit --once",
            "audit --fail-if failed>1",
            "audit -t 1",
            "repair --once",
            "repair --follow",
            "runs --once",
        ] {
            assert!(!is_valid(line), "{line}");
        }
    }
}
