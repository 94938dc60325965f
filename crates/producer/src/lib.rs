//! The producer: creates the messages of a run, stores them in DynamoDB, and sends them to SQS.
//!
//! `plan → generate → store → enqueue → watermark`: [`Args`] selects the work, `enqueue` moves the messages, `watermark`
//! records how far all of them are queued, `rate_limit` paces them, and `requeue` reads the table to fill the queue again.

mod args;
mod enqueue;
mod rate_limit;
mod requeue;
mod summary;
mod text;
mod throttling;
mod watermark;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{anyhow, bail};
pub use args::Args;
use args::{Command, SpeedArgs};
use enqueue::Backends;
use stentor_aws::metrics::{CreateRunResult, RunRecord};
use stentor_aws::{Error, MessagesTable, MetricsTable, Queue};
use stentor_cli::format;
use stentor_cli::{ConnectionFlags, Policy, Shutdown, hints, print_line, status};
use stentor_core::run::{BodyLength, Plan, RunId};
use stentor_core::usage::Usage;
use stentor_sign_in::{Destination, open_session};
use summary::Summary;
use tokio_util::sync::CancellationToken;

/// Runs the subcommand, or creates a run; returns the exit status.
pub async fn run(args: Args, destination: Destination, shutdown: Shutdown) -> anyhow::Result<u8> {
    let start = Instant::now();
    let connection = ConnectionFlags::of(&destination);
    let preparing = prepare(&args, destination, &connection, shutdown.token());
    let Some(prepared) = shutdown.or_shutdown(preparing).await else {
        return Ok(shutdown.code().unwrap_or(0));
    };
    let (backends, record) = prepared?;
    let id = RunId::from_parts(backends.session.clock().now_ms(), rand::random()).to_string();
    let call = Call {
        id,
        args: &args,
        record: &record,
        backends: &backends,
        connection: &connection,
        shutdown: &shutdown,
        start,
    };
    // The record stays open if the call is killed.
    call.record_usage(&backends.session.usage(), false).await;
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
    connection: &ConnectionFlags,
    ending: CancellationToken,
) -> anyhow::Result<(Backends, RunRecord)> {
    let session = Arc::new(open_session(destination, ending).await?);
    let backends = Backends {
        queue: Queue::open(&session).await?,
        messages: MessagesTable::new(&session),
        metrics: MetricsTable::new(&session),
        session,
    };
    let record = match args.command {
        None => create_run(args, &backends, connection).await?,
        Some(Command::Resume { run, .. } | Command::Requeue { run, .. }) => {
            backends.metrics.run(run).await?.ok_or(Error::NoSuchRun { run })?
        }
    };
    Ok((backends, record))
}

/// Writes the plan of a new run and makes it the latest.
async fn create_run(
    args: &Args,
    backends: &Backends,
    connection: &ConnectionFlags,
) -> anyhow::Result<RunRecord> {
    // The clock is right: the queue's service has responded.
    let created_at = backends.session.clock().now_ms();
    let run = args.run.unwrap_or_else(|| RunId::from_parts(created_at, rand::random()));
    // 32 bits are enough to distinguish runs, and short enough to type.
    let seed = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let plan = match &args.text {
        None => {
            let length = BodyLength { max: args.length, exact: args.exact_length };
            Plan::new(run, seed, args.messages, length)?
        }
        Some(text) => Plan::with_text(run, seed, args.messages, text.clone())?,
    };
    if backends.metrics.create_run(&plan, created_at).await? == CreateRunResult::AlreadyExists {
        let resume = connection.command(&format!("producer resume {run}"));
        bail!("run {run} (--run) already exists\nResume it: {resume}, or omit --run for a new one");
    }
    backends.metrics.set_latest(run, created_at).await?;
    Ok(RunRecord { plan, created_at, enqueued: 0, finished_at: None })
}

/// One call of the producer for a run.
struct Call<'a> {
    /// Names the call's usage record.
    id: String,
    args: &'a Args,
    record: &'a RunRecord,
    backends: &'a Backends,
    /// The flags of the commands that its messages suggest.
    connection: &'a ConnectionFlags,
    shutdown: &'a Shutdown,
    start: Instant,
}

impl Call<'_> {
    /// Enqueues the rest of the run; an error has the command that resumes it.
    async fn enqueue(&self, speed: &SpeedArgs, possibly_repeated: bool) -> anyhow::Result<u8> {
        let enqueued = self.enqueue_rest(speed, possibly_repeated).await;
        enqueued.map_err(|error| {
            let why = hints::describe(&error, Policy::Producer);
            anyhow!("{why}\nResume it: {}", self.command("resume"))
        })
    }

    async fn enqueue_rest(&self, speed: &SpeedArgs, possibly_repeated: bool) -> anyhow::Result<u8> {
        let Self { record, backends, shutdown, .. } = self;
        let plan = &record.plan;
        let total = format::counted(plan.total().into(), "message");
        if !self.args.shared.quiet {
            status(&format!("run {}: {total}, seed {}", plan.run(), plan.seed()));
            if let Some(text) = plan.text() {
                status(&text::describe(text));
            }
        }
        let enqueued = record.enqueued + self.enqueue_messages(speed, possibly_repeated).await?;
        let complete = enqueued == plan.total();
        if complete && record.finished_at.is_none() {
            backends.metrics.mark_finished(plan, backends.session.clock().now_ms()).await?;
        }
        self.print_summary(enqueued - record.enqueued).await?;
        match shutdown.code() {
            Some(code) if !complete => {
                let enqueued = format::thousands(enqueued.into());
                let resume = self.command("resume");
                status(&format!("interrupted at {enqueued} of {total}\nResume it: {resume}"));
                Ok(code)
            }
            _ => Ok(0),
        }
    }

    /// Prints what this call enqueued, and records its usage for the run's bill.
    async fn print_summary(&self, messages: u32) -> anyhow::Result<()> {
        let usage = self.backends.session.usage();
        self.record_usage(&usage, true).await;
        let session = &self.backends.session;
        let summary = Summary::new(
            &self.record.plan,
            messages,
            self.start.elapsed(),
            session.write_throttled_for(),
            session.clock().correction_seconds(),
            usage,
        );
        print_line(&if self.args.shared.json { format::json_line(&summary) } else { summary.line() })?;
        Ok(())
    }

    /// Writes the usage record for the run's bill; the run continues if that fails.
    async fn record_usage(&self, usage: &Usage, has_ended: bool) {
        let (metrics, run) = (&self.backends.metrics, self.record.plan.run());
        let written = metrics.put_usage(run, &self.id, usage, None, has_ended).await;
        if let Err(error) = written {
            status(&format!("cannot write the usage record: {error}"));
        }
    }

    /// Formats the command line of a subcommand for this run.
    fn command(&self, subcommand: &str) -> String {
        self.connection.command(&format!("producer {subcommand} {}", self.record.plan.run()))
    }
}
