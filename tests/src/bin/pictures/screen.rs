//! Renders a terminal's screen as SVG. Blocks and borders are drawn as shapes, so that they join in any font.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

/// Size of a cell, in the picture's units.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 18.0;

/// Margin around the screen.
const MARGIN: f64 = 16.0;

const INK: &str = "#d7dde5";
const GROUND: &str = "#11161d";

/// The sixteen colours of a terminal, for a dark background.
const PALETTE: [&str; 16] = [
    "#11161d", "#ff7b72", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#d7dde5", "#6e7681",
    "#ffa198", "#7ee787", "#f2cc60", "#a5d6ff", "#e2c5ff", "#b3f0ff", "#ffffff",
];

/// The style of adjacent cells that are drawn as one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Style {
    ink: &'static str,
    ground: &'static str,
    bold: bool,
    dim: bool,
}

/// Renders the screen as SVG, with `title` as its accessible name.
pub fn svg(screen: &Screen, title: &str) -> String {
    let (rows, columns) = screen.size();
    let (width, height) =
        (f64::from(columns.get()) * WIDTH + 2.0 * MARGIN, f64::from(rows.get()) * HEIGHT + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" role=\"img\" \
         aria-label=\"{title}\" font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" \
         font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"10\" fill=\"{GROUND}\"/>\n"
    );
    for row in 0..rows.get() {
        draw_row(&mut svg, screen, row, columns.get());
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_row(svg: &mut String, screen: &Screen, row: u16, columns: u16) {
    let mut column = 0;
    while column < columns {
        let Some(style) = screen.cell(row, column).map(Style::of) else { break };
        let first = column;
        let mut text = String::new();
        while let Some(cell) = screen.cell(row, column).filter(|cell| Style::of(cell) == style) {
            text.push_str(if cell.has_contents() { cell.contents() } else { " " });
            column += 1;
        }
        draw_run(svg, &text, f64::from(first), f64::from(row), style);
    }
}

/// Draws cells of one style.
fn draw_run(svg: &mut String, text: &str, column: f64, row: f64, style: Style) {
    let (left, top) = (MARGIN + column * WIDTH, MARGIN + row * HEIGHT);
    let count = text.chars().count() as f64;
    if style.ground != GROUND {
        rect(svg, left, top, count * WIDTH, HEIGHT, style.ground, 1.0);
    }
    let opacity = if style.dim { 0.65 } else { 1.0 };
    let mut words = String::new();
    let signs: Vec<char> = text.chars().collect();
    for alike in signs.chunk_by(|one, next| one == next && *one != '│') {
        let x = left + words.chars().count() as f64 * WIDTH;
        let drawn = draw_signs(svg, alike[0], alike.len(), x, top, style.ink, opacity);
        words.extend(alike.iter().map(|sign| if drawn { ' ' } else { *sign }));
    }
    for (place, word) in words_of(&words) {
        let x = left + place as f64 * WIDTH;
        let weight = if style.bold { " font-weight=\"700\"" } else { "" };
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\" \
             opacity=\"{opacity}\"{weight}>{}</text>",
            top + 0.74 * HEIGHT,
            word.chars().count() as f64 * WIDTH,
            style.ink,
            escaped(word),
        );
    }
}

/// Draws a symbol `times` times in a row. Returns `false` if it is text.
fn draw_signs(svg: &mut String, sign: char, times: usize, x: f64, top: f64, ink: &str, opacity: f64) -> bool {
    let width = times as f64 * WIDTH;
    let (middle, centre) = (x + WIDTH / 2.0, top + HEIGHT / 2.0);
    let (right, bottom) = (x + width, top + HEIGHT);
    let mut line = |path: String| {
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{ink}\" stroke-width=\"1.2\" opacity=\"{opacity}\"/>"
        );
    };
    let mut corner = |from: f64, to: f64| {
        line(format!("M{middle:.1} {from:.1}Q{middle:.1} {centre:.1} {to:.1} {centre:.1}"));
    };
    match sign {
        '▁'..='█' => {
            let height = HEIGHT * f64::from(u32::from(sign) - u32::from('▁') + 1) / 8.0;
            rect(svg, x, bottom - height, width, height, ink, opacity);
        }
        '░' => rect(svg, x, top, width, HEIGHT, ink, 0.3 * opacity),
        '▓' => rect(svg, x, top, width, HEIGHT, ink, 0.7 * opacity),
        '─' => line(format!("M{x:.1} {centre:.1}H{right:.1}")),
        '│' => line(format!("M{middle:.1} {top:.1}V{bottom:.1}")),
        '╭' => corner(bottom, right),
        '╮' => corner(bottom, x),
        '╰' => corner(top, right),
        '╯' => corner(top, x),
        _ => return false,
    }
    true
}

fn rect(svg: &mut String, x: f64, y: f64, width: f64, height: f64, fill: &str, opacity: f64) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\" \
         opacity=\"{opacity:.2}\" shape-rendering=\"crispEdges\"/>"
    );
}

/// Splits a text at blanks, and returns each piece with its position.
fn words_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut place = 0;
    text.split(' ').filter_map(move |word| {
        let begins = place;
        place += word.chars().count() + 1;
        (!word.is_empty()).then_some((begins, word))
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Style {
    fn of(cell: &Cell) -> Self {
        let (mut ink, mut ground) = (colour(cell.fgcolor(), INK), colour(cell.bgcolor(), GROUND));
        if cell.inverse() {
            std::mem::swap(&mut ink, &mut ground);
        }
        Self { ink, ground, bold: cell.bold(), dim: cell.dim() }
    }
}

/// Returns a colour as CSS. The view uses only the terminal's sixteen colours.
fn colour(colour: Color, default: &'static str) -> &'static str {
    match colour {
        Color::Idx(index) => PALETTE.get(usize::from(index)).copied().unwrap_or(default),
        Color::Default | Color::Rgb(..) => default,
    }
}
