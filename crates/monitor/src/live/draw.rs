//! Rendering of the view: which panels fit, and where.

mod charts;
mod overlay;
mod panels;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect, Size};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Widget, Wrap};
use stentor_cli::format;
use stentor_run_view::figures::{
    AVERAGE, DEAD_LETTERS, ETA, FAILED, Figure, PENDING, PROVIDER_DOLLARS, PROVIDER_LIMIT_USED,
    REACHED_TABLE, SENDERS_ALIVE, SENT, THROUGHPUT, TOTAL,
};
use stentor_run_view::provider::provider_line;
use stentor_run_view::status::{RunStatus, StatusLevel};
use stentor_run_view::unit::UNKNOWN;
use stentor_run_view::view::RunView;

use super::model::Model;
use crate::live::theme::{FAINT, STRONG, Theme};
use crate::plain::details;

/// Width of the left one of two panels, percent.
const LEFT: u16 = 60;

/// Minimum width of panels; below it the view is a list of lines.
const MIN_WIDTH: u16 = 60;

/// Heights of the panels that do not stretch, and minimum heights of those that do.
const PROGRESS: u16 = 4;
const FIGURES: u16 = 5;
const FAILURES: u16 = 3;
const MIN_CHARTS: u16 = 5;
const MIN_SENDERS: u16 = 4;

/// Maximum rows of the sentences below the head.
const MAX_SENTENCES: u16 = 5;

/// Maximum height of the summary that stays on the terminal, and the rows that it leaves for messages and a prompt.
const MAX_SUMMARY: u16 = 24;
const BELOW_SUMMARY: u16 = 4;

/// The model at a moment, and the theme to draw it with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub model: &'a Model,
    /// Since the view began.
    pub now: Duration,
    pub theme: Theme,
}

impl Widget for Frame<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        if area.width < MIN_WIDTH || area.height < 2 + PROGRESS + 1 {
            return self.lines(area, buf);
        }
        let [view, keys] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
        self.panels(view, buf);
        self.keys(keys, buf);
        self.overlay(area, buf);
    }
}

impl Frame<'_> {
    /// The last frame without keys and overlays, for a terminal of this size.
    pub(crate) fn summary(&self, terminal: Size) -> Buffer {
        let area =
            Rect::new(0, 0, terminal.width, terminal.height.saturating_sub(BELOW_SUMMARY).min(MAX_SUMMARY));
        let mut buffer = Buffer::empty(area);
        if area.width < MIN_WIDTH || area.height < 2 + PROGRESS {
            self.lines(area, &mut buffer);
        } else {
            self.panels(area, &mut buffer);
        }
        buffer
    }

    fn panels(&self, area: Rect, buf: &mut Buffer) {
        let senders = self.view().map_or(0, |view| view.alive.len());
        let status = self.model.status(self.now);
        let sentences = self.sentences(&status);
        let rows: u16 = sentences.iter().map(|sentence| wrapped_rows(sentence, area.width)).sum();
        let sentence_rows = rows.min(MAX_SENTENCES).min(area.height.saturating_sub(1 + PROGRESS)).max(1);
        let mut free = area.height.saturating_sub(1 + sentence_rows + PROGRESS);
        let take = |free: &mut u16, height: u16| {
            let taken = if *free >= height { height } else { 0 };
            *free -= taken;
            taken
        };
        let failure_rows = self.failure_rows(area.width);
        let figures = take(&mut free, FIGURES);
        let failures = take(&mut free, if failure_rows == 0 { 0 } else { FAILURES });
        let (charts, least) = (take(&mut free, MIN_CHARTS), take(&mut free, MIN_SENDERS));
        let more_failures = failure_rows.saturating_sub(1).min(free / 4);
        let failures = if failures == 0 { 0 } else { failures + take(&mut free, more_failures) };
        // A heading, a row each, and the border; the charts get most of the rest.
        let wanted = u16::try_from(senders).unwrap_or(u16::MAX).saturating_add(3);
        let more = wanted.saturating_sub(least).min((free / 3).max(free.min(2)));
        let senders = if least == 0 { 0 } else { least + more };
        let charts = if charts == 0 { 0 } else { charts + free - (senders - least) };
        let [head, reason, progress, figures, failures, charts, senders] =
            Layout::vertical([1, sentence_rows, PROGRESS, figures, failures, charts, senders]).areas(area);
        self.head(&status, head, buf);
        // Wrapped, since a command that is cut off cannot be used.
        Paragraph::new(sentences).wrap(Wrap { trim: false }).render(reason, buf);
        self.progress(progress, buf);
        self.times_and_queue(figures, buf);
        self.failures(failures, buf);
        self.charts(charts, buf);
        self.senders(senders, buf);
    }

    /// The run, its target as far as it fits, and the status.
    fn head(&self, status: &RunStatus, area: Rect, buf: &mut Buffer) {
        let (target, theme) = (&self.model.target, self.theme);
        let badge = Span::styled(format!(" {} ", status.word), theme.badge(status.level));
        let run = self.view().map_or_else(|| "no run".to_owned(), RunView::run);
        let mut line = Line::from(vec![
            Span::styled(" Stentor ", theme.title()),
            Span::styled(theme.text(&run), STRONG),
        ]);
        let host = target.endpoint.split_once("://").map(|(_, host)| format!(" at {host}"));
        let parts = [format!("  stack {}", target.stack), format!(", {}", target.region)];
        for part in parts.into_iter().chain(host) {
            let part = Span::styled(theme.text(&part), FAINT);
            if line.width() + part.width() + badge.width() < usize::from(area.width) {
                line.push_span(part);
            }
        }
        split(area, &line, badge, buf);
    }

    /// What the status is based on, what was never reached, a warning of discarded batches, and the provider.
    fn sentences(&self, status: &RunStatus) -> Vec<Line<'static>> {
        let style = if status.level == StatusLevel::Bad { STRONG } else { FAINT };
        let line =
            |text: &str, style: Style| Line::from(Span::styled(format!(" {}", self.theme.text(text)), style));
        let more = [self.view().and_then(RunView::unreached_text), self.warning()].into_iter().flatten();
        let provider = self.view().and_then(provider_line).map(|text| line(&text, Style::default()));
        let more = more.map(|text| line(&text, STRONG)).chain(provider);
        std::iter::once(line(&status.sentence, style)).chain(more).collect()
    }

    fn warning(&self) -> Option<String> {
        self.view()?.discard_warning(&self.model.target.connection)
    }

    fn age(&self) -> String {
        let every = self.model.command.interval.as_secs_f64();
        match self.model.state.data_age(self.now) {
            Some(age) if age.as_secs() < 1 => format!("data now, every {every} s"),
            Some(age) => format!("data {} s old, every {every} s", format::thousands(age.as_secs())),
            None => format!("every {every} s"),
        }
    }

    fn progress(&self, area: Rect, buf: &mut Buffer) {
        let left = self.model.state.seconds_left(self.now);
        let title = left.map_or_else(
            || " Progress ".to_owned(),
            |left| format!(" Progress: {} left ", format::duration(left)),
        );
        let inner = self.block(&title, area, buf);
        self.reached(&title, area, buf);
        let [bar, legend] = Layout::vertical([Constraint::Length(1); 2]).areas(inner);
        let [bar, percentage] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(8)]).areas(bar);
        let Some(view) = self.view() else {
            return cells(self.theme.pending(), bar.width.into()).render(bar, buf);
        };
        self.bar(view, bar, buf);
        Line::from(Span::styled(view.percentage_done(), STRONG)).right_aligned().render(percentage, buf);
        self.legend(view, legend.width).render(legend, buf);
    }

    /// When which share was sent, at the right end of the upper border as far as it fits.
    fn reached(&self, title: &str, area: Rect, buf: &mut Buffer) {
        let reached = self.view().map_or_else(Vec::new, |view| {
            let known = REACHED_TABLE.iter().filter(|figure| figure.value(view).is_some());
            known.map(|figure| format!("{} in {}", figure.short(), figure.text(view))).collect()
        });
        let text = Span::styled(format!(" sent: {} ", reached.join(", ")), self.theme.title());
        let [_, border, _] =
            Layout::horizontal([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)])
                .areas(Rect { height: 1, ..area });
        if !reached.is_empty() && title.len() + text.width() < usize::from(border.width) {
            Line::from(text).right_aligned().render(border, buf);
        }
    }

    fn bar(&self, view: &RunView, area: Rect, buf: &mut Buffer) {
        let width = usize::from(area.width);
        let width_of = |count: u64| cells_of(count, view.reading.total(), width);
        let (sent, done) = (width_of(view.reading.tally.sent), width_of(view.reading.outcomes()));
        let theme = self.theme;
        let parts = [(theme.sent(), sent), (theme.failed(), done - sent), (theme.pending(), width - done)];
        Line::from_iter(parts.map(|(symbol, count)| cells(symbol, count))).render(area, buf);
    }

    fn legend(&self, view: &RunView, width: u16) -> Line<'static> {
        let theme = self.theme;
        let parts = [(theme.sent(), &SENT), (theme.failed(), &FAILED), (theme.pending(), &PENDING)];
        let mut spans = Vec::new();
        for ((symbol, style), figure) in parts {
            let percentage = figure.percentage_of_total(view);
            let text = format!(" {} {} ({percentage})   ", figure.label, figure.text(view));
            spans.extend([Span::styled(symbol, style), Span::raw(text)]);
        }
        let total = format!("{} {}", TOTAL.short(), TOTAL.text(view));
        if spans.iter().map(Span::width).sum::<usize>() + total.len() <= usize::from(width) {
            spans.push(Span::raw(total));
        }
        Line::from(spans)
    }

    fn keys(&self, area: Rect, buf: &mut Buffer) {
        let mut spans = Vec::new();
        let pause = if self.model.command.paused { "resume" } else { "pause" };
        for (key, does) in [("q", "quit"), ("p", pause), ("+ -", "interval"), ("r", "runs"), ("?", "help")] {
            spans.push(Span::styled(format!(" {key}"), self.theme.title()));
            spans.push(Span::styled(format!(" {does}  "), FAINT));
        }
        let keys = Line::from(spans);
        let age = Span::styled(format!("{} ", self.age()), FAINT);
        split(area, &keys, age, buf);
    }

    /// Renders the main figures, a line each, on a terminal too small for panels.
    fn lines(&self, area: Rect, buf: &mut Buffer) {
        let status = self.model.status(self.now);
        let done = self.view().map_or_else(String::new, RunView::percentage_done);
        let badge = self.theme.badge(status.level);
        let mut lines = vec![Line::from(Span::styled(format!("{} {done}", status.word), badge))];
        if let Some(view) = self.view() {
            let line = |figure: &Figure| Line::raw(format!("{} {}", figure.short(), figure.text(view)));
            let left = self.model.state.seconds_left(self.now);
            let left = format!("{} {}", ETA.short(), ETA.unit.format_or(left, UNKNOWN));
            lines.extend([&SENT, &FAILED, &PENDING].map(line));
            lines.push(Line::raw(left));
            lines.extend([&AVERAGE, &THROUGHPUT, &SENDERS_ALIVE].map(line));
            let provider = [&PROVIDER_LIMIT_USED, &PROVIDER_DOLLARS].into_iter();
            let known = provider.filter(|figure| figure.value(view).is_some());
            lines.extend(known.map(|figure| Line::raw(format!("{} {}", figure.label, figure.text(view)))));
            lines.push(Line::raw(format!("{} {}", DEAD_LETTERS.label, DEAD_LETTERS.text(view))));
            lines.push(Line::raw(self.age()));
        }
        let above = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(area.height);
        for (line, row) in lines.into_iter().zip(area.rows()) {
            line.render(row, buf);
        }
        let below = Rect { y: area.y + above, height: area.height - above, ..area };
        let details = self.view().map_or_else(Vec::new, details);
        let sentences = std::iter::once(status.sentence).chain(self.warning()).chain(details);
        let sentences: Vec<Line> = sentences.map(|text| Line::raw(self.theme.text(&text))).collect();
        Paragraph::new(sentences).wrap(Wrap { trim: false }).render(below, buf);
    }

    fn view(&self) -> Option<&RunView> {
        self.model.view()
    }

    /// Draws a border with a title, and returns the area in it.
    fn block(&self, title: &str, area: Rect, buf: &mut Buffer) -> Rect {
        let block = Block::bordered()
            .border_set(self.theme.border())
            .border_style(FAINT)
            .title(Span::styled(title.to_owned(), self.theme.title()));
        let inner = block.inner(area);
        block.render(area, buf);
        inner
    }
}

/// The rows that a line takes when it is wrapped between words.
fn wrapped_rows(line: &Line, width: u16) -> u16 {
    let (mut rows, mut used) = (1_u16, 0);
    for word in line.to_string().split(' ') {
        let word = Span::raw(word).width();
        if used + word > usize::from(width) && used > 0 {
            (rows, used) = (rows.saturating_add(1), 0);
        }
        used += word + 1;
    }
    rows
}

/// Renders a line, and a span at the right end that is never cut.
fn split(area: Rect, left: &Line, right: Span, buf: &mut Buffer) {
    let width = u16::try_from(right.width()).unwrap_or(u16::MAX);
    let [left_area, _, right_area] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(width)])
            .areas(area);
    left.render(left_area, buf);
    right.render(right_area, buf);
}

fn cells((symbol, style): (&str, Style), count: usize) -> Span<'static> {
    Span::styled(symbol.repeat(count), style)
}

/// Cells of a bar for a part; all of them only for the whole.
fn cells_of(part: u64, whole: u64, cells: usize) -> usize {
    let cell = u128::from(part.min(whole)) * cells as u128 / u128::from(whole.max(1));
    usize::try_from(cell).unwrap_or(cells)
}
