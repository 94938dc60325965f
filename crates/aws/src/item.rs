//! Attributes and sizes of items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// An item, or its key.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Makes an attribute of type S.
pub(super) fn text(value: &(impl ToString + ?Sized)) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// Makes an attribute of type N.
pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Returns the value of an attribute of type S.
pub(super) fn string<'i>(item: &'i Item, attribute: &str) -> Option<&'i str> {
    item.get(attribute).and_then(|value| value.as_s().ok()).map(String::as_str)
}

/// Returns the size of an item, bytes; a lower bound where it has numbers (Amazon DynamoDB Developer
/// Guide, "DynamoDB item sizes and formats").
pub(super) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size_of_value(value)).sum()
}

/// Returns the write units of an item: one for each KB begun (Amazon DynamoDB Developer Guide, "DynamoDB on-demand
/// capacity mode").
pub(super) fn write_units(item: &Item) -> u64 {
    size(item).div_ceil(1_024).max(1) as u64
}

/// Returns the read units of a consistent query: one for each 4 KB begun of all its items (Amazon DynamoDB Developer Guide,
/// "DynamoDB on-demand capacity mode").
pub(super) fn read_units(items: &[Item]) -> u64 {
    items.iter().map(size).sum::<usize>().div_ceil(4_096).max(1) as u64
}

fn size_of_value(value: &AttributeValue) -> usize {
    /// Overhead of a list or map, and of each of its elements, bytes.
    const NESTED: usize = 3;
    const ELEMENT: usize = 1;
    match value {
        AttributeValue::S(text) => text.len(),
        // One byte for two digits, and one more.
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::M(map) => NESTED + map.len() * ELEMENT + size(map),
        AttributeValue::L(list) => {
            NESTED + list.iter().map(|value| ELEMENT + size_of_value(value)).sum::<usize>()
        }
        // No tally has an attribute of another type; DynamoDB checks the item itself.
        _ => 1,
    }
}
