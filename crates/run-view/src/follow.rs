//! Looks at a run again and again, and knows when it will get no further.

use std::fmt;

use stentor_aws::Error;
use stentor_cli::format;
use stentor_core::run::RunId;
use tokio::time::Instant;

use crate::reading::Sources;
use crate::snapshot::{Reading, Snapshot};
use crate::stall::StallWatch;
use crate::throughput::History;

/// Which run is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    This(RunId),
    /// The latest there is at the first look, and no later one.
    Latest,
    /// The latest at each look.
    EachLatest,
}

/// The run that is watched, and what was seen of it before.
#[derive(Debug)]
pub struct Watch<'a> {
    sources: &'a Sources,
    choice: Choice,
    run: Option<RunId>,
    history: History,
    stall: StallWatch,
    started: Instant,
}

/// What a look at a run shows.
#[derive(Debug, Clone)]
pub struct Seen {
    pub snapshot: Snapshot,
    pub reading: Reading,
    pub standing: Standing,
}

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    GoesOn,
    Complete,
    /// It will get no further by itself.
    Stalled,
}

impl<'a> Watch<'a> {
    pub fn new(sources: &'a Sources, choice: Choice) -> Self {
        Self {
            sources,
            choice,
            run: None,
            history: History::default(),
            stall: StallWatch::default(),
            started: Instant::now(),
        }
    }

    /// Looks at the run once, with five requests at most; `None` where there is no run yet.
    pub async fn look(&mut self) -> Result<Option<Seen>, Error> {
        let Some(run) = self.run_to_watch().await? else { return Ok(None) };
        let reading = self.sources.read(run).await?.ok_or(Error::NoSuchRun { run })?;
        if self.run != Some(run) {
            (self.run, self.history, self.stall) = (Some(run), History::default(), StallWatch::default());
        }
        let snapshot = self.history.snapshot(&reading);
        let stalled = self.stall.is_stalled(&snapshot, reading.visibility, self.started.elapsed());
        let standing = match (snapshot.complete, stalled) {
            (true, _) => Standing::Complete,
            (false, true) => Standing::Stalled,
            (false, false) => Standing::GoesOn,
        };
        Ok(Some(Seen { snapshot, reading, standing }))
    }

    async fn run_to_watch(&self) -> Result<Option<RunId>, Error> {
        match (self.choice, self.run) {
            (Choice::This(run), _) | (Choice::Latest, Some(run)) => Ok(Some(run)),
            _ => self.sources.metrics.latest().await,
        }
    }
}

/// Why a run stalled, and what brings it on.
#[derive(Debug)]
pub struct Stalled<'a>(pub &'a Snapshot);

impl fmt::Display for Stalled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = &self.0.run;
        if let Some(broken) = self.0.broken.first() {
            return write!(
                f,
                "run {run} cannot be counted to its end: the tally of shard {} is damaged\nCount it from the table: monitor repair --run {run}",
                broken.shard(),
            );
        }
        write!(
            f,
            "run {run} is stalled: {} messages are pending and the queue is empty ({} dead letters)\nPut them on the queue again: producer requeue {run}",
            format::thousands(self.0.pending),
            format::thousands(self.0.dead_letters),
        )
    }
}
