//! Items of a table, attribute by attribute.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// An item, or its key.
pub(super) type Item = HashMap<String, AttributeValue>;

/// An attribute of type S.
pub(super) fn text(value: &(impl ToString + ?Sized)) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// An attribute of type N.
pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The value of an attribute that is of type S.
pub(super) fn string<'i>(item: &'i Item, attribute: &str) -> Option<&'i str> {
    item.get(attribute).and_then(|value| value.as_s().ok()).map(String::as_str)
}

/// How large an item is for the table, bytes; at least that, where numbers are concerned (Amazon DynamoDB Developer
/// Guide, "DynamoDB item sizes and formats").
pub(super) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size_of_value(value)).sum()
}

/// What writing an item takes: a unit for each KB begun (Amazon `DynamoDB` Developer Guide, "`DynamoDB` on-demand capacity
/// mode").
pub(super) fn write_units(item: &Item) -> u64 {
    size(item).div_ceil(1_024).max(1) as u64
}

fn size_of_value(value: &AttributeValue) -> usize {
    /// What a list or a map takes beside its elements, and each element beside its content.
    const NESTED: usize = 3;
    const ELEMENT: usize = 1;
    match value {
        AttributeValue::S(text) => text.len(),
        // A byte for two digits, and one more.
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::M(map) => NESTED + map.len() * ELEMENT + size(map),
        AttributeValue::L(list) => {
            NESTED + list.iter().map(|value| ELEMENT + size_of_value(value)).sum::<usize>()
        }
        // No tally has an attribute of another type; the table judges it itself.
        _ => 1,
    }
}
