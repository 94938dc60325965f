//! The charts: throughput over time, and the distribution of delivery durations.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{Frame, LEFT};
use crate::live::theme::FAINT;
use stentor_run_view::charts::ChartBin;
use stentor_run_view::figures::THROUGHPUT;
use stentor_run_view::unit::Unit;

/// The most bars of the histogram: the bins of durations are 4 % wide.
const MOST_BARS: usize = 64;

impl Frame<'_> {
    pub(super) fn charts(&self, area: Rect, buf: &mut Buffer) {
        if area.height < 4 {
            return;
        }
        let [throughput, histogram] =
            Layout::horizontal([Constraint::Percentage(LEFT), Constraint::Fill(1)]).areas(area);
        self.throughput(throughput, buf);
        self.histogram(histogram, buf);
    }

    fn throughput(&self, area: Rect, buf: &mut Buffer) {
        let width = usize::from(area.width.saturating_sub(2));
        let bins = self.view().map_or_else(Vec::new, |view| view.throughput.bins(width));
        let peak = peak(&bins);
        let rate =
            self.view().filter(|view| THROUGHPUT.value(view).is_some()).map(|view| THROUGHPUT.text(view));
        let title = match rate {
            Some(rate) if peak > 0.0 => {
                format!(" Throughput: {rate}, peak {} ", THROUGHPUT.unit.format(peak))
            }
            Some(rate) => format!(" Throughput: {rate} "),
            None => " Throughput ".to_owned(),
        };
        let inner = self.block(&title, area, buf);
        let seconds = self.view().filter(|_| !bins.is_empty()).map(|view| view.throughput.seconds());
        let ends = seconds.map(|seconds| ("0 s".to_owned(), Unit::Duration.format(seconds)));
        self.chart(&bins, ends, self.theme.sent().1, inner, buf);
    }

    fn histogram(&self, area: Rect, buf: &mut Buffer) {
        let inner = self.block(" Delivery duration ", area, buf);
        let width = usize::from(inner.width);
        let Some((view, (shortest, longest))) =
            self.view().and_then(|view| Some((view, view.deliveries.range()?)))
        else {
            return self.chart(&[], None, self.theme.chart(), inner, buf);
        };
        // Bars of whole cells have the same width.
        let cells = width.div_ceil(MOST_BARS).max(1);
        let bars = view.deliveries.bins((width / cells).max(1));
        let bins: Vec<ChartBin> = bars.into_iter().flat_map(|bar| std::iter::repeat_n(bar, cells)).collect();
        let text = |seconds: f64| format!("{seconds:.*} s", decimals(longest));
        self.chart(&bins, Some((text(shortest), text(longest))), self.theme.chart(), inner, buf);
    }

    /// Draws the bins, and below them the range they cover.
    fn chart(
        &self,
        bins: &[ChartBin],
        ends: Option<(String, String)>,
        style: Style,
        area: Rect,
        buf: &mut Buffer,
    ) {
        let Some((first, last)) = ends else {
            return Line::from(Span::styled("no message has an outcome yet", FAINT)).render(area, buf);
        };
        let [chart, axis] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
        let peak = peak(bins);
        for (x, bin) in (chart.left()..chart.right()).zip(bins) {
            self.column(bin, peak, style, Rect { x, width: 1, ..chart }, buf);
        }
        Line::from(Span::styled(first, FAINT)).render(axis, buf);
        Line::from(Span::styled(last, FAINT)).right_aligned().render(axis, buf);
    }

    /// Draws a bin; the failed messages are at the bottom, with their own symbol.
    fn column(&self, bin: &ChartBin, peak: f64, style: Style, area: Rect, buf: &mut Buffer) {
        let height = usize::from(area.height);
        let eighths = eighths(bin.total() / peak, height);
        let failed = self::eighths(bin.failed / peak, height).div_ceil(4) / 2;
        for (row, y) in (area.top()..area.bottom()).rev().enumerate() {
            let here = eighths.saturating_sub(8 * row).min(8);
            let (symbol, style) = if row < failed && here > 0 {
                self.theme.failed()
            } else {
                (self.theme.bar_symbol(here), style)
            };
            buf[(area.x, y)].set_symbol(symbol).set_style(style);
        }
    }
}

fn peak(bins: &[ChartBin]) -> f64 {
    bins.iter().map(ChartBin::total).fold(0.0, f64::max)
}

/// A fraction of a height in eighths of cells; only zero is drawn as zero.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float-to-int cast saturates")]
fn eighths(share: f64, height: usize) -> usize {
    let exact = share * 8.0 * height as f64;
    if exact > 0.0 { (exact.round() as usize).max(1) } else { 0 }
}

/// The decimals with which a time of this magnitude has two significant digits.
fn decimals(seconds: f64) -> usize {
    match seconds {
        ..0.1 => 3,
        0.1..1.0 => 2,
        1.0..10.0 => 1,
        _ => 0,
    }
}
