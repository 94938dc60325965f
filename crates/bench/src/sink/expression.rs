//! Conditions and updates of `DynamoDB`, as far as the programs and simple others write them. What is not understood
//! is an error, never passed over.

mod parser;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::item::{Item, Number, Value};
use super::token::Tokens;
use parser::Parser;

/// What `#name` and `:value` stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placeholders<'p> {
    pub(super) names: &'p BTreeMap<String, String>,
    pub(super) values: &'p BTreeMap<String, Value<'p>>,
}

/// Something that has a value, perhaps.
#[derive(Debug)]
enum Operand<'p> {
    Attribute(&'p str),
    Value(&'p Value<'p>),
    IfNotExists(&'p str, Box<Operand<'p>>),
    /// The second is added, or with -1 taken away.
    Sum(Box<Operand<'p>>, Box<Operand<'p>>, i8),
}

/// What must hold of an item, or of there being none.
#[derive(Debug)]
pub(super) enum Condition<'p> {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Exists(&'p str),
    BeginsWith(&'p str, &'p Value<'p>),
    Compare(Comparison<'p>),
}

#[derive(Debug)]
pub(super) struct Comparison<'p> {
    left: Operand<'p>,
    operator: &'static str,
    right: Operand<'p>,
}

/// What an update does to attributes.
#[derive(Debug, Default)]
pub(super) struct Update<'p> {
    set: Vec<(&'p str, Operand<'p>)>,
    remove: Vec<&'p str>,
}

/// The attributes of an item as it is going to be.
pub(super) type Attributes<'v> = Vec<(Cow<'v, str>, Value<'v>)>;

impl<'p> Condition<'p> {
    pub(super) fn parse(text: &'p str, placeholders: Placeholders<'p>) -> Result<Self, String> {
        let mut parser = Parser { tokens: Tokens::of(text)?, placeholders };
        let condition = parser.any()?;
        parser.tokens.expect_end()?;
        Ok(condition)
    }

    pub(super) fn holds(&self, item: Option<&Item>) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.holds(item)),
            Self::All(parts) => parts.iter().all(|part| part.holds(item)),
            Self::Not(part) => !part.holds(item),
            Self::Exists(name) => item.and_then(|item| item.get(name)).is_some(),
            Self::BeginsWith(name, start) => match (item.and_then(|item| item.get(name)), start) {
                (Some(Value::S(text)), Value::S(start)) => text.starts_with(&**start),
                _ => false,
            },
            Self::Compare(Comparison { left, operator, right }) => {
                let (left, right) = (left.value(item), right.value(item));
                // An attribute that is not there is not equal to anything, and not in any order.
                let (Some(left), Some(right)) = (left, right) else { return *operator == "<>" };
                match *operator {
                    "=" => left.equals(&right),
                    "<>" => !left.equals(&right),
                    operator => left.order(&right).is_some_and(|order| match operator {
                        "<" => order == Ordering::Less,
                        "<=" => order != Ordering::Greater,
                        ">" => order == Ordering::Greater,
                        _ => order != Ordering::Less,
                    }),
                }
            }
        }
    }

    /// The text that an attribute must equal, whatever else must hold.
    pub(super) fn text_of(&self, name: &str) -> Option<&'p str> {
        match self {
            Self::All(parts) => parts.iter().find_map(|part| part.text_of(name)),
            Self::Compare(Comparison {
                left: Operand::Attribute(own),
                operator: "=",
                right: Operand::Value(Value::S(text)),
            }) if *own == name => Some(text),
            _ => None,
        }
    }

    /// The attributes that it looks at.
    pub(super) fn names(&self) -> Vec<&'p str> {
        match self {
            Self::Any(parts) | Self::All(parts) => parts.iter().flat_map(Self::names).collect(),
            Self::Not(part) => part.names(),
            Self::Exists(name) | Self::BeginsWith(name, _) => vec![name],
            Self::Compare(comparison) => {
                comparison.left.names().into_iter().chain(comparison.right.names()).collect()
            }
        }
    }
}

impl<'p> Operand<'p> {
    fn names(&self) -> Vec<&'p str> {
        match self {
            Self::Attribute(name) => vec![name],
            Self::Value(_) => Vec::new(),
            Self::IfNotExists(name, otherwise) => otherwise.names().into_iter().chain([*name]).collect(),
            Self::Sum(one, other, _) => one.names().into_iter().chain(other.names()).collect(),
        }
    }

    fn value<'v>(&self, item: Option<&'v Item>) -> Option<Value<'v>>
    where
        'p: 'v,
    {
        match self {
            Self::Attribute(name) => item?.get(name),
            Self::Value(value) => Some((*value).clone()),
            Self::IfNotExists(name, otherwise) => {
                item.and_then(|item| item.get(name)).or_else(|| otherwise.value(item))
            }
            Self::Sum(one, other, sign) => {
                let number = |operand: &Self| match operand.value(item)? {
                    Value::N(digits) => Number::parse(&digits),
                    _ => None,
                };
                Some(Value::N(number(one)?.add(number(other)?, *sign)?.into()))
            }
        }
    }
}

impl<'p> Update<'p> {
    pub(super) fn parse(text: &'p str, placeholders: Placeholders<'p>) -> Result<Self, String> {
        let mut parser = Parser { tokens: Tokens::of(text)?, placeholders };
        let mut update = Self::default();
        while parser.tokens.peek().is_some() {
            if parser.tokens.keyword("SET") {
                parser.each(|parser| {
                    let name = parser.name()?;
                    parser.tokens.expect_symbol("=")?;
                    update.set.push((name, parser.sum()?));
                    Ok(())
                })?;
            } else if parser.tokens.keyword("ADD") {
                parser.each(|parser| {
                    let (name, value) = (parser.name()?, parser.given_value()?);
                    if !matches!(value, Value::N(_)) {
                        return Err("ADD is known for numbers only".to_owned());
                    }
                    // What is not there counts as 0.
                    let zero =
                        Operand::IfNotExists(name, Box::new(Operand::Value(&Value::N(Cow::Borrowed("0")))));
                    update.set.push((name, Operand::Sum(zero.into(), Operand::Value(value).into(), 1)));
                    Ok(())
                })?;
            } else if parser.tokens.keyword("REMOVE") {
                parser.each(|parser| {
                    update.remove.push(parser.name()?);
                    Ok(())
                })?;
            } else {
                return Err(format!("SET, ADD or REMOVE is expected {}", parser.tokens.place()));
            }
        }
        let mut touched: Vec<&str> = update.names().collect();
        touched.sort_unstable();
        if touched.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("an attribute is changed twice".to_owned());
        }
        Ok(update)
    }

    /// The attributes that it changes.
    pub(super) fn names(&self) -> impl Iterator<Item = &'p str> {
        self.set.iter().map(|(name, _)| *name).chain(self.remove.iter().copied())
    }

    /// The attributes after the update; every operand sees the item as it was.
    pub(super) fn apply<'v>(&self, item: Option<&'v Item>) -> Result<Attributes<'v>, String>
    where
        'p: 'v,
    {
        let mut attributes: Attributes =
            item.into_iter().flat_map(Item::attributes).map(|(name, value)| (name.into(), value)).collect();
        for (name, operand) in &self.set {
            let value = operand.value(item).ok_or("an operand has no value, or is no number")?;
            match attributes.iter_mut().find(|(own, _)| own == name) {
                Some((_, old)) => *old = value,
                None => attributes.push(((*name).into(), value)),
            }
        }
        attributes.retain(|(name, _)| !self.remove.contains(&&**name));
        Ok(attributes)
    }
}

/// Reads the names of a projection.
pub(super) fn projection<'p>(text: &'p str, placeholders: Placeholders<'p>) -> Result<Vec<&'p str>, String> {
    let mut parser = Parser { tokens: Tokens::of(text)?, placeholders };
    let mut names = Vec::new();
    parser.each(|parser| {
        names.push(parser.name()?);
        Ok(())
    })?;
    parser.tokens.expect_end()?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::super::item::Given;
    use super::*;

    fn item(json: &str) -> Item {
        serde_json::from_str::<Given>(json).unwrap().item().unwrap()
    }

    fn with<T>(test: impl FnOnce(Placeholders) -> T) -> T {
        let names = BTreeMap::from([("#s".to_owned(), "status".to_owned())]);
        let number = |digits: &'static str| Value::N(digits.into());
        let values = BTreeMap::from([
            (":p".to_owned(), Value::S("PENDING".into())),
            (":five".to_owned(), number("5")),
            (":ten".to_owned(), number("10")),
        ]);
        test(Placeholders { names: &names, values: &values })
    }

    #[test]
    fn conditions_hold_of_what_they_say() {
        let there = item(r#"{"status":{"S":"PENDING"},"n":{"N":"7"}}"#);
        let holds = |text: &str, item: Option<&Item>| {
            with(|placeholders| Condition::parse(text, placeholders).unwrap().holds(item))
        };
        for (text, on_item, on_nothing) in [
            ("#s = :p", true, false),
            ("#s <> :p", false, true),
            ("n < :ten AND n > :five", true, false),
            ("n <= :five OR n >= :ten", false, false),
            ("attribute_exists(#s) AND (attribute_not_exists(n) OR n < :ten)", true, false),
            ("attribute_not_exists(#s) OR n = :five", false, true),
            ("NOT begins_with(#s, :p)", false, true),
            ("n = :p", false, false),
        ] {
            assert_eq!((holds(text, Some(&there)), holds(text, None)), (on_item, on_nothing), "{text}");
        }
    }

    #[test]
    fn updates_see_the_item_as_it_was() {
        let before = item(r#"{"n":{"N":"7"},"gone":{"S":""}}"#);
        let after = with(|placeholders| {
            let text = "SET m = n + :five, n = n - :ten, k = if_not_exists(k, :ten) ADD c :five REMOVE gone";
            let after = Update::parse(text, placeholders).unwrap().apply(Some(&before)).unwrap();
            Item::of(after.iter().map(|(name, value)| (&**name, value))).unwrap()
        });
        assert_eq!(after, item(r#"{"n":{"N":"-3"},"m":{"N":"12"},"k":{"N":"10"},"c":{"N":"5"}}"#));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        with(|placeholders| {
            for bad in [
                "",
                "#s",
                "#s = ",
                "#x = :p",
                "#s = :x",
                "size(#s) > :five",
                "n BETWEEN :five AND :ten",
                "a.b = :p",
                "#s = :p x",
            ] {
                assert!(Condition::parse(bad, placeholders).is_err(), "{bad}");
            }
            for bad in
                ["n = :five", "SET n", "SET n = :x", "SET n = :five, n = :ten", "ADD n :p", "DELETE n :p"]
            {
                assert!(Update::parse(bad, placeholders).is_err(), "{bad}");
            }
            let lost = Update::parse("SET n = m + :five", placeholders).unwrap();
            assert!(lost.apply(None).is_err());
        });
    }
}
