//! The command line.

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{ArgGroup, Parser, ValueHint};
use stentor_cli::VERSION;
use stentor_cli::{OUTPUT, SharedArgs, examples, full_ending, number_within};
use stentor_core::cost::PriceOverride;
use stentor_core::run::RunId;

use stentor_report::Target;
use stentor_run_view::thresholds::Threshold;
use stentor_web::ListenAddress;

/// Watch a rehearsal: messages sent and failed, the average time per message, and how long it will take
///
/// Draws a live view on a terminal, prints a line every few seconds elsewhere, and ends with the run. Messages are
/// counted by the stream of the table, each exactly once, so the numbers lag by a second or two and are never too high.
#[expect(clippy::doc_markdown, reason = "the texts are the help's, where backticks would show")]
#[derive(Debug, Clone, Parser)]
#[command(group = ArgGroup::new("reckoned").args(["report", "compare"]).multiple(true))]
#[command(version = VERSION, after_help = examples(EXAMPLES), after_long_help = full_ending(EXAMPLES, ENDINGS))]
pub struct Args {
    /// How often to look, 0.1 to 3600 seconds
    #[arg(short = 't', long, value_name = "SECONDS", default_value_t = 5.0, allow_negative_numbers = true, value_parser = parse_interval, help_heading = WATCH)]
    pub interval: f64,
    /// The run to watch [default: the latest]
    #[arg(long, value_name = "ID", help_heading = WATCH)]
    pub run: Option<RunId>,
    /// Print one snapshot and end
    #[arg(long, conflicts_with_all = ["follow", "audit", "repair"], help_heading = WATCH)]
    pub once: bool,
    /// Go on when the run is complete or stalled; without --run, with the next run when there is one
    #[arg(long, conflicts_with_all = ["audit", "repair"], help_heading = WATCH)]
    pub follow: bool,
    /// Serve a live page for browsers until Ctrl-C, at HOST:PORT or a port of this machine: 127.0.0.1:8787 if none is given
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:8787", conflicts_with_all = ["once", "follow", "plain", "ascii", "fail_if", "audit", "repair", "report", "compare", "json"], help_heading = WATCH)]
    pub web: Option<ListenAddress>,
    /// One plain line an interval in place of the live view, as in a pipe
    #[arg(long, help_heading = OUTPUT)]
    pub plain: bool,
    /// Draw the live view of a terminal without Unicode
    #[arg(long, help_heading = OUTPUT)]
    pub ascii: bool,
    /// When the run ends, write a report of it: FILE.html, a page, or FILE.json, its data; with --once, at once
    #[arg(long, value_name = "FILE", conflicts_with_all = ["follow", "audit", "repair"], value_hint = ValueHint::FilePath, value_parser = PathBufValueParser::new().try_map(Target::of), help_heading = REPORT)]
    pub report: Option<Target>,
    /// Set two runs side by side, the second against the first, and end; with --report, in a file too
    #[arg(long, value_names = ["RUN", "RUN"], num_args = 2, conflicts_with_all = ["run", "once", "follow", "plain", "ascii", "fail_if", "audit", "repair"], help_heading = REPORT)]
    pub compare: Vec<RunId>,
    /// Reckon the cost with a price of your own, such as write_units=0.75; may be given several times
    #[arg(long, value_name = "NAME=DOLLARS", requires = "reckoned", long_help = PRICE, help_heading = REPORT)]
    pub price: Vec<PriceOverride>,
    /// Exit 4 if the last snapshot crosses this, such as 'failed_rate>0.2' or 'p99_latency>30s'; may be given several times
    #[arg(long, value_name = "EXPR", conflicts_with_all = ["audit", "repair"], long_help = FAIL_IF, help_heading = CHECK)]
    pub fail_if: Vec<Threshold>,
    /// Count the run's messages in the table, compare them with the tallies, and end: exit 1 if they differ
    #[arg(long, conflicts_with = "repair", help_heading = CHECK)]
    pub audit: bool,
    /// Where a tally is damaged and the run is over: count its messages in the table, and let that count alone
    #[arg(long, help_heading = CHECK)]
    pub repair: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the text would show up in the help")]
    pub shared: SharedArgs,
}

const WATCH: &str = "Watch";
const REPORT: &str = "Report";
const CHECK: &str = "Check";

const EXAMPLES: &[(&str, &str)] = &[
    ("monitor -t 5", "the latest run, every 5 s, to its end"),
    ("monitor --once --json", "one snapshot for a script"),
    ("monitor --web", "a live page at http://127.0.0.1:8787/"),
    ("monitor --fail-if 'failed_rate>0.2'", "exit 4 if more than a fifth failed"),
    ("monitor --report run.html", "a page to keep, when the run ends"),
    ("monitor --compare RUN RUN", "what a changed setting did"),
    ("monitor --audit --local", "table and tallies, on the emulator"),
];

const ENDINGS: &[(&str, &str)] = &[("4", "a threshold of --fail-if is crossed")];

const FAIL_IF: &str = "\
Exit 4 if the last snapshot crosses this, such as 'failed_rate>0.2' or 'p99_latency>30s'; may be given several times.

Compare by >, >=, < or <=:
  failed_rate                  a share from 0 to 1
  sent, failed, pending, dead_letters, messages_per_second
  average, p50, p90, p99, max  of a delivery, in ms, s or m
  average_latency, p50_latency, p90_latency, p99_latency,
  max_latency                  from a message's creation to its end
A value that is not known yet crosses nothing.";

const PRICE: &str = "\
Reckon the cost with a price of your own, such as write_units=0.75; may be given several times.

Dollars, in the place of the list price of us-east-1:
  queue_requests, write_units, read_units, invocations
                  for a million
  gb_seconds      for one GB of the function's memory for a second";

fn parse_interval(text: &str) -> Result<f64, String> {
    number_within(text, 0.1..=3_600.0, "seconds from 0.1 to 3600")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

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
            "--run x",
            "--once --follow",
            "--audit --once",
            "--repair --once",
            "--repair --follow",
            "--repair --audit",
            "--web --once",
            "--web --follow",
            "--web --plain",
            "--web --ascii",
            "--web --json",
            "--web --audit",
            "--web --repair",
            "--web --fail-if failed>1",
            "--web --report x.html",
            "--web --compare 01JDD0QYJ8000000000000000A 01JDD0QYJ8000000000000000B",
            "--web 70000",
            "--audit --fail-if failed>1",
            "--fail-if failed",
            "--fail-if average>1",
            "--report a.txt",
            "--report a",
            "--report a.html --follow",
            "--report a.html --audit",
            "--report a.html --repair",
            "--price write_units=1",
            "--report a.html --price write_units=-1",
            "--report a.html --price units=1",
            "--compare 01JDD0QYJ8000000000000000A",
            "--compare 01JDD0QYJ8000000000000000A x",
            "--compare 01JDD0QYJ8000000000000000A 01JDD0QYJ8000000000000000B --once",
            "--compare 01JDD0QYJ8000000000000000A 01JDD0QYJ8000000000000000B --fail-if failed>1",
        ] {
            assert!(Args::try_parse_from(format!("monitor {line}").split(' ')).is_err(), "{line}");
        }
        for line in [
            "-t 0.1",
            "--audit --json",
            "--web",
            "--web -t 1",
            "--web 0.0.0.0:80 --run 01JDD0QYJ8000000000000000A",
            "--once --fail-if failed>1 --fail-if average>1s",
            "--repair --json --run 01JDD0QYJ8000000000000000A",
            "--compare 01JDD0QYJ8000000000000000A 01JDD0QYJ8000000000000000B --price write_units=1",
            "--compare 01JDD0QYJ8000000000000000A 01JDD0QYJ8000000000000000B --json --report a.html",
            "--once --report a.JSON --price write_units=1 --price gb_seconds=0",
        ] {
            assert!(Args::try_parse_from(format!("monitor {line}").split(' ')).is_ok(), "{line}");
        }
    }
}
