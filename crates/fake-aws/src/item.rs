//! Attribute values as in requests, and items in memory: a million of them must fit.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

/// The value of an attribute of a supported type. Numbers are decimal, binary values are in base64.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, serde::Deserialize, Serialize)]
pub enum AttributeValue<'a> {
    S(#[serde(borrow)] Cow<'a, str>),
    N(#[serde(borrow)] Cow<'a, str>),
    B(#[serde(borrow)] Cow<'a, str>),
    #[serde(rename = "BOOL")]
    Bool(bool),
    #[serde(rename = "NULL")]
    Null(bool),
    M(#[serde(borrow)] BTreeMap<Cow<'a, str>, AttributeValue<'a>>),
    L(#[serde(borrow)] Vec<AttributeValue<'a>>),
}

impl AttributeValue<'_> {
    /// Returns its contribution to the item's size, bytes (Amazon DynamoDB Developer Guide, "DynamoDB item sizes
    /// and formats", which gives an estimate for numbers).
    fn size(&self) -> usize {
        /// Overhead of a list or map, and of each of its elements.
        const NESTED: usize = 3;
        const ELEMENT: usize = 1;
        match self {
            Self::S(text) => text.len(),
            Self::N(digits) => digits.len().div_ceil(2) + 1,
            // Base64 has four characters for three bytes.
            Self::B(text) => text.trim_end_matches('=').len() * 3 / 4,
            Self::Bool(_) | Self::Null(_) => 1,
            Self::M(map) => {
                NESTED + map.iter().map(|(name, value)| ELEMENT + name.len() + value.size()).sum::<usize>()
            }
            Self::L(list) => NESTED + list.iter().map(|value| ELEMENT + value.size()).sum::<usize>(),
        }
    }

    /// Compares two strings or two numbers; other types have no order.
    pub(crate) fn order(&self, other: &AttributeValue) -> Option<Ordering> {
        match (self, other) {
            (Self::S(one), AttributeValue::S(other)) => Some(one.as_bytes().cmp(other.as_bytes())),
            (Self::N(one), AttributeValue::N(other)) => order_of_numbers(one, other),
            _ => None,
        }
    }

    /// Whether both are equal; numbers by value.
    pub(crate) fn equals(&self, other: &AttributeValue) -> bool {
        match (self, other) {
            (Self::N(_), AttributeValue::N(_)) => self.order(other) == Some(Ordering::Equal),
            _ => self == other,
        }
    }

    /// Returns the sum of two numbers: exactly of integers, of others as `f64`.
    pub(crate) fn sum(&self, other: &AttributeValue) -> Option<Self> {
        let (Self::N(one), AttributeValue::N(other)) = (self, other) else { return None };
        let sum = match (one.parse::<i128>(), other.parse::<i128>()) {
            (Ok(one), Ok(other)) => one.checked_add(other)?.to_string(),
            _ => (number(one)? + number(other)?).to_string(),
        };
        Some(Self::N(sum.into()))
    }

    /// Why DynamoDB would reject it.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Self::N(digits) if number(digits).is_none() => Some(format!("'{digits}' is not a number")),
            Self::M(map) => map.values().find_map(AttributeValue::problem),
            Self::L(list) => list.iter().find_map(AttributeValue::problem),
            _ => None,
        }
    }
}

/// Compares two numbers: integers exactly, others as `f64`.
fn order_of_numbers(one: &str, other: &str) -> Option<Ordering> {
    match (one.parse::<i128>(), other.parse::<i128>()) {
        (Ok(one), Ok(other)) => Some(one.cmp(&other)),
        _ => number(one)?.partial_cmp(&number(other)?),
    }
}

/// Parses a decimal number; `None` for other texts that an `f64` parses from, such as `inf`.
fn number(digits: &str) -> Option<f64> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    digits.parse().ok().filter(|number: &f64| is_plain && number.is_finite())
}

/// An item: its attributes one after the other, each as length and name, type, length and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item(Box<[u8]>);

/// Maximum length of an attribute's name in this fake, bytes. DynamoDB allows more.
const MAX_NAME: usize = 255;

const TEXT: u8 = 0;
const NUMBER: u8 = 1;
/// Any other type, as JSON.
const JSON: u8 = 2;

impl Item {
    /// Builds an item. The names must be distinct. An error describes why DynamoDB would reject it.
    pub(crate) fn of<'a, 'v>(
        attributes: impl Iterator<Item = (&'a str, &'a AttributeValue<'v>)>,
    ) -> Result<Self, String>
    where
        'v: 'a,
    {
        let mut bytes = Vec::with_capacity(256);
        for (name, value) in attributes {
            if let Some(problem) = value.problem() {
                return Err(problem);
            }
            let length = u8::try_from(name.len()).ok().filter(|length| *length > 0);
            let length = length
                .ok_or_else(|| format!("an attribute's name has 1 to {MAX_NAME} bytes, not '{name}'"))?;
            let json;
            let (kind, content) = match value {
                AttributeValue::S(text) => (TEXT, text.as_bytes()),
                AttributeValue::N(digits) => (NUMBER, digits.as_bytes()),
                other => {
                    json = serde_json::to_vec(other).map_err(|error| error.to_string())?;
                    (JSON, json.as_slice())
                }
            };
            let size = u32::try_from(content.len()).map_err(|error| error.to_string())?;
            bytes.push(length);
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(kind);
            bytes.extend_from_slice(&size.to_le_bytes());
            bytes.extend_from_slice(content);
        }
        Ok(Self(bytes.into_boxed_slice()))
    }

    /// Iterates over the attributes, in the order of the request.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&str, AttributeValue<'_>)> {
        self.raw().filter_map(|raw| Some((std::str::from_utf8(raw.name).ok()?, raw.value()?)))
    }

    pub(crate) fn get(&self, name: &str) -> Option<AttributeValue<'_>> {
        self.raw().find(|raw| raw.name == name.as_bytes()).and_then(Raw::value)
    }

    /// Its size, bytes.
    pub(crate) fn size(&self) -> usize {
        let size = |raw: Raw| match raw.kind {
            TEXT => raw.content.len(),
            _ => raw.value().map_or(0, |value| value.size()),
        };
        self.raw().map(|raw| raw.name.len() + size(raw)).sum()
    }

    fn raw(&self) -> impl Iterator<Item = Raw<'_>> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || next(&mut rest))
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.attributes())
    }
}

/// An attribute in encoded form.
#[derive(Debug, Clone, Copy)]
struct Raw<'i> {
    name: &'i [u8],
    kind: u8,
    content: &'i [u8],
}

impl<'i> Raw<'i> {
    fn value(self) -> Option<AttributeValue<'i>> {
        match self.kind {
            TEXT => std::str::from_utf8(self.content).ok().map(|text| AttributeValue::S(text.into())),
            NUMBER => std::str::from_utf8(self.content).ok().map(|digits| AttributeValue::N(digits.into())),
            _ => serde_json::from_slice(self.content).ok(),
        }
    }
}

fn next<'i>(rest: &mut &'i [u8]) -> Option<Raw<'i>> {
    let (length, after) = rest.split_first()?;
    let (name, after) = after.split_at_checked(usize::from(*length))?;
    let (kind, after) = after.split_first()?;
    let (size, after) = after.split_first_chunk::<4>()?;
    let (content, after) = after.split_at_checked(u32::from_le_bytes(*size) as usize)?;
    *rest = after;
    Some(Raw { name, kind: *kind, content })
}

/// The attributes of an item, a key, or the values of placeholders in a request. A repeated name is an error.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct AttributeMap<'a>(pub(crate) Vec<(Cow<'a, str>, AttributeValue<'a>)>);

impl<'a> AttributeMap<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&AttributeValue<'a>> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The values by position.
    pub(crate) fn parameters(&self) -> Vec<&AttributeValue<'a>> {
        self.0.iter().map(|(_, value)| value).collect()
    }

    pub(crate) fn item(&self) -> Result<Item, String> {
        Item::of(self.0.iter().map(|(name, value)| (&**name, value)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for AttributeMap<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = AttributeMap<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a map of attributes")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<AttributeMap<'de>, A::Error> {
                let mut attributes = AttributeMap::default();
                while let Some((Name(name), value)) = map.next_entry()? {
                    if attributes.get(&name).is_some() {
                        return Err(serde::de::Error::custom(format!("'{name}' is repeated")));
                    }
                    attributes.0.push((name, value));
                }
                Ok(attributes)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// A string that is borrowed where possible, also as the key of a map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
pub(crate) struct Name<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &str = r#"{"id":{"S":"a\"b"},"n":{"N":"18446744073709551615"},"m":{"M":{"l":{"L":[{"N":"1"},{"NULL":true}]}}},"b":{"B":"AAECAw=="},"t":{"BOOL":true}}"#;

    fn item() -> Item {
        serde_json::from_str::<AttributeMap>(ITEM).unwrap().item().unwrap()
    }

    #[test]
    fn an_item_decodes_to_its_attributes() {
        assert_eq!(serde_json::to_string(&item()).unwrap(), ITEM);
        assert_eq!(item().get("id"), Some(AttributeValue::S("a\"b".into())));
        assert_eq!(item().get("i"), None);
    }

    #[test]
    fn size_counts_names_and_values() {
        // id + 3, n + 11, m + 3 + (1 + l + 3 + (1 + 2) + (1 + 1)), b + 4, t + 1
        assert_eq!(item().size(), 5 + 12 + 4 + 10 + 5 + 2);
    }

    #[test]
    fn numbers_are_compared_by_value() {
        let n = |digits: &'static str| AttributeValue::N(digits.into());
        assert!(n("1").equals(&n("1.0")) && n("9").order(&n("10")) == Some(Ordering::Less));
        assert_eq!(n("18446744073709551615").order(&n("18446744073709551614")), Some(Ordering::Greater));
        assert_eq!(n("1").order(&AttributeValue::S("1".into())), None);
        assert!(n("one").problem().is_some() && n("inf").problem().is_some());
    }

    #[test]
    fn repeated_names_and_invalid_values_are_rejected() {
        for bad in [r#"{"a":{"S":"1"},"a":{"S":"2"}}"#, r#"{"a":{"X":"1"}}"#, r#"{"a":"1"}"#, "[]"] {
            assert!(serde_json::from_str::<AttributeMap>(bad).is_err(), "{bad}");
        }
    }
}
