//! The text of a progress bar: what fits into the columns of the terminal.

use std::time::Duration;

use console::style;
use indicatif::ProgressState;

use crate::format;

/// Minimum time of a measured rate: batches finish in bursts.
const MIN_RATE_TIME: Duration = Duration::from_secs(1);

/// Minimum time before the time left is estimated.
const MIN_LEFT_TIME: Duration = Duration::from_secs(2);

/// Minimum width of the bar itself, columns.
const MIN_BAR: usize = 6;

/// A progress bar at a moment.
#[derive(Debug)]
pub(super) struct Bar<'a> {
    doing: &'a str,
    done: u64,
    total: u64,
    /// Messages a second; `None` while it is unknown.
    rate: Option<f64>,
    /// Seconds; `None` while it is unknown.
    left: Option<f64>,
}

impl<'a> Bar<'a> {
    pub(super) fn of(doing: &'a str, state: &ProgressState) -> Self {
        let (elapsed, left) = (state.elapsed(), state.eta());
        Self {
            doing,
            done: state.pos(),
            total: state.len().unwrap_or_default(),
            rate: (elapsed >= MIN_RATE_TIME).then(|| state.per_sec()),
            left: (elapsed >= MIN_LEFT_TIME && !left.is_zero()).then_some(left.as_secs_f64()),
        }
    }

    /// The longest form that fits into `width` columns. From 17 columns on it has the rate and the time left.
    pub(super) fn text(&self, width: usize, is_unicode: bool) -> String {
        let unknown = || "-".to_owned();
        let rate = self.rate.map_or_else(unknown, |rate| format!("{}/s", format::rate(rate)));
        let left = self.left.map_or_else(unknown, format::duration);
        let total = format::thousands(self.total);
        let count = format!("{:>digits$} of {total}", format::thousands(self.done), digits = total.len());
        // The parts keep their width as the numbers change, so that the bar stands still.
        let figures = format!("{count}  {rate:>8}  {left:>11} left");
        let doing = self.doing;
        if let Some(columns) = width.checked_sub(doing.len() + figures.len() + 2).filter(|c| *c >= MIN_BAR) {
            return format!("{doing} {} {figures}", self.bar(columns, is_unicode));
        }
        let percentage = self.done.saturating_mul(100) / self.total.max(1);
        // The first unit: `3 min` of `3 min 20 s`.
        let roughly = left.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let shorter = [
            format!("{doing} {count}  {rate}  {left} left"),
            format!("{doing} {percentage}%  {rate}  {left} left"),
            format!("{percentage}%  {rate}  {roughly} left"),
            format!("{rate}  {roughly} left"),
        ];
        let shortest = format!("{rate} {roughly}");
        let fitting = shorter.into_iter().find(|text| text.len() <= width);
        fitting.unwrap_or_else(|| shortest.chars().take(width).collect())
    }

    fn bar(&self, columns: usize, is_unicode: bool) -> String {
        let [full, end, empty] = if is_unicode { ["━", "╸", "─"] } else { ["=", ">", " "] };
        let cells = u128::from(self.done.min(self.total)) * columns as u128 / u128::from(self.total.max(1));
        let filled = usize::try_from(cells).unwrap_or(columns);
        let end = if filled < columns { end } else { "" };
        let rest = columns - filled - end.chars().count();
        format!("{}{}", style(full.repeat(filled) + end).cyan(), style(empty.repeat(rest)).dim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(done: u64, total: u64, rate: Option<f64>, left: Option<f64>) -> Bar<'static> {
        console::set_colors_enabled(false);
        Bar { doing: "looking up", done, total, rate, left }
    }

    #[test]
    fn the_line_never_wraps_and_has_rate_and_time_left_from_20_columns_up() {
        let bars = [
            bar(0, 1, None, None),
            bar(999, 3_000, Some(0.5), Some(0.4)),
            bar(340_000, 1_000_000, Some(42_900.0), Some(1_234.0)),
            bar(999_999_999, 1_000_000_000, Some(999_999.0), Some(7_199.0)),
            bar(5, 1_000_000_000, Some(12_345.0), Some(359_000.0)),
        ];
        for bar in bars {
            // Three columns stay free.
            for width in 17..=197 {
                let text = bar.text(width, true);
                assert!(text.chars().count() <= width, "{width}: {text:?}");
                let (rate, left) =
                    if bar.rate.is_some() { ("/s", [" s", " min", " h"]) } else { ("-", ["-"; 3]) };
                assert!(
                    text.contains(rate) && left.iter().any(|unit| text.contains(unit)),
                    "{width}: {text:?}"
                );
            }
            assert!((0..17).all(|width| bar.text(width, false).len() <= width));
        }
    }

    #[test]
    fn a_wide_line_has_every_part_and_a_narrow_one_what_matters_most() {
        let bar = bar(340_000, 1_000_000, Some(42_900.0), Some(200.0));
        for (width, text) in [
            (77, "looking up ━━━━━╸─────────   340,000 of 1,000,000  42,900/s   3 min 20 s left"),
            (62, "looking up   340,000 of 1,000,000  42,900/s  3 min 20 s left"),
            (45, "looking up 34%  42,900/s  3 min 20 s left"),
            (30, "34%  42,900/s  3 min left"),
            (22, "42,900/s  3 min left"),
            (17, "42,900/s 3 min"),
        ] {
            assert_eq!(bar.text(width, true), text, "{width}");
        }
        let begun = Bar { rate: None, left: None, ..bar };
        assert_eq!(begun.text(30, true), "looking up 34%  -  - left");
    }

    #[test]
    fn the_bar_is_full_only_at_the_end() {
        for (done, cells) in [(0, ">     "), (50, "===>  "), (99, "=====>"), (100, "======")] {
            assert_eq!(bar(done, 100, None, None).bar(6, false), cells);
        }
    }
}
