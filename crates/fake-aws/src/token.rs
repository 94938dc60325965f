//! Tokens of expressions and PartiQL statements.

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'t> {
    /// A name or a keyword.
    Word(&'t str),
    /// A placeholder of a name or a value, with its `#` or `:`.
    Placeholder(&'t str),
    /// A name in double quotes.
    Quoted(&'t str),
    /// A string in single quotes.
    Text(&'t str),
    Symbol(&'static str),
}

/// A longer symbol comes before its prefixes.
const SYMBOLS: [&str; 14] = ["<>", "<=", ">=", "=", "<", ">", "+", "(", ")", "{", "}", ",", "?", ":"];

/// The tokens of a text, and the position in them.
#[derive(Debug)]
pub(crate) struct Tokens<'t> {
    all: Vec<Token<'t>>,
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(crate) fn read(text: &'t str) -> Result<Self, String> {
        let mut all = Vec::new();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let (token, length) = token(rest, first)?;
            all.push(token);
            rest = rest[length..].trim_start();
        }
        Ok(Self { all, at: 0 })
    }

    pub(crate) fn peek(&self) -> Option<Token<'t>> {
        self.all.get(self.at).copied()
    }

    pub(crate) fn next(&mut self) -> Result<Token<'t>, String> {
        let token = self.peek().ok_or("unexpected end")?;
        self.at += 1;
        Ok(token)
    }

    /// Skips a symbol if it comes next, and returns whether it did.
    pub(crate) fn symbol(&mut self, symbol: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Symbol(next)) if next == symbol);
        self.at += usize::from(is);
        is
    }

    /// Skips a keyword, in any case, if it comes next, and returns whether it did.
    pub(crate) fn keyword(&mut self, keyword: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(keyword));
        self.at += usize::from(is);
        is
    }

    pub(crate) fn expect_symbol(&mut self, symbol: &str) -> Result<(), String> {
        if self.symbol(symbol) { Ok(()) } else { Err(format!("expected '{symbol}' {}", self.position())) }
    }

    pub(crate) fn expect_keyword(&mut self, keyword: &str) -> Result<(), String> {
        if self.keyword(keyword) { Ok(()) } else { Err(format!("expected {keyword} {}", self.position())) }
    }

    pub(crate) fn expect_end(&self) -> Result<(), String> {
        if self.at == self.all.len() { Ok(()) } else { Err(format!("expected the end {}", self.position())) }
    }

    pub(crate) fn position(&self) -> String {
        self.peek().map_or("at the end".to_owned(), |token| format!("before {token:?}"))
    }
}

fn token(rest: &str, first: char) -> Result<(Token<'_>, usize), String> {
    let word = |from: usize| {
        let end = rest[from..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        end.map_or(rest.len(), |end| from + end)
    };
    if first.is_ascii_alphabetic() || first == '_' {
        let end = word(0);
        return Ok((Token::Word(&rest[..end]), end));
    }
    if (first == '#' || first == ':') && word(1) > 1 {
        let end = word(1);
        return Ok((Token::Placeholder(&rest[..end]), end));
    }
    if first == '"' || first == '\'' {
        let content = &rest[1..];
        let end = content.find(first).ok_or("a quotation mark is not closed")?;
        if content[end + 1..].starts_with(first) {
            return Err("escaped quotation marks are not supported".to_owned());
        }
        let content = &content[..end];
        return Ok((if first == '"' { Token::Quoted(content) } else { Token::Text(content) }, end + 2));
    }
    let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
    let symbol = symbol.ok_or_else(|| format!("'{}' is not supported", first.escape_default()))?;
    Ok((Token::Symbol(symbol), symbol.len()))
}

#[cfg(test)]
mod tests {
    use super::Token::{Placeholder, Quoted, Symbol, Text, Word};
    use super::*;

    #[test]
    fn tokens_are_read_and_unknown_characters_rejected() {
        let tokens = Tokens::read("SET #a<=:b, \"c d\" = ? {'e': ?}").unwrap();
        let expected = [
            Word("SET"),
            Placeholder("#a"),
            Symbol("<="),
            Placeholder(":b"),
            Symbol(","),
            Quoted("c d"),
            Symbol("="),
            Symbol("?"),
            Symbol("{"),
            Text("e"),
            Symbol(":"),
            Symbol("?"),
            Symbol("}"),
        ];
        assert_eq!(tokens.all, expected);
        for bad in ["a.b", "a[0]", "'a", "'it''s'", "a; b", "\u{1b}", "7"] {
            assert!(Tokens::read(bad).is_err(), "{bad}");
        }
    }
}
