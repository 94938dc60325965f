//! `GetItem`, `BatchGetItem` and `Query`.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{ConsumedCapacity, Names, ReturnCapacity, Tables, consumed};
use crate::item::{AttributeMap, AttributeValue, Item};
use crate::parser::{self, Placeholders};
use crate::response::{Response, ServiceError, read};
use crate::table::{Table, read_units};

/// Maximum keys of a batch.
const MAX_KEYS: usize = 100;

/// Size of the items after which a query ends its page, bytes.
const MAX_PAGE: usize = 1_024 * 1_024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct GetItemInput<'a> {
    table_name: &'a str,
    key: AttributeMap<'a>,
    consistent_read: Option<bool>,
    return_consumed_capacity: Option<ReturnCapacity>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetItemOutput<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<&'t Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<ConsumedCapacity<'t>>,
}

pub(crate) fn get(tables: &Tables, body: &[u8]) -> Result<Response, ServiceError> {
    let call: GetItemInput = read(body)?;
    let table = tables.table(call.table_name)?;
    let item = find(table, &call.key)?;
    let units = read_units(item.map_or(0, Item::size), call.consistent_read.unwrap_or_default());
    let consumed_capacity = consumed(call.return_consumed_capacity, call.table_name, units);
    let output = GetItemOutput { item, consumed_capacity };
    Ok(Response { read_units: units, ..Response::json("GetItem", 1, &output) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct BatchGetItemInput<'a> {
    #[serde(borrow)]
    request_items: BTreeMap<String, KeysAndAttributes<'a>>,
    return_consumed_capacity: Option<ReturnCapacity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct KeysAndAttributes<'a> {
    #[serde(borrow)]
    keys: Vec<AttributeMap<'a>>,
    consistent_read: Option<bool>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<Names>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchGetItemOutput<'t> {
    responses: BTreeMap<&'t str, Vec<Item>>,
    /// Always empty.
    unprocessed_keys: Names,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    consumed_capacity: Vec<ConsumedCapacity<'t>>,
}

pub(crate) fn batch_get(tables: &Tables, body: &[u8]) -> Result<Response, ServiceError> {
    let call: BatchGetItemInput = read(body)?;
    let keys: usize = call.request_items.values().map(|wanted| wanted.keys.len()).sum();
    if keys == 0 || keys > MAX_KEYS {
        return Err(ServiceError::validation(format!("a batch has 1 to {MAX_KEYS} keys")));
    }
    let mut got = BatchGetItemOutput {
        responses: BTreeMap::new(),
        unprocessed_keys: Names::new(),
        consumed_capacity: Vec::new(),
    };
    let mut all_units = 0.0;
    for (name, wanted) in &call.request_items {
        let table = tables.table(name)?;
        let placeholders = Placeholders {
            names: wanted.expression_attribute_names.as_ref(),
            values: &AttributeMap::default(),
        };
        let projection = wanted.projection_expression.as_deref();
        let projection = projection.map(|text| parser::projection(text, placeholders)).transpose();
        let projection = projection.map_err(ServiceError::validation)?;
        // All attributes, unless the call names some.
        let is_included =
            |name: &str| projection.as_ref().is_none_or(|names| names.iter().any(|own| own == name));
        let (mut units, mut distinct, mut items) = (0.0, HashSet::new(), Vec::new());
        for key in &wanted.keys {
            let item = find(table, key)?;
            if !distinct.insert(table.key(|name| key.get(name)).map_err(ServiceError::validation)?) {
                return Err(ServiceError::validation("Provided list of item keys contains duplicates"));
            }
            units += read_units(item.map_or(0, Item::size), wanted.consistent_read.unwrap_or_default());
            items.extend(item.map(|item| only(item, is_included)));
        }
        got.responses.insert(name, items);
        got.consumed_capacity.extend(consumed(call.return_consumed_capacity, name, units));
        all_units += units;
    }
    Ok(Response { read_units: all_units, ..Response::json("BatchGetItem", keys, &got) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct QueryInput<'a> {
    table_name: &'a str,
    key_condition_expression: String,
    expression_attribute_names: Option<Names>,
    #[serde(default)]
    expression_attribute_values: AttributeMap<'a>,
    consistent_read: Option<bool>,
    exclusive_start_key: Option<AttributeMap<'a>>,
    return_consumed_capacity: Option<ReturnCapacity>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct QueryOutput<'t> {
    items: Vec<&'t Item>,
    count: usize,
    scanned_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_key: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<ConsumedCapacity<'t>>,
}

pub(crate) fn query(tables: &Tables, body: &[u8]) -> Result<Response, ServiceError> {
    let call: QueryInput = read(body)?;
    let table = tables.table(call.table_name)?;
    let (names, values) = (call.expression_attribute_names.as_ref(), &call.expression_attribute_values);
    let condition = parser::condition(&call.key_condition_expression, Placeholders { names, values })
        .map_err(ServiceError::validation)?;
    let parameters = values.parameters();
    if let Some(name) = condition.names().into_iter().find(|name| !table.is_key(name)) {
        return Err(ServiceError::validation(format!("'{name}' is not part of the key")));
    }
    let hash = condition.equal_to(table.hash).and_then(|operand| operand.parameter(&parameters));
    let Some(AttributeValue::S(hash)) = hash else {
        return Err(ServiceError::validation(format!("'{}' must equal a string", table.hash)));
    };
    let start = call.exclusive_start_key.as_ref().map(|key| table.key(|name| key.get(name))).transpose();
    let start = start.map_err(ServiceError::validation)?;
    let (mut bytes, mut items, mut last, mut more) = (0, Vec::new(), None, false);
    let wanted = table.partition(hash).filter(|(range, item)| {
        start.as_ref().is_none_or(|start| *range > &*start.range) && condition.holds(Some(item), &parameters)
    });
    for (_, item) in wanted {
        if bytes >= MAX_PAGE {
            more = true;
            break;
        }
        bytes += item.size();
        items.push(item);
        last = Some(item);
    }
    let units = read_units(bytes, call.consistent_read.unwrap_or_default());
    let key_of = |item: &Item| only(item, |name| table.is_key(name));
    let page = QueryOutput {
        count: items.len(),
        scanned_count: items.len(),
        last_evaluated_key: last.filter(|_| more).map(key_of),
        consumed_capacity: consumed(call.return_consumed_capacity, call.table_name, units),
        items,
    };
    Ok(Response { read_units: units, ..Response::json("Query", page.count, &page) })
}

/// Finds the item of a key, which must have no further attributes.
fn find<'t>(table: &'t Table, key: &AttributeMap) -> Result<Option<&'t Item>, ServiceError> {
    if let Some((name, _)) = key.0.iter().find(|(name, _)| !table.is_key(name)) {
        return Err(ServiceError::validation(format!("'{name}' is not part of the key")));
    }
    let key = table.key(|name| key.get(name)).map_err(ServiceError::validation)?;
    Ok(table.get(&key))
}

/// Copies some attributes of an item.
fn only(item: &Item, is_included: impl Fn(&str) -> bool) -> Item {
    let attributes: Vec<_> = item.attributes().filter(|(name, _)| is_included(name)).collect();
    Item::of(attributes.iter().map(|(name, value)| (*name, value))).expect("they are from an item")
}
