//! What a call spends on its run, told in the table for the run's bill.

use stentor_core::aws::{MetricsTable, Session};
use stentor_core::cli::say;
use stentor_core::clock::now_ms;
use stentor_core::run::RunId;
use stentor_core::usage::{Program, Usage};

/// The account of one call, which stays open should the call not come to its end.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    session: &'a Session,
    metrics: &'a MetricsTable,
    run: RunId,
    id: String,
}

impl<'a> Account<'a> {
    /// Opens it, with what was spent up to now.
    pub(crate) async fn open(session: &'a Session, metrics: &'a MetricsTable, run: RunId) -> Self {
        let id = RunId::from_parts(now_ms(), rand::random()).to_string();
        let account = Self { session, metrics, run, id };
        account.tell(&session.usage(), false).await;
        account
    }

    /// Closes it; returns what the call has spent.
    pub(crate) async fn close(self) -> Usage {
        let usage = self.session.usage();
        self.tell(&usage, true).await;
        usage
    }

    /// The run goes on without an account all the same.
    async fn tell(&self, usage: &Usage, has_ended: bool) {
        let spent = self.metrics.spent(self.run, Program::Producer, &self.id, usage, has_ended).await;
        if let Err(error) = spent {
            say(&format!("what this has cost could not be written to the table: {error}"));
        }
    }
}
