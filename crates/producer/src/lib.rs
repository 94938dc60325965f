//! The producer: makes the messages of a run, backends them in the table, and puts them on the queue.
//!
//! `plan → generate → store → enqueue → watermark`: [`Args`] status what to do, `enqueue` is the way of the messages,
//! `watermark` how far it is watermark, `rate_limit` how fast it goes, `requeue` the way back from table to
//! queue, and `usage` what all of it spends.

mod args;
mod enqueue;
mod rate_limit;
mod requeue;
mod summary;
mod usage;
mod watermark;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
pub use args::Args;
use args::Job;
use enqueue::{Backends, EnqueueJob, enqueue_run};
use requeue::requeue;
use stentor_aws::clock::now_ms;
use stentor_aws::metrics::{CreateRunResult, RunRecord};
use stentor_aws::session::Destination;
use stentor_aws::{Error, MessagesTable, MetricsTable, Queue, Session};
use stentor_cli::format;
use stentor_cli::{ProgressLine, Shutdown, print_line, status};
use stentor_core::run::{BodyLength, Plan, RunId};
use summary::Summary;
use tokio_util::sync::CancellationToken;
use usage::UsageReporter;

/// Does what the flags ask for; returns the exit code.
pub async fn run(args: Args, destination: Destination, shutdown: Shutdown) -> anyhow::Result<u8> {
    let start = Instant::now();
    let Some(prepared) = shutdown.or_shutdown(prepare(&args, destination, shutdown.token())).await else {
        return Ok(shutdown.code().unwrap_or(0));
    };
    let (backends, record) = prepared?;
    let run = record.plan.run();
    let usage = UsageReporter::open(&backends.session, &backends.metrics, run).await;
    let done = match args.job() {
        Job::Requeue(_) => requeue_run(&args, &record, &backends, &shutdown, start, usage).await,
        _ => enqueue(&args, &record, &backends, &shutdown, start, usage).await,
    };
    done.map_err(|error| match args.job() {
        Job::Requeue(run) => anyhow!("{error}\nBegin again: producer --requeue {run}"),
        Job::Begin { .. } | Job::Resume(_) => anyhow!("{error}\n{}", how_to_resume(run)),
    })
}

/// Finds the backends, and the run as it stands in them; a new one is begun.
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
    let record = match args.job() {
        Job::Begin { run } => begin(args, run, &backends).await?,
        Job::Resume(run) => {
            let record = stored_run(run, &backends).await?;
            if let Some(what) = args.contradiction(&record.plan) {
                bail!("cannot resume run {run} with {what}\nLeave the flag out: a run keeps its plan");
            }
            record
        }
        Job::Requeue(run) => stored_run(run, &backends).await?,
    };
    Ok((backends, record))
}

/// Writes the plan of a new run, and makes it the latest.
async fn begin(args: &Args, run: Option<RunId>, backends: &Backends) -> anyhow::Result<RunRecord> {
    let created_at = now_ms();
    let run = run.unwrap_or_else(|| RunId::from_parts(created_at, rand::random()));
    // Half of a u64 is enough to tell runs apart, and short enough to type.
    let seed = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let length = BodyLength { max: args.length_or_default(), exact: args.exact_length };
    let plan = Plan::new(run, seed, args.messages_or_default(), length)?;
    if backends.metrics.create_run(&plan, created_at).await? == CreateRunResult::AlreadyExists {
        bail!(
            "run {run} (--run) exists already\nGo on with it: producer --resume {run}, or leave --run out for a new one"
        );
    }
    backends.metrics.set_latest(run).await?;
    Ok(RunRecord { plan, created_at, enqueued: 0, finished_at: None })
}

async fn stored_run(run: RunId, backends: &Backends) -> Result<RunRecord, Error> {
    backends.metrics.run(run).await?.ok_or(Error::NoSuchRun { run })
}

/// Enqueues what is left of a run.
async fn enqueue(
    args: &Args,
    record: &RunRecord,
    backends: &Backends,
    shutdown: &Shutdown,
    start: Instant,
    usage: UsageReporter<'_>,
) -> anyhow::Result<u8> {
    let plan = &record.plan;
    let total = format::thousands(plan.total().into());
    if !args.shared.quiet {
        status(&format!("run {}: {total} messages, seed {}", plan.run(), plan.seed()));
    }
    let progress_line = ProgressLine::bar("enqueuing", plan.total(), record.enqueued, args.shared.quiet);
    let work = EnqueueJob {
        plan,
        from: record.enqueued,
        possibly_repeated: matches!(args.job(), Job::Resume(_)),
        rate: args.rate,
        concurrency: args.concurrency.into(),
    };
    let fed = enqueue_run(&work, backends, shutdown, |messages| progress_line.advance(messages)).await;
    drop(progress_line);
    let messages = fed?;
    let complete = record.enqueued + messages == plan.total();
    if complete && record.finished_at.is_none() {
        backends.metrics.mark_finished(plan, now_ms()).await?;
    }
    tell(args, plan, messages, start.elapsed(), usage).await?;
    match shutdown.code() {
        Some(code) if !complete => {
            let enqueued = format::thousands((record.enqueued + messages).into());
            status(&format!("interrupted at {enqueued} of {total} messages\n{}", how_to_resume(plan.run())));
            Ok(code)
        }
        _ => Ok(0),
    }
}

/// Puts what is pending of a run on the queue again.
async fn requeue_run(
    args: &Args,
    record: &RunRecord,
    backends: &Backends,
    shutdown: &Shutdown,
    start: Instant,
    usage: UsageReporter<'_>,
) -> anyhow::Result<u8> {
    let plan = &record.plan;
    let progress_line = ProgressLine::bar("looking up", plan.total(), 0, args.shared.quiet);
    let done = requeue(plan, backends, args.concurrency.into(), shutdown, |messages| {
        progress_line.advance(messages)
    })
    .await;
    drop(progress_line);
    let done = done?;
    tell(args, plan, done.enqueued, start.elapsed(), usage).await?;
    if done.missing > 0 && record.enqueued < plan.total() {
        let missing = format::thousands(done.missing.into());
        status(&format!(
            "{missing} messages of the run are not created yet: producer --resume {}",
            plan.run()
        ));
    } else if done.missing > 0 {
        let missing = format::thousands(done.missing.into());
        status(&format!(
            "{missing} messages of the run are gone from the table: it keeps them for seven days"
        ));
    }
    match shutdown.code() {
        Some(code) if done.looked_up < plan.total() => {
            let looked_up = format::thousands(done.looked_up.into());
            status(&format!(
                "interrupted after {looked_up} of {} messages; begin again: producer --requeue {}",
                format::thousands(plan.total().into()),
                plan.run()
            ));
            Ok(code)
        }
        _ => Ok(0),
    }
}

fn how_to_resume(run: RunId) -> String {
    format!("Go on with it: producer --resume {run}")
}

/// Says what this call came to, to the user and, for the run's bill, to the table.
async fn tell(
    args: &Args,
    plan: &Plan,
    messages: u32,
    took: Duration,
    usage: UsageReporter<'_>,
) -> anyhow::Result<()> {
    let summary = Summary::new(plan, messages, took, usage.close().await);
    print_line(&if args.shared.json { summary.json() } else { summary.line() })?;
    Ok(())
}
