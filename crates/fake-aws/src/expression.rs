//! Conditions and updates of expressions and PartiQL statements.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::item::{AttributeValue, Item};

/// The values of placeholders such as `:value`, or of the `?` of a statement, by position.
pub(crate) type Parameters<'v> = [&'v AttributeValue<'v>];

/// The attributes of an item after an update.
pub(crate) type Attributes<'v> = Vec<(Cow<'v, str>, AttributeValue<'v>)>;

/// Something that may have a value.
#[derive(Debug, PartialEq)]
pub(crate) enum Operand {
    Attribute(String),
    Parameter(usize),
    /// The attribute, or the operand where the item has none.
    IfNotExists(String, Box<Self>),
    Sum(Box<Self>, Box<Self>),
}

/// A condition on an item, which may not exist.
#[derive(Debug, PartialEq)]
pub(crate) enum Condition {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Exists(String),
    Compare(Operand, &'static str, Operand),
}

/// The attributes that a write assigns.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Update(pub(crate) Vec<(String, Operand)>);

impl Condition {
    pub(crate) fn holds(&self, item: Option<&Item>, parameters: &Parameters) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.holds(item, parameters)),
            Self::All(parts) => parts.iter().all(|part| part.holds(item, parameters)),
            Self::Not(part) => !part.holds(item, parameters),
            Self::Exists(name) => item.and_then(|item| item.get(name)).is_some(),
            Self::Compare(left, operator, right) => {
                let values = (left.value(item, parameters), right.value(item, parameters));
                // A missing attribute differs from every value and has no order.
                let (Some(left), Some(right)) = values else { return *operator == "<>" };
                compare(&left, operator, &right)
            }
        }
    }

    /// The operand that an attribute must equal.
    pub(crate) fn equal_to(&self, name: &str) -> Option<&Operand> {
        match self {
            Self::All(parts) => parts.iter().find_map(|part| part.equal_to(name)),
            Self::Compare(Operand::Attribute(own), "=", right) if own == name => Some(right),
            _ => None,
        }
    }

    /// Whether it has only equalities of attributes and values, joined by AND.
    pub(crate) fn has_only_equalities(&self) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(Self::has_only_equalities),
            Self::Compare(Operand::Attribute(_), "=", Operand::Parameter(_)) => true,
            _ => false,
        }
    }

    /// The attributes that it reads.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Any(parts) | Self::All(parts) => parts.iter().flat_map(Self::names).collect(),
            Self::Not(part) => part.names(),
            Self::Exists(name) => vec![name],
            Self::Compare(left, _, right) => left.names().into_iter().chain(right.names()).collect(),
        }
    }
}

fn compare(left: &AttributeValue, operator: &str, right: &AttributeValue) -> bool {
    match operator {
        "=" => left.equals(right),
        "<>" => !left.equals(right),
        _ => left.order(right).is_some_and(|order| match operator {
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            ">" => order == Ordering::Greater,
            _ => order != Ordering::Less,
        }),
    }
}

impl Operand {
    fn names(&self) -> Vec<&str> {
        match self {
            Self::Attribute(name) => vec![name],
            Self::Parameter(_) => Vec::new(),
            Self::IfNotExists(name, other) => other.names().into_iter().chain([name.as_str()]).collect(),
            Self::Sum(left, right) => left.names().into_iter().chain(right.names()).collect(),
        }
    }

    /// Its value, where it is a parameter.
    pub(crate) fn parameter<'v>(&self, parameters: &Parameters<'v>) -> Option<&'v AttributeValue<'v>> {
        let Self::Parameter(position) = self else { return None };
        parameters.get(*position).copied()
    }

    pub(crate) fn value<'v>(
        &'v self,
        item: Option<&'v Item>,
        parameters: &'v Parameters<'v>,
    ) -> Option<AttributeValue<'v>> {
        match self {
            Self::Attribute(name) => item?.get(name),
            Self::Parameter(position) => parameters.get(*position).map(|value| (*value).clone()),
            Self::IfNotExists(name, other) => {
                item.and_then(|item| item.get(name)).or_else(|| other.value(item, parameters))
            }
            Self::Sum(left, right) => left.value(item, parameters)?.sum(&right.value(item, parameters)?),
        }
    }
}

impl Update {
    /// Rejects updates that change an attribute twice.
    pub(crate) fn check(self) -> Result<Self, String> {
        let mut names: Vec<&str> = self.names().collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("an attribute is changed twice".to_owned());
        }
        Ok(self)
    }

    /// The attributes that it changes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// The operand that it assigns to an attribute.
    pub(crate) fn assigned_to(&self, name: &str) -> Option<&Operand> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, operand)| operand)
    }

    /// Returns the attributes after the update. Every operand reads the item before the update.
    pub(crate) fn apply<'v>(
        &'v self,
        item: Option<&'v Item>,
        parameters: &'v Parameters<'v>,
    ) -> Result<Attributes<'v>, String> {
        let mut attributes: Attributes =
            item.into_iter().flat_map(Item::attributes).map(|(name, value)| (name.into(), value)).collect();
        for (name, operand) in &self.0 {
            let value = operand.value(item, parameters).ok_or("an operand has no value")?;
            match attributes.iter_mut().find(|(own, _)| own == name) {
                Some((_, old)) => *old = value,
                None => attributes.push((name.into(), value)),
            }
        }
        Ok(attributes)
    }
}
