//! Reads every message of a run from the table.

use std::pin::pin;

use futures::stream::{self, StreamExt};
use stentor_aws::messages::KEYS;
use stentor_aws::{Error, MessagesTable};
use stentor_core::message::MessageId;
use stentor_core::run::Plan;
use stentor_tally::TableCount;

/// Batch reads under way at once.
const AT_ONCE: usize = 16;

/// Counts the run's messages, each looked up by its name.
pub(crate) async fn count_table(plan: &Plan, messages: &MessagesTable) -> Result<TableCount, Error> {
    let mut batches = pin!(
        stream::iter(plan.chunks(KEYS))
            .map(async |indices| {
                let ids: Vec<MessageId> = plan.ids(indices).collect();
                messages.get_messages(&ids).await.map(|records| (ids, records))
            })
            .buffer_unordered(AT_ONCE)
    );
    let mut table_count = TableCount::default();
    while let Some(batch) = batches.next().await {
        let (ids, records) = batch?;
        for (id, record) in ids.into_iter().zip(records) {
            table_count.add(id, record.as_ref());
        }
    }
    Ok(table_count)
}
