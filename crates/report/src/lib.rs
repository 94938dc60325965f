//! `monitor report`: a run as a file to keep.
//!
//! `data` is what a report holds, with its `senders` and its `bill`; `page` shows that, with charts from `svg`; `write` puts it
//! where it goes.

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

pub use data::{Distribution, Report};
pub use file::Target;
use serde::Serialize;
use stentor_aws::clock::now_ms;
use stentor_cli::format;
use stentor_cli::status;
use stentor_core::cost::Prices;
use tokio::time::{Instant, sleep, timeout};

use file::Form;
use stentor_run_view::reading::Sources;
use stentor_run_view::view::{Data, Place};

/// How long a report waits at the end of a run for what the programs have spent: a sender ends about 12 s after its last
/// message, and tells it then.
const PATIENCE: Duration = Duration::from_secs(20);

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits until the programs that are still there have told what they spent on the run, but not for long.
pub async fn settle(sources: &Sources, data: &mut Data, quiet: bool) {
    let start = Instant::now();
    while stentor_run_view::bill::is_awaited(&data.reading) && start.elapsed() < PATIENCE {
        if start.elapsed() < LOOK_EVERY && !quiet {
            status(&format!(
                "the report waits for what the programs have spent, {} s at most",
                PATIENCE.as_secs()
            ));
        }
        sleep(LOOK_EVERY).await;
        // What there is will do where AWS does not answer.
        let left = PATIENCE.saturating_sub(start.elapsed());
        let read = timeout(left, sources.read(data.reading.record.plan.run())).await;
        let Ok(Ok(Some(reading))) = read else { return };
        // All else stays of one moment: that of the run's end.
        (data.reading.accounts, data.reading.beats) = (reading.accounts, reading.beats);
    }
}

/// Writes what is known of the run, and says where it is.
pub fn write(
    target: &Target,
    data: &Data,
    place: &Place,
    prices: &Prices,
    quiet: bool,
) -> anyhow::Result<()> {
    keep(target, &Report::of(data, place, prices, now_ms()), page::page, quiet)
}

/// Writes something in the form that is wanted of it, and says where it is.
pub fn keep<T: Serialize>(
    target: &Target,
    what: &T,
    page: fn(&T) -> String,
    quiet: bool,
) -> anyhow::Result<()> {
    let text = match target.form {
        Form::Json => format::json_line(what) + "\n",
        Form::Html => page(what),
    };
    target.write(&text)?;
    if !quiet {
        status(&format!("the report is in {}", target.name()));
    }
    Ok(())
}
