//! The usage record of this producer, for the run's bill.

use stentor_aws::clock::now_ms;
use stentor_aws::{MetricsTable, Session};
use stentor_cli::status;
use stentor_core::run::RunId;
use stentor_core::usage::{ProgramKind, Usage};

/// Writes the usage record of one producer. It stays open where the producer does not reach its end.
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
        let reporter = Self { session, metrics, run, id };
        reporter.report(&session.usage(), false).await;
        reporter
    }

    /// Closes the record; returns the usage of this producer.
    pub(crate) async fn close(self) -> Usage {
        let usage = self.session.usage();
        self.report(&usage, true).await;
        usage
    }

    /// Writes the record; a failure is reported and does not stop the run.
    async fn report(&self, usage: &Usage, has_ended: bool) {
        let written =
            self.metrics.put_usage(self.run, ProgramKind::Producer, &self.id, usage, has_ended).await;
        if let Err(error) = written {
            status(&format!("cannot write the usage record of this producer: {error}"));
        }
    }
}
