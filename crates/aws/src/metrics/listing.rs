//! The list of runs.

use super::runs::run_record;
use super::{Error, Item, MetricsTable, Page, RUN, RunRecord, attempt_error, string, text};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;

/// Pages of a list, at most; each scans 1 MB of the table, a few hundred runs (Amazon DynamoDB API
/// Reference, "Scan").
const MOST_PAGES: usize = 5;

impl MetricsTable {
    /// Returns the runs of the stack, newest first; some may be missing in a table larger than the scanned pages. An
    /// invalid run is skipped.
    pub async fn runs(&self) -> Result<Vec<RunRecord>, Error> {
        const CALL: &str = "Scan";
        let page = async |from| {
            let request = self
                .client
                .scan()
                .table_name(&self.name)
                .filter_expression("#part = :run")
                .expression_attribute_names("#part", "part")
                .expression_attribute_values(":run", text(RUN))
                .set_exclusive_start_key(from)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let page = request.send().await.map_err(|error| attempt_error(CALL, &error))?;
            self.session.meter().add_read_units(&page.consumed_capacity);
            Ok(Page { items: page.items.unwrap_or_default(), next: page.last_evaluated_key })
        };
        let items = self.pages(CALL, MOST_PAGES, page).await?;
        let mut runs: Vec<RunRecord> = items.into_iter().filter_map(record).collect();
        runs.sort_by_key(|record| std::cmp::Reverse(record.plan.run()));
        Ok(runs)
    }
}

/// Skips the pointer to the latest run, which has the same sort key.
fn record(item: Item) -> Option<RunRecord> {
    let run = string(&item, "run")?.parse().ok()?;
    run_record(run, item).ok()
}
