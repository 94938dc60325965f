//! A run counted from the table of messages, one by one: what the tallies must come to.

use crate::delivery::Status;
use crate::message::{MessageId, MessageRecord};
use crate::tally::{OutcomeEvent, Tally};

/// What the table's items of a run come to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableCount {
    /// The messages that are concluded.
    pub tally: Tally,
    /// Messages created, not concluded.
    pub pending: u64,
    /// Messages of the plan that the table does not have.
    pub missing: u64,
    /// Items that this version cannot make sense of. They count nowhere else.
    pub unreadable: u64,
    /// One of those.
    pub unreadable_example: Option<MessageId>,
}

/// Why a table_count does not have the whole run in it: how many messages are in each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingItems {
    /// See [`TableCount::pending`].
    pub pending: u64,
    /// See [`TableCount::missing`].
    pub missing: u64,
    /// See [`TableCount::unreadable`].
    pub unreadable: u64,
    /// See [`TableCount::unreadable_example`].
    pub unreadable_example: Option<MessageId>,
}

impl TableCount {
    /// Counts one message of the plan by what the table says of it; `None` where it does not have it.
    pub fn add(&mut self, id: MessageId, standing: Option<&MessageRecord>) {
        let Some(standing) = standing else {
            self.missing += 1;
            return;
        };
        match standing.status {
            Some(Status::Pending) if standing.created_at.is_some() => self.pending += 1,
            _ => match standing.conclusion() {
                Some(conclusion) => self.tally.count(&conclusion),
                None => self.add_unreadable(id),
            },
        }
    }

    /// Of several, the example is the one of the lowest index, in whatever order they come.
    fn add_unreadable(&mut self, id: MessageId) {
        self.unreadable += 1;
        self.unreadable_example = Some(self.unreadable_example.map_or(id, |example| example.min(id)));
    }

    /// The tally of the whole run; there is none while a message is not concluded, missing or unreadable.
    pub fn whole(&self) -> Result<&Tally, MissingItems> {
        let Self { pending, missing, unreadable, unreadable_example, .. } = *self;
        if pending + missing + unreadable == 0 {
            Ok(&self.tally)
        } else {
            Err(MissingItems { pending, missing, unreadable, unreadable_example })
        }
    }
}

impl MessageRecord {
    /// The message's end, where it has ended and its item tells all of it.
    fn conclusion(&self) -> Option<OutcomeEvent> {
        Some(OutcomeEvent {
            outcome: self.status?.outcome()?,
            created_at: Some(self.created_at?),
            concluded_at: Some(self.concluded_at?),
            delivery_ms: Some(self.delivery_ms?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Outcome;
    use crate::run::RunId;

    fn id(index: u32) -> MessageId {
        MessageId::new(RunId::from_parts(1, 1), index).unwrap()
    }

    fn standing(status: Status) -> MessageRecord {
        MessageRecord {
            status: Some(status),
            created_at: Some(1_000),
            concluded_at: Some(3_000),
            delivery_ms: Some(500),
        }
    }

    #[test]
    fn every_message_is_counted_in_one_way() {
        let mut table_count = TableCount::default();
        let pending = MessageRecord { concluded_at: None, delivery_ms: None, ..standing(Status::Pending) };
        let (sent, failed) = (standing(Status::Sent), standing(Status::Failed));
        for (index, standing) in (0..).zip([None, Some(&pending), Some(&sent), Some(&failed)]) {
            table_count.add(id(index), standing);
        }
        let mut tally = Tally::default();
        for outcome in [Outcome::Sent, Outcome::Failed] {
            let (created_at, concluded_at, delivery_ms) = (Some(1_000), Some(3_000), Some(500));
            tally.count(&OutcomeEvent { outcome, created_at, concluded_at, delivery_ms });
        }
        assert_eq!(table_count, TableCount { tally, pending: 1, missing: 1, ..TableCount::default() });
    }

    #[test]
    fn an_item_with_an_unknown_status_or_without_a_number_is_unreadable_and_counts_nowhere() {
        let sent = standing(Status::Sent);
        let mut table_count = TableCount::default();
        for (index, odd) in [
            (7, MessageRecord { status: None, ..sent }),
            (5, MessageRecord { created_at: None, ..sent }),
            (6, MessageRecord { concluded_at: None, ..sent }),
            (8, MessageRecord { delivery_ms: None, ..sent }),
            (9, MessageRecord { created_at: None, ..standing(Status::Pending) }),
        ] {
            table_count.add(id(index), Some(&odd));
        }
        let unreadable =
            TableCount { unreadable: 5, unreadable_example: Some(id(5)), ..TableCount::default() };
        assert_eq!(table_count, unreadable);
    }

    #[test]
    fn a_run_is_whole_when_every_message_is_concluded() {
        let mut table_count = TableCount::default();
        table_count.add(id(0), Some(&standing(Status::Sent)));
        assert_eq!(table_count.whole().unwrap().sent, 1);
        for spoilt in [
            TableCount { pending: 1, ..table_count.clone() },
            TableCount { missing: 1, ..table_count.clone() },
            TableCount { unreadable: 1, ..table_count.clone() },
        ] {
            let why = spoilt.whole().unwrap_err();
            assert_eq!(why.pending + why.missing + why.unreadable, 1);
        }
    }
}
