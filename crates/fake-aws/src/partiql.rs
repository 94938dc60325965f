//! PartiQL: `INSERT` of one item, and `UPDATE` of one item with a condition of equalities.

use crate::expression::{Condition, Operand, Update};
use crate::parser::Parser;
use crate::token::Token;

/// A parsed statement.
#[derive(Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) table: String,
    pub(crate) operation: Operation,
    /// Number of `?`.
    pub(crate) parameters: usize,
}

/// What a statement does.
#[derive(Debug, PartialEq)]
pub(crate) enum Operation {
    /// Creates an item with these attributes.
    Insert(Update),
    /// Changes the item of that key if the condition holds, which includes the key.
    Update(Update, Condition),
}

impl Statement {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser::statement(text)?;
        let (table, operation) = if parser.tokens.keyword("INSERT") {
            parser.tokens.expect_keyword("INTO")?;
            let table = parser.name()?;
            parser.tokens.expect_keyword("VALUE")?;
            (table, Operation::Insert(object(&mut parser)?))
        } else if parser.tokens.keyword("UPDATE") {
            let table = parser.name()?;
            let mut update = Update::default();
            while parser.tokens.keyword("SET") {
                update.0.extend(parser.list(Parser::assignment)?);
            }
            if update.0.is_empty() {
                return Err("expected SET".to_owned());
            }
            parser.tokens.expect_keyword("WHERE")?;
            let condition = parser.condition()?;
            if !condition.has_only_equalities() {
                return Err("WHERE is supported only with equalities joined by AND".to_owned());
            }
            (table, Operation::Update(update.check()?, condition))
        } else {
            return Err(format!("expected INSERT or UPDATE {}", parser.tokens.position()));
        };
        parser.tokens.expect_end()?;
        Ok(Self { table, operation, parameters: parser.parameters })
    }

    /// The operand that gives the value of a key attribute.
    pub(crate) fn key_operand(&self, name: &str) -> Option<&Operand> {
        match &self.operation {
            Operation::Insert(attributes) => attributes.assigned_to(name),
            Operation::Update(_, condition) => condition.equal_to(name),
        }
    }
}

/// Reads `{'name': value, ...}`.
fn object(parser: &mut Parser) -> Result<Update, String> {
    parser.tokens.expect_symbol("{")?;
    let attributes = parser.list(|parser| {
        let position = parser.tokens.position();
        let Token::Text(name) = parser.tokens.next()? else {
            return Err(format!("expected a name in single quotes {position}"));
        };
        parser.tokens.expect_symbol(":")?;
        Ok((name.to_owned(), parser.parameter()?))
    })?;
    parser.tokens.expect_symbol("}")?;
    Update(attributes).check()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, position: usize) -> (String, Operand) {
        (name.to_owned(), Operand::Parameter(position))
    }

    fn equal(name: &str, position: usize) -> Condition {
        Condition::Compare(Operand::Attribute(name.to_owned()), "=", Operand::Parameter(position))
    }

    #[test]
    fn the_statements_of_the_programs_are_parsed() {
        let insert = Statement::parse("INSERT INTO \"a-b\" VALUE {'id': ?, 'status': ?}").unwrap();
        let attributes = Update(vec![set("id", 0), set("status", 1)]);
        let operation = Operation::Insert(attributes);
        assert_eq!(insert, Statement { table: "a-b".to_owned(), operation, parameters: 2 });
        let text = "UPDATE \"t\" SET \"status\"=? SET x=?, y=? WHERE id=? AND \"status\"=?";
        let update = Update(vec![set("status", 0), set("x", 1), set("y", 2)]);
        let condition = Condition::All(vec![equal("id", 3), equal("status", 4)]);
        let operation = Operation::Update(update, condition);
        assert_eq!(
            Statement::parse(text).unwrap(),
            Statement { table: "t".to_owned(), operation, parameters: 5 }
        );
    }

    #[test]
    fn unsupported_statements_are_rejected() {
        for bad in [
            "",
            "SELECT * FROM t",
            "DELETE FROM t WHERE id=?",
            "UPDATE t WHERE id=?",
            "UPDATE t SET a=? WHERE id=? OR b=?",
            "UPDATE t SET a=? WHERE id<?",
            "UPDATE t SET a=? WHERE id='1'",
            "UPDATE t SET a=b+1 WHERE id=?",
            "UPDATE t SET a=:a WHERE id=?",
            "UPDATE t SET a=? WHERE id=? RETURNING ALL OLD *",
            "INSERT INTO t VALUE {'id': ?",
            "INSERT INTO t VALUE {id: ?}",
        ] {
            assert!(Statement::parse(bad).is_err(), "{bad}");
        }
    }
}
