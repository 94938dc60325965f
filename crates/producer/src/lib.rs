//! The producer: makes the messages of a run, stores them in the table, and puts them on the queue.
//!
//! `plan → generate → store → enqueue → mark`: [`Args`] say what to do, `pipeline` is the way of the messages,
//! `mark` how far it is gapless, `pace` how fast it goes, `requeue` the way back from table to
//! queue, and `account` what all of it spends.

mod account;
mod args;
mod mark;
mod pace;
mod pipeline;
mod requeue;
mod summary;

use std::sync::Arc;
use std::time::{Duration, Instant};

use account::Account;
use anyhow::{anyhow, bail};
pub use args::Args;
use args::Job;
use pipeline::{Feed, Stores, feed};
use requeue::requeue;
use stentor_core::aws::metrics::{Creation, RunRecord};
use stentor_core::aws::session::Destination;
use stentor_core::aws::{Error, MessagesTable, MetricsTable, Queue, Session};
use stentor_core::cli::{Live, Stop, print_line, say};
use stentor_core::clock::now_ms;
use stentor_core::run::{Plan, RunId, TextLength};
use stentor_core::show;
use summary::Summary;
use tokio_util::sync::CancellationToken;

/// Does what the flags ask for; returns the exit code.
pub async fn run(args: Args, destination: Destination, stop: Stop) -> anyhow::Result<u8> {
    let start = Instant::now();
    let Some(prepared) = stop.unless_requested(prepare(&args, destination, stop.token())).await else {
        return Ok(stop.code().unwrap_or(0));
    };
    let (stores, record) = prepared?;
    let run = record.plan.run();
    let account = Account::open(&stores.session, &stores.metrics, run).await;
    let done = match args.job() {
        Job::Requeue(_) => requeue_run(&args, &record, &stores, &stop, start, account).await,
        _ => enqueue(&args, &record, &stores, &stop, start, account).await,
    };
    done.map_err(|error| match args.job() {
        Job::Requeue(run) => anyhow!("{error}\nBegin again: producer --requeue {run}"),
        Job::Begin { .. } | Job::Resume(_) => anyhow!("{error}\n{}", how_to_resume(run)),
    })
}

/// Finds the stores, and the run as it stands in them; a new one is begun.
async fn prepare(
    args: &Args,
    destination: Destination,
    ending: CancellationToken,
) -> anyhow::Result<(Stores, RunRecord)> {
    let session = Arc::new(Session::open(destination, ending).await?);
    let stores = Stores {
        queue: Queue::open(&session).await?,
        messages: MessagesTable::new(&session),
        metrics: MetricsTable::new(&session),
        session,
    };
    let record = match args.job() {
        Job::Begin { run } => begin(args, run, &stores).await?,
        Job::Resume(run) => {
            let record = stored_run(run, &stores).await?;
            if let Some(what) = args.contradiction(&record.plan) {
                bail!("cannot resume run {run} with {what}\nLeave the flag out: a run keeps its plan");
            }
            record
        }
        Job::Requeue(run) => stored_run(run, &stores).await?,
    };
    Ok((stores, record))
}

/// Writes the plan of a new run, and makes it the latest.
async fn begin(args: &Args, run: Option<RunId>, stores: &Stores) -> anyhow::Result<RunRecord> {
    let created_at = now_ms();
    let run = run.unwrap_or_else(|| RunId::from_parts(created_at, rand::random()));
    // Half of a u64 is enough to tell runs apart, and short enough to type.
    let seed = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let length = TextLength { max: args.length_or_default(), exact: args.exact_length };
    let plan = Plan::new(run, seed, args.messages_or_default(), length)?;
    if stores.metrics.create_run(&plan, created_at).await? == Creation::Exists {
        bail!(
            "run {run} (--run) exists already\nGo on with it: producer --resume {run}, or leave --run out for a new one"
        );
    }
    stores.metrics.point_latest(run).await?;
    Ok(RunRecord { plan, created_at, enqueued: 0, finished_at: None })
}

async fn stored_run(run: RunId, stores: &Stores) -> Result<RunRecord, Error> {
    stores.metrics.run(run).await?.ok_or(Error::NoSuchRun { run })
}

/// Enqueues what is left of a run.
async fn enqueue(
    args: &Args,
    record: &RunRecord,
    stores: &Stores,
    stop: &Stop,
    start: Instant,
    account: Account<'_>,
) -> anyhow::Result<u8> {
    let plan = &record.plan;
    let total = show::count(plan.total().into());
    if !args.shared.quiet {
        say(&format!("run {}: {total} messages, seed {}", plan.run(), plan.seed()));
    }
    let live = Live::bar("enqueuing", plan.total(), record.enqueued, args.shared.quiet);
    let work = Feed {
        plan,
        from: record.enqueued,
        possibly_repeated: matches!(args.job(), Job::Resume(_)),
        rate: args.rate,
        concurrency: args.concurrency.into(),
    };
    let fed = feed(&work, stores, stop, |messages| live.advance(messages)).await;
    drop(live);
    let messages = fed?;
    let complete = record.enqueued + messages == plan.total();
    if complete && record.finished_at.is_none() {
        stores.metrics.finish(plan, now_ms()).await?;
    }
    tell(args, plan, messages, start.elapsed(), account).await?;
    match stop.code() {
        Some(code) if !complete => {
            let enqueued = show::count((record.enqueued + messages).into());
            say(&format!("interrupted at {enqueued} of {total} messages\n{}", how_to_resume(plan.run())));
            Ok(code)
        }
        _ => Ok(0),
    }
}

/// Puts what is pending of a run on the queue again.
async fn requeue_run(
    args: &Args,
    record: &RunRecord,
    stores: &Stores,
    stop: &Stop,
    start: Instant,
    account: Account<'_>,
) -> anyhow::Result<u8> {
    let plan = &record.plan;
    let live = Live::bar("looking up", plan.total(), 0, args.shared.quiet);
    let done = requeue(plan, stores, args.concurrency.into(), stop, |messages| live.advance(messages)).await;
    drop(live);
    let done = done?;
    tell(args, plan, done.enqueued, start.elapsed(), account).await?;
    if done.missing > 0 && record.enqueued < plan.total() {
        let missing = show::count(done.missing.into());
        say(&format!("{missing} messages of the run are not created yet: producer --resume {}", plan.run()));
    } else if done.missing > 0 {
        let missing = show::count(done.missing.into());
        say(&format!("{missing} messages of the run are gone from the table: it keeps them for seven days"));
    }
    match stop.code() {
        Some(code) if done.looked_up < plan.total() => {
            let looked_up = show::count(done.looked_up.into());
            say(&format!(
                "interrupted after {looked_up} of {} messages; begin again: producer --requeue {}",
                show::count(plan.total().into()),
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
    account: Account<'_>,
) -> anyhow::Result<()> {
    let summary = Summary::new(plan, messages, took, account.close().await);
    print_line(&if args.shared.json { summary.json() } else { summary.line() })?;
    Ok(())
}
