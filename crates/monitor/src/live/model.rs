//! What the view shows at a moment. Nothing here calls AWS or draws.

use std::time::Duration;

use crossterm::event::KeyCode::{self, Char};
use stentor_aws::metrics::RunRecord;
use stentor_cli::format::Zone;
use stentor_run_view::reader::{ReaderCommand, ReaderEvent, RunSelection};
use stentor_run_view::reading::Target;
use stentor_run_view::state::RunState;
use stentor_run_view::status::RunStatus;
use stentor_run_view::view::RunView;

/// Intervals that the keys step through, seconds.
const STEPS: [f64; 13] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0, 900.0, 3_600.0];

/// The window over the view.
#[derive(Debug, Default)]
pub(crate) enum Overlay {
    #[default]
    None,
    Help,
    Runs(RunList),
}

/// The list to select a run from: the latest, and then each run of the stack.
#[derive(Debug, Default)]
pub(crate) struct RunList {
    /// `None` until the list was read.
    pub runs: Option<Vec<RunRecord>>,
    pub selected: usize,
}

/// The view.
#[derive(Debug)]
pub(crate) struct Model {
    pub target: Target,
    pub command: ReaderCommand,
    pub state: RunState,
    pub overlay: Overlay,
    /// The time zone of the list of runs.
    pub zone: Zone,
    /// Whether the user selected the run, and so watches it until they quit.
    is_selected: bool,
    /// Whether AWS has ever answered, for this or an earlier selected run.
    pub has_answer: bool,
}

impl Model {
    pub(crate) fn new(target: Target, command: ReaderCommand) -> Self {
        Self {
            target,
            command,
            state: RunState::default(),
            overlay: Overlay::None,
            zone: Zone::local(),
            is_selected: false,
            has_answer: false,
        }
    }

    /// Takes in an event at `now`, since the view began.
    pub(crate) fn update(&mut self, event: ReaderEvent, now: Duration) {
        match event {
            ReaderEvent::Read(result) => {
                self.has_answer |= result.is_ok();
                self.state.update(result, now);
            }
            ReaderEvent::Runs(runs) => {
                if let Overlay::Runs(list) = &mut self.overlay {
                    list.runs = Some(runs);
                }
            }
        }
    }

    pub(crate) fn view(&self) -> Option<&RunView> {
        self.state.view.as_ref()
    }

    /// Applies a key; returns `false` if it quits the view.
    pub(crate) fn handle_key(&mut self, key: KeyCode) -> bool {
        if let Overlay::Runs(list) = &mut self.overlay
            && let Some(selection) = list.handle_key(key)
        {
            self.watch(selection);
            return true;
        }
        match (key, &self.overlay) {
            (Char('q'), Overlay::None) => return false,
            (Char('q') | KeyCode::Esc, _)
            | (Char('?' | 'h'), Overlay::Help)
            | (Char('r'), Overlay::Runs(_)) => {
                self.overlay = Overlay::None;
            }
            (Char('p' | ' '), _) => self.command.paused = !self.command.paused,
            (Char('+' | '='), _) => self.step(|step, now| step > now, STEPS.iter()),
            (Char('-' | '_'), _) => self.step(|step, now| step < now, STEPS.iter().rev()),
            (Char('?' | 'h'), _) => self.overlay = Overlay::Help,
            (Char('r'), _) => {
                self.command.lists += 1;
                self.overlay = Overlay::Runs(RunList::default());
            }
            _ => {}
        }
        true
    }

    fn step<'a>(&mut self, fits: fn(f64, f64) -> bool, mut steps: impl Iterator<Item = &'a f64>) {
        let now = self.command.interval.as_secs_f64();
        if let Some(step) = steps.find(|step| fits(**step, now)) {
            self.command.interval = Duration::from_secs_f64(*step);
        }
    }

    fn watch(&mut self, selection: RunSelection) {
        self.command.selection = selection;
        self.command.paused = false;
        (self.overlay, self.state, self.is_selected) = (Overlay::None, RunState::default(), true);
    }

    /// Whether the view ends with the run that it was started for.
    pub(crate) fn has_ended(&self) -> bool {
        let has_ended = self.view().is_some_and(|view| view.phase.has_ended());
        has_ended && !self.is_selected && self.command.selection != RunSelection::EachLatest
    }

    pub(crate) fn status(&self, now: Duration) -> RunStatus {
        if self.command.paused && self.view().is_some() {
            return RunStatus::paused();
        }
        self.state.status(now, self.command.interval, &self.target.connection)
    }
}

impl RunList {
    /// Applies a key; returns the run that it selects.
    fn handle_key(&mut self, key: KeyCode) -> Option<RunSelection> {
        let runs = self.runs.as_ref()?;
        match key {
            KeyCode::Up | Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down | Char('j') => self.selected = (self.selected + 1).min(runs.len()),
            KeyCode::Enter => {
                let run = self.selected.checked_sub(1).map(|place| runs[place].plan.run());
                return Some(run.map_or(RunSelection::EachLatest, RunSelection::Run));
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_run_view::fixtures::{failure, target};

    #[test]
    fn an_error_after_another_run_was_selected_does_not_count_as_the_first_answer() {
        let command = ReaderCommand {
            selection: RunSelection::Latest,
            interval: Duration::from_secs(5),
            paused: false,
            lists: 0,
        };
        let mut model = Model::new(target(), command);
        assert!(!model.has_answer);
        model.update(ReaderEvent::Read(Ok(None)), Duration::ZERO);
        model.watch(RunSelection::EachLatest);
        model.update(ReaderEvent::Read(Err(failure())), Duration::ZERO);
        assert!(model.has_answer);
    }
}
