//! All that the view shows at a moment. Nothing here asks AWS or draws.

use std::time::Duration;

use stentor_aws::metrics::RunRecord;

use stentor_run_view::follow::{Choice, Standing};
use stentor_run_view::reader::{News, Wish};
use stentor_run_view::view::{Data, Known, Place, State};

/// Intervals that the keys step through, seconds.
const STEPS: [f64; 13] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0, 900.0, 3_600.0];

/// A key that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Quit,
    Pause,
    Longer,
    Shorter,
    Runs,
    Help,
    Up,
    Down,
    Enter,
    Back,
}

/// What lies over the view.
#[derive(Debug, Default)]
pub(crate) enum Over {
    #[default]
    Nothing,
    Help,
    Runs(Chooser),
}

/// The choice of a run: the latest, and then each that there is.
#[derive(Debug, Default)]
pub(crate) struct Chooser {
    /// `None` until the list is there.
    pub runs: Option<Vec<RunRecord>>,
    pub selected: usize,
}

/// The view.
#[derive(Debug)]
pub(crate) struct Model {
    pub place: Place,
    pub wish: Wish,
    pub known: Known,
    pub over: Over,
    /// Somebody chose a run by hand, and looks at it until they leave.
    chosen: bool,
}

impl Model {
    pub(crate) fn new(place: Place, wish: Wish) -> Self {
        Self { place, wish, known: Known::default(), over: Over::Nothing, chosen: false }
    }

    /// Takes in what came at `now`, since the view began.
    pub(crate) fn learn(&mut self, news: News, now: Duration) {
        match news {
            News::Answer(answer) => self.known.learn(answer, now),
            News::Runs(runs) => {
                if let Over::Runs(chooser) = &mut self.over {
                    chooser.runs = Some(runs);
                }
            }
        }
    }

    pub(crate) fn data(&self) -> Option<&Data> {
        self.known.data.as_ref()
    }

    /// Does what a key says; `false` where it says to leave.
    pub(crate) fn press(&mut self, key: Key) -> bool {
        if let Over::Runs(chooser) = &mut self.over
            && let Some(chosen) = chooser.press(key)
        {
            self.watch(chosen);
            return true;
        }
        match (key, &self.over) {
            (Key::Quit, Over::Nothing) => return false,
            (Key::Quit | Key::Back, _) | (Key::Help, Over::Help) | (Key::Runs, Over::Runs(_)) => {
                self.over = Over::Nothing;
            }
            (Key::Pause, _) => self.wish.paused = !self.wish.paused,
            (Key::Longer, _) => self.step(|step, now| step > now, STEPS.iter()),
            (Key::Shorter, _) => self.step(|step, now| step < now, STEPS.iter().rev()),
            (Key::Help, _) => self.over = Over::Help,
            (Key::Runs, _) => {
                self.wish.lists += 1;
                self.over = Over::Runs(Chooser::default());
            }
            (Key::Up | Key::Down | Key::Enter, _) => {}
        }
        true
    }

    fn step<'a>(&mut self, fits: fn(f64, f64) -> bool, mut steps: impl Iterator<Item = &'a f64>) {
        let now = self.wish.interval.as_secs_f64();
        if let Some(step) = steps.find(|step| fits(**step, now)) {
            self.wish.interval = Duration::from_secs_f64(*step);
        }
    }

    fn watch(&mut self, choice: Choice) {
        self.wish.choice = choice;
        self.wish.paused = false;
        (self.over, self.known, self.chosen) = (Over::Nothing, Known::default(), true);
    }

    /// The view ends by itself with a run that it was begun for.
    pub(crate) fn is_over(&self) -> bool {
        let ends = self.data().is_some_and(|data| data.standing != Standing::GoesOn);
        ends && !self.chosen && self.wish.choice != Choice::EachLatest
    }

    pub(crate) fn state(&self, now: Duration) -> State {
        if self.wish.paused && self.data().is_some() {
            return State::waiting("PAUSED", "p goes on");
        }
        self.known.state(now, self.wish.interval)
    }
}

impl Chooser {
    /// What the key chooses.
    fn press(&mut self, key: Key) -> Option<Choice> {
        let runs = self.runs.as_ref()?;
        match key {
            Key::Up => self.selected = self.selected.saturating_sub(1),
            Key::Down => self.selected = (self.selected + 1).min(runs.len()),
            Key::Enter => {
                let run = self.selected.checked_sub(1).map(|place| runs[place].plan.run());
                return Some(run.map_or(Choice::EachLatest, Choice::This));
            }
            _ => {}
        }
        None
    }
}
