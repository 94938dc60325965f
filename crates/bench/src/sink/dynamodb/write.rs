//! `PutItem` and `UpdateItem`.

use serde::{Deserialize, Serialize};

use super::{Consumed, Names, ReturnCapacity, ReturnOnFailure, Tables, Values, placeholders};
use crate::sink::answer::{Answer, Refusal, or_default, read};
use crate::sink::expression::{Condition, Placeholders, Update};
use crate::sink::item::{Given, Item};
use crate::sink::table::write_units;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Put<'a> {
    table_name: String,
    #[serde(borrow)]
    item: Given<'a>,
    condition_expression: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    expression_attribute_names: Names,
    #[serde(borrow, default)]
    expression_attribute_values: Values<'a>,
    #[serde(default, deserialize_with = "or_default")]
    return_consumed_capacity: ReturnCapacity,
    #[serde(default, deserialize_with = "or_default")]
    return_values: ReturnValues,
    #[serde(default, deserialize_with = "or_default")]
    return_values_on_condition_check_failure: ReturnOnFailure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct UpdateCall<'a> {
    table_name: String,
    #[serde(borrow)]
    key: Given<'a>,
    update_expression: Option<String>,
    condition_expression: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    expression_attribute_names: Names,
    #[serde(borrow, default)]
    expression_attribute_values: Values<'a>,
    #[serde(default, deserialize_with = "or_default")]
    return_consumed_capacity: ReturnCapacity,
    #[serde(default, deserialize_with = "or_default")]
    return_values: ReturnValues,
    #[serde(default, deserialize_with = "or_default")]
    return_values_on_condition_check_failure: ReturnOnFailure,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ReturnValues {
    #[default]
    None,
    AllOld,
    AllNew,
    UpdatedOld,
    UpdatedNew,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Written<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<Consumed<'t>>,
}

pub(super) fn put(tables: &mut Tables, body: &[u8]) -> Result<Answer, Refusal> {
    let call: Put = read(body)?;
    let table = tables.table_mut(&call.table_name)?;
    let key = table.key(|name| call.item.get(name)).map_err(Refusal::validation)?;
    let before = table.get(&key);
    check(
        call.condition_expression.as_deref(),
        placeholders(&call.expression_attribute_names, &call.expression_attribute_values),
        before,
        call.return_values_on_condition_check_failure,
    )?;
    let attributes = match call.return_values {
        ReturnValues::None => None,
        ReturnValues::AllOld => before.cloned(),
        _ => return Err(Refusal::validation("PutItem returns ALL_OLD or NONE")),
    };
    let item = call.item.item().map_err(Refusal::validation)?;
    let units = write_units(before, Some(&item));
    table.put(&key, item).map_err(Refusal::validation)?;
    Ok(written("PutItem", attributes, call.return_consumed_capacity.told(&call.table_name, units), units))
}

pub(super) fn update(tables: &mut Tables, body: &[u8]) -> Result<Answer, Refusal> {
    let call: UpdateCall = read(body)?;
    let table = tables.table_mut(&call.table_name)?;
    let key = table.key(|name| call.key.get(name)).map_err(Refusal::validation)?;
    if let Some((name, _)) = call.key.0.iter().find(|(name, _)| !table.is_key(name)) {
        return Err(Refusal::validation(format!("'{name}' is no part of the key")));
    }
    let placeholders = placeholders(&call.expression_attribute_names, &call.expression_attribute_values);
    let update = Update::parse(call.update_expression.as_deref().unwrap_or_default(), placeholders);
    let update = update.map_err(Refusal::validation)?;
    if update.names().any(|name| table.is_key(name)) {
        return Err(Refusal::validation("Cannot update a key attribute"));
    }
    let before = table.get(&key);
    check(
        call.condition_expression.as_deref(),
        placeholders,
        before,
        call.return_values_on_condition_check_failure,
    )?;
    let mut attributes = update.apply(before).map_err(Refusal::validation)?;
    if before.is_none() {
        attributes.splice(0..0, call.key.0.iter().cloned());
    }
    let after = Item::of(attributes.iter().map(|(name, value)| (&**name, value)));
    let after = after.map_err(Refusal::validation)?;
    let changed = |item: Option<&Item>| {
        let attributes: Vec<_> =
            item?.attributes().filter(|(name, _)| update.names().any(|own| own == *name)).collect();
        Item::of(attributes.iter().map(|(name, value)| (*name, value))).ok()
    };
    let returned = match call.return_values {
        ReturnValues::None => None,
        ReturnValues::AllOld => before.cloned(),
        ReturnValues::AllNew => Some(after.clone()),
        ReturnValues::UpdatedOld => changed(before),
        ReturnValues::UpdatedNew => changed(Some(&after)),
    };
    let units = write_units(before, Some(&after));
    table.put(&key, after).map_err(Refusal::validation)?;
    Ok(written("UpdateItem", returned, call.return_consumed_capacity.told(&call.table_name, units), units))
}

fn written(
    operation: &'static str,
    attributes: Option<Item>,
    consumed: Option<Consumed>,
    units: f64,
) -> Answer {
    let mut answer = Answer::of(operation, 1, &Written { attributes, consumed_capacity: consumed });
    answer.write_units = units;
    answer
}

/// Refuses where there is a condition and it does not hold.
fn check(
    condition: Option<&str>,
    placeholders: Placeholders,
    item: Option<&Item>,
    on_failure: ReturnOnFailure,
) -> Result<(), Refusal> {
    let Some(condition) = condition else { return Ok(()) };
    if Condition::parse(condition, placeholders).map_err(Refusal::validation)?.holds(item) {
        return Ok(());
    }
    let mut refusal = Refusal::new(
        "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "The conditional request failed",
    );
    refusal.write_units = write_units(item, None);
    if on_failure == ReturnOnFailure::AllOld {
        refusal.item = item.and_then(|item| serde_json::to_string(item).ok());
    }
    Err(refusal)
}
