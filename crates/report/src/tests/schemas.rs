//! The JSON schemas are generated from the types. `UPDATE_SCHEMAS=1 cargo test -p stentor-report` rewrites the files.

use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Value, json};
use stentor_run_view::snapshot::Snapshot;

use crate::Report;
use crate::comparison::Comparison;

/// Objects have no other properties than those of their type, and only a difference and a correction are ever negative.
#[derive(Debug, Clone)]
struct Strict;

impl Transform for Strict {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        if schema.get("properties").is_some() {
            schema.insert("additionalProperties".to_owned(), json!(false));
        }
        for (name, property) in
            schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten()
        {
            let is_signed = ["difference", "clock_offset_seconds"].contains(&name.as_str());
            if property["format"] == "double" && !is_signed && property.get("minimum").is_none() {
                property["minimum"] = json!(0);
            }
        }
        transform_subschemas(self, schema);
    }
}

fn schema<T: JsonSchema>() -> String {
    let generator = SchemaSettings::draft2020_12().for_serialize().with_transform(Strict).into_generator();
    serde_json::to_string_pretty(&generator.into_root_schema_for::<T>()).unwrap() + "\n"
}

#[test]
fn the_schema_files_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../monitor");
    for (name, schema) in [
        ("snapshot", schema::<Snapshot>()),
        ("report", schema::<Report>()),
        ("comparison", schema::<Comparison>()),
    ] {
        let path = folder.join(format!("{name}.schema.json"));
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(&path, &schema).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap();
        assert!(
            stored == schema,
            "{name}.schema.json differs from the types; rewrite it with UPDATE_SCHEMAS=1"
        );
    }
}
