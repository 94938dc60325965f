//! Graceful shutdown on SIGINT or SIGTERM.

use std::io;
use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::progress::clear;

/// A shutdown request: set by the first SIGINT or SIGTERM; a second signal ends the process at once.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    code: Arc<OnceLock<u8>>,
}

impl Shutdown {
    /// Handles both signals from now on.
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

    /// Waits for the request.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// Exit status of the signal that was received, 130 or 143.
    pub fn code(&self) -> Option<u8> {
        self.code.get().copied()
    }

    /// A token that the request cancels.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs `work`; returns `None` where the request comes first.
    pub async fn or_shutdown<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            () = self.wait() => None,
            done = work => Some(done),
        }
    }
}
