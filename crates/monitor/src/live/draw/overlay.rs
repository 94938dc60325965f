//! The windows over the view: the help, and the list of the runs.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};
use stentor_aws::metrics::RunRecord;
use stentor_cli::format::{self, Zone};

use super::Frame;
use crate::live::model::{Overlay, RunList};
use crate::live::theme::{FAINT, STRONG};

const HELP: [(&str, &str); 10] = [
    ("q, Ctrl-C", "quit; the last frame stays on the screen"),
    ("Ctrl-Z", "stop; fg continues, bg prints lines"),
    ("p, space", "pause or resume"),
    ("+", "increase the refresh interval"),
    ("-", "decrease the refresh interval"),
    ("r", "select a run"),
    ("?, h", "this help"),
    ("Esc", "close this window"),
    ("", ""),
    ("", "Counts come from the table's stream: they lag a little and are never too high."),
];

impl Frame<'_> {
    pub(super) fn overlay(&self, area: Rect, buf: &mut Buffer) {
        match &self.model.overlay {
            Overlay::None => {}
            Overlay::Help => self.help(area, buf),
            Overlay::Runs(list) => self.run_list(list, area, buf),
        }
    }

    fn help(&self, area: Rect, buf: &mut Buffer) {
        let inner = self.window(" Help ", 84, HELP.len(), area, buf);
        for ((key, does), row) in HELP.iter().zip(inner.rows()) {
            let line = if key.is_empty() {
                Line::from(Span::styled(*does, FAINT))
            } else {
                Line::from(vec![Span::styled(format!("{key:<11}"), self.theme.title()), Span::raw(*does)])
            };
            line.render(row, buf);
        }
    }

    fn run_list(&self, list: &RunList, area: Rect, buf: &mut Buffer) {
        let Some(runs) = &list.runs else {
            let inner = self.window(" Runs ", 60, 1, area, buf);
            return Line::raw("reading the runs ...").render(inner, buf);
        };
        let inner = self.window(" Runs: up, down, Enter; Esc closes ", 78, runs.len() + 1, area, buf);
        let room = usize::from(inner.height);
        let first = (list.selected + 1).saturating_sub(room);
        let lines = std::iter::once("the latest run, and each later one".to_owned())
            .chain(runs.iter().map(|run| run_line(run, &self.model.zone)));
        for ((place, line), row) in lines.enumerate().skip(first).zip(inner.rows()) {
            let is_selected = place == list.selected;
            let mark = if is_selected { "> " } else { "  " };
            let style = if is_selected { STRONG } else { FAINT };
            Line::from(Span::styled(format!("{mark}{line}"), style)).render(row, buf);
        }
    }

    /// Draws an empty window in the middle, and returns the area in it.
    fn window(&self, title: &str, width: u16, lines: usize, area: Rect, buf: &mut Buffer) -> Rect {
        let height = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
        let window = area.centered(Constraint::Length(width.min(area.width)), Constraint::Length(height));
        Clear.render(window, buf);
        self.block(title, window, buf)
    }
}

fn run_line(run: &RunRecord, zone: &Zone) -> String {
    let started = zone.date_and_time(run.created_at);
    format!("{}  {started}  {:>18}", run.plan.run(), format::counted(run.plan.total().into(), "message"))
}
