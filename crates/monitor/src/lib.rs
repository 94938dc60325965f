//! The monitor: reads the tallies of a run, and shows them.
//!
//! `read → snapshot → view`: `reading` asks AWS, `snapshot` is what is known at a moment, and what shows it never
//! fetches: `view` makes text of it, `live` draws it on a terminal with the `charts` of its run. `watch` looks again
//! and again, and `history` tells how fast the run goes; for a surface that stays open, `reader` does so beside it, and
//! `known` is what came of it. Beside them, `stall` tells when a run will get no further,
//! `table` counts a run message by message, `audit` compares that with the tallies, `repair` puts it in their place,
//! and `thresholds` judges the last snapshot.

mod args;
mod audit;
mod charts;
mod history;
mod known;
mod live;
mod reader;
mod reading;
mod repair;
mod snapshot;
mod stall;
mod table;
mod thresholds;
mod view;
mod watch;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
pub use args::Args;
use known::Place;
use live::{Ending, Fault, Look};
use reading::Sources;
use snapshot::Snapshot;
use stentor_core::aws::metrics::RunRecord;
use stentor_core::aws::session::Destination;
use stentor_core::aws::{Error, MessagesTable, Session};
use stentor_core::cli::{Listener, Stop, colour, print_line, say};
use tokio::time::{MissedTickBehavior, interval};
use view::{View, completion};
use watch::{Choice, Stalled, Standing, Watch};

/// The exit code where a threshold is crossed.
const CROSSED: u8 = 4;

/// Watches, audits or repairs, as the flags say; returns the exit code.
pub async fn run(args: Args, destination: Destination, stop: Stop) -> anyhow::Result<u8> {
    let session = Arc::new(Session::open(destination, stop.token()).await?);
    let stopped = || Ok(stop.code().unwrap_or(0));
    let Some(sources) = stop.unless_requested(Sources::open(&session)).await else { return stopped() };
    let sources = sources?;
    if is_live(&args)
        && let Some(code) = show(&args, &session, &sources, &stop).await?
    {
        return Ok(code);
    }
    let code = stop.unless_requested(async {
        if args.audit {
            audit_run(&args, &sources, &MessagesTable::new(&session)).await
        } else if args.repair {
            repair_run(&args, &sources, &MessagesTable::new(&session)).await
        } else {
            print(&args, &sources).await
        }
    });
    code.await.unwrap_or_else(stopped)
}

/// Draws the live view until it ends; `None` where the terminal cannot be had.
async fn show(args: &Args, session: &Session, sources: &Sources, stop: &Stop) -> anyhow::Result<Option<u8>> {
    let look = Look { ascii: args.ascii, colour: colour(&std::io::stdout()) };
    let every = Duration::from_secs_f64(args.interval);
    match live::show(sources, Place::of(session), choice(args), every, look, stop).await {
        Ok(Ending::Over(last, standing)) => end(args, &last, standing).map(Some),
        Ok(Ending::Left(last)) => Ok(Some(last.map_or(0, |last| judge(args, &last)))),
        Ok(Ending::Signal(code)) => Ok(Some(code)),
        Err(Fault::NoTerminal) => Ok(None),
        Err(Fault::Terminal(error)) => bail!("the terminal cannot be written: {error}"),
        Err(Fault::Aws(error)) => Err(error.into()),
    }
}

/// Prints the run every interval, until it is over.
async fn print(args: &Args, sources: &Sources) -> anyhow::Result<u8> {
    let view = view_for(args);
    let mut ticks = interval(Duration::from_secs_f64(args.interval));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch::new(sources, choice(args));
    let mut told_of_waiting = false;
    loop {
        ticks.tick().await;
        let Some(seen) = watch.look().await? else {
            if args.once {
                return no_run();
            }
            if !std::mem::replace(&mut told_of_waiting, true) && !args.shared.quiet {
                say("no run in this stack yet: waiting for a producer");
            }
            continue;
        };
        let now = &seen.snapshot;
        if print_line(&view.render(now))? == Listener::Gone || args.once {
            return Ok(judge(args, now));
        }
        if args.follow {
            continue;
        }
        if seen.standing != Standing::GoesOn {
            return end(args, now, seen.standing);
        }
    }
}

/// How a run ends that goes no further: a stalled one with an error, whatever thresholds it crosses.
fn end(args: &Args, last: &Snapshot, standing: Standing) -> anyhow::Result<u8> {
    if standing == Standing::Complete && !args.shared.json {
        print_line(&completion(last))?;
    }
    let code = judge(args, last);
    if standing == Standing::Stalled {
        bail!("{}", Stalled(last));
    }
    Ok(code)
}

/// Tells which thresholds the last snapshot crosses; returns the exit code.
fn judge(args: &Args, last: &Snapshot) -> u8 {
    let crossed = thresholds::crossed(&args.fail_if, last);
    for line in &crossed {
        say(line);
    }
    if crossed.is_empty() { 0 } else { CROSSED }
}

fn choice(args: &Args) -> Choice {
    match args.run {
        Some(run) => Choice::This(run),
        None if args.follow => Choice::EachLatest,
        None => Choice::Latest,
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
    let run = match args.run {
        Some(run) => run,
        None => match sources.metrics.latest().await? {
            Some(run) => run,
            None => return no_run(),
        },
    };
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

/// The live view is for whoever watches on a terminal that can be drawn on.
fn is_live(args: &Args) -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    view_for(args) == View::Block && !dumb && !args.once && !args.audit && !args.repair
}
