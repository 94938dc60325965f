//! Reports and comparisons of runs, as HTML and JSON files.

pub mod comparison;
mod data;
mod file;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod page;
pub mod svg;
#[cfg(test)]
mod tests;

pub use data::{Distribution, Reached, Report};
pub use file::{ReportFormat, ReportPath};
use serde::Serialize;
use stentor_cli::{format, status};
use stentor_run_view::reading::Target;
use stentor_run_view::view::RunView;

/// Writes the report of a view; `made_at` is ms since the epoch.
pub fn write(
    path: &ReportPath,
    view: &RunView,
    target: &Target,
    made_at: u64,
    quiet: bool,
) -> anyhow::Result<()> {
    write_as(path, &Report::of(view, target, made_at), page::page, quiet)
}

/// Writes data as JSON or as the page of it, whichever the path's extension asks for, and reports where it is.
pub fn write_as<T: Serialize>(
    path: &ReportPath,
    data: &T,
    page: fn(&T) -> String,
    quiet: bool,
) -> anyhow::Result<()> {
    let text = match path.format {
        ReportFormat::Json => format::json_line(data) + "\n",
        ReportFormat::Html => page(data),
    };
    path.write(&text)?;
    if !quiet {
        status(&format!("the report is in {}", path.name()));
    }
    Ok(())
}
