//! Text for narrow terminals.

use crate::terminal::terminal_columns;

/// Columns from which terms and explanations are side by side.
const WIDE: u16 = 60;

/// Returns the columns of the terminal on standard output, if they are few.
pub(crate) fn narrow_columns() -> Option<u16> {
    terminal_columns().filter(|columns| *columns < WIDE)
}

/// Wraps a text for the terminal on standard output, if that is narrow.
pub fn fit_to_terminal(text: String) -> String {
    match narrow_columns() {
        Some(columns) => narrow(&text, columns.into()),
        None => text,
    }
}

/// Wraps a text, in which each paragraph is one line, for a terminal of few columns: with less indentation, and with a
/// line for each part that two blanks separate, such as a term and its explanation.
pub(crate) fn narrow(text: &str, columns: usize) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let content = line.trim_start();
        // Terms have up to six blanks before them, explanations and the tables in them more, and what continues a row of
        // such a table most.
        let indent = match line.len() - content.len() {
            0 => 0,
            1..=6 => 2,
            7..=12 => 4,
            _ => 6,
        };
        let parts: Vec<&str> = content.split("  ").map(str::trim).filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            [] => lines.push(String::new()),
            [item, rest @ ..] if item.starts_with("- ") => {
                let item = [&[*item], rest].concat().join(" ");
                wrap_words(&item, [indent, indent + 2], columns, &mut lines);
            }
            [cell, rest @ ..] if indent >= 4 && !rest.is_empty() => {
                wrap_words(cell, [indent; 2], columns, &mut lines);
                wrap_words(&rest.join(", "), [indent + 2; 2], columns, &mut lines);
            }
            [term, rest @ ..] => {
                wrap_words(term, [indent; 2], columns, &mut lines);
                for part in rest {
                    wrap_words(part, [4; 2], columns, &mut lines);
                }
            }
        }
    }
    lines.join("\n")
}

/// Appends the words as lines of at most `columns`, if no word is longer. `indents` are those of the first line and of the
/// others.
fn wrap_words(text: &str, indents: [usize; 2], columns: usize, lines: &mut Vec<String>) {
    let mut line = " ".repeat(indents[0]);
    for (place, word) in text.split(' ').enumerate() {
        if place > 0 && line.chars().count() + 1 + word.chars().count() > columns {
            lines.push(std::mem::replace(&mut line, " ".repeat(indents[1])));
        } else if place > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_help_has_short_lines_and_whole_words() {
        for (text, expected) in [
            ("Options:\n      --rate <RATE>\n", "Options:\n  --rate <RATE>"),
            ("          Messages a second at most\n\nB:", "    Messages a\n    second at most\n\nB:"),
            ("  a -b -c -d -e -f -g  one of two", "  a -b -c -d -e -f\n  -g\n    one of two"),
            ("            p50     time    median", "    p50\n      time, median"),
            ("          - one:    of them, at least", "    - one: of them,\n      at least"),
            ("          - another: of them", "    - another: of\n      them"),
        ] {
            assert_eq!(narrow(text, 20), expected);
        }
        assert_eq!(narrow("a word-longer-than-that b", 8), "a\nword-longer-than-that\nb");
    }
}
