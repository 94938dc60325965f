//! A run counted from the messages table, message by message. The run's tallies must be equal to it.

use stentor_core::delivery::{Outcome, Status};
use stentor_core::message::{MessageId, MessageRecord};

use crate::{OutcomeEvent, Tally};

/// The messages of a run, counted by their state in the table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableCount {
    /// Messages with an outcome.
    pub tally: Tally,
    /// Messages created, without an outcome.
    pub pending: u64,
    /// Messages of the plan without an item.
    pub missing: u64,
    /// Items with an unknown status or without a required number. They are counted nowhere else.
    pub unreadable: u64,
    /// The lowest ID of an unreadable item.
    pub unreadable_example: Option<MessageId>,
}

impl TableCount {
    /// Counts one message of the plan. `record` is `None` if the table has no item for it.
    pub fn add(&mut self, id: MessageId, record: Option<&MessageRecord>) {
        let Some(record) = record else {
            self.missing += 1;
            return;
        };
        match record.status {
            Some(Status::Pending) if record.created_at.is_some() => self.pending += 1,
            _ => match outcome_event(record) {
                Some(conclusion) => self.tally.count(&conclusion),
                None => self.add_unreadable(id),
            },
        }
    }

    fn add_unreadable(&mut self, id: MessageId) {
        self.unreadable += 1;
        self.unreadable_example = Some(self.unreadable_example.map_or(id, |example| example.min(id)));
    }

    /// Returns the tally of the whole run, unless a message is pending, missing or unreadable.
    pub fn complete_tally(&self) -> Option<&Tally> {
        (self.pending + self.missing + self.unreadable == 0).then_some(&self.tally)
    }
}

/// Returns the outcome, if the message has one and its item is complete: only a message that failed for a reason may lack
/// the duration of a delivery.
fn outcome_event(record: &MessageRecord) -> Option<OutcomeEvent> {
    let outcome = record.status?.outcome()?;
    let reason = record.reason.filter(|_| outcome == Outcome::Failed);
    if record.delivery_ms.is_none() && reason.is_none() {
        return None;
    }
    Some(OutcomeEvent {
        outcome,
        created_at: Some(record.created_at?),
        concluded_at: Some(record.concluded_at?),
        delivery_ms: record.delivery_ms,
        parts: record.parts,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_core::provider::code::FailureCode;
    use stentor_core::run::RunId;

    fn id(index: u32) -> MessageId {
        MessageId::new(RunId::from_parts(1, 1), index).unwrap()
    }

    fn record(status: Status) -> MessageRecord {
        MessageRecord {
            status: Some(status),
            created_at: Some(1_000),
            concluded_at: Some(3_000),
            delivery_ms: Some(500),
            parts: Some(2),
            reason: None,
        }
    }

    #[test]
    fn every_message_is_counted_once() {
        let mut table_count = TableCount::default();
        let pending = MessageRecord { concluded_at: None, delivery_ms: None, ..record(Status::Pending) };
        let sent = record(Status::Sent);
        let expired = Some(FailureCode::TTL_EXPIRED);
        let failed = MessageRecord { reason: expired, delivery_ms: None, ..record(Status::Failed) };
        for (index, record) in (0..).zip([None, Some(&pending), Some(&sent), Some(&failed)]) {
            table_count.add(id(index), record);
        }
        let mut tally = Tally::default();
        for (outcome, delivery_ms, reason) in
            [(Outcome::Sent, Some(500), None), (Outcome::Failed, None, expired)]
        {
            tally.count(&OutcomeEvent {
                outcome,
                created_at: Some(1_000),
                concluded_at: Some(3_000),
                delivery_ms,
                parts: Some(2),
                reason,
            });
        }
        assert_eq!(table_count, TableCount { tally, pending: 1, missing: 1, ..TableCount::default() });
    }

    #[test]
    fn an_item_with_an_unknown_status_or_a_missing_number_is_only_unreadable() {
        let sent = record(Status::Sent);
        let mut table_count = TableCount::default();
        for (index, odd) in [
            (7, MessageRecord { status: None, ..sent }),
            (5, MessageRecord { created_at: None, ..sent }),
            (6, MessageRecord { concluded_at: None, ..sent }),
            (8, MessageRecord { delivery_ms: None, ..sent }),
            (9, MessageRecord { created_at: None, ..record(Status::Pending) }),
            (10, MessageRecord { delivery_ms: None, ..record(Status::Failed) }),
        ] {
            table_count.add(id(index), Some(&odd));
        }
        let unreadable =
            TableCount { unreadable: 6, unreadable_example: Some(id(5)), ..TableCount::default() };
        assert_eq!(table_count, unreadable);
    }

    #[test]
    fn a_run_finishes_when_every_message_has_an_outcome() {
        let mut table_count = TableCount::default();
        table_count.add(id(0), Some(&record(Status::Sent)));
        assert_eq!(table_count.complete_tally().unwrap().sent, 1);
        for incomplete in [
            TableCount { pending: 1, ..table_count.clone() },
            TableCount { missing: 1, ..table_count.clone() },
            TableCount { unreadable: 1, ..table_count.clone() },
        ] {
            assert_eq!(incomplete.complete_tally(), None, "{incomplete:?}");
        }
    }
}
