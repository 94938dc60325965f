//! Watching a run to its end: the live view or lines, then thresholds and the report.

use std::io::IsTerminal;

use anyhow::{anyhow, bail};
use stentor_cli::{
    HANGUP, OutputState, colour, fit_to_terminal, print_line, speaks_unicode, status, terminal_columns,
};
use stentor_report::ReportPath;
use stentor_run_view::provider::provider_line;
use stentor_run_view::reader::{Reader, ReaderCommand, ReaderEvent};
use stentor_run_view::status::{RunCondition, RunPhase, RunStatus, stall_error};
use stentor_run_view::view::RunView;

use crate::Monitor;
use crate::args::WatchArgs;
use crate::last_usage::{AwaitedUsage, await_usage};
use crate::live::{self, ExitReason, Theme, Watched};
use crate::plain::{OutputFormat, completion_line, details};
use crate::thresholds::{Threshold, crossed};

/// Exit status if a threshold is crossed.
const CROSSED: u8 = 4;

/// How a run is watched.
pub(crate) struct Watching<'a> {
    pub flags: &'a WatchArgs,
    /// Go on after the run has ended.
    pub follow: bool,
    /// The file that a report goes to.
    pub report: Option<&'a ReportPath>,
}

/// What is done once a watch has ended.
pub(crate) struct Ending<'a> {
    pub thresholds: &'a [Threshold],
    /// The file that a report goes to.
    pub report: Option<&'a ReportPath>,
    /// Whether a complete run waits for the last parts of its senders.
    pub awaits_parts: bool,
}

impl Ending<'_> {
    /// Usage that a run in this phase waits for. A report has all of it; a stall is reported at once without one.
    fn awaited_usage(&self, phase: RunPhase) -> Option<AwaitedUsage> {
        match phase {
            _ if self.report.is_some() => Some(AwaitedUsage::All),
            RunPhase::Complete if self.awaits_parts => Some(AwaitedUsage::Parts),
            _ => None,
        }
    }
}

/// The notes that were printed last.
#[derive(Default)]
struct Notes {
    condition: Option<RunCondition>,
    status: Option<String>,
    discards: Option<String>,
}

impl Monitor<'_> {
    /// Watches the run until it ends or the user leaves; returns the exit status.
    pub(crate) async fn watch(&self, watching: Watching<'_>) -> anyhow::Result<u8> {
        let ending = Ending {
            thresholds: &watching.flags.fail_if,
            report: watching.report,
            awaits_parts: !self.shared.json,
        };
        if self.is_live(watching.flags)
            && let Some(watched) = self.draw(&watching).await
        {
            return self.finish(watched, &ending).await;
        }
        let mut view = None;
        let printed = self.shutdown.or_shutdown(self.print_views(&watching, &mut view)).await;
        let Some(exit) = printed else { return Ok(self.shutdown.code().unwrap_or(0)) };
        self.finish(Watched { exit, view }, &ending).await
    }

    fn command(&self, watching: &Watching<'_>) -> ReaderCommand {
        ReaderCommand::new(self.selection(watching.follow), watching.flags.interval.interval)
    }

    /// Draws the live view until it ends; `None` if the terminal is not available.
    async fn draw(&self, watching: &Watching<'_>) -> Option<Watched> {
        let theme =
            Theme { ascii: watching.flags.ascii || !speaks_unicode(), colour: colour(&std::io::stdout()) };
        let (target, command) = (self.target.clone(), self.command(watching));
        live::run_live_view(&self.reader, target, command, theme, self.shutdown).await
    }

    /// Prints the run every interval, until it ends; keeps the latest view in `last`, even on failure.
    async fn print_views(
        &self,
        watching: &Watching<'_>,
        last: &mut Option<RunView>,
    ) -> anyhow::Result<ExitReason> {
        let format = self.format(watching.flags);
        let mut reader = Reader::new(&self.reader, self.command(watching));
        let mut notes = Notes::default();
        loop {
            let ReaderEvent::Read(result) = reader.next().await else { continue };
            let Some(view) = result? else {
                if watching.flags.once {
                    bail!(self.no_run().sentence);
                }
                self.print_note(&mut notes.status, Some(self.no_run().sentence));
                continue;
            };
            let view = last.insert(*view);
            self.print_notes(&mut notes, view);
            let text = format.render(view);
            match print_line(&if format == OutputFormat::Block { fit_to_terminal(text) } else { text })? {
                OutputState::HungUp => return Ok(ExitReason::Signal(HANGUP)),
                OutputState::Closed => return Ok(ExitReason::Quit),
                OutputState::Open => {}
            }
            let (once, has_ended) = (watching.flags.once, view.phase.has_ended() && !watching.follow);
            if once || has_ended {
                // A block and the live view show them already; at the end of a run the provider's bill comes last.
                if format == OutputFormat::Line {
                    let bill = provider_line(view).filter(|_| once);
                    details(view).into_iter().chain(bill).try_for_each(|line| print_line(&line).map(drop))?;
                }
                return Ok(if once { ExitReason::Quit } else { ExitReason::RunEnded });
            }
        }
    }

    /// Prints what the monitor waits for and what must not be overlooked, each once.
    fn print_notes(&self, notes: &mut Notes, view: &RunView) {
        let connection = &self.target.connection;
        let condition = RunCondition::of(view);
        if notes.condition.replace(condition) != Some(condition) {
            let RunStatus { word, sentence, .. } = RunStatus::of(view, connection);
            let note = match condition {
                RunCondition::Waiting => Some(sentence),
                RunCondition::Lagging | RunCondition::LaggingOrStalled => Some(format!("{word}: {sentence}")),
                _ => None,
            };
            self.print_note(&mut notes.status, note);
        }
        self.print_note(&mut notes.discards, view.discard_warning(connection));
    }

    /// Prints a note that differs from the last one.
    fn print_note(&self, last: &mut Option<String>, note: Option<String>) {
        if let Some(note) = note.as_ref().filter(|note| last.as_ref() != Some(note) && !self.shared.quiet) {
            status(&fit_to_terminal(note.clone()));
        }
        *last = note;
    }

    /// Completes a call that no signal ended: last line, report and thresholds; returns the exit status.
    async fn finish(&self, watched: Watched, ending: &Ending<'_>) -> anyhow::Result<u8> {
        match (watched.exit, watched.view) {
            (Ok(ExitReason::RunEnded), Some(view)) => self.finish_run(view, ending).await,
            (Ok(ExitReason::Signal(code)), _) => Ok(code),
            (Ok(_), Some(view)) => {
                let code = check_thresholds(ending.thresholds, &view);
                self.write_report(ending.report, &view).map(|()| code)
            }
            (Ok(_), None) => {
                if ending.report.is_some() {
                    status("no report: there was no run");
                }
                Ok(0)
            }
            (Err(error), view) => {
                if let Some(Err(unreported)) = view.map(|view| self.write_report(ending.report, &view)) {
                    status(&unreported.to_string());
                }
                Err(error)
            }
        }
    }

    /// Completes a call whose run has ended. A signal ends only the wait for usage.
    pub(crate) async fn finish_run(&self, mut view: RunView, ending: &Ending<'_>) -> anyhow::Result<u8> {
        let mut printed = Ok(());
        if view.phase == RunPhase::Complete && !self.shared.json {
            printed = print_line(&completion_line(&view)).map(drop);
        }
        let code = check_thresholds(ending.thresholds, &view);
        let stall =
            (view.phase == RunPhase::Stalled).then(|| anyhow!(stall_error(&view, &self.target.connection)));
        if let Some(awaited) = ending.awaited_usage(view.phase) {
            let usage = await_usage(&self.reader, &mut view, awaited, self.shared.quiet);
            let _shutdown = self.shutdown.or_shutdown(usage).await;
        }
        if let Some(line) = provider_line(&view).filter(|_| !self.shared.json) {
            printed = printed.and(print_line(&line).map(drop));
        }
        let reported = self.write_report(ending.report, &view);
        if let Some(stall) = stall {
            if let Err(unreported) = reported {
                status(&unreported.to_string());
            }
            return Err(stall);
        }
        reported.and(printed.map_err(Into::into)).map(|()| code)
    }

    fn write_report(&self, path: Option<&ReportPath>, view: &RunView) -> anyhow::Result<()> {
        let Some(path) = path else { return Ok(()) };
        stentor_report::write(path, view, &self.target, self.reader.now_ms(), self.shared.quiet)
    }

    fn format(&self, flags: &WatchArgs) -> OutputFormat {
        if self.shared.json {
            OutputFormat::Json
        } else if flags.plain || !std::io::stdout().is_terminal() {
            OutputFormat::Line
        } else {
            OutputFormat::Block
        }
    }

    /// Returns whether the live view is wanted and the terminal can draw it.
    fn is_live(&self, flags: &WatchArgs) -> bool {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let can_draw = !is_dumb && terminal_columns().is_some();
        self.format(flags) == OutputFormat::Block && can_draw && !flags.once
    }
}

/// Prints the thresholds that the last view crosses; returns the exit status.
fn check_thresholds(thresholds: &[Threshold], last: &RunView) -> u8 {
    let crossed = crossed(thresholds, last);
    for line in &crossed {
        status(line);
    }
    if crossed.is_empty() { 0 } else { CROSSED }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_run_waits_for_parts_a_report_for_all_usage_and_a_stall_or_a_server_for_nothing() {
        let path = ReportPath::of("report.json".into()).unwrap();
        let awaited = |report, awaits_parts| {
            let ending = Ending { thresholds: &[], report, awaits_parts };
            [RunPhase::Complete, RunPhase::Stalled].map(|phase| ending.awaited_usage(phase))
        };
        assert_eq!(awaited(None, true), [Some(AwaitedUsage::Parts), None]);
        assert_eq!(awaited(None, false), [None; 2]);
        assert_eq!(awaited(Some(&path), true), [Some(AwaitedUsage::All); 2]);
    }
}
