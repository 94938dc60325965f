//! What a surface that stays open knows of its run: the data last seen, how old they are, and how the run stands.

use std::time::Duration;

use serde::Serialize;
use stentor_aws::Session;
use stentor_cli::format;

use crate::charts::{Course, Spread};
use crate::follow::{Seen, Standing};
use crate::snapshot::{Reading, Snapshot};

/// How much later than due the next data may come without a word.
const GRACE: Duration = Duration::from_secs(4);

/// A run without senders stands still once nothing was concluded for so long, seconds: tallies lag a little.
const IDLE: f64 = 5.0;

/// Where nothing was concluded for so long, seconds, that is worth a word though there are senders.
const LONG_IDLE: f64 = 15.0;

/// Where the run is.
#[derive(Debug, Clone, Serialize)]
pub struct Place {
    pub stack: String,
    pub region: String,
    pub endpoint: String,
}

/// What came of a look at the run.
#[derive(Debug)]
pub enum Answer {
    NoRun,
    Seen(Box<Seen>),
    /// AWS refused; data stay as they are.
    Trouble(String),
}

/// All answers so far.
#[derive(Debug, Default)]
pub struct Known {
    pub data: Option<Data>,
    /// When AWS last answered, since the surface was opened.
    answered: Option<Duration>,
    no_run: bool,
    trouble: Option<String>,
}

/// The data last seen, with their charts.
#[derive(Debug)]
pub struct Data {
    pub snapshot: Snapshot,
    pub reading: Reading,
    pub standing: Standing,
    pub course: Course,
    pub spread: Spread,
    /// How long nothing had been concluded, seconds.
    pub idle: f64,
    /// When they came, since the surface was opened.
    pub at: Duration,
}

/// How a run stands, in a word and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct State {
    pub kind: StateKind,
    pub word: &'static str,
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StateKind {
    Waiting,
    Good,
    Bad,
}

impl Place {
    /// Where the session goes.
    pub fn of(session: &Session) -> Self {
        Self {
            stack: session.stack().to_string(),
            region: session.region().to_owned(),
            endpoint: session.endpoint().to_owned(),
        }
    }
}

impl Known {
    /// Takes in what came at `now`, since the surface was opened.
    pub fn learn(&mut self, answer: Answer, now: Duration) {
        match answer {
            // A run that was there is gone: the stack was deployed anew, or the emulator started again.
            Answer::NoRun => *self = Self { no_run: true, answered: Some(now), ..Self::default() },
            Answer::Seen(seen) => {
                let data = Some(Data::of(*seen, now));
                *self = Self { data, answered: Some(now), ..Self::default() };
            }
            Answer::Trouble(why) => self.trouble = Some(why),
        }
    }

    /// How old the data are.
    pub fn age(&self, now: Duration) -> Option<Duration> {
        self.data.as_ref().map(|data| now.saturating_sub(data.at))
    }

    /// The time left, counted down since the data came.
    pub fn seconds_left(&self, now: Duration) -> Option<f64> {
        let data = self.data.as_ref().filter(|data| data.standing == Standing::GoesOn)?;
        let age = now.saturating_sub(data.at).as_secs_f64();
        data.snapshot.eta_seconds.map(|left| (left - age).max(0.0))
    }

    /// How the run stands at `now`, where new data are due every `interval`.
    pub fn state(&self, now: Duration, interval: Duration) -> State {
        let silence = self.silence(now, interval);
        match (&self.data, silence) {
            (Some(data), Some(why)) if data.standing != Standing::Complete => State::bad("NO ANSWER", why),
            (Some(data), _) => data.state(),
            (None, silence) => self.without_data(silence.filter(|_| self.answered.is_some())),
        }
    }

    /// Why AWS's last answer is not fresh at `now`, where one is due every `interval`; `None` while it is.
    pub fn silence(&self, now: Duration, interval: Duration) -> Option<String> {
        match self.answered {
            Some(at) if now.saturating_sub(at) <= interval + GRACE => None,
            Some(_) => {
                Some(self.trouble.clone().unwrap_or_else(|| "AWS does not answer; still asking".to_owned()))
            }
            None => Some("AWS has not answered yet".to_owned()),
        }
    }

    fn without_data(&self, silence: Option<String>) -> State {
        match (self.trouble.clone().or(silence), self.no_run) {
            (Some(why), _) => State::bad("NO ANSWER", why),
            (None, true) => State::waiting("WAITING", "no run in this stack yet; make one: producer -m 1000"),
            (None, false) => State::waiting("READING", "asking for the run"),
        }
    }
}

impl Data {
    pub fn of(seen: Seen, now: Duration) -> Self {
        let Seen { snapshot, reading, standing } = seen;
        let course = Course::of(&reading.tally, reading.at_ms, standing == Standing::Complete);
        let spread = Spread::of(&reading.tally.delivery);
        let last = reading.tally.last_concluded_at.unwrap_or(reading.record.created_at);
        let idle = reading.at_ms.saturating_sub(last) as f64 / 1_000.0;
        Self { snapshot, reading, standing, course, spread, idle, at: now }
    }

    pub fn state(&self) -> State {
        let run = &self.snapshot;
        if let Some(broken) = run.broken.first() {
            let why = format!(
                "counts are too low, a tally is damaged; when all is sent or failed: monitor repair --run {} (shard {})",
                run.run,
                broken.shard()
            );
            return State::bad("DAMAGED", why);
        }
        match self.standing {
            Standing::Complete => State::good(
                "COMPLETE",
                format!(
                    "{} messages in {}",
                    format::thousands(run.total),
                    format::duration(self.course.seconds())
                ),
            ),
            Standing::Stalled => State::bad(
                "STALLED",
                format!(
                    "{} pending, queue empty: producer requeue {}",
                    format::thousands(run.pending),
                    run.run
                ),
            ),
            Standing::GoesOn if run.senders.is_empty() && self.idle > IDLE => {
                State::bad("STALLED", "no sender is alive; start one: sender -c 20".to_owned())
            }
            Standing::GoesOn => State::good("RUNNING", self.progress()),
        }
    }

    fn progress(&self) -> String {
        let run = &self.snapshot;
        if self.idle > LONG_IDLE {
            format!("nothing has been concluded for {}", format::duration(self.idle))
        } else if run.enqueued < run.total {
            format!(
                "the producer has queued {} of {}",
                format::thousands(run.enqueued),
                format::thousands(run.total)
            )
        } else {
            "all messages are queued".to_owned()
        }
    }
}

impl State {
    pub fn waiting(word: &'static str, why: &str) -> Self {
        Self { kind: StateKind::Waiting, word, why: why.to_owned() }
    }

    fn good(word: &'static str, why: String) -> Self {
        Self { kind: StateKind::Good, word, why }
    }

    fn bad(word: &'static str, why: String) -> Self {
        Self { kind: StateKind::Bad, word, why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::reading;
    use crate::throughput::History;

    const EVERY: Duration = Duration::from_secs(5);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_is_fresh_until_the_next_is_long_due() {
        let mut known = Known::default();
        assert!(known.silence(at(0), EVERY).is_some(), "nothing was heard yet");
        known.learn(Answer::NoRun, at(1));
        assert_eq!(known.silence(at(10), EVERY), None);
        assert_eq!(known.state(at(10), EVERY).word, "WAITING");
        assert!(known.silence(at(11), EVERY).is_some());
        assert_eq!(known.state(at(11), EVERY).word, "NO ANSWER");
        known.learn(Answer::NoRun, at(12));
        assert_eq!(known.silence(at(12), EVERY), None);
    }

    #[test]
    fn a_run_that_is_gone_is_shown_no_longer() {
        let mut known = Known::default();
        let reading = reading(2_000, 1_500);
        let snapshot = History::default().snapshot(&reading);
        known.learn(Answer::Seen(Box::new(Seen { snapshot, reading, standing: Standing::GoesOn })), at(1));
        assert!(known.data.is_some());
        known.learn(Answer::NoRun, at(2));
        assert_eq!((known.state(at(2), EVERY).word, known.age(at(2))), ("WAITING", None));
        assert_eq!(known.silence(at(2), EVERY), None);
    }

    #[test]
    fn a_refusal_is_no_answer_and_says_why() {
        let mut known = Known::default();
        known.learn(Answer::NoRun, at(1));
        known.learn(Answer::Trouble("the table is gone".to_owned()), at(8));
        assert_eq!(known.silence(at(11), EVERY).as_deref(), Some("the table is gone"));
    }
}
