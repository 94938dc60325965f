//! The registry has each name once, and makes up no value.

use super::*;
use crate::fixtures::reading;

#[test]
fn names_are_unique_on_every_surface() {
    let unique = |names: Vec<&str>| {
        let mut sorted: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        let count = sorted.len();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), count, "{sorted:?}");
    };
    unique(FIGURES.iter().map(|figure| figure.path).collect());
    unique(FIGURES.iter().map(|figure| figure.threshold).collect());
    // Figures of one JSON object are adjacent: otherwise the snapshot would have the object twice.
    let keys = FIGURES.iter().filter_map(|figure| figure.key_below("snapshot"));
    let mut members: Vec<&str> = keys.map(|key| key.split('.').next().unwrap_or_default()).collect();
    members.dedup();
    unique(members);
    assert!(FIGURES.iter().all(|figure| !figure.help.is_empty() && !figure.label.is_empty()));
}

#[test]
fn without_an_outcome_nothing_is_made_up() {
    let none = RunView::first(reading(1_000, 0));
    for figure in [&AVERAGE, &DELIVERY_P99, &THROUGHPUT, &ETA, &FAILED_RATE, &OUTCOME_SECONDS] {
        assert_eq!((figure.value(&none), figure.text(&none).as_str()), (None, "-"), "{}", figure.label);
    }
}
