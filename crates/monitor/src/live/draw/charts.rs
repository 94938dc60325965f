//! The charts: a run over time, and how its delivery times are spread.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use stentor_cli::format;

use super::{LEFT, Picture};
use crate::live::theme::FAINT;
use stentor_run_view::charts::Column;

/// The maximum number of bars for delivery times, whose bins are 4 % wide.
const MOST_BARS: usize = 64;

impl Picture<'_> {
    pub(super) fn charts(&self, area: Rect, buf: &mut Buffer) {
        if area.height < 4 {
            return;
        }
        let [course, spread] =
            Layout::horizontal([Constraint::Percentage(LEFT), Constraint::Fill(1)]).areas(area);
        self.course(course, buf);
        self.spread(spread, buf);
    }

    fn course(&self, area: Rect, buf: &mut Buffer) {
        let width = usize::from(area.width.saturating_sub(2));
        let (columns, rate, length) = self.data().map_or((Vec::new(), None, 0.0), |data| {
            (data.course.columns(width), data.snapshot.messages_per_second, data.course.seconds())
        });
        let peak = peak(&columns);
        let title = match rate {
            Some(rate) if peak > 0.0 => {
                format!(" Messages a second: {}, peak {} ", format::rate(rate), format::rate(peak))
            }
            Some(rate) => format!(" Messages a second: {} ", format::rate(rate)),
            None => " Messages a second ".to_owned(),
        };
        let inner = self.frame(&title, area, buf);
        let ends = if columns.is_empty() { None } else { Some(("0 s".to_owned(), format::duration(length))) };
        self.chart(&columns, ends, self.look.sent(), inner, buf);
    }

    fn spread(&self, area: Rect, buf: &mut Buffer) {
        let inner = self.frame(" Time of a delivery ", area, buf);
        let width = usize::from(inner.width);
        let Some((data, ends)) = self.data().and_then(|data| Some((data, data.spread.ends()?))) else {
            return self.chart(&[], None, self.look.chart(), inner, buf);
        };
        // Bars of whole cells, so that all are equally wide.
        let cells = width.div_ceil(MOST_BARS).max(1);
        let bars = data.spread.columns((width / cells).max(1));
        let columns: Vec<Column> = bars.into_iter().flat_map(|bar| std::iter::repeat_n(bar, cells)).collect();
        let (shortest, longest) = ends;
        let told = |seconds: f64| format!("{seconds:.*} s", decimals(longest));
        self.chart(&columns, Some((told(shortest), told(longest))), self.look.chart(), inner, buf);
    }

    /// Columns, and below them what their first and last stand for.
    fn chart(
        &self,
        columns: &[Column],
        ends: Option<(String, String)>,
        style: Style,
        area: Rect,
        buf: &mut Buffer,
    ) {
        let Some((first, last)) = ends else {
            return Line::from(Span::styled("no message is concluded yet", FAINT)).render(area, buf);
        };
        let [bars, axis] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
        let peak = peak(columns);
        for (x, column) in (bars.left()..bars.right()).zip(columns) {
            self.column(column, peak, style, Rect { x, width: 1, ..bars }, buf);
        }
        Line::from(Span::styled(first, FAINT)).render(axis, buf);
        Line::from(Span::styled(last, FAINT)).right_aligned().render(axis, buf);
    }

    /// What failed stands at the bottom, with a sign of its own.
    fn column(&self, column: &Column, peak: f64, style: Style, area: Rect, buf: &mut Buffer) {
        let height = usize::from(area.height);
        let eighths = eighths(column.whole() / peak, height);
        let failed = self::eighths(column.failed / peak, height).div_ceil(4) / 2;
        for (row, y) in (area.top()..area.bottom()).rev().enumerate() {
            let here = eighths.saturating_sub(8 * row).min(8);
            let (sign, style) = if row < failed && here > 0 {
                (self.look.failed_sign(), self.look.failed())
            } else {
                (self.look.eighths(here), style)
            };
            buf[(area.x, y)].set_symbol(sign).set_style(style);
        }
    }
}

fn peak(columns: &[Column]) -> f64 {
    columns.iter().map(Column::whole).fold(0.0, f64::max)
}

/// A share of a height in eighths of cells; something is never nothing.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
fn eighths(share: f64, height: usize) -> usize {
    let exact = share * 8.0 * height as f64;
    if exact > 0.0 { (exact.round() as usize).max(1) } else { 0 }
}

/// So many digits that a time of that many seconds has two.
fn decimals(seconds: f64) -> usize {
    match seconds {
        ..0.1 => 3,
        0.1..1.0 => 2,
        1.0..10.0 => 1,
        _ => 0,
    }
}
