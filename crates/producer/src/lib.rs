//! The producer: creates the messages of a run, stores them in DynamoDB, and sends them to SQS.
//!
//! `plan → generate → store → enqueue → watermark`: [`Args`] selects the work, `enqueue` moves the messages, `watermark`
//! records how far all of them are queued, `rate_limit` paces them, `requeue` reads the table to fill the queue again,
//! and `usage` records the requests and units spent.

mod args;
mod enqueue;
mod rate_limit;
mod requeue;
mod summary;
mod usage;
mod watermark;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{anyhow, bail};
pub use args::Args;
use args::{Command, SpeedArgs};
use enqueue::{Backends, EnqueueJob, enqueue_run};
use stentor_aws::clock::now_ms;
use stentor_aws::metrics::{CreateRunResult, RunRecord};
use stentor_aws::session::Destination;
use stentor_aws::{Error, MessagesTable, MetricsTable, Queue, Session};
use stentor_cli::format;
use stentor_cli::{ProgressLine, Shutdown, hints, print_line, status};
use stentor_core::run::{BodyLength, Plan, RunId};
use summary::Summary;
use tokio_util::sync::CancellationToken;
use usage::UsageReporter;

/// Runs the subcommand, or creates a run; returns the exit status.
pub async fn run(args: Args, destination: Destination, shutdown: Shutdown) -> anyhow::Result<u8> {
    let start = Instant::now();
    let Some(prepared) = shutdown.or_shutdown(prepare(&args, destination, shutdown.token())).await else {
        return Ok(shutdown.code().unwrap_or(0));
    };
    let (backends, record) = prepared?;
    let run = record.plan.run();
    let usage = UsageReporter::open(&backends.session, &backends.metrics, run).await;
    let call = Call { args: &args, record: &record, backends: &backends, shutdown: &shutdown, start, usage };
    match &args.command {
        None => call.enqueue(&args.speed, false).await,
        Some(Command::Resume { speed, .. }) => call.enqueue(speed, true).await,
        Some(Command::Requeue { concurrency, .. }) => call.requeue(concurrency.batches.into()).await,
    }
}

/// Opens the backends and returns them with the run's record, which a call without a subcommand creates.
async fn prepare(
    args: &Args,
    destination: Destination,
    ending: CancellationToken,
) -> anyhow::Result<(Backends, RunRecord)> {
    let session = Arc::new(Session::for_cli(destination, ending).await?);
    let backends = Backends {
        queue: Queue::open(&session).await?,
        messages: MessagesTable::new(&session),
        metrics: MetricsTable::new(&session),
        session,
    };
    let record = match args.command {
        None => create_run(args, &backends).await?,
        Some(Command::Resume { run, .. } | Command::Requeue { run, .. }) => {
            backends.metrics.run(run).await?.ok_or(Error::NoSuchRun { run })?
        }
    };
    Ok((backends, record))
}

/// Writes the plan of a new run and makes it the latest.
async fn create_run(args: &Args, backends: &Backends) -> anyhow::Result<RunRecord> {
    let created_at = now_ms();
    let run = args.run.unwrap_or_else(|| RunId::from_parts(created_at, rand::random()));
    // 32 bits are enough to distinguish runs, and short enough to type.
    let seed = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let length = BodyLength { max: args.length, exact: args.exact_length };
    let plan = Plan::new(run, seed, args.messages, length)?;
    if backends.metrics.create_run(&plan, created_at).await? == CreateRunResult::AlreadyExists {
        bail!(
            "run {run} (--run) already exists\nResume it: producer resume {run}, or omit --run for a new one"
        );
    }
    backends.metrics.set_latest(run).await?;
    Ok(RunRecord { plan, created_at, enqueued: 0, finished_at: None })
}

/// One call of the producer for a run.
struct Call<'a> {
    args: &'a Args,
    record: &'a RunRecord,
    backends: &'a Backends,
    shutdown: &'a Shutdown,
    start: Instant,
    usage: UsageReporter<'a>,
}

impl Call<'_> {
    /// Enqueues the rest of the run; an error has the command that resumes it.
    async fn enqueue(self, speed: &SpeedArgs, possibly_repeated: bool) -> anyhow::Result<u8> {
        let run = self.record.plan.run();
        let enqueued = self.enqueue_rest(speed, possibly_repeated).await;
        enqueued.map_err(|error| anyhow!("{}\n{}", hints::describe(&error), how_to_resume(run)))
    }

    async fn enqueue_rest(self, speed: &SpeedArgs, possibly_repeated: bool) -> anyhow::Result<u8> {
        let Self { record, backends, shutdown, .. } = self;
        let (plan, quiet) = (&record.plan, self.args.shared.quiet);
        let total = format::thousands(plan.total().into());
        if !quiet {
            status(&format!("run {}: {total} messages, seed {}", plan.run(), plan.seed()));
        }
        let progress_line = ProgressLine::bar("enqueuing", plan.total(), record.enqueued, quiet);
        let work = EnqueueJob {
            plan,
            from: record.enqueued,
            possibly_repeated,
            rate: speed.rate,
            concurrency: speed.concurrency.batches.into(),
        };
        let fed = enqueue_run(&work, backends, shutdown, |messages| progress_line.advance(messages)).await;
        drop(progress_line);
        let enqueued = record.enqueued + fed?;
        let complete = enqueued == plan.total();
        if complete && record.finished_at.is_none() {
            backends.metrics.mark_finished(plan, now_ms()).await?;
        }
        self.print_summary(enqueued - record.enqueued).await?;
        match shutdown.code() {
            Some(code) if !complete => {
                let enqueued = format::thousands(enqueued.into());
                let hint = how_to_resume(plan.run());
                status(&format!("interrupted at {enqueued} of {total} messages\n{hint}"));
                Ok(code)
            }
            _ => Ok(0),
        }
    }

    /// Prints what this call enqueued, and records its usage for the run's bill.
    async fn print_summary(self, messages: u32) -> anyhow::Result<()> {
        let usage = self.usage.close().await;
        let summary = Summary::new(&self.record.plan, messages, self.start.elapsed(), usage);
        print_line(&if self.args.shared.json { summary.json() } else { summary.line() })?;
        Ok(())
    }
}

fn how_to_resume(run: RunId) -> String {
    format!("Resume it: producer resume {run}")
}
