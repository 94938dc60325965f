//! The monitor: reads the tallies of a run and shows them.
//!
//! A call without a subcommand and `report` watch a run (`watch`), drawn on a terminal by `live` or printed by `plain`.
//! `serve` passes the run to `stentor-web`. `audit` and `repair` count the messages of a run in their `table`, `comparison`
//! prints two runs side by side, and `runs` lists the runs of the stack.

mod args;
mod audit;
mod comparison_table;
mod last_usage;
mod live;
mod plain;
mod repair;
mod runs;
mod table;
mod thresholds;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
pub use args::Args;
use args::Command;
use audit::Audit;
use repair::Repair;
use schemars::{Schema, generate::SchemaSettings};
use serde::Serialize;
use stentor_aws::Error;
use stentor_aws::metrics::RunRecord;
use stentor_cli::format;
use stentor_cli::{ConnectionFlags, OutputState, SharedArgs, Shutdown, print_line, status};
use stentor_core::cost::Prices;
use stentor_core::run::RunId;
use stentor_report::ReportPath;
use stentor_run_view::reader::{ReaderCommand, RunSelection};
use stentor_run_view::reading::{RunReader, Target};
use stentor_run_view::snapshot::Snapshot;
use stentor_run_view::status::RunStatus;
use stentor_sign_in::{Destination, open_session};
use stentor_web::Site;
use tokio::net::TcpListener;
use watch::{Ending, Watching};

/// Returns the schema of the JSON of a subcommand without a schema file, by the name of its man page.
pub fn json_schema(command: &str) -> Option<Schema> {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    match command {
        "monitor-audit" => Some(generator.into_root_schema_for::<Audit>()),
        "monitor-repair" => Some(generator.into_root_schema_for::<Repair>()),
        "monitor-runs" => Some(generator.into_root_schema_for::<runs::RunRow>()),
        _ => None,
    }
}

/// What all subcommands work with.
struct Monitor<'a> {
    shared: &'a SharedArgs,
    run: Option<RunId>,
    target: Target,
    reader: Arc<RunReader>,
    shutdown: &'a Shutdown,
}

/// What the command line asks for, with its file tried and its address bound.
enum Mode<'a> {
    Watch(Watching<'a>),
    Serve { listener: TcpListener, site: Site, until_complete: bool, interval: Duration },
    Compare { runs: [RunId; 2], output: Option<&'a ReportPath> },
    Audit,
    Repair,
    Runs { limit: u32 },
}

impl<'a> Mode<'a> {
    /// Fails before any request if a file cannot be written or an address cannot be bound.
    async fn prepare(args: &'a Args) -> anyhow::Result<Self> {
        Ok(match &args.command {
            None => Self::Watch(Watching { flags: &args.watch, follow: args.follow, report: None }),
            Some(Command::Serve { address, until_complete, allow_host, base_path, interval }) => {
                Self::Serve {
                    listener: stentor_web::bind(address).await?,
                    site: Site { base: base_path.clone(), hosts: allow_host.clone() },
                    until_complete: *until_complete,
                    interval: interval.interval,
                }
            }
            Some(Command::Report { file, watch, .. }) => {
                file.check_writable()?;
                Self::Watch(Watching { flags: watch, follow: false, report: Some(file) })
            }
            Some(Command::Compare { first, second, output, .. }) => {
                output.as_ref().map_or(Ok(()), ReportPath::check_writable)?;
                Self::Compare { runs: [*first, *second], output: output.as_ref() }
            }
            Some(Command::Audit) => Self::Audit,
            Some(Command::Repair) => Self::Repair,
            Some(Command::Runs { limit, .. }) => Self::Runs { limit: *limit },
        })
    }
}

/// The prices of the bills of a call.
fn prices(args: &Args) -> Prices {
    match &args.command {
        Some(Command::Report { price, .. } | Command::Compare { price, .. }) => {
            Prices::with(&price.overrides)
        }
        _ => Prices::default(),
    }
}

/// Runs the subcommand, or watches a run; returns the exit status.
pub async fn run(args: Args, destination: Destination, shutdown: Shutdown) -> anyhow::Result<u8> {
    let mode = Mode::prepare(&args).await?;
    let connection = ConnectionFlags::of(&destination);
    let opening = async {
        let session = Arc::new(open_session(destination, shutdown.token()).await?);
        anyhow::Ok((RunReader::open(&session).await?, session))
    };
    let Some(opened) = shutdown.or_shutdown(opening).await else {
        return Ok(shutdown.code().unwrap_or(0));
    };
    let (mut reader, session) = opened?;
    reader.prices = prices(&args);
    let monitor = Monitor {
        shared: &args.shared,
        run: args.run,
        target: Target::of(&session, connection),
        reader: Arc::new(reader),
        shutdown: &shutdown,
    };
    match mode {
        Mode::Watch(watching) => monitor.watch(watching).await,
        Mode::Serve { listener, site, until_complete, interval } => {
            monitor.unless_shutdown(monitor.serve(listener, site, until_complete, interval)).await
        }
        Mode::Compare { runs, output } => monitor.unless_shutdown(monitor.compare(runs, output)).await,
        Mode::Audit => monitor.unless_shutdown(monitor.audit()).await,
        Mode::Repair => monitor.unless_shutdown(monitor.repair()).await,
        Mode::Runs { limit } => monitor.unless_shutdown(monitor.list_runs(limit)).await,
    }
}

impl Monitor<'_> {
    /// Waits for `work`; a signal ends it with the signal's exit status.
    async fn unless_shutdown(&self, work: impl Future<Output = anyhow::Result<u8>>) -> anyhow::Result<u8> {
        let done = self.shutdown.or_shutdown(work).await;
        done.unwrap_or_else(|| Ok(self.shutdown.code().unwrap_or(0)))
    }

    /// Serves the page, until the run ends where that is wanted.
    async fn serve(
        &self,
        listener: TcpListener,
        site: Site,
        until_complete: bool,
        interval: Duration,
    ) -> anyhow::Result<u8> {
        stentor_web::announce(&listener, &site.base, self.shared.quiet)?;
        let command = ReaderCommand::new(self.selection(!until_complete), interval);
        let target = self.target.clone();
        let served = stentor_web::serve(listener, site, &self.reader, target, command, until_complete);
        let Some(view) = served.await? else { return Ok(0) };
        if self.shared.json {
            print_line(&format::json_line(&Snapshot::of(&view)))?;
        }
        let ending = Ending { thresholds: &[], report: None, awaits_parts: false };
        self.finish_run(view, &ending).await
    }

    /// Prints two runs side by side, and writes them to a file too where one is given.
    async fn compare(&self, runs: [RunId; 2], output: Option<&ReportPath>) -> anyhow::Result<u8> {
        let comparison = stentor_report::comparison::compare(&self.reader, runs, &self.target).await?;
        if let Some(path) = output {
            let page = stentor_report::comparison::page;
            stentor_report::write_as(path, &comparison, page, self.shared.quiet)?;
        }
        self.print(&comparison, comparison_table::render)?;
        Ok(0)
    }

    /// Counts the messages of the run and prints that beside the tallies; exit status 1 if they differ.
    async fn audit(&self) -> anyhow::Result<u8> {
        let record = self.stored_run().await?;
        let audit = audit::audit(&record, &self.reader, &self.target.connection).await?;
        self.print(&audit, Audit::lines)?;
        Ok(u8::from(!audit.agrees))
    }

    /// Replaces the tallies of the run by a count of its messages; an error if some are pending or missing.
    async fn repair(&self) -> anyhow::Result<u8> {
        let record = self.stored_run().await?;
        let repair =
            repair::repair(&record, &self.reader.messages, &self.reader.metrics, &self.target.connection)
                .await?;
        if self.shared.json || repair.repaired {
            self.print(&repair, Repair::line)?;
        }
        repair.refusal.map_or(Ok(0), |refusal| Err(anyhow!(refusal)))
    }

    /// Prints the newest runs.
    async fn list_runs(&self, limit: u32) -> anyhow::Result<u8> {
        let rows = runs::list(&self.reader, limit).await?;
        if self.shared.json {
            for row in &rows {
                print_line(&format::json_line(row))?;
            }
        } else if !rows.is_empty() {
            print_line(&runs::table(&rows))?;
        }
        if rows.is_empty() && !self.shared.quiet {
            status(&self.no_run().sentence);
        }
        Ok(0)
    }

    /// Prints a result as JSON or as text.
    fn print<T: Serialize>(&self, result: &T, text: fn(&T) -> String) -> std::io::Result<OutputState> {
        print_line(&if self.shared.json { format::json_line(result) } else { text(result) })
    }

    /// Returns the record of the run of `--run`, or of the latest.
    async fn stored_run(&self) -> anyhow::Result<RunRecord> {
        let run = match self.run {
            None => self.reader.metrics.latest().await?,
            run => run,
        };
        let Some(run) = run else { bail!(self.no_run().sentence) };
        Ok(self.reader.metrics.run(run).await?.ok_or(Error::NoSuchRun { run })?)
    }

    fn no_run(&self) -> RunStatus {
        RunStatus::no_run(&self.target.connection)
    }

    /// Selects the run of `--run`. Without it, selects the latest run, and with `each` also every run that starts later.
    fn selection(&self, each: bool) -> RunSelection {
        match self.run {
            Some(run) => RunSelection::Run(run),
            None if each => RunSelection::EachLatest,
            None => RunSelection::Latest,
        }
    }
}
