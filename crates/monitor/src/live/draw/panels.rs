//! The panels of figures: times, queue, senders.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table, Widget};
use stentor_cli::format;
use stentor_run_view::failures::FailuresOfCode;
use stentor_run_view::figures::{
    DEAD_LETTERS, DELIVERY_TABLE, ENQUEUED, Figure, LATENCY_TABLE, QUEUE_DELAYED, QUEUE_IN_FLIGHT,
    QUEUE_VISIBLE, SENDER_CONCURRENCY, SENDER_FAILED, SENDER_FAILED_RATE, SENDER_SEEN, SENDER_SENT,
    SENDER_THROUGHPUT, SENDERS_ALIVE, TOTAL,
};
use stentor_run_view::senders::SenderRecord;
use stentor_run_view::unit::UNKNOWN;
use stentor_run_view::view::RunView;

use super::{Frame, LEFT};
use crate::live::theme::{FAINT, STRONG};

/// Columns beside the name, which is a ULID of 26 letters: all of it fits into 80 columns.
static SENDER_COLUMNS: [(&Figure<SenderRecord>, u16); 6] = [
    (&SENDER_THROUGHPUT, 7),
    (&SENDER_SENT, 9),
    (&SENDER_FAILED, 8),
    (&SENDER_FAILED_RATE, 6),
    (&SENDER_CONCURRENCY, 7),
    (&SENDER_SEEN, 9),
];

impl Frame<'_> {
    pub(super) fn times_and_queue(&self, area: Rect, buf: &mut Buffer) {
        if area.height < 5 {
            return;
        }
        let [times, queue] =
            Layout::horizontal([Constraint::Percentage(LEFT), Constraint::Fill(1)]).areas(area);
        self.times(times, buf);
        self.queue(queue, buf);
    }

    fn times(&self, area: Rect, buf: &mut Buffer) {
        let inner = self.block(" Time per message, seconds ", area, buf);
        let row = |name: &'static str, figures: [&Figure; 5]| {
            let text = |figure: &Figure| match self.view() {
                Some(view) => figure.compact_text(view),
                None => UNKNOWN.to_owned(),
            };
            Row::new([Cell::from(name)].into_iter().chain(figures.map(text).map(right)))
        };
        let rows = [row("delivery", DELIVERY_TABLE), row("latency", LATENCY_TABLE)];
        let head = DELIVERY_TABLE.map(|figure| right(figure.short().to_owned()));
        let head = Row::new([Cell::default()].into_iter().chain(head)).style(FAINT);
        let average = Constraint::Length(7.max(inner.width.saturating_sub(14) / 5));
        let widths = [Constraint::Length(10), average].into_iter().chain([Constraint::Fill(1); 4]);
        Table::new(rows, widths).header(head).render(inner, buf);
    }

    fn queue(&self, area: Rect, buf: &mut Buffer) {
        let inner = self.block(" Queue ", area, buf);
        let Some(view) = self.view() else { return };
        let [queue, run] = Layout::horizontal([Constraint::Fill(1); 2]).spacing(2).areas(inner);
        let figures = |figures: [(&Figure, &'static str); 3], area: Rect, buf: &mut Buffer| {
            for ((figure, label), row) in figures.into_iter().zip(area.rows()) {
                let is_alarming = figure.path == DEAD_LETTERS.path && figure.value(view) > Some(0.0);
                let style = if is_alarming { self.theme.failed().1.patch(STRONG) } else { FAINT };
                Line::from(Span::styled(label, style)).render(row, buf);
                Line::from(figure.text(view)).right_aligned().render(row, buf);
            }
        };
        let short = |figure: &'static Figure| (figure, figure.short());
        let dead_letters = if run.width >= 30 { DEAD_LETTERS.label } else { DEAD_LETTERS.short };
        figures([&QUEUE_VISIBLE, &QUEUE_IN_FLIGHT, &QUEUE_DELAYED].map(short), queue, buf);
        figures([short(&ENQUEUED), short(&TOTAL), (&DEAD_LETTERS, dead_letters)], run, buf);
    }

    /// Rows that the failures by code take at this width of the view; none where no failure has a code.
    pub(super) fn failure_rows(&self, width: u16) -> u16 {
        let rows = flow(&self.failures_by_code(), usize::from(width.saturating_sub(2)), usize::MAX).len();
        u16::try_from(rows).unwrap_or(u16::MAX)
    }

    fn failures_by_code(&self) -> Vec<String> {
        let failures = self.view().map(RunView::coded_failures).unwrap_or_default();
        failures.iter().map(FailuresOfCode::text).collect()
    }

    pub(super) fn failures(&self, area: Rect, buf: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let inner = self.block(" Failures by code ", area, buf);
        let lines = flow(&self.failures_by_code(), inner.width.into(), inner.height.into());
        for (line, row) in lines.into_iter().zip(inner.rows()) {
            Line::from(line).render(row, buf);
        }
    }

    pub(super) fn senders(&self, area: Rect, buf: &mut Buffer) {
        if area.height < 4 {
            return;
        }
        let alive = self.view().map_or_else(|| "0".to_owned(), |view| SENDERS_ALIVE.text(view));
        let inner = self.block(&format!(" Senders alive: {alive} "), area, buf);
        let Some(view) = self.view() else { return };
        if alive == "0" {
            return Line::from(Span::styled("none", FAINT)).render(inner, buf);
        }
        // On a wide terminal the figures stay near the names.
        let extra = inner.width.saturating_sub(80) / 10;
        let widths = [Constraint::Fill(1)]
            .into_iter()
            .chain(SENDER_COLUMNS.iter().map(|(_, width)| Constraint::Length(width + extra)));
        let labels = SENDER_COLUMNS.iter().map(|(figure, _)| right(figure.heading()));
        let head = Row::new([Cell::from("sender")].into_iter().chain(labels)).style(FAINT);
        let rows = self.sender_rows(view, usize::from(inner.height.saturating_sub(1)));
        Table::new(rows, widths).header(head).render(inner, buf);
    }

    /// A row for each sender; where they do not all fit, the last row sums up the rest.
    fn sender_rows(&self, view: &RunView, height: usize) -> Vec<Row<'static>> {
        let senders: Vec<&SenderRecord> = view.alive.iter().collect();
        let shown = if senders.len() <= height { senders.len() } else { height.saturating_sub(1) };
        let row = |sender: &&SenderRecord| {
            let figures = SENDER_COLUMNS.iter().map(|(figure, _)| right(figure.compact_text(sender)));
            Row::new([Cell::from(self.theme.text(&sender.name))].into_iter().chain(figures))
        };
        let mut rows: Vec<Row<'static>> = senders[..shown].iter().map(row).collect();
        if shown < senders.len() {
            rows.push(rest(&senders[shown..]));
        }
        rows
    }
}

/// Fills rows with the texts; where they do not all fit, the last row ends with the number of the others.
fn flow(texts: &[String], width: usize, rows: usize) -> Vec<String> {
    const GAP: &str = "   ";
    let mut lines: Vec<String> = Vec::new();
    for (place, text) in texts.iter().enumerate() {
        let rest = |from: usize| format!("{GAP}and {} more", texts.len() - from);
        let must_end = lines.len() == rows && place + 1 < texts.len();
        let reserved = if must_end { rest(place + 1).len() } else { 0 };
        let is_full = lines.len() == rows;
        match lines.last_mut() {
            Some(line) if line.len() + GAP.len() + text.len() + reserved <= width => {
                line.push_str(GAP);
                line.push_str(text);
            }
            Some(line) if is_full => {
                line.push_str(&rest(place));
                break;
            }
            _ => lines.push(text.clone()),
        }
    }
    lines
}

/// The senders without a row, in one.
fn rest(senders: &[&SenderRecord]) -> Row<'static> {
    let sum = |figure: &Figure<SenderRecord>| {
        figure.unit.format_compact(senders.iter().filter_map(|sender| figure.value(sender)).sum())
    };
    let figures = [&SENDER_THROUGHPUT, &SENDER_SENT, &SENDER_FAILED].map(|figure| right(sum(figure)));
    let name = Cell::from(format!("and {} more", format::thousands(senders.len() as u64)));
    Row::new([name].into_iter().chain(figures)).style(FAINT)
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).right_aligned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_flow_into_rows_and_the_others_are_counted() {
        let texts: Vec<String> = (0..5).map(|i| format!("CODE_{i} 10")).collect();
        assert_eq!(flow(&texts, 24, 9), ["CODE_0 10   CODE_1 10", "CODE_2 10   CODE_3 10", "CODE_4 10"]);
        assert_eq!(flow(&texts, 24, 2), ["CODE_0 10   CODE_1 10", "CODE_2 10   and 2 more"]);
        assert_eq!(flow(&texts, 60, 1), ["CODE_0 10   CODE_1 10   CODE_2 10   CODE_3 10   CODE_4 10"]);
        assert_eq!(flow(&[], 60, 1), Vec::<String>::new());
    }

    #[test]
    fn a_rate_of_millions_fits_its_column() {
        assert_eq!(SENDER_THROUGHPUT.heading(), "rate/s");
        let (figure, width) = SENDER_COLUMNS[0];
        for rate in [27_000.0, 999_999.0] {
            assert!(figure.unit.format_compact(rate).len() <= usize::from(width));
        }
    }
}
