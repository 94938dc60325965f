//! The parts of a text: an SMS provider transmits and charges a long text in several.

use std::collections::BTreeMap;
use std::fmt;

/// The characters of the default alphabet that take one septet (GSM 03.38, "7 bit default alphabet"), from 0x00 on.
/// 0x1B, the escape to the extension table, is left out.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                     ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The characters that take two septets: the escape and a code (GSM 03.38, "7 bit default alphabet extension
/// table").
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// The encoding of a text, which follows from its characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Seven bits a character, for texts in the default alphabet and its extension.
    Gsm7,
    /// 16 bits a character, and 32 for those outside the Basic Multilingual Plane.
    Ucs2,
}

impl Encoding {
    /// Returns the encoding in which all of the text can be written.
    pub fn of(text: &str) -> Self {
        if text.chars().all(|character| septets(character).is_some()) { Self::Gsm7 } else { Self::Ucs2 }
    }

    /// Returns the length of a text that is one part, in units of the encoding.
    fn single_part(self) -> usize {
        match self {
            Self::Gsm7 => 160,
            Self::Ucs2 => 70,
        }
    }

    /// Returns the length of each of several parts: a header takes the rest.
    fn one_of_several_parts(self) -> usize {
        match self {
            Self::Gsm7 => 153,
            Self::Ucs2 => 67,
        }
    }

    /// Returns the units of a character. In GSM-7, a character outside the alphabet counts as one that replaces it.
    fn units(self, character: char) -> usize {
        match self {
            Self::Gsm7 => septets(character).unwrap_or(1),
            Self::Ucs2 => character.len_utf16(),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        })
    }
}

/// Returns the number of parts of a text, at least 1.
pub fn parts(text: &str) -> u32 {
    // Most texts; a producer counts the parts of every message.
    if text.len() <= Encoding::Gsm7.single_part() && text.bytes().all(is_one_septet) {
        return 1;
    }
    parts_in(Encoding::of(text), text)
}

/// Returns the number of parts that the text would have if each character outside GSM-7 were replaced by one in it.
pub fn parts_if_gsm7(text: &str) -> u32 {
    parts_in(Encoding::Gsm7, text)
}

/// Returns the characters of the text that GSM-7 does not have, and how often each occurs.
pub fn characters_outside_gsm7(text: &str) -> BTreeMap<char, usize> {
    let mut occurrences = BTreeMap::new();
    for character in text.chars().filter(|character| septets(*character).is_none()) {
        *occurrences.entry(character).or_default() += 1;
    }
    occurrences
}

/// Counts the parts. The units of one character are never in two parts, so a text can need a part more than its length
/// suggests.
fn parts_in(encoding: Encoding, text: &str) -> u32 {
    let units = || text.chars().map(|character| encoding.units(character));
    if units().sum::<usize>() <= encoding.single_part() {
        return 1;
    }
    let capacity = encoding.one_of_several_parts();
    let (mut parts, mut used) = (1, 0);
    for units in units() {
        if used + units > capacity {
            parts += 1;
            used = 0;
        }
        used += units;
    }
    parts
}

/// Returns the septets of a character in GSM-7; `None` where it has none.
fn septets(character: char) -> Option<usize> {
    if u8::try_from(character).is_ok_and(is_one_septet) || BASIC.contains(character) {
        Some(1)
    } else {
        EXTENSION.contains(character).then_some(2)
    }
}

/// Whether a byte is one of the ASCII characters that take one septet; most of those are.
fn is_one_septet(byte: u8) -> bool {
    matches!(byte, b' '..=b'Z' | b'a'..=b'z')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The table of the standard, by code; `\0` is the escape.
    const STANDARD: [char; 128] = [
        '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', 'Δ', '_', 'Φ', 'Γ',
        'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\0', 'Æ', 'æ', 'ß', 'É', ' ', '!', '"', '#', '¤', '%', '&', '\'',
        '(', ')', '*', '+', ',', '-', '.', '/', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';',
        '<', '=', '>', '?', '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
        'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', '¿', 'a', 'b', 'c',
        'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w',
        'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
    ];

    /// The extension, by the code after the escape.
    const STANDARD_EXTENSION: [(u8, char); 10] = [
        (0x0a, '\u{c}'),
        (0x14, '^'),
        (0x28, '{'),
        (0x29, '}'),
        (0x2f, '\\'),
        (0x3c, '['),
        (0x3d, '~'),
        (0x3e, ']'),
        (0x40, '|'),
        (0x65, '€'),
    ];

    fn times(character: char, number: usize) -> String {
        character.to_string().repeat(number)
    }

    #[test]
    fn every_character_of_the_alphabet_takes_one_septet_and_of_the_extension_two() {
        for character in STANDARD.into_iter().filter(|character| *character != '\0') {
            assert_eq!(Encoding::of(&character.to_string()), Encoding::Gsm7, "{character:?}");
            assert_eq!([160, 161].map(|number| parts(&times(character, number))), [1, 2], "{character:?}");
        }
        for (_, character) in STANDARD_EXTENSION {
            assert_eq!(Encoding::of(&character.to_string()), Encoding::Gsm7, "{character:?}");
            assert_eq!([80, 81].map(|number| parts(&times(character, number))), [1, 2], "{character:?}");
        }
        assert_eq!(BASIC.chars().count(), STANDARD.len() - 1);
        assert_eq!(EXTENSION.chars().count(), STANDARD_EXTENSION.len());
    }

    #[test]
    fn any_other_character_forces_ucs2() {
        for character in (1..=0x1_ffff).filter_map(char::from_u32) {
            let is_gsm7 = STANDARD.contains(&character)
                || STANDARD_EXTENSION.iter().any(|(_, extension)| *extension == character);
            let expected = if is_gsm7 { Encoding::Gsm7 } else { Encoding::Ucs2 };
            assert_eq!(Encoding::of(&format!("a{character}")), expected, "{character:?}");
        }
    }

    #[test]
    fn a_text_has_one_part_more_from_each_border_on() {
        for several in 2_u32..=10 {
            let gsm7 = |number| parts(&times('a', number));
            let ucs2 = |number| parts(&times('Ж', number));
            let number = several as usize;
            assert_eq!([gsm7(153 * number), gsm7(153 * number + 1)], [several, several + 1]);
            assert_eq!([ucs2(67 * number), ucs2(67 * number + 1)], [several, several + 1]);
        }
        assert_eq!([160, 161].map(|number| parts(&times('a', number))), [1, 2]);
        assert_eq!([70, 71].map(|number| parts(&times('Ж', number))), [1, 2]);
        assert_eq!(parts(""), 1);
    }

    #[test]
    fn an_extension_character_is_not_split_over_two_parts() {
        // 153 septets in two parts: the euro sign does not fit into the last septet of the first.
        let split = format!("{}€{}", times('a', 152), times('a', 152));
        let unsplit = format!("{}€{}", times('a', 151), times('a', 153));
        assert_eq!([parts(&split), parts(&unsplit)], [3, 2]);
        assert_eq!(parts(&times('€', 76)), 1, "152 septets");
        assert_eq!([152, 153].map(|number| parts(&times('€', number))), [2, 3], "76 in each part");
        assert_eq!(parts(&format!("{}€", times('a', 158))), 1, "160 septets in one part");
    }

    #[test]
    fn a_surrogate_pair_is_not_split_over_two_parts() {
        let split = format!("{}🚨{}", times('Ж', 66), times('Ж', 66));
        let unsplit = format!("{}🚨{}", times('Ж', 65), times('Ж', 67));
        assert_eq!([parts(&split), parts(&unsplit)], [3, 2]);
        assert_eq!([35, 36].map(|number| parts(&times('🚨', number))), [1, 2]);
        assert_eq!([66, 67].map(|number| parts(&times('🚨', number))), [2, 3], "33 in each part");
        let with_euro = format!("Ж{}", times('€', 69));
        assert_eq!(parts(&with_euro), 1, "an extension character counts once in UCS-2");
    }

    #[test]
    fn characters_that_force_ucs2_are_counted_with_what_they_cost() {
        let text = format!("‘{}’ ’{}", times('a', 90), times('b', 90));
        assert_eq!(characters_outside_gsm7(&text).into_iter().collect::<Vec<_>>(), [('‘', 1), ('’', 2)]);
        assert_eq!([parts(&text), parts_if_gsm7(&text)], [3, 2]);
        assert!(characters_outside_gsm7("Übung: 5 € [1]").is_empty());
    }

    proptest! {
        #[test]
        fn parts_hold_the_text_and_are_no_more_than_unsplit_characters_need(text in "[a-c€\\[Жé🚨\n]{0,700}") {
            let encoding = Encoding::of(&text);
            let units: usize = text.chars().map(|character| encoding.units(character)).sum();
            let (parts, capacity) = (parts(&text) as usize, encoding.one_of_several_parts());
            prop_assert!(units <= (parts * capacity).max(encoding.single_part()));
            // At most one unit of a part but the last is left free.
            prop_assert!(parts == 1 || units > (parts - 1) * (capacity - 1));
        }
    }
}
