//! Reads every message of a run from the table.

use std::pin::pin;

use futures::stream::{self, StreamExt};
use stentor_core::aws::messages::KEYS;
use stentor_core::aws::{Error, MessagesTable};
use stentor_core::census::Census;
use stentor_core::message::MessageId;
use stentor_core::run::Plan;

/// Batch reads under way at once.
const AT_ONCE: usize = 16;

/// Counts the run's messages, each looked up by its name.
pub(crate) async fn count_table(plan: &Plan, messages: &MessagesTable) -> Result<Census, Error> {
    let mut batches = pin!(
        stream::iter(plan.chunks(KEYS))
            .map(async |indices| {
                let ids: Vec<MessageId> = plan.ids(indices).collect();
                messages.look_up(&ids).await.map(|standings| (ids, standings))
            })
            .buffer_unordered(AT_ONCE)
    );
    let mut census = Census::default();
    while let Some(batch) = batches.next().await {
        let (ids, standings) = batch?;
        for (id, standing) in ids.into_iter().zip(standings) {
            census.add(id, standing.as_ref());
        }
    }
    Ok(census)
}
