//! Charts as SVG to stand in a page. They name what is drawn, and the page's style gives it colour and pattern.

use plotters::prelude::*;
use plotters::style::TextStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::data::{Distribution, Progress};
use stentor_cli::format;

/// How large a chart is drawn; the page scales it to the room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    Wide,
    /// For a phone: as large letters in less room.
    Narrow,
}

/// A drawing's inside, and how large it is.
#[derive(Debug)]
pub struct Drawing {
    pub width: u32,
    pub height: u32,
    pub svg: String,
}

/// Plotters has colours alone; each of these stands for what the page's style knows by name.
const NAMES: [(RGBColor, &str); 6] =
    [(SENT, "sent"), (FAILED, "failed"), (BOTH, "both"), (LINE, "line"), (TEXT, "text"), (MARK, "mark")];
const SENT: RGBColor = RGBColor(1, 0, 0);
const FAILED: RGBColor = RGBColor(2, 0, 0);
/// Of whichever outcome.
const BOTH: RGBColor = RGBColor(6, 0, 0);
const LINE: RGBColor = RGBColor(3, 0, 0);
const TEXT: RGBColor = RGBColor(4, 0, 0);
const MARK: RGBColor = RGBColor(5, 0, 0);

/// Plotters draws to whole units: so many of them to a pixel make columns even.
const FINE: u32 = 2;

/// How large letters are, pixels.
const LETTERS: u32 = 13;

/// How tall the name of a mark is, units.
const ROW: i32 = 34;

impl Size {
    const ALL: [Self; 2] = [Self::Wide, Self::Narrow];

    fn pixels(self) -> (u32, u32) {
        match self {
            Self::Wide => (920, 280),
            Self::Narrow => (400, 260),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }
}

/// A column, and its parts from the ground up: how high each is, and what it stands for.
struct Bar {
    from: f64,
    to: f64,
    parts: Vec<(f64, RGBColor)>,
}

/// A chart at each size.
pub type Drawings = Vec<(Size, Drawing)>;

/// How far the axes of a chart reach: those of several runs are the same where they are to be compared.
#[derive(Debug, Clone, Copy)]
pub struct Axes {
    from: f64,
    to: f64,
    /// What the highest column comes to; `None` for that of each chart by itself.
    highest: Option<f64>,
}

impl Axes {
    pub fn of_progress(runs: &[&Progress]) -> Self {
        let to = runs.iter().map(|run| run.seconds).fold(0.0, f64::max);
        let paces = runs.iter().flat_map(|run| &run.columns);
        let highest = paces.map(|pace| pace.sent_per_second + pace.failed_per_second).fold(0.0, f64::max);
        Self { from: 0.0, to: if to > 0.0 { to } else { 1.0 }, highest: Some(highest) }
    }

    /// Columns of another width are no higher for it, so that each chart has its own height.
    pub fn of_times(runs: &[&Distribution]) -> Self {
        let ends = runs.iter().filter_map(|run| {
            let from = run.from?;
            Some((from, from + run.column_seconds? * run.columns.len() as f64))
        });
        let (from, to) =
            ends.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))).unwrap_or((0.0, 1.0));
        Self { from, to, highest: None }
    }
}

/// Messages a second over time.
pub fn progress(progress: &Progress, axes: Axes) -> anyhow::Result<Drawings> {
    let width = progress.column_seconds.unwrap_or(1.0);
    let bars: Vec<Bar> = (0_u32..)
        .zip(&progress.columns)
        .map(|(place, pace)| Bar {
            from: f64::from(place) * width,
            to: f64::from(place + 1) * width,
            parts: vec![(pace.sent_per_second, SENT), (pace.failed_per_second, FAILED)],
        })
        .collect();
    at_each_size("since the first conclusion", "messages a second", &bars, &[], axes)
}

/// How many messages took how long.
pub fn distribution(times: &Distribution, axes: Axes) -> anyhow::Result<Drawings> {
    let (from, width) = (times.from.unwrap_or(0.0), times.column_seconds.unwrap_or(1.0));
    let bars: Vec<Bar> = (0_u32..)
        .zip(&times.columns)
        .map(|(place, count)| Bar {
            from: from + f64::from(place) * width,
            to: from + f64::from(place + 1) * width,
            parts: vec![(*count, BOTH)],
        })
        .collect();
    let marks: Vec<(f64, &str)> = [(times.p50, "p50"), (times.p90, "p90"), (times.p99, "p99")]
        .into_iter()
        .filter_map(|(at, name)| Some((at?, name)))
        .collect();
    at_each_size("", "messages", &bars, &marks, axes)
}

fn at_each_size(
    along: &str,
    up: &str,
    bars: &[Bar],
    marks: &[(f64, &str)],
    axes: Axes,
) -> anyhow::Result<Drawings> {
    Size::ALL.into_iter().map(|size| Ok((size, draw(size, along, up, bars, marks, axes)?))).collect()
}

fn draw(
    size: Size,
    along: &str,
    up: &str,
    bars: &[Bar],
    marks: &[(f64, &str)],
    axes: Axes,
) -> anyhow::Result<Drawing> {
    let Axes { from, to, highest } = axes;
    let of_these = || bars.iter().map(|bar| bar.parts.iter().map(|part| part.0).sum()).fold(0.0, f64::max);
    let highest = highest.unwrap_or_else(of_these);
    let top = if highest > 0.0 { highest * 1.08 } else { 1.0 };
    let (width, height) = size.pixels();
    let (width, height) = (width * FINE, height * FINE);
    let above = ROW * i32::try_from(marks.len())?;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin_top(8 * FINE + above.unsigned_abs())
            .margin_right(34 * FINE)
            .x_label_area_size(if along.is_empty() { 26 } else { 44 } * FINE)
            .y_label_area_size(64 * FINE)
            .build_cartesian_2d(from..to, 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(if size == Size::Wide { 9 } else { 4 })
            .y_labels(5)
            .x_label_formatter(&|at| time(*at, to - from))
            .y_label_formatter(&|at| number(*at, top))
            .x_desc(along)
            .y_desc(up)
            .label_style(text(TEXT))
            .axis_desc_style(text(TEXT))
            .axis_style(LINE.stroke_width(FINE))
            .bold_line_style(LINE.stroke_width(1))
            .light_line_style(TRANSPARENT)
            .draw()?;
        chart.draw_series(bars.iter().flat_map(parts))?;
        for (row, (at, name)) in (0_i32..).zip(marks) {
            let (x, high) = chart.backend_coord(&(*at, top));
            let (_, ground) = chart.backend_coord(&(*at, 0.0));
            // The first stands highest, so that no line crosses the name of another.
            let y = high - above + row * ROW;
            area.draw(&PathElement::new([(x, y), (x, ground)], MARK.stroke_width(FINE)))?;
            let style = text(MARK).pos(Pos::new(HPos::Left, VPos::Top));
            area.draw(&Text::new(*name, (x + 8, y), style))?;
        }
        area.present()?;
    }
    Ok(Drawing { width, height, svg: named(inside(&svg)) })
}

/// A column's parts, as far as there is something in them.
fn parts(bar: &Bar) -> impl Iterator<Item = Rectangle<(f64, f64)>> {
    // A gap tells columns apart without colour.
    let gap = (bar.to - bar.from) * 0.08;
    let (from, to) = (bar.from + gap, bar.to - gap);
    let mut ground = 0.0;
    bar.parts.iter().filter(|(height, _)| *height > 0.0).map(move |(height, colour)| {
        let low = ground;
        ground += height;
        Rectangle::new([(from, low), (to, ground)], colour.filled())
    })
}

fn text(colour: RGBColor) -> TextStyle<'static> {
    // What plotters calls the size is 1.24 times that of the letters.
    ("sans-serif", f64::from(LETTERS * FINE) * 1.24).into_font().color(&colour)
}

/// What stands within the outermost element.
fn inside(svg: &str) -> &str {
    let begun = svg.split_once("<svg").and_then(|(_, rest)| rest.split_once('>'));
    let ended = begun.and_then(|(_, rest)| rest.rsplit_once("</svg>"));
    ended.map_or("", |(inside, _)| inside)
}

/// With names in the place of colours, and letters left to the page.
fn named(svg: &str) -> String {
    let named = NAMES.iter().fold(svg.to_owned(), |svg, (colour, name)| {
        let RGBColor(red, green, blue) = colour;
        let colour = format!("#{red:02X}{green:02X}{blue:02X}");
        let class = format!("class=\"{name}\"");
        svg.replace(&format!("fill=\"{colour}\""), &class).replace(&format!("stroke=\"{colour}\""), &class)
    });
    [" font-family=\"sans-serif\"", " opacity=\"1\"", " fill=\"none\"", " stroke=\"none\""]
        .iter()
        .fold(named, |svg, unneeded| svg.replace(unneeded, ""))
}

/// Seconds along an axis of such a length.
fn time(seconds: f64, length: f64) -> String {
    let decimals = match length {
        ..0.05 => 3,
        ..0.5 => 2,
        ..8.0 => 1,
        ..120.0 => 0,
        _ => return format::duration(seconds),
    };
    format!("{seconds:.decimals$} s")
}

/// A number up an axis that reaches to `most`.
fn number(number: f64, most: f64) -> String {
    // Five steps or so: as many decimals as tell them apart.
    let decimals = (1..12).find(|decimals| most * 10_f64.powi(*decimals) >= 50.0).unwrap_or(12);
    if most < 10.0 {
        format!("{number:.*}", decimals.unsigned_abs() as usize)
    } else {
        format::quantity(number.round())
    }
}
