//! Reads an expression's words.

use super::{Comparison, Condition, Operand, Placeholders, Value};
use crate::sink::token::{Token, Tokens};

/// An expression that is being read.
pub(super) struct Parser<'p> {
    pub(super) tokens: Tokens<'p>,
    pub(super) placeholders: Placeholders<'p>,
}

impl<'p> Parser<'p> {
    /// One or more, with commas between them.
    pub(super) fn each(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        one(self)?;
        while self.tokens.symbol(",") {
            one(self)?;
        }
        Ok(())
    }

    pub(super) fn any(&mut self) -> Result<Condition<'p>, String> {
        let mut parts = vec![self.all()?];
        while self.tokens.keyword("OR") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) })
    }

    fn all(&mut self) -> Result<Condition<'p>, String> {
        let mut parts = vec![self.single()?];
        while self.tokens.keyword("AND") {
            parts.push(self.single()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) })
    }

    fn single(&mut self) -> Result<Condition<'p>, String> {
        if self.tokens.keyword("NOT") {
            return Ok(Condition::Not(Box::new(self.single()?)));
        }
        if self.tokens.symbol("(") {
            let condition = self.any()?;
            self.tokens.expect_symbol(")")?;
            return Ok(condition);
        }
        let exists = self.tokens.keyword("attribute_exists");
        if exists || self.tokens.keyword("attribute_not_exists") {
            self.tokens.expect_symbol("(")?;
            let condition = Condition::Exists(self.name()?);
            self.tokens.expect_symbol(")")?;
            return Ok(if exists { condition } else { Condition::Not(Box::new(condition)) });
        }
        if self.tokens.keyword("begins_with") {
            self.tokens.expect_symbol("(")?;
            let name = self.name()?;
            self.tokens.expect_symbol(",")?;
            let condition = Condition::BeginsWith(name, self.given_value()?);
            self.tokens.expect_symbol(")")?;
            return Ok(condition);
        }
        let left = self.operand()?;
        let place = self.tokens.place();
        let Token::Symbol(operator @ ("=" | "<>" | "<" | "<=" | ">" | ">=")) = self.tokens.next()? else {
            return Err(format!("a comparison is expected {place}"));
        };
        Ok(Condition::Compare(Comparison { left, operator, right: self.operand()? }))
    }

    pub(super) fn sum(&mut self) -> Result<Operand<'p>, String> {
        let first = self.operand()?;
        let sign = if self.tokens.symbol("+") {
            1
        } else if self.tokens.symbol("-") {
            -1
        } else {
            return Ok(first);
        };
        Ok(Operand::Sum(Box::new(first), Box::new(self.operand()?), sign))
    }

    fn operand(&mut self) -> Result<Operand<'p>, String> {
        if matches!(self.tokens.peek(), Some(Token::Placeholder(name)) if name.starts_with(':')) {
            return self.given_value().map(Operand::Value);
        }
        if self.tokens.keyword("if_not_exists") {
            self.tokens.expect_symbol("(")?;
            let name = self.name()?;
            self.tokens.expect_symbol(",")?;
            let otherwise = self.operand()?;
            self.tokens.expect_symbol(")")?;
            return Ok(Operand::IfNotExists(name, Box::new(otherwise)));
        }
        self.name().map(Operand::Attribute)
    }

    pub(super) fn name(&mut self) -> Result<&'p str, String> {
        let place = self.tokens.place();
        match self.tokens.next()? {
            Token::Word(name) => Ok(name),
            Token::Placeholder(name) if name.starts_with('#') => {
                let name_of = self.placeholders.names.get(name).map(String::as_str);
                name_of.ok_or_else(|| format!("{name} stands for nothing"))
            }
            _ => Err(format!("a name is expected {place}")),
        }
    }

    pub(super) fn given_value(&mut self) -> Result<&'p Value<'p>, String> {
        let place = self.tokens.place();
        match self.tokens.next()? {
            Token::Placeholder(name) if name.starts_with(':') => {
                self.placeholders.values.get(name).ok_or_else(|| format!("{name} stands for nothing"))
            }
            _ => Err(format!("a value is expected {place}")),
        }
    }
}
