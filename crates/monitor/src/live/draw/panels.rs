//! The panels of figures: times, queue, senders.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table, Widget};
use stentor_cli::format;

use super::{LEFT, Picture};
use crate::live::theme::{FAINT, STRONG};
use stentor_cli::format::percent_of;
use stentor_run_view::snapshot::{Percentiles, Sender, Snapshot};

/// Beside the name, which is a ULID of 26 letters: all of it fits into 80 columns.
const SENDER_COLUMNS: [(&str, u16); 6] =
    [("rate/s", 7), ("sent", 9), ("failed", 8), ("share", 6), ("at once", 7), ("last sign", 9)];

impl Picture<'_> {
    pub(super) fn figures(&self, area: Rect, buf: &mut Buffer) {
        if area.height < 5 {
            return;
        }
        let [times, queue] =
            Layout::horizontal([Constraint::Percentage(LEFT), Constraint::Fill(1)]).areas(area);
        self.times(times, buf);
        self.queue(queue, buf);
    }

    fn times(&self, area: Rect, buf: &mut Buffer) {
        let inner = self.frame(" Time per message, seconds ", area, buf);
        let now = self.data().map(|data| &data.snapshot);
        let row = |name: &'static str, average: Option<f64>, of: Percentiles| {
            let times = [average, of.p50, of.p90, of.p99, of.max].map(short);
            Row::new([Cell::from(name)].into_iter().chain(times.map(right)))
        };
        let none = Percentiles::default();
        let rows = [
            row(
                "delivery",
                now.and_then(|now| now.average_seconds),
                now.map_or(none, |now| now.delivery_seconds),
            ),
            row(
                "end to end",
                now.and_then(|now| now.average_latency_seconds),
                now.map_or(none, |now| now.latency_seconds),
            ),
        ];
        let head = ["", "average", "p50", "p90", "p99", "max"].map(|name| right(name.to_owned()));
        let average = Constraint::Length(7.max(inner.width.saturating_sub(14) / 5));
        let widths = [Constraint::Length(10), average].into_iter().chain([Constraint::Fill(1); 4]);
        Table::new(rows, widths).header(Row::new(head).style(FAINT)).render(inner, buf);
    }

    fn queue(&self, area: Rect, buf: &mut Buffer) {
        let inner = self.frame(" Queue ", area, buf);
        let Some(now) = self.data().map(|data| &data.snapshot) else { return };
        let dead = if now.dead_letters > 0 { self.look.failed().patch(STRONG) } else { FAINT };
        let [waiting, beside] = Layout::horizontal([Constraint::Fill(1); 2]).spacing(2).areas(inner);
        let figures = |figures: &[(&'static str, u64)], area: Rect, buf: &mut Buffer| {
            for ((name, count), row) in figures.iter().zip(area.rows()) {
                let style = if name.starts_with("dead") { dead } else { FAINT };
                Line::from(Span::styled(*name, style)).render(row, buf);
                Line::from(format::thousands(*count)).right_aligned().render(row, buf);
            }
        };
        let queue = now.queue;
        let dead_letters = if beside.width >= 22 { "dead letters" } else { "dead" };
        figures(
            &[("visible", queue.visible), ("in flight", queue.in_flight), ("delayed", queue.delayed)],
            waiting,
            buf,
        );
        figures(
            &[("queued", now.enqueued), ("of", now.total), (dead_letters, now.dead_letters)],
            beside,
            buf,
        );
    }

    pub(super) fn senders(&self, area: Rect, buf: &mut Buffer) {
        if area.height < 4 {
            return;
        }
        let now = self.data().map(|data| &data.snapshot);
        let alive = now.map_or(0, |now| now.senders.len());
        let inner = self.frame(&format!(" Senders alive: {alive} "), area, buf);
        let Some(now) = now else { return };
        if now.senders.is_empty() {
            return Line::from(Span::styled("none", FAINT)).render(inner, buf);
        }
        // On a wide terminal the figures do not run away from the names.
        let wider = inner.width.saturating_sub(80) / 10;
        let widths = [Constraint::Fill(1)]
            .into_iter()
            .chain(SENDER_COLUMNS.map(|(_, width)| Constraint::Length(width + wider)));
        let head =
            [Cell::from("sender")].into_iter().chain(SENDER_COLUMNS.map(|(name, _)| right(name.to_owned())));
        let rows = self.sender_rows(now, usize::from(inner.height.saturating_sub(1)));
        Table::new(rows, widths).header(Row::new(head).style(FAINT)).render(inner, buf);
    }

    /// A row for each; where there is no room for all, the last says how many more there are.
    fn sender_rows(&self, now: &Snapshot, room: usize) -> Vec<Row<'static>> {
        let all = &now.senders;
        let shown = if all.len() <= room { all.len() } else { room.saturating_sub(1) };
        let mut rows: Vec<Row<'static>> = all[..shown].iter().map(|sender| self.sender_row(sender)).collect();
        if shown < all.len() {
            rows.push(rest(&all[shown..]));
        }
        rows
    }

    fn sender_row(&self, sender: &Sender) -> Row<'static> {
        let concluded = sender.sent.saturating_add(sender.failed);
        let share = if concluded == 0 { "-".to_owned() } else { percent_of(sender.failed, concluded) };
        let figures = [
            sender.messages_per_second.map_or("-".to_owned(), format::rate),
            format::thousands(sender.sent),
            format::thousands(sender.failed),
            share,
            format::thousands(sender.concurrency.into()),
            format!("{:.0} s ago", sender.seen_seconds_ago),
        ];
        let name = Cell::from(self.look.text(&sender.name));
        Row::new([name].into_iter().chain(figures.map(right)))
    }
}

/// Senders that there is no room for, in one row.
fn rest(senders: &[Sender]) -> Row<'static> {
    let rate: f64 = senders.iter().filter_map(|sender| sender.messages_per_second).sum();
    let sum = |of: fn(&Sender) -> u64| senders.iter().map(of).fold(0, u64::saturating_add);
    let (sent, failed) = (sum(|sender| sender.sent), sum(|sender| sender.failed));
    let figures = [format::rate(rate), format::thousands(sent), format::thousands(failed)];
    let name = Cell::from(format!("and {} more", format::thousands(senders.len() as u64)));
    Row::new([name].into_iter().chain(figures.map(right))).style(FAINT)
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).right_aligned())
}

/// Seconds that fit a narrow column.
fn short(time: Option<f64>) -> String {
    match time {
        Some(long) if long >= 1_000.0 => format::rate(long),
        Some(long) if long >= 100.0 => format!("{long:.1}"),
        Some(time) => format!("{time:.3}"),
        None => "-".to_owned(),
    }
}
