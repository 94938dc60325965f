//! The two statements of `PartiQL` that the programs send, and others of their shape.

use super::token::{Token, Tokens};

/// Where a statement takes a value from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The parameter of that place.
    Parameter(usize),
    /// The text in the statement.
    Text(String),
}

/// A statement that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) table: String,
    pub(super) deed: Deed,
    /// How many parameters it wants.
    pub(super) parameters: usize,
}

/// What it does; attributes by their names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Creates an item of these.
    Insert(Vec<(String, Source)>),
    /// Sets the first where the item has all of the second, the key among them.
    Update(Vec<(String, Source)>, Vec<(String, Source)>),
}

impl Statement {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: Tokens::of(text)?, parameters: 0 };
        let (table, deed) = if parser.tokens.keyword("INSERT") {
            parser.tokens.expect_keyword("INTO")?;
            let table = parser.name()?;
            parser.tokens.expect_keyword("VALUE")?;
            (table, Deed::Insert(parser.object()?))
        } else if parser.tokens.keyword("UPDATE") {
            let table = parser.name()?;
            let mut sets = Vec::new();
            while parser.tokens.keyword("SET") {
                sets.push(parser.equation()?);
                while parser.tokens.symbol(",") {
                    sets.push(parser.equation()?);
                }
            }
            if sets.is_empty() {
                return Err("SET is expected".to_owned());
            }
            parser.tokens.expect_keyword("WHERE")?;
            let mut conditions = vec![parser.equation()?];
            while parser.tokens.keyword("AND") {
                conditions.push(parser.equation()?);
            }
            (table, Deed::Update(sets, conditions))
        } else {
            return Err(format!("INSERT or UPDATE is expected {}", parser.tokens.place()));
        };
        parser.tokens.expect_end()?;
        Ok(Self { table, deed, parameters: parser.parameters })
    }
}

struct Parser<'t> {
    tokens: Tokens<'t>,
    parameters: usize,
}

impl Parser<'_> {
    fn name(&mut self) -> Result<String, String> {
        let place = self.tokens.place();
        match self.tokens.next()? {
            Token::Word(name) | Token::Quoted(name) => Ok(name.to_owned()),
            _ => Err(format!("a name is expected {place}")),
        }
    }

    fn source(&mut self) -> Result<Source, String> {
        let place = self.tokens.place();
        match self.tokens.next()? {
            Token::Symbol("?") => {
                self.parameters += 1;
                Ok(Source::Parameter(self.parameters - 1))
            }
            Token::Text(text) => Ok(Source::Text(text.to_owned())),
            _ => Err(format!("'?' or a text is expected {place}")),
        }
    }

    fn equation(&mut self) -> Result<(String, Source), String> {
        let name = self.name()?;
        self.tokens.expect_symbol("=")?;
        Ok((name, self.source()?))
    }

    fn object(&mut self) -> Result<Vec<(String, Source)>, String> {
        let mut attributes = Vec::new();
        self.tokens.expect_symbol("{")?;
        loop {
            let place = self.tokens.place();
            let Token::Text(name) = self.tokens.next()? else {
                return Err(format!("a name in single quotes is expected {place}"));
            };
            self.tokens.expect_symbol(":")?;
            attributes.push((name.to_owned(), self.source()?));
            if !self.tokens.symbol(",") {
                break;
            }
        }
        self.tokens.expect_symbol("}")?;
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, place: usize) -> (String, Source) {
        (name.to_owned(), Source::Parameter(place))
    }

    #[test]
    fn the_statements_of_the_programs_are_understood() {
        let insert = Statement::parse("INSERT INTO \"a-b\" VALUE {'id': ?, 'status': ?}").unwrap();
        let deed = Deed::Insert(vec![pair("id", 0), pair("status", 1)]);
        assert_eq!(insert, Statement { table: "a-b".to_owned(), deed, parameters: 2 });
        let update = "UPDATE \"t\" SET \"status\"=? SET x=?, y=? WHERE id=? AND \"status\"='PENDING'";
        let sets = vec![pair("status", 0), pair("x", 1), pair("y", 2)];
        let conditions = vec![pair("id", 3), ("status".to_owned(), Source::Text("PENDING".to_owned()))];
        let deed = Deed::Update(sets, conditions);
        assert_eq!(
            Statement::parse(update).unwrap(),
            Statement { table: "t".to_owned(), deed, parameters: 4 }
        );
    }

    #[test]
    fn others_are_refused() {
        for bad in [
            "",
            "SELECT * FROM t",
            "DELETE FROM t WHERE id=?",
            "UPDATE t WHERE id=?",
            "UPDATE t SET a=? WHERE id=? OR b=?",
            "UPDATE t SET a=? WHERE id<?",
            "UPDATE t SET a=b+1 WHERE id=?",
            "UPDATE t SET a=? WHERE id=? RETURNING ALL OLD *",
            "INSERT INTO t VALUE {'id': ?",
            "INSERT INTO t VALUE {id: ?}",
        ] {
            assert!(Statement::parse(bad).is_err(), "{bad}");
        }
    }
}
