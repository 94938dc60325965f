//! The command line.

use clap::{Parser, Subcommand};
use stentor_cli::VERSION;
use stentor_cli::{SharedArgs, count_parser, examples, full_ending, parse_number};
use stentor_core::alert_text::AlertText;
use stentor_core::message::MAX_MESSAGES;
use stentor_core::run::{MAX_LENGTH, RunId};

use crate::text::parse_text;

/// Create the messages of a rehearsal, store them in DynamoDB and send them to SQS
///
/// Each message has a phone number and a text, random or that of --text. A run is a set of messages created together; its ID is
/// printed, and senders and monitor find it by themselves.
#[derive(Debug, Clone, Parser)]
#[command(version = VERSION, after_help = examples(EXAMPLES), after_long_help = full_ending(EXAMPLES, &[]))]
pub struct Args {
    /// Number of messages, 1 to 1,000,000,000
    #[arg(short, long, value_name = "N", default_value_t = 1_000, allow_hyphen_values = true, value_parser = count_parser::<u32>(1..=u64::from(MAX_MESSAGES)), help_heading = MESSAGES)]
    pub messages: u32,
    /// Maximum message length in characters, 1 to 1,600 (actual length varies from 1)
    #[arg(short, long, value_name = "CHARACTERS", default_value_t = 100, allow_hyphen_values = true, value_parser = count_parser::<u16>(1..=u64::from(MAX_LENGTH)), help_heading = MESSAGES)]
    pub length: u16,
    /// Make every message exactly --length characters long
    #[arg(long, help_heading = MESSAGES)]
    pub exact_length: bool,
    /// Send this text in every message; @FILE reads it from a file (UTF-8, without its final line break)
    ///
    /// 1 to 1,600 characters, without control characters except line breaks. Begin with @@ for a literal @. Prints the
    /// encoding and the number of parts in which an SMS provider would send the text.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = parse_text, conflicts_with_all = ["length", "exact_length"], help_heading = MESSAGES)]
    pub text: Option<AlertText>,
    /// Seed for the random generator; the same seed gives the same messages [default: random]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true, value_parser = count_parser::<u64>(0..=u64::MAX), help_heading = MESSAGES)]
    pub seed: Option<u64>,
    /// Use this run ID (an unused ULID) [default: a new one]
    #[arg(long, value_name = "ID", help_heading = MESSAGES)]
    pub run: Option<RunId>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the text would show up in the help")]
    pub speed: SpeedArgs,
    #[command(subcommand)]
    #[expect(missing_docs, reason = "the text would show up in the help")]
    pub command: Option<Command>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the text would show up in the help")]
    pub shared: SharedArgs,
}

/// Flags of every call that enqueues.
#[derive(Debug, Clone, clap::Args)]
pub struct SpeedArgs {
    /// Limit the rate to N messages per second [default: unlimited]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_rate, help_heading = SPEED)]
    pub rate: Option<f64>,
    #[command(flatten)]
    pub concurrency: ConcurrencyArg,
}

/// The concurrency of every call.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct ConcurrencyArg {
    /// Maximum number of concurrent batches of 50 messages, 1 to 512
    #[arg(long = "concurrency", value_name = "N", default_value_t = 40, allow_hyphen_values = true, value_parser = count_parser::<u16>(1..=512), help_heading = SPEED)]
    pub batches: u16,
}

/// What the producer does instead of creating a run.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Resume an interrupted run where it stopped
    ///
    /// The run keeps its number of messages, length and seed. Messages that were queued after the last checkpoint may be
    /// queued once more; each is counted once.
    #[command(after_help = examples(RESUME_EXAMPLES), after_long_help = full_ending(RESUME_EXAMPLES, &[]))]
    Resume {
        /// ID of the run, as the producer printed it
        run: RunId,
        #[command(flatten)]
        speed: SpeedArgs,
    },
    /// Queue every pending message of a run again
    ///
    /// Reads all messages of the run from DynamoDB and sends to SQS those that are neither sent nor failed. Use it for
    /// dead letters, or after the queue was purged.
    #[command(after_help = examples(REQUEUE_EXAMPLES), after_long_help = full_ending(REQUEUE_EXAMPLES, &[]))]
    Requeue {
        /// ID of the run, as the producer printed it
        run: RunId,
        #[command(flatten)]
        concurrency: ConcurrencyArg,
    },
}

const MESSAGES: &str = "Messages";
const SPEED: &str = "Speed";

const EXAMPLES: &[(&str, &str)] = &[
    ("producer -m 1000 -l 100", "1,000 messages of up to 100 characters"),
    ("producer -m 50k --rate 500 --local", "500 per second, on the local emulator"),
    ("producer -m 1M --text @alert.txt", "every message has the text in alert.txt"),
    ("producer resume 01JDD0Q...", "resume an interrupted run"),
    ("producer requeue 01JDD0Q...", "queue pending messages again"),
];

const RESUME_EXAMPLES: &[(&str, &str)] = &[
    ("producer resume 01JDD0Q...", "queue the rest of the run"),
    ("producer resume 01JDD0Q... --rate 500", "the rest at 500 per second"),
];

const REQUEUE_EXAMPLES: &[(&str, &str)] = &[
    ("producer requeue 01JDD0Q...", "queue what is pending"),
    ("producer requeue 01JDD0Q... --local", "on the local emulator"),
];

fn parse_rate(text: &str) -> Result<f64, String> {
    let expected = "expected messages per second above 0, such as 0.5, 1000, 1,000 or 10k";
    parse_number(text, &(f64::MIN_POSITIVE..=f64::MAX), expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn is_valid(line: &str) -> bool {
        Args::try_parse_from(format!("producer {line}").split_whitespace()).is_ok()
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn values_outside_the_ranges_are_refused() {
        for line in [
            "-m 0",
            "-m abc",
            "-m -5",
            "-m 1000000001",
            "-m 2000M",
            "-m 1.000",
            "-m 1,5",
            "-m -5k",
            "-l 0",
            "-l 1601",
            "--rate 0",
            "--rate -1",
            "--rate nan",
            "--rate inf",
            "--rate 1.000",
            "--concurrency 0",
            "--concurrency 513",
            "--run x",
            "--seed -1",
            "--text @/nonexistent",
            "--text a -l 5",
            "--text a --exact-length",
            "resume",
            "resume x",
            "requeue",
        ] {
            assert!(!is_valid(line), "{line}");
        }
    }

    #[test]
    fn numbers_have_separators_and_units() {
        let parsed =
            |line: &str| Args::try_parse_from(format!("producer {line}").split_whitespace()).unwrap();
        for (line, messages) in
            [("-m 10k", 10_000), ("-m 1M", 1_000_000), ("-m 1,000", 1_000), ("-m 1_000", 1_000)]
        {
            assert_eq!(parsed(line).messages, messages, "{line}");
        }
        assert_eq!(parsed("-l 1k").length, 1_000);
        assert_eq!(parsed("--rate 1.5k").speed.rate, Some(1_500.0));
        assert_eq!(parsed("--rate 0.5").speed.rate, Some(0.5));
        assert_eq!(parsed("--seed 18446744073709551615").seed, Some(u64::MAX));
    }

    #[test]
    fn a_subcommand_takes_only_the_flags_that_apply() {
        const RUN: &str = "01JDD0QYJ8000000000000000A";
        for flags in ["", "--rate 5", "--concurrency 2", "--local --json -q", "--stack other"] {
            assert!(is_valid(&format!("resume {RUN} {flags}")), "{flags}");
        }
        assert!(is_valid(&format!("requeue {RUN} --concurrency 2")));
        for flags in
            ["-m 6", "-l 21", "--exact-length", "--text a", "--seed 4", "--run 01JDD0QYJ8000000000000000B"]
        {
            assert!(!is_valid(&format!("resume {RUN} {flags}")), "{flags}");
        }
        assert!(!is_valid(&format!("requeue {RUN} --rate 5")));
    }
}
