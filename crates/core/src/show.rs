//! Results, numbers and texts as they are read by a person or a program.

use std::fmt::Write;

use serde::Serialize;

/// A result as a program reads it: JSON in one line, in which nothing is left that a terminal would obey.
pub fn json(result: &impl Serialize) -> String {
    let json = serde_json::to_string(result).expect("results are numbers and texts, which are always JSON");
    // JSON itself escapes only what lies below the space; such characters stand in strings alone.
    escaped(&json, |c, out| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}").expect("a String takes all that is written");
        }
    })
}

/// A number with its thousands set apart: `1,000,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A rate of messages a second, rounded to what can be read at a glance.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
pub fn rate(per_second: f64) -> String {
    if per_second < 10.0 { format!("{per_second:.1}") } else { count(per_second.round() as u64) }
}

/// A quantity that need not be whole: three digits of a small one, `0.0391`; thousands set apart, `1,235`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
pub fn amount(quantity: f64) -> String {
    if quantity >= 100.0 || quantity.fract() == 0.0 {
        return count(quantity.round() as u64);
    }
    let decimals = if quantity >= 10.0 {
        1
    } else if quantity >= 1.0 {
        2
    } else {
        first_decimal(quantity) + 2
    };
    format!("{quantity:.decimals$}")
}

/// Dollars: cents from a dollar on, `$1,234.57`, and three digits below, `$0.0117`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
pub fn dollars(dollars: f64) -> String {
    if dollars >= 0.995 {
        let cents = (dollars * 100.0).round() as u64;
        return format!("${}.{:02}", count(cents / 100), cents % 100);
    }
    if dollars < 1e-9 {
        return "$0.00".to_owned();
    }
    let decimals = first_decimal(dollars) + 2;
    format!("${dollars:.decimals$}")
}

/// Which decimal place is the first that is not zero, of a number between 0 and 1; no further than the ninth.
fn first_decimal(number: f64) -> usize {
    (1..9_u8).find(|place| number * 10_f64.powi(i32::from(*place)) >= 1.0).map_or(9, usize::from)
}

/// A time span: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
pub fn span(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..120 => format!("{whole} s"),
        120..7_200 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", count(whole / 3_600), whole % 3_600 / 60),
    }
}

/// Text from a queue, a table or a service, fit to stand in a line of ours: control characters, and those that
/// turn the direction of writing, are escaped, since a terminal obeys them.
pub fn printable(text: &str) -> String {
    escaped(text, |c, out| out.extend(c.escape_default()))
}

/// As [`printable`], for text of several lines.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// The text with `escape` for each character that a terminal would obey.
fn escaped(text: &str, escape: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) { escape(c, &mut out) } else { out.push(c) }
    }
    out
}

/// Control characters; line and paragraph separators; marks, embeddings, overrides and isolates of
/// bidirectional text (Unicode Standard Annex 9).
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn spans_and_rates_read_at_a_glance() {
        for (seconds, text) in [
            (0.0, "0.0 s"),
            (0.44, "0.4 s"),
            (9.96, "10 s"),
            (119.0, "119 s"),
            (200.0, "3 min 20 s"),
            (7_500.0, "2 h 5 min"),
        ] {
            assert_eq!(span(seconds), text);
        }
        assert_eq!((rate(0.25), rate(1_234.5)), ("0.2".to_owned(), "1,235".to_owned()));
    }

    #[test]
    fn quantities_and_dollars_have_the_digits_that_matter() {
        for (number, text) in [
            (0.0, "0"),
            (6_004.0, "6,004"),
            (1_234.5, "1,235"),
            (12.34, "12.3"),
            (1.25, "1.25"),
            (0.039_06, "0.0391"),
        ] {
            assert_eq!(amount(number), text);
        }
        for (number, text) in [
            (0.0, "$0.00"),
            (1.395, "$1.40"),
            (0.999, "$1.00"),
            (1_234.567, "$1,234.57"),
            (0.625, "$0.625"),
            (0.011_74, "$0.0117"),
            (0.000_013_333_4, "$0.0000133"),
            (1e-30, "$0.00"),
        ] {
            assert_eq!(dollars(number), text);
        }
    }

    #[test]
    fn a_terminal_cannot_be_attacked() {
        assert_eq!(printable("a\u{1b}[2Jb\n\r\0\u{9b}\u{7f}"), "a\\u{1b}[2Jb\\n\\r\\u{0}\\u{9b}\\u{7f}");
        assert_eq!(printable("\u{202e}txt\u{2069}\u{2028}"), "\\u{202e}txt\\u{2069}\\u{2028}");
        assert_eq!(printable("Grüße, 世界 \\n"), "Grüße, 世界 \\n", "all else stays as it is");
        assert_eq!(printable_lines("one\ntwo\u{1b}\n"), "one\ntwo\\u{1b}\n");
    }

    #[test]
    fn json_reads_back_and_cannot_attack_a_terminal_either() {
        let hostile = "\u{1b}]0;x\u{7}\n\u{7f}\u{9b}2J\u{202e} Grüße \\u{9b}";
        let written = json(&hostile);
        assert!(!written.chars().any(is_obeyed), "{written:?}");
        assert!(written.contains("\\u009b2J\\u202e Grüße"), "{written}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), hostile);
    }
}
