//! The wish to shutdown, by SIGINT or SIGTERM.

use std::io;
use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::progress::clear;

/// Set off by the first SIGINT or SIGTERM; a second ends the process at once.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    code: Arc<OnceLock<u8>>,
}

impl Shutdown {
    /// Watches for the signals from now on.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let shutdown = Self::default();
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut terminations = signal(SignalKind::terminate())?;
        let watcher = shutdown.clone();
        tokio::spawn(async move {
            loop {
                let code = tokio::select! {
                    _ = interrupts.recv() => 130,
                    _ = terminations.recv() => 143,
                };
                if watcher.code.set(code).is_err() {
                    clear();
                    std::process::exit(code.into());
                }
                watcher.token.cancel();
            }
        });
        Ok(shutdown)
    }

    /// Waits for the wish to stop.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// The exit code of the signal that came, 130 or 143.
    pub fn code(&self) -> Option<u8> {
        self.code.get().copied()
    }

    /// What is cancelled by it.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Does that, unless the wish to stop comes first: then `None`.
    pub async fn or_shutdown<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            () = self.wait() => None,
            done = work => Some(done),
        }
    }
}
