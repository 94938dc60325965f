//! The one reader of a run, whichever surface shows it.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use stentor_aws::Error;
use stentor_aws::metrics::RunRecord;
use stentor_core::lookup::LookupSample;
use stentor_core::message::MessageId;
use stentor_core::run::RunId;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::lookups::look_up;
use crate::reading::{RunReader, RunReading};
use crate::stall::{LookupResult, StallDetector};
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
    /// Look-ups of the present run that are under way.
    lookups: Option<Pin<Box<dyn Future<Output = LookupResult> + 'a>>>,
    /// Messages of the present run that were looked up.
    looked_up: Rc<Cell<u64>>,
    discards: DiscardWatch,
    started: Instant,
}

/// When the discarded batches of the stream are read: rarely, and in place of the latest run where that is read at each
/// poll, so that no poll after the first makes more than five requests.
#[derive(Debug, Default)]
struct DiscardWatch {
    batches: Option<u64>,
    read_at: Option<Instant>,
    was_due: bool,
}

/// Time between two reads of the discarded batches, unless the run has ended.
const DISCARD_INTERVAL: Duration = Duration::from_secs(30);

impl DiscardWatch {
    /// Returns whether the next poll reads them; never two polls in a row, so that the latest run is read at the others.
    fn is_due(&mut self) -> bool {
        let is_due = !self.was_due && self.read_at.is_none_or(|at| at.elapsed() >= DISCARD_INTERVAL);
        self.was_due = is_due;
        is_due
    }

    async fn read(&mut self, reader: &RunReader) -> Result<(), Error> {
        (self.batches, self.read_at) = (reader.discarded_batches().await?, Some(Instant::now()));
        Ok(())
    }
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
            () = follower.end_lookups() => continue,
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
            lookups: None,
            looked_up: Rc::default(),
            discards: DiscardWatch::default(),
            started: Instant::now(),
        }
    }

    /// Reads the run once, in five requests at most; the first time in six.
    async fn poll(&mut self) -> ReadResult {
        let is_due = self.discards.is_due();
        let Some(run) = self.selected_run(is_due).await? else { return Ok(None) };
        let reading = self.reader.read(run).await?.ok_or(Error::NoSuchRun { run })?;
        if self.run != Some(run) {
            (self.run, self.throughput, self.stall) =
                (Some(run), Throughput::default(), StallDetector::default());
            (self.lookups, self.looked_up) = (None, Rc::default());
        }
        let check = self.stall.check(&reading, self.started.elapsed());
        if let Some(sample) = check.lookups {
            self.begin_lookups(&reading, sample);
        }
        // A watch that ends with the run shows how many there are then.
        if is_due || (check.phase.has_ended() && self.selection != RunSelection::EachLatest) {
            self.discards.read(self.reader).await?;
        }
        let reading = RunReading {
            discarded_batches: self.discards.batches,
            looked_up: self.looked_up.get(),
            ..reading
        };
        let view = RunView::next(reading, &mut self.throughput, check.phase);
        Ok(Some(Box::new(view.with_prices(self.reader.prices.clone()))))
    }

    /// Begins look-ups of the run, unless there are some under way. They go on between the polls.
    fn begin_lookups(&mut self, reading: &RunReading, sample: LookupSample) {
        let (plan, looked_up) = (reading.record.plan.clone(), Rc::clone(&self.looked_up));
        let messages = &self.reader.messages;
        self.lookups.get_or_insert_with(|| {
            Box::pin(async move {
                let read = async |ids: &[MessageId]| messages.get_messages(ids).await;
                look_up(&plan, sample, rand::random(), &looked_up, read).await
            })
        });
    }

    /// Waits for the end of the look-ups under way, for ever where there are none; cancel safe.
    async fn end_lookups(&mut self) {
        let Some(lookups) = &mut self.lookups else { return std::future::pending().await };
        let result = lookups.await;
        self.lookups = None;
        self.stall.add_lookups(result, self.started.elapsed());
    }

    /// Selects the run of this poll; `keep` leaves out the read of the latest one while there is a run.
    async fn selected_run(&self, keep: bool) -> Result<Option<RunId>, Error> {
        match (self.selection, self.run) {
            (RunSelection::Run(run), _) | (RunSelection::Latest, Some(run)) => Ok(Some(run)),
            (RunSelection::EachLatest, Some(run)) if keep => Ok(Some(run)),
            _ => self.reader.metrics.latest().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn discarded_batches_are_read_every_thirty_seconds_and_never_in_two_polls_in_a_row() {
        let due = async |interval: u64, polls: usize| {
            let mut watch = DiscardWatch::default();
            let mut due = Vec::new();
            for poll in 0..polls {
                if watch.is_due() {
                    due.push(poll);
                    watch.read_at = Some(Instant::now());
                }
                tokio::time::advance(Duration::from_secs(interval)).await;
            }
            due
        };
        assert_eq!(due(5, 20).await, [0, 6, 12, 18]);
        assert_eq!(due(60, 6).await, [0, 2, 4]);
    }
}
