//! The view as cells of a terminal: which parts there is room for, and where.

mod charts;
mod overlay;
mod panels;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect, Size};
use ratatui::style::Color;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};
use stentor_cli::format;

use super::model::Model;
use crate::live::theme::{FAINT, STRONG, Theme};
use stentor_cli::format::{percent_of, seconds};
use stentor_run_view::snapshot::Snapshot;
use stentor_run_view::view::{Data, State, StateKind};

/// How much of the width the left one of two panels has, percent.
const LEFT: u16 = 60;

/// Below this there are lines in place of panels.
const NARROWEST: u16 = 60;

/// Heights of what does not stretch.
const PROGRESS: u16 = 4;
const FIGURES: u16 = 5;
const LOWEST_CHARTS: u16 = 5;
const LOWEST_SENDERS: u16 = 4;

/// What stays behind is no higher than this, and leaves room for the last words and a prompt.
const HIGHEST_SUMMARY: u16 = 24;
const BELOW_SUMMARY: u16 = 4;

/// The model at a moment, and how to draw it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Picture<'a> {
    pub model: &'a Model,
    /// Since the view began.
    pub now: Duration,
    pub look: Theme,
}

impl Widget for Picture<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        if area.width < NARROWEST || area.height < 2 + PROGRESS + 1 {
            return self.lines(area, buf);
        }
        let [view, keys] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
        self.panels(view, buf);
        self.keys(keys, buf);
        self.overlay(area, buf);
    }
}

impl Picture<'_> {
    /// The last picture without what only serves while it is live, for a terminal of that size.
    pub(crate) fn summary(&self, terminal: Size) -> Buffer {
        let area = Rect::new(
            0,
            0,
            terminal.width,
            terminal.height.saturating_sub(BELOW_SUMMARY).min(HIGHEST_SUMMARY),
        );
        let mut buffer = Buffer::empty(area);
        if area.width < NARROWEST || area.height < 2 + PROGRESS {
            self.lines(area, &mut buffer);
        } else {
            self.panels(area, &mut buffer);
        }
        buffer
    }

    fn panels(&self, area: Rect, buf: &mut Buffer) {
        let senders = self.model.data().map_or(0, |data| data.snapshot.senders.len());
        let mut room = area.height.saturating_sub(2 + PROGRESS);
        let mut take = |height: u16| {
            let taken = if room >= height { height } else { 0 };
            room -= taken;
            taken
        };
        let (figures, charts, least) = (take(FIGURES), take(LOWEST_CHARTS), take(LOWEST_SENDERS));
        // A head line, a line each, and the frame; most of what is left goes to the charts.
        let wanted = u16::try_from(senders).unwrap_or(u16::MAX).saturating_add(3);
        let more = wanted.saturating_sub(least).min((room / 3).max(room.min(2)));
        let senders = if least == 0 { 0 } else { least + more };
        let charts = if charts == 0 { 0 } else { charts + room - (senders - least) };
        let [head, why, progress, figures, charts, senders] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(PROGRESS),
            Constraint::Length(figures),
            Constraint::Length(charts),
            Constraint::Length(senders),
        ])
        .areas(area);
        let state = self.model.state(self.now);
        self.head(&state, head, buf);
        self.why(&state, why, buf);
        self.progress(progress, buf);
        self.figures(figures, buf);
        self.charts(charts, buf);
        self.senders(senders, buf);
    }

    /// Which run where, as far as there is room, and how it stands.
    fn head(&self, state: &State, area: Rect, buf: &mut Buffer) {
        let (place, look) = (&self.model.place, self.look);
        let badge = Span::styled(format!(" {} ", state.word), look.badge(badge_colour(state.kind)));
        let run = self.data().map_or("no run", |data| data.snapshot.run.as_str());
        let mut line =
            Line::from(vec![Span::styled(" Stentor ", look.title()), Span::styled(look.text(run), STRONG)]);
        let host = place.endpoint.split_once("://").map(|(_, host)| format!(" at {host}"));
        let parts = [format!("  stack {}", place.stack), format!(", {}", place.region)];
        for part in parts.into_iter().chain(host) {
            let part = Span::styled(look.text(&part), FAINT);
            if line.width() + part.width() + badge.width() < usize::from(area.width) {
                line.push_span(part);
            }
        }
        split(area, &line, badge, buf);
    }

    /// What there is to status to that.
    fn why(&self, state: &State, area: Rect, buf: &mut Buffer) {
        let style = if state.kind == StateKind::Bad { STRONG } else { FAINT };
        Line::from(Span::styled(format!(" {}", self.look.text(&state.why)), style)).render(area, buf);
    }

    fn age(&self) -> String {
        let every = self.model.wish.interval.as_secs_f64();
        match self.model.known.age(self.now) {
            Some(age) if age.as_secs() < 1 => format!("data now, every {every} s"),
            Some(age) => format!("data {} s old, every {every} s", format::thousands(age.as_secs())),
            None => format!("every {every} s"),
        }
    }

    fn progress(&self, area: Rect, buf: &mut Buffer) {
        let left = self.model.known.seconds_left(self.now);
        let title = left.map_or_else(
            || " Progress ".to_owned(),
            |left| format!(" Progress: {} left ", format::duration(left)),
        );
        let inner = self.frame(&title, area, buf);
        let [bar, legend] = Layout::vertical([Constraint::Length(1); 2]).areas(inner);
        let [bar, told] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(8)]).areas(bar);
        let Some(now) = self.data().map(|data| &data.snapshot) else {
            let nothing = self.look.pending_sign().repeat(usize::from(bar.width));
            return Line::from(Span::styled(nothing, FAINT)).render(bar, buf);
        };
        let whole = percent_down(now.sent.saturating_add(now.failed), now.total);
        self.bar(now, bar, buf);
        Line::from(Span::styled(whole, STRONG)).right_aligned().render(told, buf);
        self.legend(now, legend.width).render(legend, buf);
    }

    fn bar(&self, now: &Snapshot, area: Rect, buf: &mut Buffer) {
        let width = usize::from(area.width);
        let cells = |count: u64| share_of(count, now.total, width);
        let (sent, done) = (cells(now.sent), cells(now.sent.saturating_add(now.failed)));
        let look = self.look;
        Line::from(vec![
            Span::styled(look.sent_sign().repeat(sent), look.sent()),
            Span::styled(look.failed_sign().repeat(done - sent), look.failed()),
            Span::styled(look.pending_sign().repeat(width - done), FAINT),
        ])
        .render(area, buf);
    }

    fn legend(&self, now: &Snapshot, width: u16) -> Line<'static> {
        let look = self.look;
        let part = |sign: &'static str, style, name: &str, count: u64| {
            let told = format!(" {name} {} ({})   ", format::thousands(count), percent_of(count, now.total));
            [Span::styled(sign, style), Span::raw(told)]
        };
        let mut spans: Vec<Span<'static>> = Vec::new();
        spans.extend(part(look.sent_sign(), look.sent(), "sent", now.sent));
        spans.extend(part(look.failed_sign(), look.failed(), "failed", now.failed));
        spans.extend(part(look.pending_sign(), FAINT, "pending", now.pending));
        let total = format!("of {}", format::thousands(now.total));
        if spans.iter().map(Span::width).sum::<usize>() + total.len() <= usize::from(width) {
            spans.push(Span::raw(total));
        }
        Line::from(spans)
    }

    fn keys(&self, area: Rect, buf: &mut Buffer) {
        let mut spans = Vec::new();
        let pause = if self.model.wish.paused { "go on" } else { "pause" };
        for (key, does) in [("q", "quit"), ("p", pause), ("+ -", "interval"), ("r", "runs"), ("?", "help")] {
            spans.push(Span::styled(format!(" {key}"), self.look.title()));
            spans.push(Span::styled(format!(" {does}  "), FAINT));
        }
        let keys = Line::from(spans);
        let age = Span::styled(format!("{} ", self.age()), FAINT);
        split(area, &keys, age, buf);
    }

    /// A terminal too small for panels: what matters most, a line each.
    fn lines(&self, area: Rect, buf: &mut Buffer) {
        let state = self.model.state(self.now);
        let mut lines = vec![Line::from(Span::styled(
            format!("{} {}", state.word, self.done()),
            self.look.badge(badge_colour(state.kind)),
        ))];
        match self.data().map(|data| &data.snapshot) {
            Some(now) => {
                let left = self.model.known.seconds_left(self.now).map_or("-".to_owned(), format::duration);
                lines.extend([
                    Line::raw(format!("sent {}", format::thousands(now.sent))),
                    Line::raw(format!("failed {}", format::thousands(now.failed))),
                    Line::raw(format!("pending {}", format::thousands(now.pending))),
                    Line::raw(format!("left {left}")),
                    Line::raw(format!("average {}", seconds(now.average_seconds))),
                    Line::raw(format!(
                        "rate {}/s",
                        now.messages_per_second.map_or("-".to_owned(), format::rate)
                    )),
                    Line::raw(format!("senders {}", now.senders.len())),
                    Line::raw(format!("dead letters {}", format::thousands(now.dead_letters))),
                    Line::raw(self.age()),
                ]);
            }
            None => lines.push(Line::raw(self.look.text(&state.why))),
        }
        if self.data().is_some() && !state.why.is_empty() {
            lines.push(Line::raw(self.look.text(&state.why)));
        }
        for (line, row) in lines.into_iter().zip(area.rows()) {
            line.render(row, buf);
        }
    }

    fn done(&self) -> String {
        self.data().map_or_else(String::new, |data| {
            let now = &data.snapshot;
            percent_down(now.sent.saturating_add(now.failed), now.total)
        })
    }

    fn data(&self) -> Option<&Data> {
        self.model.data()
    }

    /// Draws a frame with its title, and returns the room in it.
    fn frame(&self, title: &str, area: Rect, buf: &mut Buffer) -> Rect {
        let block = Block::bordered()
            .border_set(self.look.border())
            .border_style(FAINT)
            .title(Span::styled(title.to_owned(), self.look.title()));
        let inner = block.inner(area);
        block.render(area, buf);
        inner
    }
}

/// A line, and something at its right end that is never cut for it.
fn split(area: Rect, left: &Line, right: Span, buf: &mut Buffer) {
    let width = u16::try_from(right.width()).unwrap_or(u16::MAX);
    let [left_area, _, right_area] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(width)])
            .areas(area);
    left.render(left_area, buf);
    right.render(right_area, buf);
}

fn badge_colour(kind: StateKind) -> Color {
    match kind {
        StateKind::Waiting => Color::Blue,
        StateKind::Good => Color::Green,
        StateKind::Bad => Color::Red,
    }
}

/// So many cells of a bar; all of them only for the whole.
fn share_of(part: u64, whole: u64, cells: usize) -> usize {
    let cell = u128::from(part.min(whole)) * cells as u128 / u128::from(whole.max(1));
    usize::try_from(cell).unwrap_or(cells)
}

/// A share in percent, rounded down: 100.0% is the whole.
fn percent_down(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1_000 / u128::from(whole.max(1));
    format!("{}.{}%", tenths / 10, tenths % 10)
}
