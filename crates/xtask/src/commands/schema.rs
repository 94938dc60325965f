//! The fields of a JSON schema as rows of a table: path, type and meaning.

use std::collections::BTreeMap;

use serde_json::Value;

/// A row: path, type and meaning.
type Row = [String; 3];

/// Name of the type that the monitor prints, which has its own table.
const SNAPSHOT: &str = "Snapshot";
/// Name of the type of a report, which has its own table.
const REPORT: &str = "Report";

/// Returns the fields of a schema with nested ones. An object that occurs again refers to its first occurrence.
pub(super) fn rows(schema: &Value) -> Vec<Row> {
    let mut walk = Walk { definitions: &schema["$defs"], shown: BTreeMap::new(), rows: Vec::new() };
    walk.members(schema, "");
    walk.rows
}

/// Names the type of a value.
fn kind(node: &Value, definitions: &Value) -> String {
    if let Some((_, definition)) = referenced(node, definitions) {
        return kind(definition, definitions);
    }
    let texts =
        |values: &[Value]| values.iter().filter_map(Value::as_str).map(|text| format!("`{text}`")).collect();
    let join = |mut parts: Vec<String>, by: &str| {
        parts.dedup();
        parts.join(by)
    };
    if let Some(values) = node["enum"].as_array() {
        return join(texts(values), ", ");
    }
    if let Some(options) = node["oneOf"].as_array().or(node["anyOf"].as_array()) {
        return if options.iter().all(|option| option["const"].is_string()) {
            join(texts(&options.iter().map(|option| option["const"].clone()).collect::<Vec<_>>()), ", ")
        } else {
            join(options.iter().map(|option| kind(option, definitions)).collect(), " or ")
        };
    }
    match &node["type"] {
        Value::Array(types) => join(types.iter().map(word).collect(), " or "),
        Value::String(name) if name == "array" => {
            format!("list of {}", plural(&kind(&node["items"], definitions)))
        }
        name => word(name),
    }
}

/// Returns the plural of the name of a type.
fn plural(kind: &str) -> String {
    let (first, rest) = kind.split_once(' ').unwrap_or((kind, ""));
    match first {
        "true" => "booleans".to_owned(),
        "text" | "number" | "integer" | "object" => format!("{first}s {rest}").trim_end().to_owned(),
        _ => kind.to_owned(),
    }
}

/// Returns a plain word for a type of JSON.
fn word(name: &Value) -> String {
    match name.as_str().unwrap_or_default() {
        "string" => "text",
        "boolean" => "true or false",
        other => other,
    }
    .to_owned()
}

/// Returns the definition that a node refers to, with its name.
fn referenced<'a>(node: &'a Value, definitions: &'a Value) -> Option<(&'a str, &'a Value)> {
    let name = node["$ref"].as_str()?.rsplit('/').next()?;
    Some((name, &definitions[name]))
}

/// Whether a definition is a sum of which a part may be unknown.
fn is_sum(definition: &Value) -> bool {
    definition["properties"].as_object().is_some_and(|fields| fields.keys().eq(["amount", "at_least"]))
}

/// Returns the description of each constant of an enumeration that has one.
fn meanings(node: &Value) -> impl Iterator<Item = String> {
    let options = node["oneOf"].as_array().into_iter().flatten();
    options.filter_map(|option| {
        Some(format!("`{}`: {}", option["const"].as_str()?, option["description"].as_str()?))
    })
}

struct Walk<'a> {
    definitions: &'a Value,
    /// The path at which each definition was listed.
    shown: BTreeMap<String, String>,
    rows: Vec<Row>,
}

impl Walk<'_> {
    /// Adds the fields of an object in the order of their declaration.
    fn members(&mut self, object: &Value, parent: &str) {
        let Some(fields) = object["properties"].as_object() else { return };
        let declared = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut names: Vec<&str> = declared.collect();
        names.extend(
            fields.keys().map(String::as_str).filter(|name| !names.contains(name)).collect::<Vec<_>>(),
        );
        for name in names {
            let separator = if parent.is_empty() { "" } else { "." };
            self.field(&fields[name], &format!("{parent}{separator}{name}"));
        }
    }

    /// Adds a field, and below it those of its object or of the objects in its list.
    fn field(&mut self, node: &Value, path: &str) {
        let definition = referenced(node, self.definitions);
        let help =
            node["description"].as_str().or(definition.and_then(|(_, node)| node["description"].as_str()));
        let help = [help.unwrap_or_default().to_owned()].into_iter();
        let help = help.chain(meanings(definition.map_or(node, |(_, node)| node))).collect::<Vec<_>>();
        let help = help.join(" ").replace("`DynamoDB`", "DynamoDB");
        let (item, item_path) = if node["type"] == "array" {
            (&node["items"], format!("{path}[]"))
        } else {
            (node, path.to_owned())
        };
        let named = referenced(item, self.definitions);
        let object = named.map_or(item, |(_, definition)| definition);
        if object["properties"].is_null() {
            self.push(&item_path, kind(node, self.definitions), help);
            return;
        }
        if is_sum(object) {
            self.push(&item_path, "sum".to_owned(), help);
            return;
        }
        let elsewhere = match named.map(|(name, _)| name) {
            Some(SNAPSHOT) => Some("[`monitor`](#monitor) prints its fields".to_owned()),
            Some(REPORT) => Some("[`monitor report`](#monitor-report) has its fields".to_owned()),
            Some(name) => self.shown.get(name).map(|first| format!("fields as in `{first}`")),
            None => None,
        };
        let kind = kind(node, self.definitions);
        if let Some(elsewhere) = elsewhere {
            self.push(&item_path, kind, format!("{} ({elsewhere})", help.trim_end_matches('.')));
            return;
        }
        if let Some((name, _)) = named {
            self.shown.insert(name.to_owned(), item_path.clone());
        }
        // An object that only groups figures has neither a name nor a description.
        if named.is_some() || !help.is_empty() {
            self.push(&item_path, kind, help);
        }
        self.members(object, &item_path);
    }

    fn push(&mut self, path: &str, kind: String, help: String) {
        self.rows.push([path.to_owned(), kind, help]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_in_the_order_of_their_declaration_and_once() {
        let schema = json!({
            "required": ["b", "a", "list"],
            "properties": {
                "a": { "description": "Another.", "$ref": "#/$defs/Times" },
                "b": { "description": "Times.", "$ref": "#/$defs/Times" },
                "list": { "type": "array", "items": { "$ref": "#/$defs/Cost" } },
            },
            "$defs": {
                "Times": { "required": ["p50"], "properties": { "p50": { "type": ["number", "null"] } }, "type": "object" },
                "Cost": { "required": ["sum"], "properties": { "sum": { "$ref": "#/$defs/Sum" } }, "type": "object" },
                "Sum": { "properties": { "amount": {}, "at_least": {} }, "type": "object" },
            },
        });
        let rows: Vec<String> = rows(&schema).iter().map(|row| row.join(" | ")).collect();
        assert_eq!(
            rows,
            [
                "b | object | Times.",
                "b.p50 | number or null | ",
                "a | object | Another (fields as in `b`)",
                "list[] | list of objects | ",
                "list[].sum | sum | ",
            ]
        );
    }

    #[test]
    fn constants_are_listed_with_their_meaning() {
        let schema = json!({
            "properties": { "state": { "description": "State.", "$ref": "#/$defs/State" } },
            "$defs": { "State": { "oneOf": [{ "const": "on", "description": "It works." }, { "const": "off" }] } },
        });
        assert_eq!(rows(&schema), [["state", "`on`, `off`", "State. `on`: It works."]]);
    }

    #[test]
    fn types_have_plain_names() {
        let kind = |node| kind(&node, &json!({ "Mode": { "enum": ["on", "off"] } }));
        assert_eq!(kind(json!({ "$ref": "#/$defs/Mode" })), "`on`, `off`");
        assert_eq!(kind(json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] })), "`a`, `b`");
        assert_eq!(kind(json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] })), "text or null");
        assert_eq!(kind(json!({ "type": "array", "items": { "type": "boolean" } })), "list of booleans");
        assert_eq!(
            kind(json!({ "type": "array", "items": { "type": ["number", "null"] } })),
            "list of numbers or null"
        );
    }
}
