//! The one reader of a run, whichever surface shows it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use stentor_aws::Error;
use stentor_aws::metrics::RunRecord;
use stentor_core::run::RunId;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::reading::RunReader;
use crate::stall::StallDetector;
use crate::throughput::Throughput;
use crate::view::RunView;

/// Which run is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunSelection {
    /// A run by its ID.
    Run(RunId),
    /// The latest run at the first poll, and no later one.
    Latest,
    /// The latest run at each poll.
    EachLatest,
}

/// What a surface wants of the reader; it may change at any time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReaderCommand {
    /// The run to read.
    pub selection: RunSelection,
    /// Time from one poll to the next.
    pub interval: Duration,
    /// Whether polls are suspended.
    pub paused: bool,
    /// Number of lists of the runs requested so far.
    pub lists: u32,
}

/// Result of a poll; `None` where the stack has no run.
pub type ReadResult = Result<Option<Box<RunView>>, Error>;

/// What the reader sends to its surface.
#[derive(Debug)]
pub enum ReaderEvent {
    /// A poll succeeded or failed; the reader goes on after an error.
    Read(ReadResult),
    /// The requested list of the runs.
    Runs(Vec<RunRecord>),
}

/// A reader that polls while its next event is awaited. No task of the runtime: the futures of the AWS calls hold async
/// closures, which the compiler cannot prove to be `Send`.
pub struct Reader {
    commands: watch::Sender<ReaderCommand>,
    events: mpsc::UnboundedReceiver<ReaderEvent>,
    polls: Pin<Box<dyn Future<Output = ()>>>,
}

/// Polls one run after the other, and keeps what the views of the present one need.
struct RunFollower<'a> {
    reader: &'a RunReader,
    selection: RunSelection,
    run: Option<RunId>,
    throughput: Throughput,
    stall: StallDetector,
    started: Instant,
}

impl ReaderCommand {
    /// Reads a run at an interval.
    pub fn new(selection: RunSelection, interval: Duration) -> Self {
        Self { selection, interval, paused: false, lists: 0 }
    }
}

impl Reader {
    /// Creates a reader that polls at once, and then every interval.
    pub fn new(reader: &Arc<RunReader>, command: ReaderCommand) -> Self {
        let (commands, wanted) = watch::channel(command);
        let (sender, events) = mpsc::unbounded_channel();
        Self { commands, events, polls: Box::pin(poll_until_closed(Arc::clone(reader), wanted, sender)) }
    }

    /// Waits for the next event; cancel safe.
    pub async fn next(&mut self) -> ReaderEvent {
        tokio::select! {
            Some(event) = self.events.recv() => event,
            // It ends only with this reader.
            () = &mut self.polls => std::future::pending().await,
        }
    }

    /// Sends a command; one that is in force already changes nothing.
    pub fn command(&self, command: ReaderCommand) {
        self.commands.send_if_modified(|present| std::mem::replace(present, command) != command);
    }
}

async fn poll_until_closed(
    reader: Arc<RunReader>,
    mut commands: watch::Receiver<ReaderCommand>,
    events: mpsc::UnboundedSender<ReaderEvent>,
) {
    let mut command = *commands.borrow_and_update();
    let mut follower = RunFollower::new(&reader, command.selection);
    let mut due = Instant::now();
    loop {
        // Compared, since a change may have come, and been marked as seen, during a poll.
        let wanted = *commands.borrow_and_update();
        let before = std::mem::replace(&mut command, wanted);
        due = (due + command.interval).checked_sub(before.interval).unwrap_or(due);
        if command.selection != before.selection {
            follower = RunFollower::new(&reader, command.selection);
            due = Instant::now();
        }
        if command.lists != before.lists {
            let runs = reader.metrics.runs().await;
            let _ = events.send(runs.map_or_else(|error| ReaderEvent::Read(Err(error)), ReaderEvent::Runs));
        }
        tokio::select! {
            () = sleep_until(due), if !command.paused => {}
            changed = commands.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        }
        let begun = Instant::now();
        // A poll that hangs is cancelled when another run is selected.
        let result = tokio::select! {
            result = follower.poll() => result,
            _ = async { commands.wait_for(|wanted| wanted.selection != command.selection).await.is_ok() } => continue,
        };
        if events.send(ReaderEvent::Read(result)).is_err() {
            return;
        }
        due = begun + command.interval;
    }
}

impl<'a> RunFollower<'a> {
    fn new(reader: &'a RunReader, selection: RunSelection) -> Self {
        Self {
            reader,
            selection,
            run: None,
            throughput: Throughput::default(),
            stall: StallDetector::default(),
            started: Instant::now(),
        }
    }

    /// Reads the run once, in five requests at most.
    async fn poll(&mut self) -> ReadResult {
        let Some(run) = self.selected_run().await? else { return Ok(None) };
        let reading = self.reader.read(run).await?.ok_or(Error::NoSuchRun { run })?;
        if self.run != Some(run) {
            (self.run, self.throughput, self.stall) =
                (Some(run), Throughput::default(), StallDetector::default());
        }
        let is_stalled = self.stall.check(&reading, self.started.elapsed());
        Ok(Some(Box::new(RunView::next(reading, &mut self.throughput, is_stalled))))
    }

    async fn selected_run(&self) -> Result<Option<RunId>, Error> {
        match (self.selection, self.run) {
            (RunSelection::Run(run), _) | (RunSelection::Latest, Some(run)) => Ok(Some(run)),
            _ => self.reader.metrics.latest().await,
        }
    }
}
