//! The live page: one reader of AWS, and any number of viewers.

mod base_path;
mod broadcast;
mod connections;
mod hosts;
mod listen;
mod prometheus;
mod server;
mod update;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
pub use base_path::BasePath;
use broadcast::Broadcast;
use connections::MAX_CONNECTIONS;
pub use hosts::HostName;
pub use listen::{ListenAddress, bind};
use stentor_cli::status;
use stentor_run_view::reader::{Reader, ReaderCommand, ReaderEvent};
use stentor_run_view::reading::{RunReader, Target};
use stentor_run_view::view::RunView;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often to check whether the status has changed without a new reading, for example because it is stale.
const TICK: Duration = Duration::from_millis(500);

/// How long the server stays up after the run's end, for the last update to reach the viewers.
const LAST_UPDATE: Duration = Duration::from_secs(1);

/// Where the page is found: below a path, by `localhost`, an IP address or one of these names.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// The path below which everything is served.
    pub base: BasePath,
    /// Names of a reverse proxy's host.
    pub hosts: Vec<HostName>,
}

/// Serves the page for as long as it is polled, or until the first reading fails. With `until_complete` it also ends with
/// the run, complete or stalled, and returns the last view.
pub async fn serve(
    listener: TcpListener,
    site: Site,
    reader: &Arc<RunReader>,
    target: Target,
    command: ReaderCommand,
    until_complete: bool,
) -> anyhow::Result<Option<RunView>> {
    let broadcast = Arc::new(Broadcast::new(target, command.interval));
    let reader = Reader::new(reader, command);
    let routes = server::routes(Arc::clone(&broadcast), site);
    tokio::select! {
        last = publish(&broadcast, reader, until_complete) => last.map(Some),
        () = connections::serve(listener, routes, MAX_CONNECTIONS) => Ok(None),
    }
}

/// Prints the address of the page, unless `quiet`, and always who can reach it beyond this machine.
pub fn announce(listener: &TcpListener, base: &BasePath, quiet: bool) -> anyhow::Result<()> {
    let address = listener.local_addr().context("cannot determine the address of the page")?;
    if !quiet {
        status(&format!("watching on http://{address}{base}/ (Ctrl-C ends it)"));
    }
    if let Some(warning) = warning(address) {
        status(&warning);
    }
    Ok(())
}

/// The warning for an address that other machines may reach.
fn warning(address: SocketAddr) -> Option<String> {
    let is_open = !address.ip().to_canonical().is_loopback();
    is_open.then(|| format!("warning: anyone who can reach {address} can view this page"))
}

/// Publishes every view, and the status when time alone changes it; with `until_complete` until the run ends. An error
/// ends it while nothing was read yet.
async fn publish(broadcast: &Broadcast, mut reader: Reader, until_complete: bool) -> anyhow::Result<RunView> {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut published = broadcast.status();
    loop {
        tokio::select! {
            event = reader.next() => match event {
                ReaderEvent::Read(Err(error)) if !broadcast.has_answer() => return Err(error.into()),
                ReaderEvent::Read(Ok(Some(view))) if until_complete && view.phase.has_ended() => {
                    broadcast.publish(Ok(Some(view.clone())));
                    sleep(LAST_UPDATE).await;
                    return Ok(*view);
                }
                ReaderEvent::Read(result) => broadcast.publish(result),
                // The page has no list of the runs.
                ReaderEvent::Runs(_) => continue,
            },
            _ = ticks.tick() => {
                if broadcast.status() == published {
                    continue;
                }
                broadcast.republish();
            }
        }
        published = broadcast.status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_other_machines_reach_gets_a_warning() {
        for open in ["0.0.0.0:80", "[::]:80", "192.168.1.5:80", "[::ffff:10.0.0.1]:80"] {
            assert!(warning(open.parse().unwrap()).is_some_and(|warning| warning.contains(open)), "{open}");
        }
        for loopback in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(warning(loopback.parse().unwrap()), None);
        }
    }
}
