//! `GetItem`, `BatchGetItem` and `Query`.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Consumed, Names, ReturnCapacity, Tables, Values, placeholders};
use crate::sink::answer::{Answer, Refusal, or_default, read};
use crate::sink::expression::{Condition, projection};
use crate::sink::item::{Given, Item};
use crate::sink::table::{Table, read_units};

/// The most keys of a batch.
const MOST_KEYS: usize = 100;

/// The most bytes of items that a query looks at.
const LARGEST_PAGE: usize = 1_024 * 1_024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Get<'a> {
    table_name: String,
    #[serde(borrow)]
    key: Given<'a>,
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
struct Got<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<Consumed<'t>>,
}

pub(super) fn get(tables: &Tables, body: &[u8]) -> Result<Answer, Refusal> {
    let call: Get = read(body)?;
    let table = tables.table(&call.table_name)?;
    let item = find(table, &call.key)?;
    let units = read_units(item.map_or(0, Item::size), call.consistent_read);
    let shown = Shown::parse(call.projection_expression.as_deref(), &call.expression_attribute_names)?;
    let item = item.map(|item| shown.of(item));
    let consumed = call.return_consumed_capacity.told(&call.table_name, units);
    let mut answer = Answer::of("GetItem", 1, &Got { item, consumed_capacity: consumed });
    answer.read_units = units;
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct BatchGet<'a> {
    #[serde(borrow)]
    request_items: BTreeMap<String, Wanted<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    return_consumed_capacity: ReturnCapacity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Wanted<'a> {
    #[serde(borrow)]
    keys: Vec<Given<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    consistent_read: bool,
    projection_expression: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    expression_attribute_names: Names,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchGot<'t> {
    responses: BTreeMap<&'t str, Vec<Item>>,
    /// None ever: a map that stays empty.
    unprocessed_keys: Names,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    consumed_capacity: Vec<Consumed<'t>>,
}

pub(super) fn batch_get(tables: &Tables, body: &[u8]) -> Result<Answer, Refusal> {
    let call: BatchGet = read(body)?;
    let keys: usize = call.request_items.values().map(|wanted| wanted.keys.len()).sum();
    if keys == 0 || keys > MOST_KEYS {
        return Err(Refusal::validation(format!("a batch has 1 to {MOST_KEYS} keys")));
    }
    let mut got = BatchGot {
        responses: BTreeMap::new(),
        unprocessed_keys: Names::new(),
        consumed_capacity: Vec::new(),
    };
    let mut all_units = 0.0;
    for (name, wanted) in &call.request_items {
        let table = tables.table(name)?;
        let shown =
            Shown::parse(wanted.projection_expression.as_deref(), &wanted.expression_attribute_names)?;
        let (mut units, mut seen, mut items) = (0.0, HashSet::new(), Vec::new());
        for key in &wanted.keys {
            let item = find(table, key)?;
            if !seen.insert(table.key(|name| key.get(name)).map_err(Refusal::validation)?) {
                return Err(Refusal::validation("Provided list of item keys contains duplicates"));
            }
            units += read_units(item.map_or(0, Item::size), wanted.consistent_read);
            items.extend(item.map(|item| shown.of(item)));
        }
        got.responses.insert(name, items);
        got.consumed_capacity.extend(call.return_consumed_capacity.told(name, units));
        all_units += units;
    }
    let mut answer = Answer::of("BatchGetItem", keys, &got);
    answer.read_units = all_units;
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Query<'a> {
    table_name: String,
    key_condition_expression: String,
    #[serde(default, deserialize_with = "or_default")]
    expression_attribute_names: Names,
    #[serde(borrow, default)]
    expression_attribute_values: Values<'a>,
    #[serde(default, deserialize_with = "or_default")]
    consistent_read: bool,
    #[serde(borrow)]
    exclusive_start_key: Option<Given<'a>>,
    limit: Option<usize>,
    projection_expression: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    return_consumed_capacity: ReturnCapacity,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page<'t> {
    items: Vec<Item>,
    count: usize,
    scanned_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_key: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<Consumed<'t>>,
}

pub(super) fn query(tables: &Tables, body: &[u8]) -> Result<Answer, Refusal> {
    let call: Query = read(body)?;
    let table = tables.table(&call.table_name)?;
    let placeholders = placeholders(&call.expression_attribute_names, &call.expression_attribute_values);
    let condition = Condition::parse(&call.key_condition_expression, placeholders);
    let condition = condition.map_err(Refusal::validation)?;
    if let Some(name) = condition.names().into_iter().find(|name| !table.is_key(name)) {
        return Err(Refusal::validation(format!("'{name}' is no part of the key")));
    }
    let hash = condition.text_of(table.hash);
    let hash = hash.ok_or_else(|| Refusal::validation(format!("'{}' must equal a text", table.hash)))?;
    let start = call.exclusive_start_key.as_ref().map(|key| table.key(|name| key.get(name))).transpose();
    let start = start.map_err(Refusal::validation)?;
    let shown = Shown::parse(call.projection_expression.as_deref(), &call.expression_attribute_names)?;
    let (mut bytes, mut items, mut last, mut more) = (0, Vec::new(), None, false);
    let wanted = table.partition(hash).filter(|(range, item)| {
        start.as_ref().is_none_or(|start| *range > &*start.range) && condition.holds(Some(item))
    });
    for (_, item) in wanted {
        if bytes >= LARGEST_PAGE || call.limit.is_some_and(|limit| items.len() >= limit.max(1)) {
            more = true;
            break;
        }
        bytes += item.size();
        items.push(shown.of(item));
        last = Some(item);
    }
    let units = read_units(bytes, call.consistent_read);
    let key_of = |item: &Item| only(item, |name| table.is_key(name));
    let page = Page {
        count: items.len(),
        scanned_count: items.len(),
        last_evaluated_key: last.filter(|_| more).map(key_of),
        consumed_capacity: call.return_consumed_capacity.told(&call.table_name, units),
        items,
    };
    let mut answer = Answer::of("Query", page.count, &page);
    answer.read_units = units;
    Ok(answer)
}

/// The item with just that key.
fn find<'t>(table: &'t Table, key: &Given) -> Result<Option<&'t Item>, Refusal> {
    if let Some((name, _)) = key.0.iter().find(|(name, _)| !table.is_key(name)) {
        return Err(Refusal::validation(format!("'{name}' is no part of the key")));
    }
    let key = table.key(|name| key.get(name)).map_err(Refusal::validation)?;
    Ok(table.get(&key))
}

/// Which attributes are shown; all where nothing is said.
struct Shown<'p>(Option<Vec<&'p str>>);

impl<'p> Shown<'p> {
    fn parse(text: Option<&'p str>, names: &'p Names) -> Result<Self, Refusal> {
        static NO_VALUES: Values<'static> = BTreeMap::new();
        let parse = |text| projection(text, placeholders(names, &NO_VALUES));
        text.map(parse).transpose().map(Self).map_err(Refusal::validation)
    }

    fn of(&self, item: &Item) -> Item {
        self.0.as_ref().map_or_else(|| item.clone(), |names| only(item, |name| names.contains(&name)))
    }
}

fn only(item: &Item, wanted: impl Fn(&str) -> bool) -> Item {
    let attributes: Vec<_> = item.attributes().filter(|(name, _)| wanted(name)).collect();
    Item::of(attributes.iter().map(|(name, value)| (*name, value))).expect("they were in an item before")
}
