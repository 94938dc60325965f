//! The fields of JSON output without a schema. A test compares them with what the programs print.

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

const RUN: &[Field] = &[("run", "text", "ID of the run"), ("total", "integer", "Messages of the run's plan")];

/// What a count of messages has, of the table or of the tallies.
const COUNT: &[Field] = &[
    ("sent", "integer", "Messages with the outcome SENT"),
    ("failed", "integer", "Messages with the outcome FAILED"),
    ("delivery_ms", "integer", "Sum of the delivery times, ms"),
    ("latency_ms", "integer", "Sum of the times from creation to outcome, ms"),
    ("first_concluded_at", "integer or null", "Time of the first outcome, ms since 1970"),
    ("last_concluded_at", "integer or null", "Time of the last outcome, ms since 1970"),
];

/// What only the table's count has.
const TABLE: &[Field] = &[
    ("pending", "integer", "Messages without an outcome"),
    ("missing", "integer", "Messages of the plan without an item in the table"),
    ("unreadable", "integer", "Items that cannot be decoded"),
    ("unreadable_example", "text or null", "ID of one of them"),
];

const AUDIT_RESULT: &[Field] = &[("agrees", "true or false", "Whether tallies and table agree")];

const AUDIT_DETAILS: &[Field] = &[
    ("differences[]", "list of texts", "One sentence for each figure that differs"),
    ("broken[]", "list of objects", "Tallies that cannot be decoded"),
    ("broken[].shard", "text", "ID of the shard"),
    ("broken[].why", "text", "What is wrong with the tally"),
    (
        "discarded_batches",
        "integer or null",
        "Batches of the stack's stream that were discarded, of all runs; null if unknown",
    ),
];

const REPAIR_RESULT: &[Field] =
    &[("repaired", "true or false", "Whether the table's count was written, and replaces the tallies")];

const RUNS: &[Field] = &[
    ("run", "text", "ID of the run"),
    ("started", "text or null", "When the producer created it, RFC 3339 in UTC"),
    ("total", "integer", "Messages of the run's plan"),
    ("sent", "integer", "Messages with the outcome SENT"),
    ("failed", "integer", "Messages with the outcome FAILED"),
    (
        "state",
        "`waiting`, `enqueuing`, `running`, `lagging`, `complete`, `damaged`",
        "Progress; `lagging`: senders have recorded more outcomes than are counted; `damaged`: a tally cannot be decoded, so the counts are too low",
    ),
];

/// Returns the fields that a command prints with `--json`, in order; `None` for a command with a schema.
pub(super) fn of(command: &str) -> Option<Vec<[String; 3]>> {
    let groups: &[(&str, &[Field])] = match command {
        "producer" => &[("", PRODUCER), ("", CLOCK), ("", USAGE)],
        "sender" => &[("", SENDER), ("", CLOCK), ("", USAGE)],
        "sender-providers" => &[("", PROVIDERS)],
        "monitor-audit" => &[
            ("", RUN),
            ("", AUDIT_RESULT),
            ("table.", COUNT),
            ("table.", TABLE),
            ("tallies.", COUNT),
            ("", AUDIT_DETAILS),
        ],
        "monitor-repair" => &[("", RUN), ("", REPAIR_RESULT), ("table.", COUNT), ("table.", TABLE)],
        "monitor-runs" => &[("", RUNS)],
        _ => return None,
    };
    let fields = groups.iter().flat_map(|(parent, fields)| fields.iter().map(move |field| (parent, field)));
    Some(
        fields
            .map(|(parent, (name, kind, help))| {
                [format!("{parent}{name}"), (*kind).to_owned(), (*help).to_owned()]
            })
            .collect(),
    )
}
