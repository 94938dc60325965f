//! What the signals do: graceful shutdown on SIGHUP, SIGINT or SIGTERM, exit at once on SIGQUIT, stop on SIGTSTP.

use std::future::pending;
use std::io;
use std::sync::{Arc, OnceLock};

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};
use tokio_util::sync::CancellationToken;

use crate::job::{is_ignored, stop};
use crate::output::restore_terminal;
use crate::progress::clear;

/// Exit status after SIGHUP: 128 and the number of the signal, as in shells.
pub const HANGUP: u8 = 129;

/// Exit status after SIGQUIT.
const QUIT: u8 = 131;

/// A shutdown that the first SIGHUP, SIGINT or SIGTERM requests. A second SIGINT or SIGTERM, and any SIGQUIT, exits the
/// process at once. A second SIGHUP does not: a closed terminal may cause two.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    code: Arc<OnceLock<u8>>,
}

impl Shutdown {
    /// Starts to handle the signals. SIGHUP, SIGQUIT and SIGTSTP stay ignored if they were so at the start.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let shutdown = Self::default();
        let mut interrupts = unix::signal(SignalKind::interrupt())?;
        let mut terminations = unix::signal(SignalKind::terminate())?;
        let mut hangups = unless_ignored(Signal::HUP)?;
        let mut quits = unless_ignored(Signal::QUIT)?;
        let mut stops = unless_ignored(Signal::TSTP)?;
        let watcher = shutdown.clone();
        tokio::spawn(async move {
            loop {
                let code = tokio::select! {
                    () = received(&mut hangups) => HANGUP,
                    _ = interrupts.recv() => 130,
                    _ = terminations.recv() => 143,
                    () = received(&mut quits) => exit_at_once(QUIT),
                    () = received(&mut stops) => {
                        stop();
                        continue;
                    }
                };
                if watcher.code.set(code).is_err() && code != HANGUP {
                    exit_at_once(code);
                }
                watcher.token.cancel();
            }
        });
        Ok(shutdown)
    }

    /// Waits until a shutdown is requested.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// Returns the exit status of the signal received: 129, 130 or 143.
    pub fn code(&self) -> Option<u8> {
        self.code.get().copied()
    }

    /// Returns a token that is cancelled on shutdown.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Returns the result of `work`, or `None` if a shutdown is requested first.
    pub async fn or_shutdown<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.token.run_until_cancelled(work).await
    }
}

/// Handles a signal, unless it was ignored at the start, as SIGHUP is by `nohup`.
fn unless_ignored(signal: Signal) -> io::Result<Option<unix::Signal>> {
    if is_ignored(signal) {
        return Ok(None);
    }
    unix::signal(SignalKind::from_raw(signal.as_raw())).map(Some)
}

async fn received(signals: &mut Option<unix::Signal>) {
    match signals {
        Some(signals) => {
            signals.recv().await;
        }
        None => pending().await,
    }
}

fn exit_at_once(code: u8) -> ! {
    clear();
    restore_terminal();
    std::process::exit(code.into())
}
