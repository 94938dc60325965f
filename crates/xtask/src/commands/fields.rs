//! The fields of the JSON of producer and sender. A test compares them with what the programs print.

use stentor_run_view::snapshot::CLOCK_OFFSET;

/// A field: its path, its type and its meaning.
type Field = (&'static str, &'static str, &'static str);

/// What a program used, the last fields of a producer and a sender.
const USAGE: &[Field] = &[
    ("requests", "integer", "Requests to SQS and DynamoDB, retries included"),
    ("queue_requests", "integer", "Requests to SQS among them; SQS bills each"),
    ("write_units", "number or null", "Write units that DynamoDB bills; null if a response lacked them"),
    ("read_units", "number or null", "Read units that DynamoDB bills; null if a response lacked them"),
];

/// The correction of the clock, before the usage of a producer and a sender.
const CLOCK: &[Field] = &[("clock_offset_seconds", "number or null", CLOCK_OFFSET)];

const PRODUCER: &[Field] = &[
    ("run", "text", "ID of the run"),
    ("messages", "integer", "Messages that this call sent to SQS"),
    ("seconds", "number", "Duration of the call"),
    (
        "messages_per_second",
        "number or null",
        "Messages divided by seconds; null if it took less than a second",
    ),
    ("throttled_seconds", "number", "How long the messages table throttled the writes; 0 if it never did"),
    ("seed", "integer", "Seed of the run's plan"),
    (
        "encoding",
        "`GSM-7`, `UCS-2` or null",
        "Encoding of the text of all messages; null if the texts are random",
    ),
    ("parts", "integer or null", "Parts of that text as an SMS; null if the texts are random"),
];

const SENDER: &[Field] = &[
    ("sender", "text", "ID of the sender, a ULID"),
    ("sent", "integer", "Outcomes SENT that this sender recorded"),
    ("failed", "integer", "Outcomes FAILED that this sender recorded"),
    ("duplicates", "integer", "Messages that it received after their outcome was recorded"),
    (
        "released",
        "integer",
        "Messages that it returned to the queue without an outcome, except for another attempt",
    ),
    (
        "leases_expired",
        "integer",
        "Leases that expired while it had the message, for example while its process was paused",
    ),
    (
        "invalid",
        "integer",
        "Messages with a body that is not Stentor's; the sender that receives one first counts it",
    ),
    ("invalid_example", "text or null", "The beginning of such a body, escaped, at most 80 characters"),
    ("average_seconds", "number or null", "Mean duration of its recorded deliveries"),
    ("seconds", "number", "Duration from its start to its end"),
    (
        "reason",
        "`drained`, `failure-rate`, `signal`",
        "Why it stopped: the queue is empty, `--max-failure-rate`, a signal",
    ),
    (
        "provider",
        "object or null",
        "Its use of the provider in all runs: `profile`, `parts` begun, `parts_by_carrier` and `forfeited` reservations; null \
         without a provider",
    ),
];

const PROVIDERS: &[Field] = &[
    ("name", "text", "Name of the profile"),
    ("parts_per_second", "number or null", "Message parts a second of all senders; null without a limit"),
    (
        "min_dollars_per_part",
        "number or null",
        "Price of a part with the lowest fee of a carrier, dollars; null if unknown",
    ),
    ("max_dollars_per_part", "number or null", "The same with the highest fee"),
    ("daily_caps[]", "list of objects", "Carriers with a daily cap"),
    ("daily_caps[].carrier", "text", "Name of the carrier"),
    ("daily_caps[].parts", "integer", "Parts a day"),
    ("daily_caps[].utc_offset", "text or null", "Time zone of the day; null for UTC"),
    ("million_seconds", "number or null", "Time for a million messages of one part; null without a limit"),
    ("source", "text or null", "Where the numbers come from"),
    ("as_of", "text or null", "Month of the source"),
];

/// Returns the fields that a producer or sender prints with `--json`, in order; `None` for another command.
pub(super) fn of(command: &str) -> Option<Vec<[String; 3]>> {
    let groups: &[&[Field]] = match command {
        "producer" => &[PRODUCER, CLOCK, USAGE],
        "sender" => &[SENDER, CLOCK, USAGE],
        "sender-providers" => &[PROVIDERS],
        _ => return None,
    };
    let row = |(name, kind, help): &Field| [name, kind, help].map(|text| (*text).to_owned());
    Some(groups.iter().copied().flatten().map(row).collect())
}
