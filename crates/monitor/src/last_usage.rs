//! The wait for the usage that programs report after a run has ended.

use std::time::Duration;

use stentor_cli::status;
use stentor_run_view::bill::is_final;
use stentor_run_view::provider::awaits_parts;
use stentor_run_view::reading::RunReader;
use stentor_run_view::view::RunView;
use tokio::time::{Instant, sleep, timeout};

/// Maximum wait: a sender ends about 12 s after its last message, and reports its usage then.
const TIMEOUT: Duration = Duration::from_secs(20);

const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Usage that the end of a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AwaitedUsage {
    /// The last parts of senders with a provider, as long as they may come soon.
    Parts,
    /// All usage of the programs that still run or have just ended.
    All,
}

impl AwaitedUsage {
    /// Whether there is nothing to wait for at `now_ms`, ms since the epoch.
    fn is_read(self, view: &RunView, now_ms: u64) -> bool {
        match self {
            Self::Parts => !awaits_parts(view, now_ms),
            Self::All => is_final(view, now_ms),
        }
    }

    fn note(self) -> String {
        let awaited = match self {
            Self::Parts => "the senders to report their last parts",
            Self::All => "the programs to report their usage",
        };
        format!("waiting at most {} s for {awaited}", TIMEOUT.as_secs())
    }
}

/// Adds the awaited usage to the view as it is reported, up to a timeout; cancel safe. Everything else in the view stays that
/// of the run's end. Where AWS does not answer, the usage read so far is used.
pub(crate) async fn await_usage(
    reader: &RunReader,
    view: &mut RunView,
    awaited: AwaitedUsage,
    is_quiet: bool,
) {
    let start = Instant::now();
    let mut now_ms = view.reading.at_ms;
    if !awaited.is_read(view, now_ms) && !is_quiet {
        status(&awaited.note());
    }
    while !awaited.is_read(view, now_ms) && start.elapsed() < TIMEOUT {
        sleep(POLL_INTERVAL).await;
        let left = TIMEOUT.saturating_sub(start.elapsed());
        let read = timeout(left, reader.read(view.reading.record.plan.run())).await;
        let Ok(Ok(Some(reading))) = read else { return };
        now_ms = reading.at_ms;
        *view = view.clone().with_usage(reading);
    }
}
