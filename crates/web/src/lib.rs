//! The live page: one reader of AWS, and any number of viewers.
//!
//! `broadcast` holds what all viewers share, `update` is the page's data, `prometheus` the metrics. `server` has the routes,
//! `hosts` checks the `Host` header, `connections` limits the clients, and `listen` parses and binds the address.

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
use broadcast::Broadcast;
use connections::MAX_CONNECTIONS;
use stentor_cli::status;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

pub use listen::{ListenAddress, bind};

use stentor_run_view::follow::{Choice, Seen, Standing};
use stentor_run_view::reader::{self, News, Wish};
use stentor_run_view::reading::Sources;
use stentor_run_view::view::{Answer, Place};

/// How often it is judged whether time alone has changed how the run stands.
const TICK: Duration = Duration::from_millis(500);

/// How long the server stays up after the run's end, for the last update to reach the viewers.
const LAST_UPDATE: Duration = Duration::from_secs(1);

/// Serves the page for as long as it is polled, or until the first reading fails. With `until_complete` it also ends with
/// the run, complete or stalled, and returns the last observation.
pub async fn serve(
    listener: TcpListener,
    sources: &Sources,
    place: Place,
    choice: Choice,
    every: Duration,
    until_complete: bool,
) -> anyhow::Result<Option<Seen>> {
    let broadcast = Arc::new(Broadcast::new(place, every));
    let wish = Wish { choice, interval: every, paused: false, lists: 0 };
    // The wish never changes, and the reader reads for as long as it is held.
    let (_wishes, wanted) = watch::channel(wish);
    let (news, arrivals) = mpsc::unbounded_channel();
    let routes = server::routes(Arc::clone(&broadcast));
    tokio::select! {
        read = reader::read(sources, wanted, news) => read?,
        last = follow(&broadcast, arrivals, until_complete) => return Ok(last),
        () = connections::serve(listener, routes, MAX_CONNECTIONS) => {}
    }
    Ok(None)
}

/// Prints the address of the page unless `quiet`, and always a warning if other machines may reach it.
pub fn announce(listener: &TcpListener, quiet: bool) -> anyhow::Result<()> {
    let address = listener.local_addr().context("cannot read the address of the page")?;
    if !quiet {
        status(&format!("watching on http://{address}/ (Ctrl-C ends it)"));
    }
    if let Some(warning) = warning(address) {
        status(&warning);
    }
    Ok(())
}

/// Returns a warning if other machines may reach `address`.
fn warning(address: SocketAddr) -> Option<String> {
    let is_open = !address.ip().to_canonical().is_loopback();
    is_open.then(|| format!("warning: anyone who can reach {address} can view this page"))
}

/// Publishes what the reader brings, until the reader ends; with `until_complete` until the run ends, which it returns.
async fn follow(
    broadcast: &Broadcast,
    mut arrivals: mpsc::UnboundedReceiver<News>,
    until_complete: bool,
) -> Option<Seen> {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = broadcast.state();
    loop {
        tokio::select! {
            news = arrivals.recv() => match news {
                Some(News::Answer(Answer::Seen(seen))) if until_complete && seen.standing != Standing::GoesOn => {
                    broadcast.learn(Answer::Seen(seen.clone()));
                    sleep(LAST_UPDATE).await;
                    return Some(*seen);
                }
                Some(News::Answer(answer)) => broadcast.learn(answer),
                // Nobody asks for a list.
                Some(News::Runs(_)) => continue,
                None => return None,
            },
            _ = ticks.tick() => {
                if broadcast.state() == told {
                    continue;
                }
                broadcast.republish();
            }
        }
        told = broadcast.state();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_beyond_loopback_is_warned_of() {
        for open in ["0.0.0.0:80", "[::]:80", "192.168.1.5:80", "[::ffff:10.0.0.1]:80"] {
            assert!(warning(open.parse().unwrap()).is_some_and(|warning| warning.contains(open)), "{open}");
        }
        for loopback in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(warning(loopback.parse().unwrap()), None);
        }
    }
}
