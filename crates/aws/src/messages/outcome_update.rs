//! The statement that records an outcome.

use aws_sdk_dynamodb::types::AttributeValue;
use stentor_core::delivery::{Outcome, Status};
use stentor_core::message::MessageId;
use stentor_core::provider::code::FailureCode;

use crate::item::{number, text};

/// Bytes of a statement with all attributes, beside the table's name.
const MAX_STATEMENT: usize = 144;

/// An outcome to record.
#[derive(Debug, Clone)]
pub struct OutcomeUpdate {
    /// The message.
    pub id: MessageId,
    /// Why its delivery failed; `None` records SENT.
    pub reason: Option<FailureCode>,
    /// Its simulated carrier; `None` without carriers.
    pub carrier: Option<String>,
    /// When the outcome was reached, ms since the epoch.
    pub concluded_at: u64,
    /// How long the delivery took, ms; `None` if nothing was delivered.
    pub delivery_ms: Option<u64>,
    /// ID of the sender.
    pub sender: String,
    /// Unique ID of this delivery, by which a sender recognises its own earlier update.
    pub attempt: String,
}

impl OutcomeUpdate {
    /// Returns the statement, which sets only the attributes that the update has, and its parameters.
    pub(super) fn statement(&self, table: &str) -> (String, Vec<AttributeValue>) {
        let outcome = if self.reason.is_some() { Outcome::Failed } else { Outcome::Sent };
        let attributes = [
            ("\"status\"", Some(text(outcome.status().as_str()))),
            ("concluded_at", Some(number(self.concluded_at))),
            ("delivery_ms", self.delivery_ms.map(number)),
            ("sender", Some(text(&self.sender))),
            ("attempt", Some(text(&self.attempt))),
            ("reason", self.reason.as_ref().map(text)),
            ("carrier", self.carrier.as_ref().map(text)),
        ];
        let mut statement = String::with_capacity(table.len() + MAX_STATEMENT);
        statement.extend(["UPDATE \"", table, "\""]);
        let mut parameters = Vec::with_capacity(attributes.len() + 2);
        for (name, value) in attributes {
            if let Some(value) = value {
                statement.extend([" SET ", name, "=?"]);
                parameters.push(value);
            }
        }
        statement.push_str(" WHERE id=? AND \"status\"=?");
        parameters.extend([text(&self.id), text(Status::Pending.as_str())]);
        debug_assert!(statement.len() <= table.len() + MAX_STATEMENT, "it is allocated once");
        (statement, parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_sets_the_attributes_that_it_has() {
        let run = stentor_core::run::RunId::from_parts(0, 0);
        let sent = OutcomeUpdate {
            id: MessageId::new(run, 0).unwrap(),
            reason: None,
            carrier: None,
            concluded_at: 1,
            delivery_ms: Some(2),
            sender: "s".to_owned(),
            attempt: "s-1".to_owned(),
        };
        let (statement, parameters) = sent.statement("t");
        assert_eq!(
            statement,
            "UPDATE \"t\" SET \"status\"=? SET concluded_at=? SET delivery_ms=? SET sender=? SET attempt=? WHERE id=? AND \"status\"=?"
        );
        assert_eq!((&parameters[0], parameters.len()), (&text("SENT"), 7));
        let complete = OutcomeUpdate {
            reason: Some(FailureCode::UNKNOWN),
            carrier: Some("AT&T".to_owned()),
            ..sent.clone()
        };
        assert_eq!(complete.statement("t").1.len(), 9, "the longest statement");
        let expired = OutcomeUpdate {
            reason: Some(FailureCode::TTL_EXPIRED),
            carrier: Some("AT&T".to_owned()),
            delivery_ms: None,
            ..sent
        };
        let (statement, parameters) = expired.statement("t");
        assert_eq!(
            statement,
            "UPDATE \"t\" SET \"status\"=? SET concluded_at=? SET sender=? SET attempt=? SET reason=? SET carrier=? WHERE id=? AND \"status\"=?"
        );
        assert_eq!(parameters[..2], [text("FAILED"), number(1)]);
        assert_eq!(parameters[4..6], [text("TTL_EXPIRED"), text("AT&T")]);
    }
}
