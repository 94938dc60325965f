//! `--report`: a run as a file to keep.
//!
//! `data` is what a report holds, with its `senders` and its `bill`; `page` shows that, with each `drawing`; `write` puts it
//! where it goes.

mod bill;
mod data;
pub(crate) mod drawing;
pub(crate) mod page;
mod senders;
#[cfg(test)]
mod tests;
mod write;

use std::time::Duration;

pub(crate) use bill::{AtLeast, CountedPart};
pub(crate) use data::{Distribution, Report};
pub(crate) use senders::Worker;
use serde::Serialize;
use stentor_core::cli::say;
use stentor_core::clock::now_ms;
use stentor_core::cost::Prices;
use stentor_core::show;
use tokio::time::{Instant, sleep, timeout};
pub(crate) use write::Target;

use crate::known::{Data, Place};
use crate::reading::Sources;
use write::Form;

/// How long a report waits at the end of a run for what the programs have spent: a sender ends about 12 s after its last
/// message, and tells it then.
const PATIENCE: Duration = Duration::from_secs(20);

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits until the programs that are still there have told what they spent on the run, but not for long.
pub(crate) async fn settle(sources: &Sources, data: &mut Data, quiet: bool) {
    let start = Instant::now();
    while bill::is_awaited(&data.reading) && start.elapsed() < PATIENCE {
        if start.elapsed() < LOOK_EVERY && !quiet {
            say(&format!(
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
pub(crate) fn write(
    target: &Target,
    data: &Data,
    place: &Place,
    prices: &Prices,
    quiet: bool,
) -> anyhow::Result<()> {
    keep(target, &Report::of(data, place, prices, now_ms()), page::page, quiet)
}

/// Writes something in the form that is wanted of it, and says where it is.
pub(crate) fn keep<T: Serialize>(
    target: &Target,
    what: &T,
    page: fn(&T) -> anyhow::Result<String>,
    quiet: bool,
) -> anyhow::Result<()> {
    let text = match target.form {
        Form::Json => show::json(what) + "\n",
        Form::Html => page(what)?,
    };
    target.write(&text)?;
    if !quiet {
        say(&format!("the report is in {}", target.name()));
    }
    Ok(())
}
