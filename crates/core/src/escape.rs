//! Escapes for text from a queue, a table or a service, which a terminal would otherwise interpret.

/// Escapes control characters and those that change the direction of writing.
pub fn escape_control(text: &str) -> String {
    escape_with(text, |c, out| out.extend(c.escape_default()))
}

/// As [`escape_control`], for text of several lines: line feeds stay.
pub fn escape_control_lines(text: &str) -> String {
    text.split('\n').map(escape_control).collect::<Vec<_>>().join("\n")
}

/// Escapes the beginning of a text as [`escape_control`] does, and cuts it to `max` characters; a cut ends with `…`.
pub fn excerpt(text: &str, max: usize) -> String {
    let beginning: String = text.chars().take(max + 1).collect();
    let escaped = escape_control(&beginning);
    match escaped.char_indices().nth(max) {
        None => escaped,
        Some(_) => escaped.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Returns the text before the first empty line. After it, where a signature does not match, AWS quotes the whole
/// request as it should have been signed, including the session token.
pub fn first_paragraph(message: &str) -> &str {
    message.split("\n\n").next().unwrap_or_default()
}

/// Shortens the text of a service or a library to one line of at most 500 characters, escaped. A denied call is explained
/// with two ARNs, and the reason after them.
pub fn one_line(text: &str) -> String {
    const MAX_CHARS: usize = 500;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    escape_control(&line.chars().take(MAX_CHARS).collect::<String>())
}

/// Calls `escape` for each character that a terminal interprets, and copies all others.
pub fn escape_with(text: &str, escape: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_interpreted(c) { escape(c, &mut out) } else { out.push(c) }
    }
    out
}

/// Control characters; line and paragraph separators; marks, embeddings, overrides and isolates of
/// bidirectional text (Unicode Standard Annex 9).
fn is_interpreted(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_interprets_is_left() {
        assert_eq!(escape_control("a\u{1b}[2Jb\n\r\0\u{9b}\u{7f}"), "a\\u{1b}[2Jb\\n\\r\\u{0}\\u{9b}\\u{7f}");
        assert_eq!(escape_control("\u{202e}txt\u{2069}\u{2028}"), "\\u{202e}txt\\u{2069}\\u{2028}");
        assert_eq!(escape_control("Grüße, 世界 \\n"), "Grüße, 世界 \\n", "other text is unchanged");
        assert_eq!(escape_control_lines("one\ntwo\u{1b}\n"), "one\ntwo\\u{1b}\n");
    }

    #[test]
    fn an_excerpt_is_escaped_and_has_at_most_the_given_length() {
        assert_eq!(excerpt("Grüße", 5), "Grüße");
        assert_eq!(excerpt("Grüße!", 5), "Grüß…");
        assert_eq!(excerpt("\u{1b}[2J", 5), "\\u{1…", "escapes count in their written form");
        assert_eq!(excerpt(&"x".repeat(250_000), 80).chars().count(), 80);
        assert_eq!(excerpt("", 80), "");
    }
}
