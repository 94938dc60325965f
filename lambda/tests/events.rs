//! Events as Lambda passes them, read as the function reads them.

use stentor_aggregator::StreamEvent;
use stentor_core::delivery::Outcome;

fn event(text: &str) -> StreamEvent {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_windows_records_are_read_with_their_run_and_shard() {
    let event = event(include_str!("fixtures/window.json"));
    assert_eq!(event.shard_id.as_deref(), Some("shardId-00000001764002431842-6a1d7b3f"));
    let runs = event.into_records();
    let (run, records) = runs.first_key_value().unwrap();
    assert_eq!((runs.len(), run.to_string().as_str()), (1, "01KAVG5QZ8M3T9W4C6X2N7B1DF"));
    let ends: Vec<_> = records.iter().map(|record| record.event.unwrap()).collect();
    assert_eq!(ends.iter().map(|end| end.delivery_ms.unwrap()).collect::<Vec<_>>(), [512, 498, 730]);
    assert_eq!(ends[0].concluded_at.unwrap() - ends[0].created_at.unwrap(), 4_606);
    assert_eq!(
        ends.iter().map(|end| end.outcome).collect::<Vec<_>>(),
        [Outcome::Sent, Outcome::Failed, Outcome::Sent]
    );
    assert_eq!(records[2].sequence.to_string(), "5839300000000031864201362");
}

#[test]
fn a_windows_end_brings_no_records_with_or_without_a_list_of_them() {
    for text in [include_str!("fixtures/window_end.json"), include_str!("fixtures/no_records.json")] {
        let event = event(text);
        assert!(event.shard_id.is_some());
        assert!(event.into_records().is_empty());
    }
}
