//! Attribute values as they travel, and items as they lie in memory: a million of them must fit.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

/// An attribute's value, in the wire's form.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, Serialize)]
pub(super) enum Value<'a> {
    S(#[serde(borrow)] Cow<'a, str>),
    N(#[serde(borrow)] Cow<'a, str>),
    B(#[serde(borrow)] Cow<'a, str>),
    #[serde(rename = "BOOL")]
    Bool(bool),
    #[serde(rename = "NULL")]
    Null(bool),
    M(#[serde(borrow)] BTreeMap<Cow<'a, str>, Value<'a>>),
    L(#[serde(borrow)] Vec<Value<'a>>),
    SS(Vec<String>),
    NS(Vec<String>),
    BS(Vec<String>),
}

impl Value<'_> {
    /// How much of an item's size it takes, bytes (Amazon DynamoDB Developer Guide, "DynamoDB item sizes and
    /// formats"; a number's is an estimate there too).
    fn size(&self) -> usize {
        /// What a list or a map takes beside its elements, and each element beside its content.
        const NESTED: usize = 3;
        const ELEMENT: usize = 1;
        let number = |digits: &str| digits.len().div_ceil(2) + 1;
        // Base64 has four characters for three bytes.
        let binary = |text: &str| text.trim_end_matches('=').len() * 3 / 4;
        match self {
            Self::S(text) => text.len(),
            Self::N(digits) => number(digits),
            Self::B(text) => binary(text),
            Self::Bool(_) | Self::Null(_) => 1,
            Self::M(map) => {
                NESTED + map.iter().map(|(name, value)| ELEMENT + name.len() + value.size()).sum::<usize>()
            }
            Self::L(list) => NESTED + list.iter().map(|value| ELEMENT + value.size()).sum::<usize>(),
            Self::SS(set) => set.iter().map(String::len).sum(),
            Self::NS(set) => set.iter().map(|digits| number(digits)).sum(),
            Self::BS(set) => set.iter().map(|text| binary(text)).sum(),
        }
    }

    /// Which is the greater, of two texts or two numbers; other kinds have no order.
    pub(super) fn order(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Self::S(one), Value::S(other)) => Some(one.as_bytes().cmp(other.as_bytes())),
            (Self::N(one), Value::N(other)) => Number::parse(one)?.order(Number::parse(other)?),
            _ => None,
        }
    }

    /// Whether they are equal, numbers by what they mean.
    pub(super) fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::N(_), Value::N(_)) => self.order(other) == Some(Ordering::Equal),
            (Self::SS(one), Value::SS(other))
            | (Self::NS(one), Value::NS(other))
            | (Self::BS(one), Value::BS(other)) => {
                one.len() == other.len() && one.iter().all(|element| other.contains(element))
            }
            _ => self == other,
        }
    }

    /// Why no table would take it.
    pub(super) fn fault(&self) -> Option<String> {
        match self {
            Self::N(digits) if Number::parse(digits).is_none() => {
                Some(format!("'{digits}' is no number that this table knows"))
            }
            Self::M(map) => map.values().find_map(Value::fault),
            Self::L(list) => list.iter().find_map(Value::fault),
            _ => None,
        }
    }
}

/// A number as far as conditions need it: whole ones exactly, others as near as a double comes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Whole(i128),
    Other(f64),
}

impl Number {
    pub(super) fn parse(digits: &str) -> Option<Self> {
        if let Ok(whole) = digits.parse::<i128>() {
            return (digits.len() <= 39).then_some(Self::Whole(whole));
        }
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let number = digits.parse::<f64>().ok().filter(|number| plain && number.is_finite())?;
        Some(Self::Other(number))
    }

    fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => Some(one.cmp(&other)),
            (one, other) => one.approximate().partial_cmp(&other.approximate()),
        }
    }

    fn approximate(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Other(number) => number,
        }
    }

    /// Their sum, or with `sign` -1 their difference, in the wire's form.
    pub(super) fn add(self, other: Self, sign: i8) -> Option<String> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => {
                one.checked_add(other.checked_mul(i128::from(sign))?).map(|sum| sum.to_string())
            }
            (one, other) => Some((one.approximate() + f64::from(sign) * other.approximate()).to_string()),
        }
    }
}

/// An item: its attributes in a row, each with the lengths of its name and of its value before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item(Box<[u8]>);

/// The longest name of an attribute here, bytes. A table takes longer ones that are no keys.
const LONGEST_NAME: usize = 255;

const TEXT: u8 = 0;
const NUMBER: u8 = 1;
/// Whatever else there is, as JSON.
const JSON: u8 = 2;

impl Item {
    /// An item of these attributes, each name once; or why there can be none.
    pub(super) fn of<'a, 'v>(
        attributes: impl Iterator<Item = (&'a str, &'a Value<'v>)>,
    ) -> Result<Self, String>
    where
        'v: 'a,
    {
        let mut bytes = Vec::with_capacity(256);
        for (name, value) in attributes {
            if let Some(fault) = value.fault() {
                return Err(fault);
            }
            let length = u8::try_from(name.len()).ok().filter(|length| *length > 0);
            let length =
                length.ok_or_else(|| format!("a name has 1 to {LONGEST_NAME} bytes here, not '{name}'"))?;
            let json;
            let (kind, content) = match value {
                Value::S(text) => (TEXT, text.as_bytes()),
                Value::N(digits) => (NUMBER, digits.as_bytes()),
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

    /// Its attributes, in the order in which they were given.
    pub(super) fn attributes(&self) -> Attributes<'_> {
        Attributes(&self.0)
    }

    /// One of them.
    pub(super) fn get(&self, name: &str) -> Option<Value<'_>> {
        self.raw().find(|raw| raw.name == name.as_bytes()).and_then(Raw::value)
    }

    /// How large it is, bytes.
    pub(super) fn size(&self) -> usize {
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

/// An attribute that was not looked into yet.
#[derive(Debug, Clone, Copy)]
struct Raw<'i> {
    name: &'i [u8],
    kind: u8,
    content: &'i [u8],
}

impl<'i> Raw<'i> {
    fn value(self) -> Option<Value<'i>> {
        match self.kind {
            TEXT => std::str::from_utf8(self.content).ok().map(|text| Value::S(text.into())),
            NUMBER => std::str::from_utf8(self.content).ok().map(|digits| Value::N(digits.into())),
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

/// The attributes of an item.
#[derive(Debug)]
pub(super) struct Attributes<'i>(&'i [u8]);

impl<'i> Iterator for Attributes<'i> {
    type Item = (&'i str, Value<'i>);

    fn next(&mut self) -> Option<Self::Item> {
        let raw = next(&mut self.0)?;
        Some((std::str::from_utf8(raw.name).ok()?, raw.value()?))
    }
}

/// An item, or a key, as a request brings it; a name that comes twice is an error.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Given<'a>(pub(super) Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Given<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    pub(super) fn item(&self) -> Result<Item, String> {
        Item::of(self.0.iter().map(|(name, value)| (&**name, value)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Given<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Given<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("attributes by name")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Given<'de>, A::Error> {
                let mut given = Given::default();
                while let Some((Name(name), value)) = map.next_entry()? {
                    if given.get(&name).is_some() {
                        return Err(serde::de::Error::custom(format!("'{name}' comes twice")));
                    }
                    given.0.push((name, value));
                }
                Ok(given)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// A text that is borrowed where it can be, also as a key or an element.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &str = r#"{"id":{"S":"a\"b"},"n":{"N":"18446744073709551615"},"m":{"M":{"l":{"L":[{"N":"1"},{"NULL":true}]}}},"b":{"B":"AAECAw=="},"t":{"BOOL":true}}"#;

    fn item() -> Item {
        serde_json::from_str::<Given>(ITEM).unwrap().item().unwrap()
    }

    #[test]
    fn an_item_reads_back_as_it_was_given() {
        assert_eq!(serde_json::to_string(&item()).unwrap(), ITEM);
        assert_eq!(item().get("id"), Some(Value::S("a\"b".into())));
        assert_eq!(item().get("i"), None);
    }

    #[test]
    fn its_size_is_that_of_names_and_values() {
        // id + 3, n + 11, m + 3 + (1 + l + 3 + (1 + 2) + (1 + 1)), b + 4, t + 1
        assert_eq!(item().size(), 5 + 12 + 4 + 10 + 5 + 2);
    }

    #[test]
    fn numbers_are_compared_by_what_they_mean() {
        let n = |digits: &'static str| Value::N(digits.into());
        assert!(n("1").equals(&n("1.0")) && n("9").order(&n("10")) == Some(Ordering::Less));
        assert_eq!(n("18446744073709551615").order(&n("18446744073709551614")), Some(Ordering::Greater));
        assert_eq!(n("1").order(&Value::S("1".into())), None);
        assert!(n("one").fault().is_some() && n("inf").fault().is_some());
    }

    #[test]
    fn what_comes_twice_or_is_no_value_is_refused() {
        for bad in [r#"{"a":{"S":"1"},"a":{"S":"2"}}"#, r#"{"a":{"X":"1"}}"#, r#"{"a":"1"}"#, "[]"] {
            assert!(serde_json::from_str::<Given>(bad).is_err(), "{bad}");
        }
    }
}
