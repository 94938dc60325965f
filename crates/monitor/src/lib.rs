//! The monitor: reads the tallies of a run, and shows them.
//!
//! `read → snapshot → view`: `reading` asks AWS, `snapshot` is what is known at a moment, and what shows it never
//! fetches: `view` makes text of it, `live` draws it on a terminal with the `charts` of its run. `watch` looks again
//! and again, and `history` tells how fast the run goes; for a surface that stays open, `reader` does so beside it, and
//! `known` is what came of it: `web` tells browsers. Beside them, `stall` tells when a run will get no further,
//! `table` counts a run message by message, `audit` compares that with the tallies, `repair` puts it in their place,
//! `thresholds` judges the last snapshot, and `report` makes a file of what is known in the end, and
//! `compare` sets two runs side by side.

mod args;
mod audit;
mod comparison;
mod live;
mod plain;
mod repair;
mod table;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
pub use args::Args;
use live::{Ending, Theme};
use plain::{View, completion};
use stentor_aws::metrics::RunRecord;
use stentor_aws::session::Destination;
use stentor_aws::{Error, MessagesTable, Session};
use stentor_cli::format;
use stentor_cli::{OutputState, Shutdown, colour, print_line, status};
use stentor_core::cost::Prices;
use stentor_core::run::RunId;
use stentor_run_view::follow::{Choice, Seen, Stalled, Standing, Watch};
use stentor_run_view::reading::Sources;
use stentor_run_view::snapshot::Snapshot;
use stentor_run_view::view::{Data, Place};
use tokio::time::{MissedTickBehavior, interval};

/// The exit code where a threshold is crossed.
const CROSSED: u8 = 4;

/// Watches, audits or repairs, as the flags status; returns the exit code.
pub async fn run(args: Args, destination: Destination, shutdown: Shutdown) -> anyhow::Result<u8> {
    if let Some(report) = &args.report {
        report.try_out()?;
    }
    // First, so that a port that is taken is told at once.
    let page = match &args.web {
        Some(address) => Some(stentor_web::bind(address).await?),
        None => None,
    };
    let session = Arc::new(Session::for_cli(destination, shutdown.token()).await?);
    let stopped = || Ok(shutdown.code().unwrap_or(0));
    let Some(sources) = shutdown.or_shutdown(Sources::open(&session)).await else { return stopped() };
    let sources = sources?;
    let place = Place::of(&session);
    if let Some(listener) = page {
        stentor_web::announce(&listener, args.shared.quiet)?;
        let every = Duration::from_secs_f64(args.interval);
        let served = stentor_web::serve(listener, &sources, place, choice(&args), every);
        return shutdown.or_shutdown(served).await.map_or_else(stopped, |served| served.map(|()| 0));
    }
    if is_live(&args)
        && let Some(ending) = show(&args, &place, &sources, &shutdown).await
    {
        let finished = shutdown.or_shutdown(finish(&args, ending, &place, &sources));
        return finished.await.unwrap_or_else(stopped);
    }
    let code = shutdown.or_shutdown(async {
        if args.audit {
            audit_run(&args, &sources, &MessagesTable::new(&session)).await
        } else if args.repair {
            repair_run(&args, &sources, &MessagesTable::new(&session)).await
        } else if let [first, second] = *args.compare {
            compare_runs(&args, [first, second], &place, &sources).await
        } else {
            finish(&args, print(&args, &sources).await, &place, &sources).await
        }
    });
    code.await.unwrap_or_else(stopped)
}

/// Draws the live view until it ends; `None` where the terminal cannot be had.
async fn show(args: &Args, place: &Place, sources: &Sources, shutdown: &Shutdown) -> Option<Ending> {
    let look = Theme { ascii: args.ascii, colour: colour(&std::io::stdout()) };
    let every = Duration::from_secs_f64(args.interval);
    live::show(sources, place.clone(), choice(args), every, look, shutdown).await
}

/// Prints the run every interval, until it is over.
async fn print(args: &Args, sources: &Sources) -> Ending {
    let mut last = None;
    match print_on(args, sources, &mut last).await {
        Ok(ending) => ending,
        Err(error) => Ending::Failed(error, last.map(|seen| Box::new(Data::of(seen, Duration::ZERO)))),
    }
}

/// Prints what it sees, and leaves what it saw last.
async fn print_on(args: &Args, sources: &Sources, last: &mut Option<Seen>) -> anyhow::Result<Ending> {
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
                status("no run in this stack yet: waiting for a producer");
            }
            continue;
        };
        let seen = last.insert(seen);
        let listener = print_line(&view.render(&seen.snapshot))?;
        let is_over = seen.standing != Standing::GoesOn && !args.follow;
        let data = || Box::new(Data::of(seen.clone(), Duration::ZERO));
        if listener == OutputState::Closed || args.once {
            return Ok(Ending::Left(Some(data())));
        }
        if is_over {
            return Ok(Ending::Over(data()));
        }
    }
}

/// What is left to do where no signal ended it: the report, and the judgement; returns the exit code.
async fn finish(args: &Args, ending: Ending, place: &Place, sources: &Sources) -> anyhow::Result<u8> {
    match ending {
        Ending::Over(mut data) => {
            let printed = if data.standing == Standing::Complete && !args.shared.json {
                print_line(&completion(&data.snapshot)).map(drop)
            } else {
                Ok(())
            };
            if args.report.is_some() {
                stentor_report::settle(sources, &mut data, args.shared.quiet).await;
            }
            let reported = write_report(args, &data, place);
            let code = judge(args, &data.snapshot);
            if data.standing == Standing::Stalled {
                if let Err(error) = reported {
                    status(&error.to_string());
                }
                bail!("{}", Stalled(&data.snapshot));
            }
            reported.and(printed.map_err(Into::into)).map(|()| code)
        }
        Ending::Failed(error, data) => {
            if let Some(Err(unreported)) = data.map(|data| write_report(args, &data, place)) {
                status(&unreported.to_string());
            }
            Err(error)
        }
        Ending::Left(Some(data)) => {
            let reported = write_report(args, &data, place);
            let code = judge(args, &data.snapshot);
            reported.map(|()| code)
        }
        Ending::Left(None) => {
            if args.report.is_some() {
                status("there is no report: there was no run to tell of");
            }
            Ok(0)
        }
        Ending::Signal(code) => Ok(code),
    }
}

fn write_report(args: &Args, data: &Data, place: &Place) -> anyhow::Result<()> {
    let Some(target) = &args.report else { return Ok(()) };
    stentor_report::write(target, data, place, &Prices::with(&args.price), args.shared.quiet)
}

/// Tells which thresholds the last snapshot crosses; returns the exit code.
fn judge(args: &Args, last: &Snapshot) -> u8 {
    let crossed = stentor_run_view::thresholds::crossed(&args.fail_if, last);
    for line in &crossed {
        status(line);
    }
    if crossed.is_empty() { 0 } else { CROSSED }
}

fn choice(args: &Args) -> Choice {
    match args.run {
        Some(run) => Choice::This(run),
        None if args.follow || args.web.is_some() => Choice::EachLatest,
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

/// Prints two runs side by side.
async fn compare_runs(args: &Args, runs: [RunId; 2], place: &Place, sources: &Sources) -> anyhow::Result<u8> {
    let comparison =
        stentor_report::comparison::compare(sources, runs, place, &Prices::with(&args.price)).await?;
    if let Some(target) = &args.report {
        stentor_report::keep(target, &comparison, stentor_report::comparison::page, args.shared.quiet)?;
    }
    print_line(&if args.shared.json {
        format::json_line(&comparison)
    } else {
        comparison::table(&comparison)
    })?;
    Ok(0)
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
    view_for(args) == View::Block
        && !dumb
        && !args.once
        && !args.audit
        && !args.repair
        && args.compare.is_empty()
}
