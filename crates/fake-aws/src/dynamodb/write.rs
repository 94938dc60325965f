//! `PutItem` and `UpdateItem`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ConsumedCapacity, Names, ReturnCapacity, Tables, consumed, updated_item};
use crate::item::{AttributeMap, Item};
use crate::parser::{self, Placeholders};
use crate::response::{Response, ServiceError, read};
use crate::table::write_units;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct PutItemInput<'a> {
    table_name: &'a str,
    item: AttributeMap<'a>,
    condition_expression: Option<String>,
    expression_attribute_names: Option<Names>,
    #[serde(default)]
    expression_attribute_values: AttributeMap<'a>,
    return_consumed_capacity: Option<ReturnCapacity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct UpdateItemInput<'a> {
    table_name: &'a str,
    key: AttributeMap<'a>,
    update_expression: Option<String>,
    condition_expression: Option<String>,
    expression_attribute_names: Option<Names>,
    #[serde(default)]
    expression_attribute_values: AttributeMap<'a>,
    return_consumed_capacity: Option<ReturnCapacity>,
    return_values: Option<ReturnValues>,
    return_values_on_condition_check_failure: Option<ReturnOldValues>,
}

#[derive(Deserialize)]
enum ReturnValues {
    #[serde(rename = "ALL_NEW")]
    AllNew,
}

#[derive(Deserialize)]
enum ReturnOldValues {
    #[serde(rename = "ALL_OLD")]
    AllOld,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WriteOutput<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<ConsumedCapacity<'t>>,
}

pub(super) fn put(tables: &mut Tables, body: &[u8]) -> Result<Response, ServiceError> {
    let call: PutItemInput = read(body)?;
    let is_recorded = tables.recorded_puts.is_some();
    let table = tables.table_mut(call.table_name)?;
    let key = table.key(|name| call.item.get(name)).map_err(ServiceError::validation)?;
    let before = table.get(&key);
    let (names, values) = (call.expression_attribute_names.as_ref(), &call.expression_attribute_values);
    check(call.condition_expression.as_deref(), Placeholders { names, values }, before)?;
    let item = call.item.item().map_err(ServiceError::validation)?;
    let units = write_units(before, Some(&item));
    if !table.consume(&key, units) {
        return Err(ServiceError::throttled_table());
    }
    let record = is_recorded.then(|| json(&item));
    table.put(&key, item).map_err(ServiceError::validation)?;
    tables.recorded_puts.iter_mut().for_each(|puts| puts.extend(record.clone()));
    let consumed_capacity = consumed(call.return_consumed_capacity, call.table_name, units);
    Ok(response("PutItem", &WriteOutput { attributes: None, consumed_capacity }, units))
}

pub(super) fn update(tables: &mut Tables, body: &[u8]) -> Result<Response, ServiceError> {
    let call: UpdateItemInput = read(body)?;
    let table = tables.table_mut(call.table_name)?;
    let key = table.key(|name| call.key.get(name)).map_err(ServiceError::validation)?;
    if let Some((name, _)) = call.key.0.iter().find(|(name, _)| !table.is_key(name)) {
        return Err(ServiceError::validation(format!("'{name}' is not part of the key")));
    }
    let (names, values) = (call.expression_attribute_names.as_ref(), &call.expression_attribute_values);
    let placeholders = Placeholders { names, values };
    let update = parser::update(call.update_expression.as_deref().unwrap_or_default(), placeholders)
        .map_err(ServiceError::validation)?;
    if update.names().any(|name| table.is_key(name)) {
        return Err(ServiceError::validation("Cannot update a key attribute"));
    }
    let before = table.get(&key);
    check(call.condition_expression.as_deref(), placeholders, before).map_err(|error| ServiceError {
        item: call.return_values_on_condition_check_failure.as_ref().and(before).map(json),
        ..error
    })?;
    let after = updated_item(before, &call.key.0, &update, &values.parameters());
    let after = after.map_err(ServiceError::validation)?;
    let units = write_units(before, Some(&after));
    if !table.consume(&key, units) {
        return Err(ServiceError::throttled_table());
    }
    let attributes = call.return_values.as_ref().map(|ReturnValues::AllNew| json(&after));
    table.put(&key, after).map_err(ServiceError::validation)?;
    let consumed_capacity = consumed(call.return_consumed_capacity, call.table_name, units);
    Ok(response("UpdateItem", &WriteOutput { attributes, consumed_capacity }, units))
}

fn json(item: &Item) -> Value {
    serde_json::to_value(item).expect("an item is JSON")
}

fn response(operation: &'static str, output: &WriteOutput, units: f64) -> Response {
    Response { write_units: units, ..Response::json(operation, 1, output) }
}

/// Fails if there is a condition that does not hold.
fn check(
    condition: Option<&str>,
    placeholders: Placeholders,
    item: Option<&Item>,
) -> Result<(), ServiceError> {
    let Some(condition) = condition else { return Ok(()) };
    let condition = parser::condition(condition, placeholders).map_err(ServiceError::validation)?;
    if condition.holds(item, &placeholders.values.parameters()) {
        return Ok(());
    }
    Err(ServiceError {
        write_units: write_units(item, None),
        ..ServiceError::dynamodb("ConditionalCheckFailedException", "The conditional request failed")
    })
}
