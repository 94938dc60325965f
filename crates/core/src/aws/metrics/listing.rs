//! Which runs there are.

use super::runs::run_record;
use super::{Error, Item, MetricsTable, RUN, RunRecord, setback, string, text};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;

/// The most requests for a list; each looks through 1 MB of the table, some hundred runs (Amazon DynamoDB API
/// Reference, "Scan").
const MOST_PAGES: usize = 5;

impl MetricsTable {
    /// The runs of the stack, newest first; some may be missing where there are very many. One that cannot be read is
    /// passed over.
    pub async fn runs(&self) -> Result<Vec<RunRecord>, Error> {
        const CALL: &str = "Scan";
        let mut runs = Vec::new();
        let mut from: Option<Item> = None;
        for _ in 0..MOST_PAGES {
            let page = self
                .session
                .ask_once_answered(CALL, &self.name, async || {
                    let request = self
                        .client
                        .scan()
                        .table_name(&self.name)
                        .filter_expression("#part = :run")
                        .expression_attribute_names("#part", "part")
                        .expression_attribute_values(":run", text(RUN))
                        .set_exclusive_start_key(from.clone())
                        .return_consumed_capacity(ReturnConsumedCapacity::Total);
                    let page = request.send().await.map_err(|error| setback(CALL, &error))?;
                    self.session.meter().read(&page.consumed_capacity);
                    Ok(page)
                })
                .await?;
            runs.extend(page.items.unwrap_or_default().into_iter().filter_map(record));
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                break;
            }
        }
        runs.sort_by_key(|record| std::cmp::Reverse(record.plan.run()));
        Ok(runs)
    }
}

/// The pointer to the latest run has the same part, and is none.
fn record(item: Item) -> Option<RunRecord> {
    let run = string(&item, "run")?.parse().ok()?;
    run_record(run, item).ok()
}
