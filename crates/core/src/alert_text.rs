//! A text that all recipients of a run get.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::run::MAX_LENGTH;

/// A text of 1 to [`MAX_LENGTH`] characters without control characters, except for line feed and carriage return. It
/// is kept as it was given, without normalisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertText(Arc<str>);

/// Why a text cannot be sent.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidAlertText {
    /// It has no characters.
    #[error("the text is empty")]
    Empty,
    /// It has more than [`MAX_LENGTH`] characters; the number.
    #[error("the text has {0} characters, the maximum is {MAX_LENGTH}")]
    TooLong(usize),
    /// It has a character that no message can have.
    #[error("the text has the control character {}, only line breaks are possible", .0.escape_default())]
    ControlCharacter(char),
}

impl AlertText {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the length in characters, 1 to [`MAX_LENGTH`].
    pub fn characters(&self) -> u16 {
        u16::try_from(self.0.chars().count()).unwrap_or(MAX_LENGTH)
    }
}

impl FromStr for AlertText {
    type Err = InvalidAlertText;

    fn from_str(text: &str) -> Result<Self, InvalidAlertText> {
        let characters = text.chars().count();
        if characters == 0 {
            return Err(InvalidAlertText::Empty);
        }
        if characters > usize::from(MAX_LENGTH) {
            return Err(InvalidAlertText::TooLong(characters));
        }
        match text.chars().find(|character| !is_possible(*character)) {
            Some(character) => Err(InvalidAlertText::ControlCharacter(character)),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for AlertText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SQS rejects U+FFFE and U+FFFF too (Amazon SQS API Reference, "`SendMessage`").
fn is_possible(character: char) -> bool {
    matches!(character, '\n' | '\r')
        || !(character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_as_it_is() {
        for text in ["a", " leave now \r\n", "Evacuate! 🚨 \u{301}e\u{301} \u{202e}", &"ж".repeat(1_600)] {
            let parsed: AlertText = text.parse().unwrap();
            assert_eq!(parsed.as_str(), text);
            assert_eq!(usize::from(parsed.characters()), text.chars().count());
        }
    }

    #[test]
    fn an_empty_or_long_text_and_control_characters_are_refused() {
        let error = |text: &str| text.parse::<AlertText>().unwrap_err();
        assert_eq!(error(""), InvalidAlertText::Empty);
        assert_eq!(error(&"ж".repeat(1_601)), InvalidAlertText::TooLong(1_601));
        for character in ['\0', '\t', '\u{b}', '\u{c}', '\u{1b}', '\u{7f}', '\u{9b}', '\u{fffe}', '\u{ffff}']
        {
            assert_eq!(error(&format!("a{character}b")), InvalidAlertText::ControlCharacter(character));
        }
        assert_eq!(
            error("\u{1b}[2J").to_string(),
            "the text has the control character \\u{1b}, only line breaks are possible"
        );
    }
}
