//! A table in memory.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::item::{Item, Value};

/// The largest item that a table takes, bytes (Amazon DynamoDB Developer Guide, "Quotas in Amazon DynamoDB").
const LARGEST_ITEM: usize = 400 * 1_024;

/// A table, with a key of one or two texts.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) hash: &'static str,
    pub(super) range: Option<&'static str>,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Single(HashMap<Box<str>, Item>),
    Sorted(HashMap<Box<str>, BTreeMap<Box<str>, Item>>),
}

/// What names an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key<'a> {
    pub(super) hash: Cow<'a, str>,
    pub(super) range: Cow<'a, str>,
}

impl Table {
    pub(super) fn single(name: String, hash: &'static str) -> Self {
        Self { name, hash, range: None, rows: Rows::Single(HashMap::new()) }
    }

    pub(super) fn sorted(name: String, hash: &'static str, range: &'static str) -> Self {
        Self { name, hash, range: Some(range), rows: Rows::Sorted(HashMap::new()) }
    }

    /// Whether an attribute is of the key.
    pub(super) fn is_key(&self, name: &str) -> bool {
        name == self.hash || Some(name) == self.range
    }

    /// The key among attributes.
    pub(super) fn key<'v, 'a: 'v>(
        &self,
        get: impl Fn(&str) -> Option<&'v Value<'a>>,
    ) -> Result<Key<'v>, String> {
        let part = |name: &str| match get(name) {
            Some(Value::S(text)) if !text.is_empty() => Ok(Cow::Borrowed(&**text)),
            Some(_) => Err(format!("the key '{name}' is a text, and not an empty one")),
            None => Err(format!("the key '{name}' is missing")),
        };
        Ok(Key { hash: part(self.hash)?, range: self.range.map_or(Ok(Cow::Borrowed("")), part)? })
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Item> {
        match &self.rows {
            Rows::Single(rows) => rows.get(&*key.hash),
            Rows::Sorted(rows) => rows.get(&*key.hash)?.get(&*key.range),
        }
    }

    /// Puts an item in the place of the one with its key.
    pub(super) fn put(&mut self, key: &Key, item: Item) -> Result<(), String> {
        if item.size() > LARGEST_ITEM {
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

    /// The items of a partition, in the order of their keys.
    pub(super) fn partition<'t>(&'t self, hash: &str) -> Box<dyn Iterator<Item = (&'t str, &'t Item)> + 't> {
        match &self.rows {
            Rows::Single(rows) => Box::new(rows.get(hash).into_iter().map(|item| ("", item))),
            Rows::Sorted(rows) => Box::new(
                rows.get(hash).into_iter().flat_map(|rows| rows.iter().map(|(range, item)| (&**range, item))),
            ),
        }
    }

    /// Makes room for that many more.
    pub(super) fn reserve(&mut self, items: usize) {
        if let Rows::Single(rows) = &mut self.rows {
            rows.reserve(items);
        }
    }

    /// Every item.
    pub(super) fn items(&self) -> Box<dyn Iterator<Item = &Item> + '_> {
        match &self.rows {
            Rows::Single(rows) => Box::new(rows.values()),
            Rows::Sorted(rows) => Box::new(rows.values().flat_map(BTreeMap::values)),
        }
    }
}

/// What a write takes, by the sizes of the item before and after it (Amazon DynamoDB Developer Guide, "DynamoDB
/// read and write operations"): a unit a KB of the larger, and at least one.
pub(super) fn write_units(before: Option<&Item>, after: Option<&Item>) -> f64 {
    let size = before.map_or(0, Item::size).max(after.map_or(0, Item::size));
    size.div_ceil(1_024).max(1) as f64
}

/// What a read takes: a unit for 4 KB, half of it where it need not be consistent; at least one such.
pub(super) fn read_units(bytes: usize, consistent: bool) -> f64 {
    bytes.div_ceil(4_096).max(1) as f64 * if consistent { 1.0 } else { 0.5 }
}
