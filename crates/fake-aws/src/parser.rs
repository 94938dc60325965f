//! The parser of expressions and PartiQL statements. What it does not support is an error.

use std::collections::BTreeMap;

use crate::expression::{Condition, Operand, Update};
use crate::item::AttributeMap;
use crate::token::{Token, Tokens};

/// What the placeholders `#name` and `:value` of an expression stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placeholders<'p> {
    pub(crate) names: Option<&'p BTreeMap<String, String>>,
    pub(crate) values: &'p AttributeMap<'p>,
}

/// Reads one expression or statement.
pub(crate) struct Parser<'p> {
    pub(crate) tokens: Tokens<'p>,
    /// `None` in a statement, which has `?` and quoted names instead.
    placeholders: Option<Placeholders<'p>>,
    /// Number of `?` so far.
    pub(crate) parameters: usize,
}

/// Parses a condition expression or key condition expression.
pub(crate) fn condition(text: &str, placeholders: Placeholders) -> Result<Condition, String> {
    let mut parser = Parser { tokens: Tokens::read(text)?, placeholders: Some(placeholders), parameters: 0 };
    let condition = parser.condition()?;
    parser.tokens.expect_end()?;
    Ok(condition)
}

/// Parses an update expression.
pub(crate) fn update(text: &str, placeholders: Placeholders) -> Result<Update, String> {
    let mut parser = Parser { tokens: Tokens::read(text)?, placeholders: Some(placeholders), parameters: 0 };
    parser.tokens.expect_keyword("SET")?;
    let update = Update(parser.list(Parser::assignment)?);
    parser.tokens.expect_end()?;
    update.check()
}

/// Parses a projection expression.
pub(crate) fn projection(text: &str, placeholders: Placeholders) -> Result<Vec<String>, String> {
    let mut parser = Parser { tokens: Tokens::read(text)?, placeholders: Some(placeholders), parameters: 0 };
    let names = parser.list(Parser::name)?;
    parser.tokens.expect_end()?;
    Ok(names)
}

impl<'p> Parser<'p> {
    pub(crate) fn statement(text: &'p str) -> Result<Self, String> {
        Ok(Self { tokens: Tokens::read(text)?, placeholders: None, parameters: 0 })
    }

    /// Reads one or more, separated by commas.
    pub(crate) fn list<T>(
        &mut self,
        element: impl Fn(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut elements = vec![element(self)?];
        while self.tokens.symbol(",") {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    pub(crate) fn condition(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.conjunction()?];
        while self.tokens.keyword("OR") {
            parts.push(self.conjunction()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) })
    }

    fn conjunction(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.single_condition()?];
        while self.tokens.keyword("AND") {
            parts.push(self.single_condition()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) })
    }

    fn single_condition(&mut self) -> Result<Condition, String> {
        if self.tokens.symbol("(") {
            let condition = self.condition()?;
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
        let left = self.operand()?;
        let position = self.tokens.position();
        let Token::Symbol(operator @ ("=" | "<>" | "<" | "<=" | ">" | ">=")) = self.tokens.next()? else {
            return Err(format!("expected a comparison {position}"));
        };
        Ok(Condition::Compare(left, operator, self.operand()?))
    }

    /// Reads `name = operand`, or the sum of two operands.
    pub(crate) fn assignment(&mut self) -> Result<(String, Operand), String> {
        let name = self.name()?;
        self.tokens.expect_symbol("=")?;
        let operand = self.assigned_operand()?;
        if self.placeholders.is_some() && self.tokens.symbol("+") {
            return Ok((name, Operand::Sum(Box::new(operand), Box::new(self.assigned_operand()?))));
        }
        Ok((name, operand))
    }

    fn assigned_operand(&mut self) -> Result<Operand, String> {
        if self.placeholders.is_none() || !self.tokens.keyword("if_not_exists") {
            return self.operand();
        }
        self.tokens.expect_symbol("(")?;
        let name = self.name()?;
        self.tokens.expect_symbol(",")?;
        let other = Box::new(self.operand()?);
        self.tokens.expect_symbol(")")?;
        Ok(Operand::IfNotExists(name, other))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        match self.tokens.peek() {
            Some(Token::Placeholder(name)) if name.starts_with(':') => return self.parameter(),
            Some(Token::Symbol("?")) => return self.parameter(),
            _ => {}
        }
        self.name().map(Operand::Attribute)
    }

    /// Reads the name of an attribute or table.
    pub(crate) fn name(&mut self) -> Result<String, String> {
        let position = self.tokens.position();
        match (self.tokens.next()?, self.placeholders) {
            (Token::Word(name), _) | (Token::Quoted(name), None) => Ok(name.to_owned()),
            (Token::Placeholder(name), Some(placeholders)) if name.starts_with('#') => {
                let name_of = placeholders.names.and_then(|names| names.get(name));
                name_of.cloned().ok_or_else(|| format!("{name} is not defined"))
            }
            _ => Err(format!("expected a name {position}")),
        }
    }

    /// Reads `:value` of an expression, or `?` of a statement.
    pub(crate) fn parameter(&mut self) -> Result<Operand, String> {
        let position = self.tokens.position();
        match (self.tokens.next()?, self.placeholders) {
            (Token::Placeholder(name), Some(placeholders)) => {
                let index = placeholders.values.0.iter().position(|(own, _)| own == name);
                index.map(Operand::Parameter).ok_or_else(|| format!("{name} is not defined"))
            }
            (Token::Symbol("?"), None) => {
                self.parameters += 1;
                Ok(Operand::Parameter(self.parameters - 1))
            }
            _ => Err(format!("expected a value {position}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Parameters;
    use crate::item::Item;

    fn item(json: &str) -> Item {
        serde_json::from_str::<AttributeMap>(json).unwrap().item().unwrap()
    }

    fn with<T>(test: impl FnOnce(Placeholders, &Parameters) -> T) -> T {
        let names = BTreeMap::from([("#s".to_owned(), "status".to_owned())]);
        let values = r#"{":p":{"S":"PENDING"},":five":{"N":"5"},":ten":{"N":"10"}}"#;
        let values: AttributeMap = serde_json::from_str(values).unwrap();
        test(Placeholders { names: Some(&names), values: &values }, &values.parameters())
    }

    #[test]
    fn conditions_hold_for_the_right_items() {
        let there = item(r#"{"status":{"S":"PENDING"},"n":{"N":"7"}}"#);
        let holds = |text: &str, item: Option<&Item>| {
            with(|placeholders, parameters| condition(text, placeholders).unwrap().holds(item, parameters))
        };
        for (text, on_item, on_nothing) in [
            ("#s = :p", true, false),
            ("#s <> :p", false, true),
            ("n < :ten AND n > :five", true, false),
            ("n <= :five OR n >= :ten", false, false),
            ("attribute_exists(#s) AND (attribute_not_exists(n) OR n < :ten)", true, false),
            ("attribute_not_exists(#s) OR n = :five", false, true),
            ("n = :p", false, false),
        ] {
            assert_eq!((holds(text, Some(&there)), holds(text, None)), (on_item, on_nothing), "{text}");
        }
    }

    #[test]
    fn updates_read_the_item_before_the_update() {
        let before = item(r#"{"n":{"N":"7"},"kept":{"S":""}}"#);
        let after = with(|placeholders, parameters| {
            let text = "SET m = n, n = n + :five, k = if_not_exists(k, :ten) + :five, kept = if_not_exists(kept, :p)";
            let update = update(text, placeholders).unwrap();
            let after = update.apply(Some(&before), parameters).unwrap();
            Item::of(after.iter().map(|(name, value)| (&**name, value))).unwrap()
        });
        assert_eq!(after, item(r#"{"n":{"N":"12"},"kept":{"S":""},"m":{"N":"7"},"k":{"N":"15"}}"#));
    }

    #[test]
    fn unsupported_expressions_are_rejected() {
        with(|placeholders, parameters| {
            for bad in [
                "",
                "#s",
                "#s = ",
                "#x = :p",
                "#s = :x",
                "#s = ?",
                "#s = 'PENDING'",
                "size(#s) > :five",
                "begins_with(#s, :p)",
                "NOT #s = :p",
                "n BETWEEN :five AND :ten",
                "a.b = :p",
                "#s = :p x",
            ] {
                assert!(condition(bad, placeholders).is_err(), "{bad}");
            }
            for bad in [
                "",
                "n = :five",
                "SET n",
                "SET n = :x",
                "SET n = :five, n = :ten",
                "SET n = n - :five",
                "SET n = n + :five + :ten",
                "SET n = if_not_exists(n)",
                "ADD n :five",
                "REMOVE n",
            ] {
                assert!(update(bad, placeholders).is_err(), "{bad}");
            }
            let missing = update("SET n = m", placeholders).unwrap();
            assert!(missing.apply(None, parameters).is_err());
            let text = update("SET n = :p + :five", placeholders).unwrap();
            assert!(text.apply(None, parameters).is_err(), "only numbers have a sum");
        });
    }
}
