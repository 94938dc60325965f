//! Graceful shutdown on SIGINT or SIGTERM.

use std::io;
use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::progress::clear;

/// A shutdown that the first SIGINT or SIGTERM requests; a second signal exits the process at once.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    code: Arc<OnceLock<u8>>,
}

impl Shutdown {
    /// Starts to handle the signals.
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

    /// Waits until a shutdown is requested.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// Returns the exit status of the signal received, 130 or 143.
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
