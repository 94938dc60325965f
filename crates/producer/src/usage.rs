//! The usage record of a call, for the run's bill.

use stentor_aws::clock::now_ms;
use stentor_aws::{MetricsTable, Session};
use stentor_cli::status;
use stentor_core::run::RunId;
use stentor_core::usage::{ProgramKind, Usage};

/// Reports the usage of one call; the record stays open if the call is killed.
#[derive(Debug)]
pub(crate) struct UsageReporter<'a> {
    session: &'a Session,
    metrics: &'a MetricsTable,
    run: RunId,
    id: String,
}

impl<'a> UsageReporter<'a> {
    /// Opens the record with the usage so far.
    pub(crate) async fn open(session: &'a Session, metrics: &'a MetricsTable, run: RunId) -> Self {
        let id = RunId::from_parts(now_ms(), rand::random()).to_string();
        let usage = Self { session, metrics, run, id };
        usage.report(&session.usage(), false).await;
        usage
    }

    /// Closes the record and returns the usage of the call.
    pub(crate) async fn close(self) -> Usage {
        let usage = self.session.usage();
        self.report(&usage, true).await;
        usage
    }

    /// Writes the record; the run continues if that fails.
    async fn report(&self, usage: &Usage, has_ended: bool) {
        let written =
            self.metrics.put_usage(self.run, ProgramKind::Producer, &self.id, usage, has_ended).await;
        if let Err(error) = written {
            status(&format!("cannot write the usage record: {error}"));
        }
    }
}
