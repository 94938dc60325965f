//! `PutItem` and `UpdateItem`.

use serde::{Deserialize, Serialize};

use super::{ConsumedCapacity, Names, ReturnCapacity, ReturnOnFailure, Tables, updated_item};
use crate::item::{AttributeMap, Item};
use crate::parser::{self, Placeholders};
use crate::response::{Response, ServiceError, or_default, read};
use crate::table::write_units;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct PutItemInput<'a> {
    table_name: String,
    #[serde(borrow)]
    item: AttributeMap<'a>,
    condition_expression: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    expression_attribute_names: Names,
    #[serde(borrow, default)]
    expression_attribute_values: AttributeMap<'a>,
    #[serde(default, deserialize_with = "or_default")]
    return_consumed_capacity: ReturnCapacity,
    #[serde(default, deserialize_with = "or_default")]
    return_values_on_condition_check_failure: ReturnOnFailure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct UpdateItemInput<'a> {
    table_name: String,
    #[serde(borrow)]
    key: AttributeMap<'a>,
    update_expression: Option<String>,
    condition_expression: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    expression_attribute_names: Names,
    #[serde(borrow, default)]
    expression_attribute_values: AttributeMap<'a>,
    #[serde(default, deserialize_with = "or_default")]
    return_consumed_capacity: ReturnCapacity,
    #[serde(default, deserialize_with = "or_default")]
    return_values_on_condition_check_failure: ReturnOnFailure,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WriteOutput<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<ConsumedCapacity<'t>>,
}

pub(super) fn put(tables: &mut Tables, body: &[u8]) -> Result<Response, ServiceError> {
    let call: PutItemInput = read(body)?;
    let is_recorded = tables.recorded_puts.is_some();
    let table = tables.table_mut(&call.table_name)?;
    let key = table.key(|name| call.item.get(name)).map_err(ServiceError::validation)?;
    let before = table.get(&key);
    check(
        call.condition_expression.as_deref(),
        Placeholders { names: &call.expression_attribute_names, values: &call.expression_attribute_values },
        before,
        call.return_values_on_condition_check_failure,
    )?;
    let item = call.item.item().map_err(ServiceError::validation)?;
    let units = write_units(before, Some(&item));
    let record = is_recorded.then(|| serde_json::to_value(&item).expect("an item is JSON"));
    table.put(&key, item).map_err(ServiceError::validation)?;
    tables.recorded_puts.iter_mut().for_each(|puts| puts.extend(record.clone()));
    let capacity = call.return_consumed_capacity.report(&call.table_name, units);
    Ok(response("PutItem", capacity, units))
}

pub(super) fn update(tables: &mut Tables, body: &[u8]) -> Result<Response, ServiceError> {
    let call: UpdateItemInput = read(body)?;
    let table = tables.table_mut(&call.table_name)?;
    let key = table.key(|name| call.key.get(name)).map_err(ServiceError::validation)?;
    if let Some((name, _)) = call.key.0.iter().find(|(name, _)| !table.is_key(name)) {
        return Err(ServiceError::validation(format!("'{name}' is not part of the key")));
    }
    let (names, values) = (&call.expression_attribute_names, &call.expression_attribute_values);
    let placeholders = Placeholders { names, values };
    let update = parser::update(call.update_expression.as_deref().unwrap_or_default(), placeholders)
        .map_err(ServiceError::validation)?;
    if update.names().any(|name| table.is_key(name)) {
        return Err(ServiceError::validation("Cannot update a key attribute"));
    }
    let before = table.get(&key);
    check(
        call.condition_expression.as_deref(),
        placeholders,
        before,
        call.return_values_on_condition_check_failure,
    )?;
    let after = updated_item(before, &call.key.0, &update, &values.parameters());
    let after = after.map_err(ServiceError::validation)?;
    let units = write_units(before, Some(&after));
    table.put(&key, after).map_err(ServiceError::validation)?;
    let capacity = call.return_consumed_capacity.report(&call.table_name, units);
    Ok(response("UpdateItem", capacity, units))
}

fn response(operation: &'static str, consumed_capacity: Option<ConsumedCapacity>, units: f64) -> Response {
    let mut response = Response::json(operation, 1, &WriteOutput { consumed_capacity });
    response.write_units = units;
    response
}

/// Fails if there is a condition that does not hold.
fn check(
    condition: Option<&str>,
    placeholders: Placeholders,
    item: Option<&Item>,
    on_failure: ReturnOnFailure,
) -> Result<(), ServiceError> {
    let Some(condition) = condition else { return Ok(()) };
    let condition = parser::condition(condition, placeholders).map_err(ServiceError::validation)?;
    if condition.holds(item, &placeholders.values.parameters()) {
        return Ok(());
    }
    let mut error = ServiceError::new(
        "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "The conditional request failed",
    );
    error.write_units = write_units(item, None);
    if on_failure == ReturnOnFailure::AllOld {
        error.item = item.and_then(|item| serde_json::to_string(item).ok());
    }
    Err(error)
}
