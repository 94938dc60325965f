//! `GetItem`, `BatchGetItem` and `Query`.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{ConsumedCapacity, Names, ReturnCapacity, Tables};
use crate::item::{AttributeMap, Item};
use crate::parser::{self, Placeholders};
use crate::response::{Response, ServiceError, or_default, read};
use crate::table::{Table, read_units};

/// Maximum keys of a batch.
const MAX_KEYS: usize = 100;

/// Size of the items after which a query ends its page, bytes.
const MAX_PAGE: usize = 1_024 * 1_024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct GetItemInput<'a> {
    table_name: String,
    #[serde(borrow)]
    key: AttributeMap<'a>,
    #[serde(default, deserialize_with = "or_default")]
    consistent_read: bool,
    projection_expression: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    expression_attribute_names: Names,
    #[serde(default, deserialize_with = "or_default")]
    return_consumed_capacity: ReturnCapacity,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetItemOutput<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<ConsumedCapacity<'t>>,
}

pub(crate) fn get(tables: &Tables, body: &[u8]) -> Result<Response, ServiceError> {
    let call: GetItemInput = read(body)?;
    let table = tables.table(&call.table_name)?;
    let item = find(table, &call.key)?;
    let units = read_units(item.map_or(0, Item::size), call.consistent_read);
    let projection =
        Projection::parse(call.projection_expression.as_deref(), &call.expression_attribute_names)?;
    let item = item.map(|item| projection.apply(item));
    let consumed = call.return_consumed_capacity.report(&call.table_name, units);
    let mut response = Response::json("GetItem", 1, &GetItemOutput { item, consumed_capacity: consumed });
    response.read_units = units;
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct BatchGetItemInput<'a> {
    #[serde(borrow)]
    request_items: BTreeMap<String, KeysAndAttributes<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    return_consumed_capacity: ReturnCapacity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct KeysAndAttributes<'a> {
    #[serde(borrow)]
    keys: Vec<AttributeMap<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    consistent_read: bool,
    projection_expression: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    expression_attribute_names: Names,
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
        let projection =
            Projection::parse(wanted.projection_expression.as_deref(), &wanted.expression_attribute_names)?;
        let (mut units, mut distinct, mut items) = (0.0, HashSet::new(), Vec::new());
        for key in &wanted.keys {
            let item = find(table, key)?;
            if !distinct.insert(table.key(|name| key.get(name)).map_err(ServiceError::validation)?) {
                return Err(ServiceError::validation("Provided list of item keys contains duplicates"));
            }
            units += read_units(item.map_or(0, Item::size), wanted.consistent_read);
            items.extend(item.map(|item| projection.apply(item)));
        }
        got.responses.insert(name, items);
        got.consumed_capacity.extend(call.return_consumed_capacity.report(name, units));
        all_units += units;
    }
    let mut response = Response::json("BatchGetItem", keys, &got);
    response.read_units = all_units;
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct QueryInput<'a> {
    table_name: String,
    key_condition_expression: String,
    #[serde(default, deserialize_with = "or_default")]
    expression_attribute_names: Names,
    #[serde(borrow, default)]
    expression_attribute_values: AttributeMap<'a>,
    #[serde(default, deserialize_with = "or_default")]
    consistent_read: bool,
    #[serde(borrow)]
    exclusive_start_key: Option<AttributeMap<'a>>,
    limit: Option<usize>,
    projection_expression: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    return_consumed_capacity: ReturnCapacity,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct QueryOutput<'t> {
    items: Vec<Item>,
    count: usize,
    scanned_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_key: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<ConsumedCapacity<'t>>,
}

pub(crate) fn query(tables: &Tables, body: &[u8]) -> Result<Response, ServiceError> {
    let call: QueryInput = read(body)?;
    let table = tables.table(&call.table_name)?;
    let (names, values) = (&call.expression_attribute_names, &call.expression_attribute_values);
    let condition = parser::condition(&call.key_condition_expression, Placeholders { names, values })
        .map_err(ServiceError::validation)?;
    let parameters = values.parameters();
    if let Some(name) = condition.names().into_iter().find(|name| !table.is_key(name)) {
        return Err(ServiceError::validation(format!("'{name}' is not part of the key")));
    }
    let hash = condition.equal_to(table.hash).and_then(|operand| operand.text(&parameters));
    let hash =
        hash.ok_or_else(|| ServiceError::validation(format!("'{}' must equal a string", table.hash)))?;
    let start = call.exclusive_start_key.as_ref().map(|key| table.key(|name| key.get(name))).transpose();
    let start = start.map_err(ServiceError::validation)?;
    let projection =
        Projection::parse(call.projection_expression.as_deref(), &call.expression_attribute_names)?;
    let (mut bytes, mut items, mut last, mut more) = (0, Vec::new(), None, false);
    let wanted = table.partition(hash).filter(|(range, item)| {
        start.as_ref().is_none_or(|start| *range > &*start.range) && condition.holds(Some(item), &parameters)
    });
    for (_, item) in wanted {
        if bytes >= MAX_PAGE || call.limit.is_some_and(|limit| items.len() >= limit.max(1)) {
            more = true;
            break;
        }
        bytes += item.size();
        items.push(projection.apply(item));
        last = Some(item);
    }
    let units = read_units(bytes, call.consistent_read);
    let key_of = |item: &Item| only(item, |name| table.is_key(name));
    let page = QueryOutput {
        count: items.len(),
        scanned_count: items.len(),
        last_evaluated_key: last.filter(|_| more).map(key_of),
        consumed_capacity: call.return_consumed_capacity.report(&call.table_name, units),
        items,
    };
    let mut response = Response::json("Query", page.count, &page);
    response.read_units = units;
    Ok(response)
}

/// Finds the item of a key, which must have no further attributes.
fn find<'t>(table: &'t Table, key: &AttributeMap) -> Result<Option<&'t Item>, ServiceError> {
    if let Some((name, _)) = key.0.iter().find(|(name, _)| !table.is_key(name)) {
        return Err(ServiceError::validation(format!("'{name}' is not part of the key")));
    }
    let key = table.key(|name| key.get(name)).map_err(ServiceError::validation)?;
    Ok(table.get(&key))
}

/// The attributes that a response includes; `None` is all of them.
struct Projection(Option<Vec<String>>);

impl Projection {
    fn parse(text: Option<&str>, names: &Names) -> Result<Self, ServiceError> {
        let values = AttributeMap::default();
        let parse = |text| parser::projection(text, Placeholders { names, values: &values });
        text.map(parse).transpose().map(Self).map_err(ServiceError::validation)
    }

    fn apply(&self, item: &Item) -> Item {
        let Some(names) = &self.0 else { return item.clone() };
        only(item, |name| names.iter().any(|own| own == name))
    }
}

/// Copies some attributes of an item.
fn only(item: &Item, is_included: impl Fn(&str) -> bool) -> Item {
    let attributes: Vec<_> = item.attributes().filter(|(name, _)| is_included(name)).collect();
    Item::of(attributes.iter().map(|(name, value)| (*name, value))).expect("they are from an item")
}
