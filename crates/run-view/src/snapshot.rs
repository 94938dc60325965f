//! The JSON form of a view: what `monitor --json` prints, and the web page and reports contain.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use stentor_cli::format::rfc3339;
use stentor_core::escape::escape_control;
use stentor_core::tally::DamagedTally;

use crate::figures::{FIGURES, Figure, SENDER_FIGURES};
use crate::view::RunView;

/// A run at a moment, as a JSON object with the figures of the registry.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot(Object);

/// A JSON object that keeps the order of its members.
#[derive(Debug, Clone, PartialEq, Default)]
struct Object(Vec<(String, Member)>);

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Member {
    Value(Value),
    Object(Object),
    Array(Vec<Object>),
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
        let mut object = Object::default();
        object.insert("run", Member::Value(view.run().into()));
        object.insert("at", Member::Value(rfc3339(view.reading.at_ms).into()));
        object.insert_figures("snapshot", FIGURES, view);
        let senders = view.alive_senders().map(|sender| {
            let mut object = Object::default();
            object.insert("sender", Member::Value(name(&sender.name).into()));
            object.insert_figures("sender", SENDER_FIGURES, sender);
            object
        });
        object.insert("senders", Member::Array(senders.collect()));
        let damaged = view.reading.damaged.iter().map(|damaged| {
            let mut object = Object::default();
            object.insert("shard", Member::Value(name(&damaged.shard).into()));
            object.insert("why", Member::Value(name(&damaged.why).into()));
            object
        });
        object.insert("broken", Member::Array(damaged.collect()));
        Self(object)
    }
}

impl Object {
    fn insert(&mut self, key: &str, member: Member) {
        self.0.push((key.to_owned(), member));
    }

    /// Adds the figures below `parent`; a dot in a key opens an object.
    fn insert_figures<S>(&mut self, parent: &str, figures: &[&Figure<S>], subject: &S) {
        for figure in figures {
            let Some(key) = figure.key_below(parent) else { continue };
            let value = Member::Value(figure.unit.json(figure.value(subject)));
            match (key.split_once('.'), self.0.last_mut()) {
                (None, _) => self.insert(key, value),
                (Some((group, key)), Some((last, Member::Object(object)))) if last == group => {
                    object.insert(key, value);
                }
                (Some((group, key)), _) => {
                    let object = Object(vec![(key.to_owned(), value)]);
                    self.insert(group, Member::Object(object));
                }
            }
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, member)| (key, member)))
    }
}

impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for Snapshot {
    fn schema_name() -> Cow<'static, str> {
        "Snapshot".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let sender = object_schema(
            "A sender that is alive; its counts are those of its whole life.",
            [("sender", json_schema!({ "description": "Name of the sender.", "type": "string" }))],
            figure_schemas("sender", SENDER_FIGURES),
        );
        let damaged = generator.subschema_for::<DamagedShard>();
        let run = json_schema!({ "description": "ID of the run, a ULID.", "type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$" });
        let at = json_schema!({ "description": "Time of the reading, RFC 3339 in UTC.", "type": "string", "format": "date-time" });
        let senders = json_schema!({ "description": "The senders alive: those with a heartbeat in the last 15 seconds.", "type": "array", "items": sender });
        let broken = json_schema!({ "description": "Tallies that cannot be read: the counts are too low.", "type": "array", "items": damaged });
        let figures = figure_schemas("snapshot", FIGURES);
        object_schema(
            "A run at a moment: one line of `monitor --json`. Unknown values are null.",
            [("run", run), ("at", at)],
            figures
                .into_iter()
                .chain([("senders".to_owned(), senders), ("broken".to_owned(), broken)])
                .collect(),
        )
    }
}

/// Schemas of the figures below `parent`, by key.
fn figure_schemas<S>(parent: &str, figures: &[&Figure<S>]) -> Vec<(String, Schema)> {
    let mut groups: Vec<(String, Vec<(String, Schema)>)> = Vec::new();
    for figure in figures {
        let Some(key) = figure.key_below(parent) else { continue };
        let schema = figure.unit.schema(figure.help);
        let (name, member) = match key.split_once('.') {
            None => (key, (String::new(), schema)),
            Some((group, key)) => (group, (key.to_owned(), schema)),
        };
        match groups.iter_mut().find(|(group, _)| group == name) {
            Some((_, members)) => members.push(member),
            None => groups.push((name.to_owned(), vec![member])),
        }
    }
    let schema = |mut members: Vec<(String, Schema)>| {
        if members[0].0.is_empty() { members.remove(0).1 } else { object_schema("", [], members) }
    };
    groups.into_iter().map(|(name, members)| (name, schema(members))).collect()
}

/// An object that has exactly these properties.
fn object_schema<const N: usize>(
    help: &str,
    first: [(&str, Schema); N],
    more: Vec<(String, Schema)>,
) -> Schema {
    let all = first.into_iter().map(|(name, schema)| (name.to_owned(), schema)).chain(more);
    let properties: Map<String, Value> = all.map(|(name, schema)| (name, schema.into())).collect();
    let required: Vec<String> = properties.keys().cloned().collect();
    let mut schema = json_schema!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false });
    if !help.is_empty() {
        schema.insert("description".to_owned(), help.into());
    }
    schema
}
