//! The JSON form of a view: what `monitor --json` prints, and the web page and reports contain.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use stentor_cli::format::rfc3339;
use stentor_core::escape::escape_control;
use stentor_tally::DamagedTally;

use crate::failures::FailuresOfCode;
use crate::figures::{FIGURES, Figure, SENDER_FIGURES};
use crate::provider::profile_list;
use crate::senders::SenderRecord;
use crate::status::RunCondition;
use crate::view::RunView;

/// Meaning of `clock_offset_seconds` in the JSON of every program.
pub const CLOCK_OFFSET: &str =
    "Seconds that the program adds to the time of its machine's clock; null if it is not corrected.";

/// Meaning of `provider.profile` in the JSON of the monitor.
pub const PROFILE: &str =
    "Name of the provider profile; several are separated by commas. Null without a provider.";
/// Meaning of `failures` in the JSON of a run.
pub const FAILURES: &str = "Failed messages by failure code, most frequent first.";

/// A run at a moment, with the figures of the registry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    run: String,
    at: String,
    state: RunCondition,
    clock_offset_seconds: Option<f64>,
    #[serde(flatten)]
    figures: Members<Value>,
    /// Failed messages by code, most frequent first.
    pub failures: Vec<FailuresOfCode>,
    senders: Vec<SenderSnapshot>,
    broken: Vec<DamagedShard>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct SenderSnapshot {
    sender: String,
    #[serde(flatten)]
    figures: Members<Value>,
    invalid_example: Option<String>,
}

/// Members of a JSON object in the order of the registry.
#[derive(Debug, Clone, PartialEq)]
struct Members<T>(Vec<(&'static str, Member<T>)>);

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Member<T> {
    Value(T),
    Object(Members<T>),
}

/// A shard tally that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DamagedShard {
    /// ID of the shard.
    pub shard: String,
    /// What is wrong with the tally.
    pub why: String,
}

impl From<&DamagedTally> for DamagedShard {
    fn from(damaged: &DamagedTally) -> Self {
        Self { shard: damaged.shard.clone(), why: damaged.why.clone() }
    }
}

impl Snapshot {
    /// The JSON form of a view, with names as they are stored.
    pub fn of(view: &RunView) -> Self {
        Self::with_names(view, str::to_owned)
    }

    /// The JSON form of a view, with names that are safe to show.
    pub fn escaped(view: &RunView) -> Self {
        Self::with_names(view, escape_control)
    }

    fn with_names(view: &RunView, name: fn(&str) -> String) -> Self {
        let sender = |sender: &SenderRecord| SenderSnapshot {
            sender: name(&sender.name),
            figures: Members::of("sender", SENDER_FIGURES, |figure| figure.unit.json(figure.value(sender))),
            invalid_example: sender.invalid_example().map(name),
        };
        let damaged =
            |damaged: &DamagedTally| DamagedShard { shard: name(&damaged.shard), why: name(&damaged.why) };
        Self {
            run: view.run(),
            at: rfc3339(view.reading.at_ms),
            state: RunCondition::of(view),
            clock_offset_seconds: view.reading.clock_offset_seconds,
            figures: Members::of("snapshot", FIGURES, |figure| figure.unit.json(figure.value(view)))
                .with_first("provider", "profile", profile_list(view).map_or(Value::Null, Value::from)),
            failures: view.failures(),
            senders: view.alive_senders().map(sender).collect(),
            broken: view.reading.damaged.iter().map(damaged).collect(),
        }
    }
}

impl<T> Members<T> {
    /// A member for each of the figures below `parent`; a dot in a key opens an object.
    fn of<S>(parent: &str, figures: &[&Figure<S>], value: impl Fn(&Figure<S>) -> T) -> Self {
        let mut members: Vec<(&'static str, Member<T>)> = Vec::new();
        for figure in figures {
            let Some(key) = figure.key_below(parent) else { continue };
            let value = Member::Value(value(figure));
            match (key.split_once('.'), members.last_mut()) {
                (None, _) => members.push((key, value)),
                (Some((name, key)), Some((last, Member::Object(object)))) if *last == name => {
                    object.0.push((key, value));
                }
                (Some((name, key)), _) => members.push((name, Member::Object(Self(vec![(key, value)])))),
            }
        }
        Self(members)
    }

    /// Adds a member to an object in front of its figures.
    fn with_first(mut self, object: &str, key: &'static str, value: T) -> Self {
        for (name, member) in &mut self.0 {
            if let Member::Object(members) = member
                && *name == object
            {
                members.0.insert(0, (key, Member::Value(value)));
                break;
            }
        }
        self
    }
}

impl<T: Serialize> Serialize for Members<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, member)| (key, member)))
    }
}

impl JsonSchema for Snapshot {
    fn schema_name() -> Cow<'static, str> {
        "Snapshot".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = json_schema!({ "description": "Name of the sender.", "type": "string" });
        let invalid_example = json_schema!({ "description": "The beginning of an invalid body, escaped; null without one.", "type": ["string", "null"] });
        let sender = object_schema(
            "A sender that is alive; its counts are those of its whole life.",
            [("sender", name), ("invalid_example", invalid_example)],
            Members::of("sender", SENDER_FIGURES, |figure| figure.unit.schema(figure.help, figure.optional)),
        );
        let damaged = generator.subschema_for::<DamagedShard>();
        let run = json_schema!({ "description": "ID of the run, a ULID.", "type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$" });
        let at = json_schema!({ "description": "Time of the reading, RFC 3339 in UTC.", "type": "string", "format": "date-time" });
        let state = generator.subschema_for::<RunCondition>();
        let clock_offset = json_schema!({ "description": CLOCK_OFFSET, "type": ["number", "null"] });
        let failures = generator.subschema_for::<FailuresOfCode>();
        let failures = json_schema!({ "description": FAILURES, "type": "array", "items": failures });
        let senders = json_schema!({ "description": "The senders alive: those with a heartbeat in the last 15 seconds.", "type": "array", "items": sender });
        let broken = json_schema!({ "description": "Tallies that cannot be read: the counts are too low.", "type": "array", "items": damaged });
        let profile = json_schema!({ "description": PROFILE, "type": ["string", "null"] });
        object_schema(
            "A run at a moment: one line of `monitor --json`. Unknown values are null.",
            [
                ("run", run),
                ("at", at),
                ("state", state),
                ("clock_offset_seconds", clock_offset),
                ("failures", failures),
                ("senders", senders),
                ("broken", broken),
            ],
            Members::of("snapshot", FIGURES, |figure| figure.unit.schema(figure.help, figure.optional))
                .with_first("provider", "profile", profile),
        )
    }
}

/// An object that has exactly these properties.
fn object_schema<const N: usize>(help: &str, own: [(&str, Schema); N], figures: Members<Schema>) -> Schema {
    let figures = figures.0.into_iter().map(|(name, member)| match member {
        Member::Value(schema) => (name, schema),
        Member::Object(members) => (name, object_schema("", [], members)),
    });
    let all = own.into_iter().chain(figures).map(|(name, schema)| (name.to_owned(), schema.into()));
    let properties: Map<String, Value> = all.collect();
    let required: Vec<String> = properties.keys().cloned().collect();
    let mut schema = json_schema!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false });
    if !help.is_empty() {
        schema.insert("description".to_owned(), help.into());
    }
    schema
}
