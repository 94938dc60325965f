//! A table in memory.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use crate::capacity::TableCapacity;
use crate::item::{AttributeValue, Item};

/// Maximum size of an item, bytes (Amazon DynamoDB Developer Guide, "Quotas in Amazon DynamoDB").
const MAX_ITEM_SIZE: usize = 400 * 1_024;

/// A table whose key is one or two strings.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) hash: &'static str,
    pub(crate) range: Option<&'static str>,
    rows: Rows,
    /// What it accepts; `None` for everything.
    pub(crate) capacity: Option<TableCapacity>,
}

#[derive(Debug)]
enum Rows {
    Single(HashMap<Box<str>, Item>),
    Sorted(HashMap<Box<str>, BTreeMap<Box<str>, Item>>),
}

/// The values of an item's key; `range` is empty in a table without a sort key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key<'a> {
    pub(crate) hash: Cow<'a, str>,
    pub(crate) range: Cow<'a, str>,
}

impl Table {
    pub(crate) fn single(name: String, hash: &'static str) -> Self {
        Self { name, hash, range: None, rows: Rows::Single(HashMap::new()), capacity: None }
    }

    pub(crate) fn sorted(name: String, hash: &'static str, range: &'static str) -> Self {
        Self { name, hash, range: Some(range), rows: Rows::Sorted(HashMap::new()), capacity: None }
    }

    /// Whether an attribute is part of the key.
    pub(crate) fn is_key(&self, name: &str) -> bool {
        name == self.hash || Some(name) == self.range
    }

    /// Reads the key from attributes.
    pub(crate) fn key<'v, 'a: 'v>(
        &self,
        get: impl Fn(&str) -> Option<&'v AttributeValue<'a>>,
    ) -> Result<Key<'v>, String> {
        let part = |name: &str| match get(name) {
            Some(AttributeValue::S(text)) if !text.is_empty() => Ok(Cow::Borrowed(&**text)),
            Some(_) => Err(format!("the key '{name}' must be a string that is not empty")),
            None => Err(format!("the key '{name}' is missing")),
        };
        Ok(Key { hash: part(self.hash)?, range: self.range.map_or(Ok(Cow::Borrowed("")), part)? })
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Item> {
        match &self.rows {
            Rows::Single(rows) => rows.get(&*key.hash),
            Rows::Sorted(rows) => rows.get(&*key.hash)?.get(&*key.range),
        }
    }

    /// Consumes the units of a write to the item with that key. Returns `false` if the write is throttled.
    pub(crate) fn consume(&mut self, key: &Key, units: f64) -> bool {
        self.capacity.as_mut().is_none_or(|capacity| capacity.try_write(&key.hash, units))
    }

    /// Puts an item, and replaces the one with the same key.
    pub(crate) fn put(&mut self, key: &Key, item: Item) -> Result<(), String> {
        if item.size() > MAX_ITEM_SIZE {
            return Err("Item size has exceeded the maximum allowed size".to_owned());
        }
        match &mut self.rows {
            Rows::Single(rows) => match rows.get_mut(&*key.hash) {
                Some(place) => *place = item,
                None => drop(rows.insert((&*key.hash).into(), item)),
            },
            Rows::Sorted(rows) => {
                drop(rows.entry((&*key.hash).into()).or_default().insert((&*key.range).into(), item));
            }
        }
        Ok(())
    }

    /// Iterates over the items of a partition in the order of the sort key.
    pub(crate) fn partition<'t>(&'t self, hash: &str) -> Box<dyn Iterator<Item = (&'t str, &'t Item)> + 't> {
        match &self.rows {
            Rows::Single(rows) => Box::new(rows.get(hash).into_iter().map(|item| ("", item))),
            Rows::Sorted(rows) => Box::new(
                rows.get(hash).into_iter().flat_map(|rows| rows.iter().map(|(range, item)| (&**range, item))),
            ),
        }
    }

    /// Allocates memory for that many more items.
    pub(crate) fn reserve(&mut self, items: usize) {
        if let Rows::Single(rows) = &mut self.rows {
            rows.reserve(items);
        }
    }

    /// Iterates over all items.
    pub(crate) fn items(&self) -> Box<dyn Iterator<Item = &Item> + '_> {
        match &self.rows {
            Rows::Single(rows) => Box::new(rows.values()),
            Rows::Sorted(rows) => Box::new(rows.values().flat_map(BTreeMap::values)),
        }
    }
}

/// Write units of a write, from the item before and after it: one per KB of the larger, at least one (Amazon DynamoDB
/// Developer Guide, "DynamoDB read and write operations").
pub(crate) fn write_units(before: Option<&Item>, after: Option<&Item>) -> f64 {
    let size = before.map_or(0, Item::size).max(after.map_or(0, Item::size));
    size.div_ceil(1_024).max(1) as f64
}

/// Read units of a read: one per 4 KB, half of it for an eventually consistent read; at least one or a half.
pub(crate) fn read_units(bytes: usize, consistent: bool) -> f64 {
    bytes.div_ceil(4_096).max(1) as f64 * if consistent { 1.0 } else { 0.5 }
}
