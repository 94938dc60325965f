//! Watching a run to its end: the live view or lines, then thresholds and the report.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::bail;
use stentor_cli::{OutputState, colour, print_line, status};
use stentor_core::cost::Prices;
use stentor_report::Target;
use stentor_run_view::follow::{Seen, Stalled, Standing, Watch};
use stentor_run_view::snapshot::Snapshot;
use stentor_run_view::thresholds::{Threshold, crossed};
use stentor_run_view::view::Data;
use tokio::time::{MissedTickBehavior, interval};

use crate::args::WatchArgs;
use crate::live::{self, Ending, Theme};
use crate::plain::{View, completion};
use crate::{Monitor, NO_RUN};

/// Exit status if a threshold is crossed.
const CROSSED: u8 = 4;

/// How a run is watched.
pub(crate) struct Watching<'a> {
    pub flags: &'a WatchArgs,
    /// Go on after the run has ended.
    pub follow: bool,
    pub report: Option<ReportFile<'a>>,
}

/// The file that a report goes to, and the prices of its costs.
pub(crate) struct ReportFile<'a> {
    pub target: &'a Target,
    pub prices: Prices,
}

impl Monitor<'_> {
    /// Watches the run until it ends or the user leaves; returns the exit status.
    pub(crate) async fn watch(&self, watching: Watching<'_>) -> anyhow::Result<u8> {
        let (thresholds, report) = (&watching.flags.fail_if, watching.report.as_ref());
        if self.is_live(watching.flags)
            && let Some(ending) = self.draw(&watching).await
        {
            return self.unless_shutdown(self.finish(ending, thresholds, report)).await;
        }
        let printed = async { self.finish(self.print(&watching).await, thresholds, report).await };
        self.unless_shutdown(printed).await
    }

    /// Draws the live view until it ends; `None` if the terminal is not available.
    async fn draw(&self, watching: &Watching<'_>) -> Option<Ending> {
        let theme = Theme { ascii: watching.flags.ascii, colour: colour(&std::io::stdout()) };
        let every = watching.flags.interval.duration();
        let choice = self.choice(watching.follow);
        live::show(&self.sources, self.place.clone(), choice, every, theme, self.shutdown).await
    }

    /// Prints the run every interval, until it ends.
    async fn print(&self, watching: &Watching<'_>) -> Ending {
        let mut last = None;
        match self.print_snapshots(watching, &mut last).await {
            Ok(ending) => ending,
            Err(error) => Ending::Failed(error, last.map(|seen| Box::new(Data::of(seen, Duration::ZERO)))),
        }
    }

    /// Prints snapshots and keeps the latest in `last`, also if it fails.
    async fn print_snapshots(
        &self,
        watching: &Watching<'_>,
        last: &mut Option<Seen>,
    ) -> anyhow::Result<Ending> {
        let view = self.view(watching.flags);
        let mut ticks = interval(watching.flags.interval.duration());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = Watch::new(&self.sources, self.choice(watching.follow));
        let mut waiting = false;
        loop {
            ticks.tick().await;
            let Some(seen) = watch.look().await? else {
                if watching.flags.once {
                    bail!(NO_RUN);
                }
                if !std::mem::replace(&mut waiting, true) && !self.shared.quiet {
                    status("no run in this stack yet: waiting for a producer");
                }
                continue;
            };
            let seen = last.insert(seen);
            let output = print_line(&view.render(&seen.snapshot))?;
            let is_over = seen.standing != Standing::GoesOn && !watching.follow;
            let data = || Box::new(Data::of(seen.clone(), Duration::ZERO));
            if output == OutputState::Closed || watching.flags.once {
                return Ok(Ending::Left(Some(data())));
            }
            if is_over {
                return Ok(Ending::Over(data()));
            }
        }
    }

    /// Completes a call that no signal ended: last line, report and thresholds; returns the exit status.
    pub(crate) async fn finish(
        &self,
        ending: Ending,
        thresholds: &[Threshold],
        report: Option<&ReportFile<'_>>,
    ) -> anyhow::Result<u8> {
        match ending {
            Ending::Over(mut data) => {
                let printed = if data.standing == Standing::Complete && !self.shared.json {
                    print_line(&completion(&data.snapshot)).map(drop)
                } else {
                    Ok(())
                };
                if report.is_some() {
                    stentor_report::settle(&self.sources, &mut data, self.shared.quiet).await;
                }
                let reported = self.write_report(report, &data);
                let code = judge(thresholds, &data.snapshot);
                if data.standing == Standing::Stalled {
                    if let Err(error) = reported {
                        status(&error.to_string());
                    }
                    bail!("{}", Stalled(&data.snapshot));
                }
                reported.and(printed.map_err(Into::into)).map(|()| code)
            }
            Ending::Failed(error, data) => {
                if let Some(Err(unreported)) = data.map(|data| self.write_report(report, &data)) {
                    status(&unreported.to_string());
                }
                Err(error)
            }
            Ending::Left(Some(data)) => {
                let reported = self.write_report(report, &data);
                let code = judge(thresholds, &data.snapshot);
                reported.map(|()| code)
            }
            Ending::Left(None) => {
                if report.is_some() {
                    status("no report: there was no run");
                }
                Ok(0)
            }
            Ending::Signal(code) => Ok(code),
        }
    }

    fn write_report(&self, report: Option<&ReportFile<'_>>, data: &Data) -> anyhow::Result<()> {
        let Some(ReportFile { target, prices }) = report else { return Ok(()) };
        stentor_report::write(target, data, &self.place, prices, self.shared.quiet)
    }

    fn view(&self, flags: &WatchArgs) -> View {
        if self.shared.json {
            View::Json
        } else if flags.plain || !std::io::stdout().is_terminal() {
            View::Line
        } else {
            View::Block
        }
    }

    /// Returns whether the live view is wanted and the terminal can draw it.
    fn is_live(&self, flags: &WatchArgs) -> bool {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        self.view(flags) == View::Block && !dumb && !flags.once
    }
}

/// Prints the thresholds that the last snapshot crosses; returns the exit status.
fn judge(thresholds: &[Threshold], last: &Snapshot) -> u8 {
    let crossed = crossed(thresholds, last);
    for line in &crossed {
        status(line);
    }
    if crossed.is_empty() { 0 } else { CROSSED }
}
