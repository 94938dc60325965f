//! What a call spends on its run, told in the table for the run's bill.

use stentor_aws::clock::now_ms;
use stentor_aws::{MetricsTable, Session};
use stentor_cli::status;
use stentor_core::run::RunId;
use stentor_core::usage::{ProgramKind, Usage};

/// The usage of one call, which stays open should the call not come to its end.
#[derive(Debug)]
pub(crate) struct UsageReporter<'a> {
    session: &'a Session,
    metrics: &'a MetricsTable,
    run: RunId,
    id: String,
}

impl<'a> UsageReporter<'a> {
    /// Opens it, with what was spent up to now.
    pub(crate) async fn open(session: &'a Session, metrics: &'a MetricsTable, run: RunId) -> Self {
        let id = RunId::from_parts(now_ms(), rand::random()).to_string();
        let usage = Self { session, metrics, run, id };
        usage.tell(&session.usage(), false).await;
        usage
    }

    /// Closes it; returns what the call has spent.
    pub(crate) async fn close(self) -> Usage {
        let usage = self.session.usage();
        self.tell(&usage, true).await;
        usage
    }

    /// The run goes on without an usage all the same.
    async fn tell(&self, usage: &Usage, has_ended: bool) {
        let spent = self.metrics.put_usage(self.run, ProgramKind::Producer, &self.id, usage, has_ended).await;
        if let Err(error) = spent {
            status(&format!("what this has cost could not be written to the table: {error}"));
        }
    }
}
