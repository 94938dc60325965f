//! Tests of the conditional writes against a fake.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use stentor_core::provider::profile::Limits;
use stentor_fake_aws::{FakeAws, Fault};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::item::text;
use crate::session::Session;

const ADVANCE: LimitWrite = LimitWrite::Advance { cost: 7, after: 10, before: 1_000 };
const START: LimitWrite = LimitWrite::StartAt { tat: 100, until: 10 };

fn profile(parts_per_second: f64) -> ProviderProfile {
    let name = HashMap::from([("name".to_owned(), text("test"))]);
    let profile: ProviderProfile = serde_dynamo::from_item(name).unwrap();
    let limits = Limits { parts_per_second: Some(parts_per_second), ..Limits::default() };
    ProviderProfile { limits, ..profile }
}

fn open() -> (FakeAws, MetricsTable) {
    let fake = FakeAws::start("drill", Duration::ZERO).unwrap();
    let stack = "drill".parse().unwrap();
    let session = Session::for_emulator(fake.port(), None, stack, CancellationToken::new()).unwrap();
    (fake, MetricsTable::new(&Arc::new(session)))
}

/// Puts an item of the profile `test` with these attributes beside its key.
async fn put(table: &MetricsTable, attributes: &[(&str, AttributeValue)]) {
    let mut item = key(PROVIDER, "test");
    item.extend(attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    assert!(table.put("PutItem", &item, None).await.unwrap());
}

#[track_caller]
fn applied(update: LimitUpdate) -> StoredLimit {
    match update {
        LimitUpdate::Applied(stored) => stored,
        LimitUpdate::Refused(stored) => panic!("refused by {stored:?}"),
    }
}

#[track_caller]
fn refused(update: LimitUpdate) -> StoredLimit {
    match update {
        LimitUpdate::Refused(stored) => stored,
        LimitUpdate::Applied(stored) => panic!("applied: {stored:?}"),
    }
}

#[tokio::test]
async fn the_first_reservation_creates_the_item_and_later_ones_keep_its_profile() {
    let (fake, table) = open();
    let profile = profile(3.0);
    assert!(!table.get_limit("test").await.unwrap().exists());
    let absent = refused(table.reserve_parts(&profile, || ADVANCE).await.unwrap());
    assert_eq!((absent.state(), absent.profile()), (LimitState::Absent, None));
    let first = applied(table.reserve_parts(&profile, || START).await.unwrap());
    assert_eq!(first.state(), LimitState::Valid { tat: 100, seq: 1 });
    assert_eq!(first.profile().as_ref(), Some(&profile));
    let second = applied(table.reserve_parts(&self::profile(4.0), || ADVANCE).await.unwrap());
    assert_eq!(second.state(), LimitState::Valid { tat: 107, seq: 2 });
    assert_eq!(second.profile().as_ref(), Some(&profile));
    let third = refused(table.reserve_parts(&profile, || START).await.unwrap());
    assert_eq!(third.state(), second.state());
    let late = LimitWrite::StartAt { tat: 500, until: 107 };
    let late = applied(table.reserve_parts(&profile, || late).await.unwrap());
    assert_eq!(late.state(), LimitState::Valid { tat: 500, seq: 3 });
    let beyond = LimitWrite::Advance { cost: 7, after: 10, before: 500 };
    refused(table.reserve_parts(&profile, || beyond).await.unwrap());
    let stored = table.get_limit("test").await.unwrap();
    assert_eq!(stored.state(), LimitState::Valid { tat: 500, seq: 3 });
    assert_eq!(stored.profile(), Some(profile));
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn each_attempt_has_a_new_write() {
    let (fake, table) = open();
    fake.inject(&[Fault::Throttled, Fault::Failed(500)]);
    let attempts = Cell::new(0);
    let next_write = || {
        attempts.set(attempts.get() + 1);
        LimitWrite::StartAt { tat: 100 * attempts.get(), until: 10 }
    };
    let stored = applied(table.reserve_parts(&profile(3.0), next_write).await.unwrap());
    assert_eq!(stored.state(), LimitState::Valid { tat: 300, seq: 1 });
}

#[tokio::test]
async fn an_unlimited_profile_is_stored_once() {
    let (_fake, table) = open();
    let [first, second] = [3.0, 4.0].map(profile);
    assert!(table.create_unlimited_provider(&first).await.unwrap());
    assert!(!table.create_unlimited_provider(&second).await.unwrap());
    let stored = table.get_limit("test").await.unwrap();
    assert_eq!((stored.state(), stored.profile()), (LimitState::Valid { tat: 0, seq: 0 }, Some(first)));
}

#[tokio::test]
async fn a_damaged_item_is_refused_and_repaired_while_it_is_unchanged() {
    let (_fake, table) = open();
    let n = |digits: &str| AttributeValue::N(digits.to_owned());
    for damage in [
        vec![(TAT, text("soon")), (SEQ, number(7))],
        vec![(TAT, number(50)), (SEQ, text("seven"))],
        vec![(TAT, n("50.5")), (SEQ, number(7))],
        vec![(TAT, n("-1")), (SEQ, n("-7"))],
        vec![(TAT, number(50))],
        vec![(SEQ, number(7)), (PROFILE, text("odd"))],
    ] {
        put(&table, &damage).await;
        let profile = profile(3.0);
        let mut damaged = table.get_limit("test").await.unwrap();
        for write in [ADVANCE, START] {
            match table.reserve_parts(&profile, || write).await.unwrap() {
                LimitUpdate::Refused(stored) => damaged = stored,
                // A fraction is not refused, but found in the new item.
                LimitUpdate::Applied(stored) => {
                    assert_eq!(stored.state(), LimitState::Damaged, "{damage:?}");
                    damaged = stored;
                }
            }
        }
        assert_eq!(damaged.state(), LimitState::Damaged, "{damage:?}");
        let repaired = applied(table.repair_limit(&profile, &damaged, 90).await.unwrap());
        let LimitState::Valid { tat: 90, seq } = repaired.state() else { panic!("{repaired:?}") };
        assert!(seq == 0 || seq >= 7, "{damage:?}");
        assert_eq!(repaired.profile().as_ref(), Some(&profile));
        refused(table.repair_limit(&profile, &damaged, 95).await.unwrap());
    }
}

#[tokio::test]
async fn a_profile_is_replaced_only_while_nobody_uses_it() {
    let (fake, table) = open();
    let [old, new] = [3.0, 4.0].map(profile);
    let stored = applied(table.reserve_parts(&old, || START).await.unwrap());
    applied(table.reserve_parts(&old, || ADVANCE).await.unwrap());
    refused(table.replace_profile(&new, &stored).await.unwrap());
    let current = applied(table.update_prices(&new, &stored).await.unwrap());
    assert_eq!(current.state(), LimitState::Valid { tat: 107, seq: 2 });
    refused(table.update_prices(&old, &stored).await.unwrap());
    let replaced = applied(table.replace_profile(&old, &current).await.unwrap());
    assert_eq!(replaced.profile().as_ref(), Some(&old));
    assert_eq!(fake.violations(), Vec::<String>::new());
}
