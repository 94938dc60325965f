//! The live page: one reader of AWS, and any number of viewers.
//!
//! `board` is what all viewers share, `update` what the page is told, `prometheus` what a collector of metrics is told,
//! and `server` what may be asked, by names that `host` knows, over the `connections` that there are. Only this file
//! joins them, and the reader beside them.

mod address;
mod board;
mod connections;
mod host;
mod prometheus;
mod server;
mod update;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use board::Board;
use connections::CONNECTIONS;
use stentor_core::cli::say;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

pub use address::Address;
pub(crate) use address::bind;

use crate::known::Place;
use crate::reader::{self, News, Wish};
use crate::reading::Sources;
use crate::watch::Choice;

/// How often it is judged whether time alone has changed how the run stands.
const TICK: Duration = Duration::from_millis(500);

/// Serves the page for as long as it is polled, or until the first reading fails.
pub(crate) async fn serve(
    listener: TcpListener,
    sources: &Sources,
    place: Place,
    choice: Choice,
    every: Duration,
) -> anyhow::Result<()> {
    let board = Arc::new(Board::new(place, every));
    let wish = Wish { choice, interval: every, paused: false, lists: 0 };
    // The wish never changes, and the reader reads for as long as it is held.
    let (_wishes, wanted) = watch::channel(wish);
    let (news, arrivals) = mpsc::unbounded_channel();
    let routes = server::routes(Arc::clone(&board));
    tokio::select! {
        read = reader::read(sources, wanted, news) => read?,
        () = follow(&board, arrivals) => {}
        () = connections::serve(listener, routes, CONNECTIONS) => {}
    }
    Ok(())
}

/// Where the page is, unless that shall not be said, and in any case who can read along.
pub(crate) fn announce(listener: &TcpListener, quiet: bool) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the address of the page cannot be told")?;
    if !quiet {
        say(&format!("watching on http://{address}/ (Ctrl-C ends it)"));
    }
    if let Some(warning) = warning(address) {
        say(&warning);
    }
    Ok(())
}

/// What there is to say of an address that others than this machine may reach.
fn warning(address: SocketAddr) -> Option<String> {
    let is_open = !address.ip().to_canonical().is_loopback();
    is_open.then(|| format!("warning: everybody who reaches {address} can read along"))
}

/// Writes on the board what comes.
async fn follow(board: &Board, mut arrivals: mpsc::UnboundedReceiver<News>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = board.state();
    loop {
        tokio::select! {
            news = arrivals.recv() => match news {
                Some(News::Answer(answer)) => board.learn(answer),
                // Nobody asks for a list.
                Some(News::Runs(_)) => continue,
                None => return,
            },
            _ = ticks.tick() => {
                if board.state() == told {
                    continue;
                }
                board.tell_again();
            }
        }
        told = board.state();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_beyond_this_machine_is_warned_of() {
        for open in ["0.0.0.0:80", "[::]:80", "192.168.1.5:80", "[::ffff:10.0.0.1]:80"] {
            assert!(warning(open.parse().unwrap()).is_some_and(|warning| warning.contains(open)), "{open}");
        }
        for own in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(warning(own.parse().unwrap()), None);
        }
    }
}
