//! The monitor: reads the tallies of a run, and shows them.
//!
//! `read → snapshot → view`: `reading` asks AWS, `snapshot` is what is known at a moment, `view` shows it and
//! never fetches. Beside them, `stall` tells when a run will get no further, `table` counts a run message by
//! message, `audit` compares that with the tallies, and `repair` puts it in their place.

mod args;
mod audit;
mod reading;
mod repair;
mod snapshot;
mod stall;
mod table;
mod view;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
pub use args::Args;
use reading::Sources;
use snapshot::Earlier;
use stall::StallWatch;
use stentor_core::aws::metrics::RunRecord;
use stentor_core::aws::session::Destination;
use stentor_core::aws::{Error, MessagesTable, Session};
use stentor_core::cli::{Listener, Stop, print_line, say};
use stentor_core::run::RunId;
use stentor_core::show;
use tokio::time::{Instant, MissedTickBehavior, interval};
use view::{View, completion, rfc3339};

/// Watches, audits or repairs, as the flags say; returns the exit code.
pub async fn run(args: Args, destination: Destination, stop: Stop) -> anyhow::Result<u8> {
    let session = Arc::new(Session::open(destination, stop.token()).await?);
    tokio::select! {
        code = async {
            let sources = Sources::open(&session).await?;
            if args.audit {
                audit_run(&args, &sources, &MessagesTable::new(&session)).await
            } else if args.repair {
                repair_run(&args, &sources, &MessagesTable::new(&session)).await
            } else {
                watch(&args, &sources).await
            }
        } => code,
        () = stop.requested() => Ok(stop.code().unwrap_or(0)),
    }
}

/// Shows the run every interval, until it is over.
async fn watch(args: &Args, sources: &Sources) -> anyhow::Result<u8> {
    let view = view_for(args);
    let mut ticks = interval(Duration::from_secs_f64(args.interval));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let start = Instant::now();
    let mut stall = StallWatch::default();
    let mut watched: Option<RunId> = None;
    let mut earlier: Option<Earlier> = None;
    let mut told_of_waiting = false;
    loop {
        ticks.tick().await;
        let Some(run) = run_to_watch(args, sources, watched).await? else {
            if args.once {
                return no_run();
            }
            if !std::mem::replace(&mut told_of_waiting, true) && !args.shared.quiet {
                say("no run in this stack yet: waiting for a producer");
            }
            continue;
        };
        if watched != Some(run) {
            (watched, earlier, stall) = (Some(run), None, StallWatch::default());
        }
        let reading = sources.read(run).await?.ok_or(Error::NoSuchRun { run })?;
        let now = reading.snapshot(earlier, rfc3339(reading.at_ms));
        earlier = Some(reading.count());
        if print_line(&view.render(&now))? == Listener::Gone || args.once {
            return Ok(0);
        }
        if args.follow {
            continue;
        }
        if now.complete {
            if view != View::Json {
                print_line(&completion(&now))?;
            }
            return Ok(0);
        }
        if stall.is_stalled(&now, reading.visibility, start.elapsed()) {
            if let Some(broken) = now.broken.first() {
                bail!(
                    "run {run} cannot be counted to its end: the tally of shard {} is damaged\nCount it from the table: monitor --repair --run {run}",
                    broken.shard(),
                );
            }
            bail!(
                "run {run} is stalled: {} messages are pending and the queue is empty ({} dead letters)\nPut them on the queue again: producer --requeue {run}",
                show::count(now.pending),
                show::count(now.dead_letters),
            );
        }
    }
}

/// The run that was asked for, or the latest; one that is watched is left for a later one only by `--follow`.
async fn run_to_watch(
    args: &Args,
    sources: &Sources,
    watched: Option<RunId>,
) -> anyhow::Result<Option<RunId>> {
    match args.run.or(watched.filter(|_| !args.follow)) {
        Some(run) => Ok(Some(run)),
        None => Ok(sources.metrics.latest().await?),
    }
}

/// Counts the table and prints both sides; exit 1 if they differ.
async fn audit_run(args: &Args, sources: &Sources, messages: &MessagesTable) -> anyhow::Result<u8> {
    let record = stored_run(args, sources).await?;
    let audit = audit::audit(&record, messages, &sources.metrics).await?;
    print_line(&if args.shared.json { audit.json() } else { audit.lines() })?;
    Ok(u8::from(!audit.agrees))
}

/// Puts the table's count in the place of the tallies; an error where the run is not over.
async fn repair_run(args: &Args, sources: &Sources, messages: &MessagesTable) -> anyhow::Result<u8> {
    let record = stored_run(args, sources).await?;
    let repair = repair::repair(&record, messages, &sources.metrics).await?;
    if args.shared.json {
        print_line(&repair.json())?;
    } else if repair.repaired {
        print_line(&repair.line())?;
    }
    repair.refusal.map_or(Ok(0), |refusal| Err(anyhow!(refusal)))
}

/// What the table tells of the run that was asked for, or the latest.
async fn stored_run(args: &Args, sources: &Sources) -> anyhow::Result<RunRecord> {
    let Some(run) = run_to_watch(args, sources, None).await? else { return no_run() };
    Ok(sources.metrics.run(run).await?.ok_or(Error::NoSuchRun { run })?)
}

fn no_run<T>() -> anyhow::Result<T> {
    bail!("there is no run in this stack yet\nMake one: producer -m 1000")
}

fn view_for(args: &Args) -> View {
    if args.shared.json {
        View::Json
    } else if args.plain || !std::io::stdout().is_terminal() {
        View::Line
    } else {
        View::Block
    }
}
