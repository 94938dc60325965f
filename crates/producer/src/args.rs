//! The command line, and the job it asks for.

use clap::Parser;
use stentor_cli::VERSION;
use stentor_cli::{SharedArgs, examples, full_ending, number_within};
use stentor_core::message::MAX_MESSAGES;
use stentor_core::run::{MAX_LENGTH, Plan, RunId};

const DEFAULT_MESSAGES: u32 = 1_000;
const DEFAULT_LENGTH: u16 = 100;

/// Make the messages of a rehearsal: store them in the table and put them on the queue
///
/// Each message has a phone number and a random text. A run is a set of messages made together; its id is
/// printed, and senders and monitor find it by themselves.
#[derive(Debug, Clone, Parser)]
#[command(version = VERSION, after_help = examples(EXAMPLES), after_long_help = full_ending(EXAMPLES, &[]))]
pub struct Args {
    /// How many messages to make, 1 to 1,000,000,000 [default: 1000]
    #[arg(short, long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_MESSAGES)), help_heading = MESSAGES)]
    pub messages: Option<u32>,
    /// The longest text, 1 to 1600 characters; each has 1 to that many [default: 100]
    #[arg(short, long, value_name = "CHARACTERS", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_LENGTH)), help_heading = MESSAGES)]
    pub length: Option<u16>,
    /// Give every text just that length
    #[arg(long, help_heading = MESSAGES)]
    pub exact_length: bool,
    /// Name the run yourself, by a ULID that is not used yet
    #[arg(long, value_name = "ID", help_heading = RUN)]
    pub run: Option<RunId>,
    /// Make the same texts and numbers as another run of this seed [default: a random one]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = MESSAGES)]
    pub seed: Option<u64>,
    /// Enqueue no more than this many messages a second, evenly [default: as fast as it goes]
    #[arg(long, value_name = "MESSAGES", allow_negative_numbers = true, value_parser = parse_rate, help_heading = SPEED)]
    pub rate: Option<f64>,
    /// How many paced_batches of 50 messages are under way at once, 1 to 512
    #[arg(long, value_name = "BATCHES", default_value_t = 40, allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=512), help_heading = SPEED)]
    pub concurrency: u16,
    /// Take up an interrupted run where it stopped
    #[arg(long, value_name = "RUN", conflicts_with_all = ["requeue", "run"], help_heading = RUN)]
    pub resume: Option<RunId>,
    /// Put every message of the run that is still pending on the queue again
    #[arg(long, value_name = "RUN", conflicts_with_all = ["run", "messages", "length", "exact_length", "seed", "rate"], help_heading = RUN)]
    pub requeue: Option<RunId>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the text would show up in the help")]
    pub shared: SharedArgs,
}

const MESSAGES: &str = "Messages";
const RUN: &str = "Run";
const SPEED: &str = "Speed";

const EXAMPLES: &[(&str, &str)] = &[
    ("producer -m 1000 -l 100", "1,000 messages of up to 100 characters"),
    ("producer -m 50000 --rate 500 --local", "500 a second, on the local emulator"),
    ("producer --resume 01JDD0QYJ8…", "go on with a run that was interrupted"),
];

/// What the producer is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Job {
    /// Make a new run.
    Begin {
        /// Its name, where the user gave one.
        run: Option<RunId>,
    },
    /// Go on with a run at its watermark.
    Resume(RunId),
    /// Enqueue again what is pending.
    Requeue(RunId),
}

impl Args {
    pub(crate) fn job(&self) -> Job {
        match (self.resume, self.requeue) {
            (Some(run), _) => Job::Resume(run),
            (None, Some(run)) => Job::Requeue(run),
            (None, None) => Job::Begin { run: self.run },
        }
    }

    pub(crate) fn messages_or_default(&self) -> u32 {
        self.messages.unwrap_or(DEFAULT_MESSAGES)
    }

    pub(crate) fn length_or_default(&self) -> u16 {
        self.length.unwrap_or(DEFAULT_LENGTH)
    }

    /// The first flag that says something else than the plan of the run to resume.
    pub(crate) fn contradiction(&self, plan: &Plan) -> Option<String> {
        let differs = |flag: &str, given: u64, stored: u64| {
            (given != stored).then(|| format!("{flag} {given}, but the run has {stored}"))
        };
        let length = plan.length();
        self.messages
            .and_then(|given| differs("--messages", given.into(), plan.total().into()))
            .or_else(|| self.length.and_then(|given| differs("--length", given.into(), length.max.into())))
            .or_else(|| self.seed.and_then(|given| differs("--seed", given, plan.seed())))
            .or_else(|| {
                (self.exact_length && !length.exact)
                    .then(|| "--exact-length, but the run's texts have all lengths".to_owned())
            })
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    number_within(text, f64::MIN_POSITIVE..=f64::MAX, "a number of messages a second above 0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use stentor_core::run::BodyLength;

    fn args(line: &str) -> Args {
        Args::try_parse_from(format!("producer {line}").split_whitespace()).unwrap()
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
            "-l 0",
            "-l 1601",
            "--rate 0",
            "--rate -1",
            "--rate nan",
            "--rate inf",
            "--concurrency 0",
            "--concurrency 513",
            "--run x",
            "--resume x",
            "--seed -1",
        ] {
            assert!(Args::try_parse_from(format!("producer {line}").split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn a_resumed_run_cannot_change_its_plan() {
        let run = RunId::from_parts(1, 1);
        let plan = Plan::new(run, 7, 1_000, BodyLength { max: 100, exact: false }).unwrap();
        for (line, contradicts) in [
            ("", false),
            ("-m 1000 -l 100 --seed 7", false),
            ("-m 999", true),
            ("-l 99", true),
            ("--seed 8", true),
            ("--exact-length", true),
        ] {
            assert_eq!(args(line).contradiction(&plan).is_some(), contradicts, "{line}");
        }
        assert_eq!(args("-m 5").contradiction(&plan).unwrap(), "--messages 5, but the run has 1000");
    }
}
