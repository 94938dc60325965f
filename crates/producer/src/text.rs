//! The text of `--text`: how it is given, and what is printed about it.

use std::fs::File;
use std::io::Read;

use stentor_cli::format;
use stentor_core::alert_text::AlertText;
use stentor_core::provider::parts::{Encoding, characters_outside_gsm7, parts, parts_if_gsm7};
use stentor_core::run::MAX_LENGTH;

/// A file is read up to this length, bytes: a text of the maximum length in UTF-8, and a line break.
const MAX_FILE: u64 = MAX_LENGTH as u64 * 4 + 2;

/// Characters that force UCS-2 are listed up to this number.
const MAX_LISTED: usize = 10;

/// Parses the value of `--text`: a text, `@FILE`, or `@@` and the rest of a text that begins with `@`.
pub(crate) fn parse_text(value: &str) -> Result<AlertText, String> {
    let text = match value.strip_prefix('@') {
        Some(rest) if !rest.starts_with('@') => read(rest)?,
        Some(rest) => rest.to_owned(),
        None => value.to_owned(),
    };
    text.parse::<AlertText>().map_err(|error| error.to_string())
}

/// Reads a file without its final line break.
fn read(path: &str) -> Result<String, String> {
    if path.is_empty() {
        return Err("expected a file after @; begin a text with @@ for a literal @".to_owned());
    }
    let failed = |why: &dyn std::fmt::Display| format!("cannot read {path}: {why}");
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| failed(&error))?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(failed(&format!("it has more than {} characters", format::thousands(MAX_LENGTH.into()))));
    }
    let text = String::from_utf8(bytes).map_err(|error| failed(&error))?;
    let text = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(text.to_owned())
}

/// Describes the parts of a text in a line.
pub(crate) fn describe(text: &AlertText) -> String {
    let text = text.as_str();
    let (encoding, parts, gsm7) = (Encoding::of(text), parts(text), parts_if_gsm7(text));
    let length = format::counted(text.chars().count() as u64, "character");
    let line = format!("text: {length}, {encoding}, {} per message", format::counted(parts.into(), "part"));
    let forcing = characters_outside_gsm7(text);
    if forcing.is_empty() {
        return line;
    }
    let occurrences: usize = forcing.values().sum();
    let mut listed: String =
        forcing.keys().take(MAX_LISTED).flat_map(|character| printable(*character)).collect();
    if forcing.len() > MAX_LISTED {
        listed.push('…');
    }
    let (verb, times) =
        if occurrences == 1 { ("forces", String::new()) } else { ("force", format!(" ({occurrences} ×)")) };
    let instead = if parts > gsm7 {
        format!(": {} instead of {gsm7}", format::counted(parts.into(), "part"))
    } else {
        String::new()
    };
    format!("{line}; {listed}{times} {verb} UCS-2{instead}")
}

/// Escapes a character that is not visible by itself, such as a combining one or a space.
fn printable(character: char) -> impl Iterator<Item = char> {
    let is_visible =
        character.escape_debug().count() == 1 && !character.is_whitespace() && !character.is_control();
    let escaped = (!is_visible).then(|| character.escape_unicode());
    is_visible.then_some(character).into_iter().chain(escaped.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str) -> String {
        describe(&text.parse().unwrap())
    }

    #[test]
    fn a_text_is_given_directly_or_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let of_file = |bytes: &[u8]| {
            let path = folder.path().join("text");
            std::fs::write(&path, bytes).unwrap();
            parse_text(&format!("@{}", path.display())).map(|text| text.to_string())
        };
        assert_eq!(parse_text("Leave now").unwrap().as_str(), "Leave now");
        assert_eq!(parse_text("@@home: stay\n").unwrap().as_str(), "@home: stay\n");
        assert_eq!(parse_text("@@@").unwrap().as_str(), "@@");
        for (content, text) in
            [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("a\r", "a\r"), (" é ", " é ")]
        {
            assert_eq!(of_file(content.as_bytes()).unwrap(), text, "{content:?}");
        }
        assert_eq!(of_file("🚨".repeat(1_600).as_bytes()).unwrap().chars().count(), 1_600);
        for (bytes, why) in [
            (&b""[..], "the text is empty"),
            (b"\n", "the text is empty"),
            (b"a\tb", "the text has the control character \\t"),
            (b"\xff\xfe", "invalid utf-8"),
            (&[b'a'; 1_601], "1601 characters"),
            (&[b'a'; 10_000], "more than 1,600 characters"),
        ] {
            let error = of_file(bytes).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        for (value, why) in [
            ("@/nonexistent/text", "cannot read /nonexistent/text: No such file"),
            ("@/", "cannot read /: Is a directory"),
            ("@/dev/zero", "cannot read /dev/zero: it has more than 1,600 characters"),
            ("@", "expected a file after @"),
        ] {
            let error = parse_text(value).unwrap_err();
            assert!(error.starts_with(why), "{error}");
        }
    }

    #[test]
    fn characters_that_force_ucs2_are_named_with_what_they_cost() {
        assert_eq!(described("Leave now!"), "text: 10 characters, GSM-7, 1 part per message");
        assert_eq!(described(&"€".repeat(81)), "text: 81 characters, GSM-7, 2 parts per message");
        let quoted = format!("‘{}’", "a".repeat(170));
        assert_eq!(
            described(&quoted),
            "text: 172 characters, UCS-2, 3 parts per message; ‘’ (2 ×) force UCS-2: 3 parts instead of 2"
        );
        assert_eq!(described("Räumen 🚨"), "text: 8 characters, UCS-2, 1 part per message; 🚨 forces UCS-2");
        assert!(described("e\u{301}").ends_with("; \\u{301} forces UCS-2"), "{}", described("e\u{301}"));
        let cyrillic: String = ('а'..='я').collect();
        assert!(
            described(&cyrillic).ends_with("; абвгдежзий… (32 ×) force UCS-2"),
            "{}",
            described(&cyrillic)
        );
    }
}
