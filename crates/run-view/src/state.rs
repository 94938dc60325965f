//! What a surface that stays open shows: the last view, its age, and whether AWS still answers.

use std::time::Duration;

use stentor_cli::ConnectionFlags;
use stentor_cli::hints::{Policy, with_hint};

use crate::reader::ReadResult;
use crate::status::{RunPhase, RunStatus};
use crate::view::RunView;

/// Delay beyond the poll interval after which an answer is missing.
const GRACE: Duration = Duration::from_secs(4);

/// The results of all polls so far. Times are those since the surface was opened.
#[derive(Debug, Default)]
pub struct RunState {
    /// The last view; `None` before the first, and where the stack has no run.
    pub view: Option<RunView>,
    /// When AWS last answered.
    answered_at: Option<Duration>,
    /// The error of the last poll.
    error: Option<String>,
}

impl RunState {
    /// Takes in the result of a poll at `now`. After an error the last view stays.
    pub fn update(&mut self, result: ReadResult, now: Duration) {
        match result {
            // A run that was there is gone: the stack was deployed again, or the emulator restarted.
            Ok(view) => *self = Self { view: view.map(|view| *view), answered_at: Some(now), error: None },
            Err(error) => {
                self.error = Some(with_hint(&error, Policy::Monitor).lines().collect::<Vec<_>>().join("; "));
            }
        }
    }

    /// Returns whether AWS has ever answered.
    pub fn has_answer(&self) -> bool {
        self.answered_at.is_some()
    }

    /// When the view was read.
    pub fn read_at(&self) -> Option<Duration> {
        self.view.as_ref().and(self.answered_at)
    }

    /// Age of the view.
    pub fn data_age(&self, now: Duration) -> Option<Duration> {
        self.read_at().map(|at| now.saturating_sub(at))
    }

    /// Seconds left, counted down since the view was read.
    pub fn seconds_left(&self, now: Duration) -> Option<f64> {
        let view = self.view.as_ref().filter(|view| view.phase == RunPhase::Active)?;
        let age = self.data_age(now)?.as_secs_f64();
        view.eta_seconds().map(|left| (left - age).max(0.0))
    }

    /// The status at `now`, where a poll is due every `interval`; commands in it have the flags of the connection.
    pub fn status(&self, now: Duration, interval: Duration, connection: &ConnectionFlags) -> RunStatus {
        match (&self.view, self.stale_reason(now, interval)) {
            (Some(view), Some(reason)) if view.phase != RunPhase::Complete => RunStatus::no_answer(reason),
            (Some(view), _) => RunStatus::of(view, connection),
            (None, stale) => match self.error.clone().or(stale.filter(|_| self.has_answer())) {
                Some(reason) => RunStatus::no_answer(reason),
                None if self.has_answer() => RunStatus::no_run(connection),
                None => RunStatus::reading(),
            },
        }
    }

    /// Returns why AWS's last answer is too old at `now`; `None` while it is fresh.
    pub fn stale_reason(&self, now: Duration, interval: Duration) -> Option<String> {
        match self.answered_at {
            Some(at) if now.saturating_sub(at) <= interval + GRACE => None,
            Some(_) => Some(self.error.clone().unwrap_or_else(|| "AWS does not answer; retrying".to_owned())),
            None => Some("AWS has not answered yet".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{failure, reading};

    const EVERY: Duration = Duration::from_secs(5);

    fn word(state: &RunState, seconds: u64) -> &'static str {
        state.status(at(seconds), EVERY, &ConnectionFlags::default()).word
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_is_fresh_until_the_next_is_overdue() {
        let mut state = RunState::default();
        assert!(state.stale_reason(at(0), EVERY).is_some(), "there was no answer yet");
        state.update(Ok(None), at(1));
        assert_eq!(state.stale_reason(at(10), EVERY), None);
        assert_eq!(word(&state, 10), "WAITING");
        assert!(state.stale_reason(at(11), EVERY).is_some());
        assert_eq!(word(&state, 11), "NO ANSWER");
        state.update(Ok(None), at(12));
        assert_eq!(state.stale_reason(at(12), EVERY), None);
    }

    #[test]
    fn a_run_that_is_gone_is_no_longer_shown() {
        let mut state = RunState::default();
        state.update(Ok(Some(Box::new(RunView::first(reading(2_000, 1_500))))), at(1));
        assert!(state.view.is_some());
        state.update(Ok(None), at(2));
        assert_eq!((word(&state, 2), state.data_age(at(2))), ("WAITING", None));
        assert_eq!(state.stale_reason(at(2), EVERY), None);
    }

    #[test]
    fn an_error_is_no_answer_and_gives_the_reason() {
        let mut state = RunState::default();
        state.update(Ok(None), at(1));
        state.update(Err(failure()), at(8));
        assert_eq!(
            state.stale_reason(at(11), EVERY),
            Some(with_hint(&failure(), Policy::Monitor).replace('\n', "; "))
        );
    }
}
