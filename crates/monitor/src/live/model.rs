//! All that the view shows at a moment. Nothing here asks AWS or draws.

use std::time::Duration;

use stentor_core::aws::metrics::RunRecord;
use stentor_core::show;

use crate::charts::{Course, Spread};
use crate::snapshot::Snapshot;
use crate::watch::{Choice, Seen, Standing};

/// Intervals that the keys step through, seconds.
const STEPS: [f64; 13] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0, 900.0, 3_600.0];

/// How much later than due the next data may come without a word.
const GRACE: Duration = Duration::from_secs(4);

/// A run without senders stands still once nothing was concluded for so long, seconds: tallies lag a little.
const IDLE: f64 = 5.0;

/// Where nothing was concluded for so long, seconds, that is worth a word though there are senders.
const LONG_IDLE: f64 = 15.0;

/// Where the run is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub stack: String,
    pub region: String,
    pub endpoint: String,
}

/// What is asked of the reader.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wish {
    pub choice: Choice,
    pub interval: Duration,
    pub paused: bool,
    /// How often a list of the runs was asked for.
    pub lists: u32,
}

/// What the reader brings.
#[derive(Debug)]
pub(crate) enum News {
    NoRun,
    Seen(Box<Seen>),
    /// AWS refused; data stay as they are.
    Trouble(String),
    Runs(Vec<RunRecord>),
}

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

/// The data last seen, with their charts.
#[derive(Debug)]
pub(crate) struct Data {
    pub snapshot: Snapshot,
    pub standing: Standing,
    pub course: Course,
    pub spread: Spread,
    /// How long nothing had been concluded, seconds.
    idle: f64,
    /// When they came, since the view began.
    at: Duration,
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
    pub data: Option<Data>,
    pub over: Over,
    no_run: bool,
    trouble: Option<String>,
    /// Somebody chose a run by hand, and looks at it until they leave.
    chosen: bool,
}

/// How a run stands, in a word and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub kind: StateKind,
    pub word: &'static str,
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateKind {
    Waiting,
    Good,
    Bad,
}

impl Model {
    pub(crate) fn new(place: Place, wish: Wish) -> Self {
        Self { place, wish, data: None, over: Over::Nothing, no_run: false, trouble: None, chosen: false }
    }

    /// Takes in what came at `now`, since the view began.
    pub(crate) fn learn(&mut self, news: News, now: Duration) {
        match news {
            News::NoRun => (self.no_run, self.trouble) = (true, None),
            News::Seen(seen) => {
                let Seen { snapshot, reading, standing } = *seen;
                let over = standing == Standing::Complete;
                let course = Course::of(&reading.tally, reading.at_ms, over);
                let spread = Spread::of(&reading.tally.delivery);
                let last = reading.tally.last_concluded_at.unwrap_or(reading.record.created_at);
                let idle = reading.at_ms.saturating_sub(last) as f64 / 1_000.0;
                self.data = Some(Data { snapshot, standing, course, spread, idle, at: now });
                (self.no_run, self.trouble) = (false, None);
            }
            News::Trouble(why) => self.trouble = Some(why),
            News::Runs(runs) => {
                if let Over::Runs(chooser) = &mut self.over {
                    chooser.runs = Some(runs);
                }
            }
        }
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
        (self.over, self.data, self.chosen) = (Over::Nothing, None, true);
    }

    /// The view ends by itself with a run that it was begun for.
    pub(crate) fn is_over(&self) -> bool {
        let ends = self.data.as_ref().is_some_and(|data| data.standing != Standing::GoesOn);
        ends && !self.chosen && self.wish.choice != Choice::EachLatest
    }

    /// How old the data are.
    pub(crate) fn age(&self, now: Duration) -> Option<Duration> {
        self.data.as_ref().map(|data| now.saturating_sub(data.at))
    }

    /// New data are late.
    fn is_late(&self, now: Duration) -> bool {
        self.age(now).is_some_and(|age| age > self.wish.interval + GRACE)
    }

    /// The time left, counted down since the data came.
    pub(crate) fn seconds_left(&self, now: Duration) -> Option<f64> {
        let data = self.data.as_ref().filter(|data| data.standing == Standing::GoesOn)?;
        let age = now.saturating_sub(data.at).as_secs_f64();
        data.snapshot.eta_seconds.map(|left| (left - age).max(0.0))
    }

    pub(crate) fn state(&self, now: Duration) -> State {
        let is = |kind, word, why: String| State { kind, word, why };
        let Some(data) = &self.data else {
            let why = self.trouble.clone();
            return match (why, self.no_run) {
                (Some(why), _) => is(StateKind::Bad, "NO ANSWER", why),
                (None, true) => is(
                    StateKind::Waiting,
                    "WAITING",
                    "no run in this stack yet; make one: producer -m 1000".to_owned(),
                ),
                (None, false) => is(StateKind::Waiting, "READING", "asking for the run".to_owned()),
            };
        };
        let run = &data.snapshot;
        if self.wish.paused {
            return is(StateKind::Waiting, "PAUSED", "p goes on".to_owned());
        }
        if self.is_late(now) && data.standing != Standing::Complete {
            let why = self.trouble.clone().unwrap_or_else(|| "AWS does not answer; still asking".to_owned());
            return is(StateKind::Bad, "NO ANSWER", why);
        }
        if let Some(broken) = run.broken.first() {
            let why = format!(
                "counts are too low, a tally is damaged; when all is sent or failed: monitor --repair (shard {})",
                broken.shard()
            );
            return is(StateKind::Bad, "DAMAGED", why);
        }
        match data.standing {
            Standing::Complete => is(
                StateKind::Good,
                "COMPLETE",
                format!("{} messages in {}", show::count(run.total), show::span(data.course.seconds())),
            ),
            Standing::Stalled => is(
                StateKind::Bad,
                "STALLED",
                format!("{} pending, queue empty: producer --requeue {}", show::count(run.pending), run.run),
            ),
            Standing::GoesOn if run.senders.is_empty() && data.idle > IDLE => {
                is(StateKind::Bad, "STALLED", "no sender is alive; start one: sender -c 20".to_owned())
            }
            Standing::GoesOn if data.idle > LONG_IDLE => is(
                StateKind::Good,
                "RUNNING",
                format!("nothing has been concluded for {}", show::span(data.idle)),
            ),
            Standing::GoesOn if run.enqueued < run.total => is(
                StateKind::Good,
                "RUNNING",
                format!(
                    "the producer has queued {} of {}",
                    show::count(run.enqueued),
                    show::count(run.total)
                ),
            ),
            Standing::GoesOn => is(StateKind::Good, "RUNNING", "all messages are queued".to_owned()),
        }
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
