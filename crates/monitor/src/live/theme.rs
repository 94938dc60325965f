//! With which signs and colours the view is drawn. Colour is never all that tells things apart.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;
use stentor_core::escape;

/// What the terminal can show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theme {
    /// Nothing beyond ASCII.
    pub ascii: bool,
    pub colour: bool,
}

/// How tall a part of a cell is, in eighths.
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_EIGHTHS: [&str; 9] = [" ", ".", ".", ".", ":", ":", ":", "#", "#"];

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// What only serves the rest.
pub(crate) const FAINT: Style = Style::new().add_modifier(Modifier::DIM);

/// What must not be missed.
pub(crate) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

impl Theme {
    pub(crate) fn sent_sign(self) -> &'static str {
        if self.ascii { "#" } else { "█" }
    }

    pub(crate) fn failed_sign(self) -> &'static str {
        if self.ascii { "x" } else { "▓" }
    }

    pub(crate) fn pending_sign(self) -> &'static str {
        if self.ascii { "." } else { "░" }
    }

    pub(crate) fn eighths(self, eighths: usize) -> &'static str {
        let signs = if self.ascii { ASCII_EIGHTHS } else { EIGHTHS };
        signs[eighths.min(8)]
    }

    pub(crate) fn border(self) -> border::Set<'static> {
        if self.ascii { ASCII_BORDER } else { border::ROUNDED }
    }

    // The sixteen colours of the terminal's own palette read well on dark and on light alike, save for yellow, black
    // and white.

    pub(crate) fn sent(self) -> Style {
        self.coloured(Color::Green)
    }

    pub(crate) fn failed(self) -> Style {
        self.coloured(Color::Red)
    }

    pub(crate) fn chart(self) -> Style {
        self.coloured(Color::Blue)
    }

    pub(crate) fn title(self) -> Style {
        // A title stands in a faint border, and must not be faint itself.
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD).remove_modifier(Modifier::DIM)
    }

    pub(crate) fn badge(self, colour: Color) -> Style {
        self.coloured(colour).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// Text from elsewhere, fit to be shown.
    pub(crate) fn text(self, text: &str) -> String {
        let escape_control = escape::escape_control(text);
        if self.ascii {
            escape_control
                .chars()
                .flat_map(|c| if c.is_ascii() { vec![c] } else { c.escape_unicode().collect() })
                .collect()
        } else {
            escape_control
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_is_ascii_whatever_comes() {
        let look = Theme { ascii: true, colour: false };
        assert_eq!(look.text("Grü\u{1b}"), "Gr\\u{fc}\\u{1b}");
        assert!((0..9).all(|eighths| look.eighths(eighths).is_ascii()));
    }
}
