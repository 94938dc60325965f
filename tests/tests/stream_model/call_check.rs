//! The calls that the aggregator may make. Any other form of a call is a violation.

use serde_json::{Map, Value, json};

/// Checks a call to DynamoDB by its operation and input.
pub fn check_call(operation: &str, input: &Value) -> Result<(), String> {
    if input["TableName"] != crate::stage::METRICS_TABLE {
        return Err(format!("a call to another table: {input}"));
    }
    match operation {
        "GetItem" => check_get(input),
        "PutItem" => check_put(input),
        other => Err(format!("unexpected operation {other}: {input}")),
    }
}

fn check_get(input: &Value) -> Result<(), String> {
    check_parameters(input, &["TableName", "Key", "ConsistentRead"])?;
    if input["ConsistentRead"] != true {
        return Err(format!("an eventually consistent read: {input}"));
    }
    check_key(&input["Key"])
}

/// Allows an unconditional put, one of a new item, and one that replaces an item with the expected checkpoint.
fn check_put(input: &Value) -> Result<(), String> {
    let (names, values) = (&input["ExpressionAttributeNames"], &input["ExpressionAttributeValues"]);
    let always = ["TableName", "Item", "ConditionExpression"];
    match input["ConditionExpression"].as_str() {
        None => check_parameters(input, &always)?,
        Some("attribute_not_exists(#run)") if *names == json!({"#run": "run"}) => {
            check_parameters(input, &[&always[..], &["ExpressionAttributeNames"]].concat())?;
        }
        Some("checkpoint = :before")
            if values
                .as_object()
                .is_some_and(|values| values.len() == 1 && values.contains_key(":before")) =>
        {
            check_parameters(input, &[&always[..], &["ExpressionAttributeValues"]].concat())?;
        }
        Some(_) => return Err(format!("unexpected condition: {input}")),
    }
    check_key(&input["Item"])
}

fn check_parameters(input: &Value, allowed: &[&str]) -> Result<(), String> {
    let mut names = input.as_object().into_iter().flat_map(Map::keys);
    // `ReturnConsumedCapacity` does not change what a call does.
    match names.find(|name| !allowed.contains(&name.as_str()) && *name != "ReturnConsumedCapacity") {
        None => Ok(()),
        Some(name) => Err(format!("unexpected parameter {name}: {input}")),
    }
}

fn check_key(item: &Value) -> Result<(), String> {
    let has = |name: &str| item[name]["S"].is_string();
    if has("run") && has("part") { Ok(()) } else { Err(format!("the key is missing: {item}")) }
}
