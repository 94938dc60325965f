//! The log, on stderr.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::output::{StderrWriter, colour};

/// Starts logging to stderr. Only Stentor's own crates log: the SDK's lines are noise and may contain secrets.
pub(crate) fn start(level: LevelFilter) {
    let ours = ["stentor_aws", "stentor_sign_in", "stentor_run_view", "producer", "sender", "monitor"]
        .map(|target| (target, level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| StderrWriter)
        .with_ansi(colour(&std::io::stderr()))
        .without_time()
        .with_target(false);
    tracing_subscriber::registry().with(lines).with(Targets::new().with_targets(ours)).init();
}
