//! Bar charts as SVG. Elements have class names; the page's style sheet gives them colours and patterns.

use maud::{Markup, html};

use crate::data::{Distribution, Progress, Reached};
use stentor_cli::format;

/// A bar chart with stacked bars over an axis of time.
#[derive(Debug)]
pub struct SvgChart {
    x_label: &'static str,
    y_label: &'static str,
    /// Start of the first bar, and width of each; in seconds.
    bars_from: f64,
    bar_width: f64,
    /// The parts of each bar.
    bars: Vec<Vec<Part>>,
    /// Named vertical lines; the position is in seconds, and unknown for one that only a chart to compare with may have.
    marks: Vec<(Option<f64>, &'static str)>,
    scale: ChartScale,
}

/// The range of both axes. Charts that are to be compared share one.
#[derive(Debug, Clone, Copy)]
pub struct ChartScale {
    from: f64,
    to: f64,
    /// The height of the highest bar; `None` scales each chart to its own.
    highest: Option<f64>,
}

/// The height of a part of a bar, and its class; the parts stand on each other.
type Part = (f64, &'static str);

/// A size that a chart is drawn at, in pixels; the page shows the one that suits its width.
#[derive(Debug)]
struct Layout {
    class: &'static str,
    width: f64,
    height: f64,
    x_ticks: f64,
}

/// Both have the same font size: the second is for a phone, and for charts side by side.
const LAYOUTS: [Layout; 2] = [
    Layout { class: "wide", width: 920.0, height: 280.0, x_ticks: 9.0 },
    Layout { class: "narrow", width: 400.0, height: 260.0, x_ticks: 4.0 },
];

const FONT_SIZE: f64 = 13.0;

/// The vertical distance of two mark names, pixels.
const MARK_ROW: f64 = 17.0;

const Y_TICKS: f64 = 5.0;

/// The gap on each side of a bar, as a share of its width. It separates bars without the help of colour.
const BAR_GAP: f64 = 0.08;

impl ChartScale {
    /// Covers the throughput of all `runs`.
    pub fn of_progress(runs: &[&Progress]) -> Self {
        let rates = runs.iter().flat_map(|run| &run.columns);
        let highest = rates.map(|rate| rate.sent_per_second + rate.failed_per_second).fold(0.0, f64::max);
        Self::from_zero(runs.iter().map(|run| run.seconds), highest)
    }

    /// Covers the time of all `runs`, and the shares up to 100 %.
    pub fn of_reached(runs: &[&Reached]) -> Self {
        Self::from_zero(runs.iter().map(|run| run.seconds), 100.0)
    }

    fn from_zero(lengths: impl Iterator<Item = f64>, highest: f64) -> Self {
        let to = lengths.fold(0.0, f64::max);
        Self { from: 0.0, to: if to > 0.0 { to } else { 1.0 }, highest: Some(highest) }
    }

    /// Covers the durations of all `runs`. Counts depend on the bin width, so each chart keeps its own height.
    pub fn of_times(runs: &[&Distribution]) -> Self {
        let ranges = runs.iter().filter_map(|run| {
            let from = run.from?;
            Some((from, from + run.column_seconds? * run.columns.len() as f64))
        });
        let range = ranges.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        let (from, to) = range.filter(|(from, to)| to > from).unwrap_or((0.0, 1.0));
        Self { from, to, highest: None }
    }
}

impl SvgChart {
    /// Shows sent and failed messages a second over time, stacked.
    pub fn progress(progress: &Progress, scale: ChartScale) -> Self {
        let bars = progress
            .columns
            .iter()
            .map(|rate| vec![(rate.sent_per_second, "sent"), (rate.failed_per_second, "failed")]);
        Self {
            x_label: "since the first outcome",
            y_label: "messages a second",
            bars_from: 0.0,
            bar_width: progress.column_seconds.unwrap_or(1.0),
            bars: bars.collect(),
            marks: Vec::new(),
            scale,
        }
    }

    /// Shows how many messages took how long, with marks at p50, p90 and p99.
    pub fn distribution(times: &Distribution, scale: ChartScale) -> Self {
        Self {
            x_label: "",
            y_label: "messages",
            bars_from: times.from.unwrap_or(0.0),
            bar_width: times.column_seconds.unwrap_or(1.0),
            bars: times.columns.iter().map(|count| vec![(*count, "both")]).collect(),
            marks: vec![(times.p50, "p50"), (times.p90, "p90"), (times.p99, "p99")],
            scale,
        }
    }

    /// Shows which share of the messages was SENT after how long, with marks at 50, 90 and 99 %.
    pub fn reached(reached: &Reached, scale: ChartScale) -> Self {
        Self {
            x_label: "since the run’s creation",
            y_label: "% of the messages sent",
            bars_from: 0.0,
            bar_width: reached.column_seconds.unwrap_or(1.0),
            bars: reached.columns.iter().map(|share| vec![(100.0 * share, "sent")]).collect(),
            marks: vec![(reached.p50, "50 %"), (reached.p90, "90 %"), (reached.p99, "99 %")],
            scale,
        }
    }

    /// Draws the chart in each layout; `label` describes it to a screen reader.
    pub fn render(&self, label: &str) -> Markup {
        html! { @for layout in &LAYOUTS { (Plot::new(self, layout).svg(label)) } }
    }
}

/// A chart in one layout: the edges of the area inside the axes, in pixels from the top left, and the value at its top.
struct Plot<'c> {
    chart: &'c SvgChart,
    layout: &'c Layout,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    y_max: f64,
}

impl<'c> Plot<'c> {
    fn new(chart: &'c SvgChart, layout: &'c Layout) -> Self {
        let height = |bar: &Vec<Part>| bar.iter().map(|(height, _)| height).sum();
        let highest =
            chart.scale.highest.unwrap_or_else(|| chart.bars.iter().map(height).fold(0.0, f64::max));
        Self {
            chart,
            layout,
            left: 64.0,
            // Leaves space for the name of a mark at the right edge.
            right: layout.width - 34.0,
            top: 8.0 + MARK_ROW * chart.marks.len() as f64,
            bottom: layout.height - if chart.x_label.is_empty() { 26.0 } else { 44.0 },
            y_max: if highest > 0.0 { highest * 1.08 } else { 1.0 },
        }
    }

    fn x(&self, seconds: f64) -> f64 {
        let ChartScale { from, to, .. } = self.chart.scale;
        rounded(self.left + (seconds - from) / (to - from) * (self.right - self.left))
    }

    fn y(&self, value: f64) -> f64 {
        rounded(self.bottom - value / self.y_max * (self.bottom - self.top))
    }

    fn svg(&self, label: &str) -> Markup {
        let Layout { class, width, height, .. } = self.layout;
        html! {
            svg class={ "chart " (class) } viewBox={ "0 0 " (width) " " (height) } font-size=(FONT_SIZE) role="img" aria-label=(label) {
                (self.y_axis())
                @for (place, bar) in (0..).zip(&self.chart.bars) { (self.bar(place, bar)) }
                (self.x_axis())
                (self.marks())
            }
        }
    }

    fn bar(&self, place: u32, bar: &[Part]) -> Markup {
        let (width, gap) = (self.chart.bar_width, self.chart.bar_width * BAR_GAP);
        let edge = |place: u32| self.chart.bars_from + f64::from(place) * width;
        let (left, right) = (self.x(edge(place) + gap), self.x(edge(place + 1) - gap));
        let mut base = 0.0;
        html! {
            @for (height, class) in bar.iter().filter(|(height, _)| *height > 0.0) {
                @let bottom = self.y(base);
                @let top = { base += height; self.y(base) };
                rect class=(class) x=(left) y=(top) width=(rounded(right - left)) height=(rounded(bottom - top)) {}
            }
        }
    }

    fn x_axis(&self) -> Markup {
        let ChartScale { from, to, .. } = self.chart.scale;
        let (unit_seconds, unit) = match to - from {
            ..400.0 => (1.0, "s"),
            ..24_000.0 => (60.0, "min"),
            _ => (3_600.0, "h"),
        };
        let middle = f64::midpoint(self.left, self.right);
        html! {
            line.line x1=(self.left) y1=(self.bottom) x2=(self.right) y2=(self.bottom) {}
            g text-anchor="middle" {
                @for (at, text) in ticks(from / unit_seconds, to / unit_seconds, self.layout.x_ticks) {
                    @let x = self.x(at * unit_seconds);
                    line.line x1=(x) y1=(self.bottom) x2=(x) y2=(self.bottom + 5.0) {}
                    text.text x=(x) y=(self.bottom + 18.0) { (text) " " (unit) }
                }
                @if !self.chart.x_label.is_empty() {
                    text.text x=(middle) y=(self.layout.height - 7.0) { (self.chart.x_label) }
                }
            }
        }
    }

    /// The axis with a line across the chart at each tick.
    fn y_axis(&self) -> Markup {
        let middle = f64::midpoint(self.top, self.bottom);
        html! {
            line.line x1=(self.left) y1=(self.top) x2=(self.left) y2=(self.bottom) {}
            g text-anchor="end" {
                @for (at, text) in ticks(0.0, self.y_max, Y_TICKS) {
                    @let y = self.y(at);
                    line.line x1=(self.left - 5.0) y1=(y) x2=(self.right) y2=(y) {}
                    text.text x=(self.left - 8.0) y=(y) dy="0.35em" { (text) }
                }
            }
            text.text text-anchor="middle" transform={ "translate(12 " (middle) ") rotate(-90)" } { (self.chart.y_label) }
        }
    }

    /// The first mark's name is the topmost, so that no line crosses the name of another.
    fn marks(&self) -> Markup {
        let rows = (0_u32..).map(|row| 8.0 + MARK_ROW * f64::from(row));
        html! {
            @for ((at, name), y) in self.chart.marks.iter().zip(rows) {
                @if let Some(x) = at.map(|at| self.x(at)) {
                    line.mark x1=(x) y1=(y) x2=(x) y2=(self.bottom) {}
                    text.mark x=(x) y=(y) dx="4" dy="10" { (name) }
                }
            }
        }
    }
}

/// Rounds to a hundredth of a pixel, which keeps the page short.
fn rounded(pixels: f64) -> f64 {
    (pixels * 100.0).round() / 100.0
}

/// Returns about `count` round numbers between `from` and `to`, each with its text.
fn ticks(from: f64, to: f64, count: f64) -> impl Iterator<Item = (f64, String)> {
    let rough = (to - from) / count;
    let magnitude = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0].map(|digit| digit * magnitude).into_iter().find(|step| *step >= 0.7 * rough);
    let step = step.unwrap_or(10.0 * magnitude);
    let decimals = (0_u8..12).find(|decimals| step * 10_f64.powi((*decimals).into()) > 0.999).unwrap_or(12);
    let first = (from / step).ceil();
    // `0..20` bounds the loop where `step` is too small to change a large `from`.
    (0_u32..20).map(move |place| (first + f64::from(place)) * step).take_while(move |at| *at <= to).map(
        move |at| {
            let text = if decimals == 0 {
                format::quantity(at.round())
            } else {
                format!("{at:.*}", decimals.into())
            };
            (at, text)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(from: f64, to: f64, count: f64) -> Vec<String> {
        ticks(from, to, count).map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_numbers_within_the_range() {
        assert_eq!(texts(0.0, 0.9, 5.0), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(texts(0.13, 0.27, 4.0), ["0.15", "0.20", "0.25"]);
        assert_eq!(texts(3.0, 1_000.0, 4.0), ["200", "400", "600", "800", "1,000"]);
        assert_eq!(texts(0.0, 108.0, 5.0), ["0", "20", "40", "60", "80", "100"]);
        assert!(texts(1e16, 1e16 + 4.0, 9.0).len() <= 20);
    }

    #[test]
    fn a_long_time_axis_is_in_minutes_or_hours() {
        for (seconds, tick) in [(20.0, "5 s"), (299.0, "50 s"), (600.0, "2 min"), (40_000.0, "2 h")] {
            let scale = ChartScale { from: 0.0, to: seconds, highest: None };
            let chart = SvgChart {
                x_label: "",
                y_label: "",
                bars_from: 0.0,
                bar_width: 1.0,
                bars: Vec::new(),
                marks: Vec::new(),
                scale,
            };
            let svg = chart.render("").into_string();
            assert!(svg.contains(&format!(">{tick}<")), "{seconds}: {svg}");
        }
    }
}
