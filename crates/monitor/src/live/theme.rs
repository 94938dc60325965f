//! Symbols and colours of the view. Nothing is distinguished by colour alone.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;
use stentor_core::escape;
use stentor_run_view::status::StatusLevel;

/// What the terminal can display.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theme {
    /// ASCII characters only.
    pub ascii: bool,
    pub colour: bool,
}

/// Bars by their height in eighths of a cell.
const BARS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_BARS: [&str; 9] = [" ", ".", ".", ".", ":", ":", ":", "#", "#"];

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

/// Secondary text.
pub(crate) const FAINT: Style = Style::new().add_modifier(Modifier::DIM);

/// Text that must not be missed.
pub(crate) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

impl Theme {
    /// The symbol of sent messages and its style, as the next two.
    pub(crate) fn sent(self) -> (&'static str, Style) {
        (if self.ascii { "#" } else { "█" }, self.coloured(Color::Green))
    }

    pub(crate) fn failed(self) -> (&'static str, Style) {
        (if self.ascii { "x" } else { "▓" }, self.coloured(Color::Red))
    }

    pub(crate) fn pending(self) -> (&'static str, Style) {
        (if self.ascii { "." } else { "░" }, FAINT)
    }

    pub(crate) fn bar_symbol(self, eighths: usize) -> &'static str {
        let symbols = if self.ascii { ASCII_BARS } else { BARS };
        symbols[eighths.min(8)]
    }

    pub(crate) fn border(self) -> border::Set<'static> {
        if self.ascii { ASCII_BORDER } else { border::ROUNDED }
    }

    // The sixteen colours of the terminal's own palette read well on dark and on light alike, save for yellow, black
    // and white.

    pub(crate) fn chart(self) -> Style {
        self.coloured(Color::Blue)
    }

    pub(crate) fn title(self) -> Style {
        // The border around a title is dim; the title is not.
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD).remove_modifier(Modifier::DIM)
    }

    pub(crate) fn badge(self, level: StatusLevel) -> Style {
        let colour = match level {
            StatusLevel::Waiting => Color::Blue,
            StatusLevel::Good => Color::Green,
            StatusLevel::Bad => Color::Red,
        };
        self.coloured(colour).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// Foreign text, safe to display.
    pub(crate) fn text(self, text: &str) -> String {
        let escaped = escape::escape_control(text);
        if self.ascii {
            escaped
                .chars()
                .flat_map(|c| if c.is_ascii() { vec![c] } else { c.escape_unicode().collect() })
                .collect()
        } else {
            escaped
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_themes_only_draw_ascii() {
        let theme = Theme { ascii: true, colour: false };
        assert_eq!(theme.text("Grü\u{1b}"), "Gr\\u{fc}\\u{1b}");
        assert!((0..9).all(|eighths| theme.bar_symbol(eighths).is_ascii()));
    }
}
