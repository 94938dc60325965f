//! Events as Lambda passes them to the function.

use serde_json::{Value, json};

use super::{Change, Conclusion, Emptiness, Noise, Shard, What, Window};

/// The function's response to every counted event.
pub fn empty_answer() -> Value {
    json!({"batchItemFailures": [], "state": {}})
}

/// Returns the ID of run `run` of story number `story`: a unique ULID.
pub fn run_name(story: u64, run: usize) -> String {
    format!("01JDD0QYJ8{:016}", story * 10 + run as u64)
}

/// Returns an event with changes of a shard.
pub fn event(shard: &Shard, changes: std::ops::Range<usize>, story: u64, window: Window) -> Value {
    let records: Vec<Value> = shard.changes[changes].iter().map(|change| record(change, story)).collect();
    let mut event = windowed(&shard.id, window);
    event["Records"] = records.into();
    event
}

/// Returns an event without records, as at the end of a window.
pub fn empty_event(shard: &Shard, emptiness: Emptiness) -> Value {
    let mut event = windowed(&shard.id, Window::Ending);
    match emptiness {
        Emptiness::Absent => {}
        Emptiness::Null => event["Records"] = Value::Null,
        Emptiness::Empty => event["Records"] = json!([]),
    }
    event
}

fn windowed(shard: &str, window: Window) -> Value {
    let state = if matches!(window, Window::GoingOn { null_state: true }) { Value::Null } else { json!({}) };
    json!({
        "shardId": shard,
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/stentor-messages/stream/2025-11-24T16:00:00.000",
        "window": {"start": "2025-11-24T16:00:00Z", "end": "2025-11-24T16:15:00Z"},
        "state": state,
        "isFinalInvokeForWindow": matches!(window, Window::Ending),
        "isWindowTerminatedEarly": false,
    })
}

fn record(change: &Change, story: u64) -> Value {
    let id = format!("{}#{:09}", run_name(story, change.run), 7);
    match &change.what {
        What::Conclusion(conclusion) => concluded(&change.sequence, &id, conclusion),
        What::Noise(noise) => noisy(*noise, &change.sequence, &id),
    }
}

fn concluded(sequence: &str, id: &str, conclusion: &Conclusion) -> Value {
    let status = if conclusion.sent { "SENT" } else { "FAILED" };
    let mut record = modified(sequence, id, "PENDING", status);
    let new = &mut record["dynamodb"]["NewImage"];
    new["created_at"] = json!({"N": conclusion.created_at.to_string()});
    if let Some(at) = conclusion.concluded_at {
        new["concluded_at"] = json!({"N": at.to_string()});
    }
    if let Some(delivery_ms) = conclusion.delivery_ms {
        new["delivery_ms"] = json!({"N": delivery_ms.to_string()});
    }
    if let Some(parts) = conclusion.parts {
        new["parts"] = json!({"N": parts.to_string()});
    }
    if let Some(reason) = conclusion.reason {
        new["reason"] = json!({"S": reason});
    }
    record
}

fn modified(sequence: &str, id: &str, old: &str, new: &str) -> Value {
    let image = |status: &str| {
        json!({
            "id": {"S": id},
            "phone": {"S": "+12125550100"},
            "body": {"S": "Shelter in place."},
            "status": {"S": status},
        })
    };
    json!({
        "eventID": "c4ca4238a0b923820dcc509a6f75849b",
        "eventName": "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_764_000_000.0,
            "Keys": {"id": {"S": id}},
            "OldImage": image(old),
            "NewImage": image(new),
            "SequenceNumber": sequence,
            "SizeBytes": 512,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    })
}

fn noisy(noise: Noise, sequence: &str, id: &str) -> Value {
    let mut record = modified(sequence, id, "PENDING", "SENT");
    let change = &mut record["dynamodb"];
    match noise {
        Noise::Insert | Noise::InsertOfSent => {
            let status = if matches!(noise, Noise::Insert) { "PENDING" } else { "SENT" };
            change["NewImage"]["status"] = json!({"S": status});
            without(change, &["OldImage"]);
            record["eventName"] = json!("INSERT");
        }
        Noise::SentAgain => change["OldImage"]["status"] = json!({"S": "SENT"}),
        Noise::Revived => change["OldImage"]["status"] = json!({"S": "FAILED"}),
        Noise::StillPending => change["NewImage"]["status"] = json!({"S": "PENDING"}),
        Noise::Remove => {
            without(change, &["NewImage"]);
            record["eventName"] = json!("REMOVE");
        }
        Noise::NoImages => without(change, &["OldImage", "NewImage"]),
        Noise::NoOldImage => without(change, &["OldImage"]),
        Noise::NullImages => (change["OldImage"], change["NewImage"]) = (Value::Null, Value::Null),
        Noise::StrangeKey => change["NewImage"]["id"] = json!({"S": "not one of ours"}),
        Noise::StrangeStatus => change["NewImage"]["status"] = json!({"N": "1"}),
        Noise::ImageOfText => change["NewImage"] = json!("an image"),
        Noise::AttributeOfNumber => change["NewImage"]["status"] = json!({"S": 1}),
        Noise::NoSequence => change["SequenceNumber"] = json!("none"),
        Noise::Nothing => return json!({}),
    }
    record
}

fn without(change: &mut Value, names: &[&str]) {
    for name in names {
        change.as_object_mut().expect("a change is an object").remove(*name);
    }
}
