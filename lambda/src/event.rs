//! The event of a DynamoDB stream, as far as the tallies need it.
//!
//! Every field is optional: an event may have no records, or `null` for them, at the end of a window; and a record that
//! another version of Stentor wrote must not block the others.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use stentor_core::delivery::{Outcome, Status};
use stentor_core::message::MessageId;
use stentor_core::run::RunId;
use stentor_tally::{OutcomeEvent, StreamRecord};

/// An event of the stream (AWS Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB").
#[derive(Debug, Default, Deserialize)]
pub struct StreamEvent {
    #[serde(rename = "Records")]
    records: Option<Vec<EventRecord>>,
    /// The shard of the records; present where the mapping has a tumbling window.
    #[serde(rename = "shardId")]
    pub shard_id: Option<String>,
}

/// A record of the event with its run; `None` where it is no valid record of Stentor's. An error instead would block
/// the shard, and all runs in it, until the record expires.
///
/// Each record is decoded in place, so that memory holds only what is counted.
#[derive(Debug)]
struct EventRecord(Option<(RunId, StreamRecord)>);

impl<'de> Deserialize<'de> for EventRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entry = <&RawValue>::deserialize(deserializer)?;
        let record = serde_json::from_str::<RawRecord>(entry.get()).ok();
        Ok(Self(record.and_then(RawRecord::into_record)))
    }
}

#[derive(Debug, Deserialize)]
struct RawRecord<'e> {
    #[serde(rename = "eventName", borrow)]
    event_name: Option<StringAttribute<'e>>,
    dynamodb: Option<StreamImages<'e>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamImages<'e> {
    #[serde(borrow)]
    sequence_number: Option<StringAttribute<'e>>,
    old_image: Option<Image<'e>>,
    new_image: Option<Image<'e>>,
}

/// The attributes of a message that a tally needs.
#[derive(Debug, Deserialize)]
struct Image<'e> {
    #[serde(borrow)]
    id: Option<Attribute<'e>>,
    status: Option<Attribute<'e>>,
    created_at: Option<Attribute<'e>>,
    concluded_at: Option<Attribute<'e>>,
    delivery_ms: Option<Attribute<'e>>,
    parts: Option<Attribute<'e>>,
    reason: Option<Attribute<'e>>,
}

/// An attribute of type S or N; of any other type both are absent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute<'e> {
    #[serde(borrow)]
    s: Option<StringAttribute<'e>>,
    n: Option<StringAttribute<'e>>,
}

/// A string of the event, copied only where it contains escapes.
#[derive(Debug, Deserialize)]
struct StringAttribute<'e>(#[serde(borrow)] Cow<'e, str>);

/// The response: no failed item, and an empty state, which a tumbling window requires.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct EventResponse {
    #[serde(rename = "batchItemFailures")]
    batch_item_failures: [(); 0],
    state: EmptyState,
}

/// `{}`
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct EmptyState {}

impl StreamEvent {
    /// Returns the records by run, without those of no run.
    pub fn into_records(self) -> BTreeMap<RunId, Vec<StreamRecord>> {
        let mut runs: BTreeMap<RunId, Vec<StreamRecord>> = BTreeMap::new();
        let mut skipped = 0;
        for entry in self.records.unwrap_or_default() {
            match entry.0 {
                Some((run, record)) => runs.entry(run).or_default().push(record),
                None => skipped += 1,
            }
        }
        if skipped > 0 {
            tracing::warn!(skipped, "skipped records without a sequence number or a message ID");
        }
        runs
    }
}

impl RawRecord<'_> {
    fn into_record(self) -> Option<(RunId, StreamRecord)> {
        let change = self.dynamodb?;
        let sequence = change.sequence_number?.0.parse().ok()?;
        let new = change.new_image?;
        let id: MessageId = new.id.as_ref()?.s.as_ref()?.0.parse().ok()?;
        let was_pending = change.old_image.and_then(|old| old.status()) == Some(Status::Pending);
        let modified = self.event_name.is_some_and(|name| name.0 == "MODIFY");
        let event = if modified && was_pending { new.conclusion() } else { None };
        Some((id.run(), StreamRecord { sequence, event }))
    }
}

impl Image<'_> {
    fn status(&self) -> Option<Status> {
        Status::from_table(&self.status.as_ref()?.s.as_ref()?.0)
    }

    fn conclusion(&self) -> Option<OutcomeEvent> {
        let outcome = self.status()?.outcome()?;
        let reason = || self.reason.as_ref()?.s.as_ref()?.0.parse().ok();
        Some(OutcomeEvent {
            outcome,
            created_at: number(self.created_at.as_ref()),
            concluded_at: number(self.concluded_at.as_ref()),
            delivery_ms: number(self.delivery_ms.as_ref()),
            parts: number(self.parts.as_ref()),
            reason: if outcome == Outcome::Failed { reason() } else { None },
        })
    }
}

fn number<N: FromStr>(attribute: Option<&Attribute<'_>>) -> Option<N> {
    attribute?.n.as_ref()?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RUN: &str = "01JDD0QYJ8000000000000000A";

    fn records(event: &serde_json::Value) -> BTreeMap<RunId, Vec<StreamRecord>> {
        serde_json::from_str::<StreamEvent>(&event.to_string()).unwrap().into_records()
    }

    fn record(event_name: &str, old: &str, new: &str) -> serde_json::Value {
        json!({
            "eventName": event_name,
            "dynamodb": {
                "SequenceNumber": "111",
                "OldImage": {"status": {"S": old}},
                "NewImage": {
                    "id": {"S": format!("{RUN}#000000003")}, "status": {"S": new},
                    "created_at": {"N": "1000"}, "concluded_at": {"N": "3500"}, "delivery_ms": {"N": "500"},
                },
            },
        })
    }

    fn conclusions(record: &serde_json::Value) -> usize {
        records(&json!({"Records": [record]})).values().flatten().filter(|r| r.event.is_some()).count()
    }

    #[test]
    fn only_a_change_from_pending_to_an_end_counts() {
        assert_eq!(conclusions(&record("MODIFY", "PENDING", "SENT")), 1);
        assert_eq!(conclusions(&record("MODIFY", "PENDING", "FAILED")), 1);
        assert_eq!(conclusions(&record("MODIFY", "PENDING", "PENDING")), 0);
        assert_eq!(conclusions(&record("MODIFY", "SENT", "SENT")), 0);
        assert_eq!(conclusions(&record("MODIFY", "SENT", "FAILED")), 0);
        assert_eq!(conclusions(&record("MODIFY", "PENDING", "CANCELLED")), 0);
        assert_eq!(conclusions(&record("INSERT", "PENDING", "SENT")), 0);
        assert_eq!(conclusions(&record("REMOVE", "PENDING", "SENT")), 0);
    }

    #[test]
    fn parts_and_the_reason_of_a_failure_are_counted_where_they_are_valid() {
        let read = |status: &str, parts: serde_json::Value, reason: serde_json::Value| {
            let mut record = record("MODIFY", "PENDING", status);
            let image = &mut record["dynamodb"]["NewImage"];
            (image["parts"], image["reason"]) = (parts, reason);
            let event =
                records(&json!({"Records": [record]})).into_values().flatten().next().unwrap().event.unwrap();
            (event.parts, event.reason.map(|code| code.to_string()))
        };
        let code = || json!({"S": "CARRIER_UNREACHABLE"});
        assert_eq!(
            read("FAILED", json!({"N": "3"}), code()),
            (Some(3), Some("CARRIER_UNREACHABLE".to_owned()))
        );
        assert_eq!(read("SENT", json!({"N": "3"}), code()), (Some(3), None));
        for (parts, reason) in [
            (json!({"N": "-1"}), json!({"S": "lower case"})),
            (json!({"S": "3"}), json!({"N": "7"})),
            (json!(null), json!(null)),
        ] {
            assert_eq!(read("FAILED", parts, reason), (None, None));
        }
    }

    #[test]
    fn an_event_without_records_is_as_good_as_any() {
        for event in [
            json!({}),
            json!({"Records": null}),
            json!({"Records": []}),
            json!({"isFinalInvokeForWindow": true, "state": {}}),
        ] {
            assert!(records(&event).is_empty());
        }
    }

    #[test]
    fn odd_records_stop_nobody_else() {
        let mut no_number = record("MODIFY", "PENDING", "SENT");
        no_number["dynamodb"]["SequenceNumber"] = json!("x");
        let mut no_id = record("MODIFY", "PENDING", "SENT");
        no_id["dynamodb"]["NewImage"]["id"] = json!({"N": "1"});
        let mut no_times = record("MODIFY", "PENDING", "FAILED");
        no_times["dynamodb"]["NewImage"]["delivery_ms"] = json!({"S": "soon"});
        let mut no_image = record("MODIFY", "PENDING", "SENT");
        no_image["dynamodb"]["NewImage"] = json!("an image");
        let mut no_text = record("MODIFY", "PENDING", "SENT");
        no_text["dynamodb"]["OldImage"]["status"] = json!({"S": 1});
        let event = json!({
            "Records": [7, null, {}, {"dynamodb": {}}, no_number, no_id, no_image, no_text, no_times],
        });
        let runs = records(&event);
        let counted = runs.values().flatten().collect::<Vec<_>>();
        assert_eq!(counted.len(), 1);
        assert_eq!(counted[0].event.unwrap().delivery_ms, None);
    }

    #[test]
    fn escaped_texts_are_as_good_as_plain_ones() {
        let plain = json!({"Records": [record("MODIFY", "PENDING", "SENT")]}).to_string();
        let escaped = plain.replace("PENDING", "P\\u0045NDING").replace("#0000", "\\u00230000");
        assert_ne!(plain, escaped);
        let read = |event: &str| serde_json::from_str::<StreamEvent>(event).unwrap().into_records();
        assert_eq!(read(&escaped), read(&plain));
    }

    #[test]
    fn the_answer_carries_an_empty_state() {
        assert_eq!(
            serde_json::to_value(EventResponse::default()).unwrap(),
            json!({"batchItemFailures": [], "state": {}})
        );
    }
}
