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

use std::time::Duration;

pub use data::{Distribution, Reached, Report};
pub use file::{ReportFormat, ReportPath};
use serde::Serialize;
use stentor_cli::{format, status};
use stentor_run_view::bill::is_final;
use stentor_run_view::reading::{RunReader, Target};
use stentor_run_view::view::RunView;
use tokio::time::{Instant, sleep, timeout};

/// Maximum wait for the usage of the programs at the end of a run: a sender ends about 12 s after its last message, and
/// reports it then.
const USAGE_TIMEOUT: Duration = Duration::from_secs(20);

const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Waits until the programs that still run have reported their usage, up to a timeout. Everything else in the view stays
/// that of the run's end; where AWS does not answer, the usage read so far is used.
pub async fn await_usage(reader: &RunReader, mut view: RunView, quiet: bool) -> RunView {
    let start = Instant::now();
    let mut now_ms = view.reading.at_ms;
    while !is_final(&view, now_ms) && start.elapsed() < USAGE_TIMEOUT {
        if start.elapsed() < POLL_INTERVAL && !quiet {
            status(&format!("waiting for the usage of the programs, at most {} s", USAGE_TIMEOUT.as_secs()));
        }
        sleep(POLL_INTERVAL).await;
        let left = USAGE_TIMEOUT.saturating_sub(start.elapsed());
        let read = timeout(left, reader.read(view.reading.record.plan.run())).await;
        let Ok(Ok(Some(reading))) = read else { return view };
        now_ms = reading.at_ms;
        view = view.with_usage(reading);
    }
    view
}

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
