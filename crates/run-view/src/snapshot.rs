//! The JSON form of a view: what `monitor --json` prints, and the web page and reports contain.

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

/// A run at a moment: one line of `monitor --json`. Unknown values are null.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Snapshot {
    /// ID of the run, a ULID.
    #[schemars(regex(pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"))]
    run: String,
    /// Time of the reading, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    at: String,
    /// State of the run.
    state: RunCondition,
    #[schemars(description = CLOCK_OFFSET)]
    clock_offset_seconds: Option<f64>,
    #[serde(flatten)]
    #[schemars(schema_with = "figures_of_run")]
    figures: Members<Value>,
    /// Failed messages by failure code, most frequent first.
    pub failures: Vec<FailuresOfCode>,
    /// The senders alive: those with a heartbeat in the last 15 seconds.
    senders: Vec<SenderSnapshot>,
    /// Tallies that cannot be decoded: the counts are too low.
    broken: Vec<DamagedShard>,
}

/// A sender that is alive; its counts are those of its whole life.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct SenderSnapshot {
    /// Name of the sender.
    sender: String,
    #[serde(flatten)]
    #[schemars(schema_with = "figures_of_sender")]
    figures: Members<Value>,
    /// The beginning of an invalid body, escaped; null without one.
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
            senders: view.alive.iter().map(sender).collect(),
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

fn figures_of_run(_: &mut SchemaGenerator) -> Schema {
    let profile = json_schema!({ "description": "Name of the provider profile; several are separated by commas. Null without a provider.", "type": ["string", "null"] });
    let figures = Members::of("snapshot", FIGURES, Figure::schema);
    object_schema(figures.with_first("provider", "profile", profile))
}

fn figures_of_sender(_: &mut SchemaGenerator) -> Schema {
    object_schema(Members::of("sender", SENDER_FIGURES, Figure::schema))
}

/// An object that has these members, in this order.
fn object_schema(members: Members<Schema>) -> Schema {
    let members = members.0.into_iter().map(|(name, member)| match member {
        Member::Value(schema) => (name.to_owned(), schema.into()),
        Member::Object(members) => (name.to_owned(), object_schema(members).into()),
    });
    let (required, schemas): (Vec<String>, Vec<Value>) = members.unzip();
    let properties: Map<String, Value> = required.iter().cloned().zip(schemas).collect();
    json_schema!({ "type": "object", "required": required, "properties": properties })
}
