//! The provider's bill is exact, final only at the end, and never made up.

use super::*;
use crate::figures::{FIGURES, PROVIDER_FINAL};
use crate::fixtures::{ended, heartbeat, parts_of_sender, profile, provider_usage, reading, with_provider};
use crate::reading::RunReading;
use crate::throughput::Throughput;
use stentor_aws::metrics::Heartbeat;
use stentor_core::cost::{PriceOverride, Prices};

fn bill(reading: RunReading) -> ProviderBill {
    RunView::first(reading).provider_bill().unwrap().clone()
}

fn at_least<T>(amount: T) -> LowerBound<T> {
    LowerBound { amount: Some(amount), at_least: true }
}

#[test]
fn the_bill_is_parts_times_price_and_fee_and_final_once_all_senders_have_ended() {
    let bill = bill(with_provider());
    let lines: Vec<_> =
        bill.profiles[0].carriers.iter().map(|line| (line.carrier.as_str(), line.parts.amount)).collect();
    assert_eq!(lines, [("OTHER", Some(4_500)), ("T-Mobile", Some(1_500))]);
    let dollars = 4_500.0 * 0.0083 + 1_500.0 * (0.0083 + 0.0045);
    assert_eq!((bill.parts, bill.dollars), (LowerBound::exact(6_000), LowerBound::exact(dollars)));
    assert!(bill.is_final(), "{:?}", bill.missing);
}

#[test]
fn a_run_without_a_provider_has_no_bill_and_no_figure() {
    let view = RunView::first(reading(1_000, 1_000));
    assert_eq!((view.provider_bill(), profile_list(&view), provider_line(&view)), (None, None, None));
    for figure in FIGURES.iter().filter(|figure| figure.path.contains(".provider.")) {
        assert_eq!((figure.value)(&view), None.into(), "{}", figure.label);
    }
}

#[test]
fn until_every_sender_with_a_provider_has_ended_the_bill_is_a_lower_bound() {
    let missing = |change: fn(&mut RunReading), words: &str| {
        let mut run = with_provider();
        change(&mut run);
        let bill = bill(run);
        assert!(bill.parts.at_least && bill.dollars.at_least && bill.forfeited.at_least, "{words}");
        assert!(bill.missing.iter().any(|why| why.contains(words)), "{words}: {:?}", bill.missing);
    };
    missing(|run| run.record.enqueued = 999, "The run goes on");
    missing(|run| run.usage[0].has_ended = false, "1 sender ended without reporting all usage");
    missing(
        |run| (run.heartbeats[0].ended_at, run.usage[0].has_ended) = (None, false),
        "1 sender is running",
    );
    missing(
        |run| {
            (run.heartbeats[0].ended_at, run.heartbeats[0].seen_at) = (None, 50_000);
            run.usage[0].has_ended = false;
        },
        "1 sender is silent",
    );
    missing(|run| drop(run.usage.remove(0)), "1 sender ended without reporting all usage");
    missing(|run| run.usage[0].usage = None, "1 usage record cannot be read");

    let mut other = with_provider();
    other.heartbeats.push(heartbeat("without a provider", 1_000, 99_000, 10));
    assert!(bill(other).is_final(), "it begins no part");
}

#[test]
fn a_sender_that_has_reported_nothing_yet_makes_a_lower_bound_of_zero() {
    let mut begun = reading(1_000, 0);
    let provider = Some(provider_usage("us-short-code", &[]));
    begun.heartbeats = vec![Heartbeat { provider, ..ended("a", false) }];
    let bill = bill(begun);
    assert_eq!((bill.parts, bill.dollars), (at_least(0), at_least(0.0)));
}

#[test]
fn several_profiles_are_summed_and_unknown_prices_are_not_made_up() {
    let mut two = with_provider();
    let usage = parts_of_sender("c", "own", &[("OTHER", 100)]);
    two.heartbeats.push(Heartbeat { provider: usage.provider.clone(), ..ended("c", true) });
    two.usage.push(usage);
    let unknown = bill(two.clone());
    assert_eq!(unknown.parts, LowerBound::exact(6_100));
    assert_eq!(unknown.profiles[0].dollars, LowerBound { amount: None, at_least: true });
    assert!(unknown.dollars.at_least && unknown.dollars.amount == bill(with_provider()).dollars.amount);
    assert_eq!(unknown.missing, ["The prices of own are unknown: the table has no valid profile."]);
    assert_eq!(unknown.limit_parts_per_second, None);

    two.profiles.insert("own".to_owned(), profile("own"));
    let known = bill(two);
    let dollars = bill(with_provider()).dollars.amount.unwrap() + 100.0 * 0.0083;
    assert!((known.dollars.amount.unwrap() - dollars).abs() < 1e-9 && known.is_final());
    assert_eq!(known.limit_parts_per_second, Some(200.0));
}

#[test]
fn the_fee_of_a_carrier_that_the_stored_profile_lacks_is_unknown() {
    // A sender with other carriers under the same name has replaced the profile since.
    let mut run = with_provider();
    run.usage.push(parts_of_sender("c", "us-short-code", &[("Verizon", 100)]));
    let bill = bill(run);
    let line = &bill.profiles[0].carriers[2];
    assert_eq!((line.carrier.as_str(), line.fee_per_part, line.dollars.amount), ("Verizon", None, None));
    let known = 4_500.0 * 0.0083 + 1_500.0 * (0.0083 + 0.0045);
    assert_eq!((bill.dollars, bill.profiles[0].dollars), (at_least(known), at_least(known)));
    assert_eq!(
        bill.missing,
        ["The fees of Verizon are unknown: the stored profile us-short-code has other carriers."]
    );
}

#[test]
fn an_overridden_price_applies_to_the_provider_and_leaves_the_fees() {
    let prices = Prices::with(&[PriceOverride::new("provider_part", 0.01).unwrap()]);
    let view = RunView::first(with_provider()).with_prices(prices);
    let bill = view.provider_bill().unwrap();
    assert_eq!(bill.dollars, LowerBound::exact(4_500.0 * 0.01 + 1_500.0 * (0.01 + 0.0045)));
    assert!(bill.profiles[0].overridden);
}

#[test]
fn a_complete_run_is_measured_as_a_whole_and_a_running_one_between_two_heartbeats() {
    let complete = RunView::first(with_provider());
    let rate = 6_000.0 / 99.9;
    assert_eq!(PROVIDER_PARTS_PER_SECOND.value(&complete), Some(rate));
    assert_eq!(PROVIDER_LIMIT_USED.value(&complete), Some(rate / 100.0));

    let mut throughput = Throughput::default();
    let mut read = |seen_at: u64, parts: [u64; 2]| {
        let mut run = reading(1_000, 500);
        run.at_ms = seen_at + 1_000;
        run.profiles = with_provider().profiles;
        for (sender, parts) in ["a", "b"].into_iter().zip(parts) {
            let provider = Some(provider_usage("us-short-code", &[("OTHER", parts)]));
            run.heartbeats.push(Heartbeat { provider, ..heartbeat(sender, 1_000, seen_at, 1) });
            run.usage.push(parts_of_sender(sender, "us-short-code", &[("OTHER", 7)]));
        }
        let phase = crate::status::RunPhase::Active;
        let view = RunView::next(run, &mut throughput, phase);
        [&PROVIDER_PARTS_PER_SECOND, &PROVIDER_LIMIT_USED].map(|figure| figure.value(&view))
    };
    assert_eq!(read(100_000, [1_000, 2_000]), [None, None], "there is one heartbeat of each");
    assert_eq!(read(105_000, [1_100, 2_300]), [Some(80.0), Some(0.8)]);
    assert_eq!(read(105_000, [1_100, 2_300]), [Some(80.0), Some(0.8)], "nothing new");
}

#[test]
fn the_last_rate_of_a_killed_sender_is_not_added_to_that_of_the_sender_that_took_over() {
    let mut throughput = Throughput::default();
    let mut read = |at_ms: u64, parts: [(u64, u64); 2]| {
        let mut run = reading(1_000, 500);
        run.at_ms = at_ms;
        run.profiles = with_provider().profiles;
        for (sender, (seen_at, parts)) in ["a", "killed"].into_iter().zip(parts) {
            let provider = Some(provider_usage("us-short-code", &[("OTHER", parts)]));
            run.heartbeats.push(Heartbeat { provider, ..heartbeat(sender, 1_000, seen_at, 1) });
            run.usage.push(parts_of_sender(sender, "us-short-code", &[("OTHER", 7)]));
        }
        let view = RunView::next(run, &mut throughput, crate::status::RunPhase::Active);
        (PROVIDER_LIMIT_USED.value)(&view)
    };
    read(96_000, [(95_000, 1_000), (95_000, 1_000)]);
    assert_eq!(read(101_000, [(100_000, 1_250), (100_000, 1_250)]), LowerBound::exact(1.0));
    assert_eq!(read(109_000, [(105_000, 1_750), (100_000, 1_250)]), at_least(1.0), "of one sender");
    assert_eq!(read(116_000, [(115_000, 2_750), (100_000, 1_250)]), LowerBound::exact(1.0));
}

#[test]
fn while_the_senders_of_a_complete_run_still_have_to_report_its_rate_is_unknown() {
    let mut run = with_provider();
    (run.heartbeats[0].ended_at, run.usage[0].has_ended) = (None, false);
    let view = RunView::first(run);
    assert_eq!(PROVIDER_PARTS_PER_SECOND.value(&view), None);
    assert_eq!(PROVIDER_FINAL.value(&view), Some(0.0));
}

#[test]
fn the_line_has_the_bill_and_the_use_of_the_limit() {
    let view = RunView::first(with_provider());
    assert_eq!(
        provider_line(&view).unwrap(),
        "provider us-short-code: $56.55 (6,000 parts), 60/s of 100/s (60.1%)"
    );
    let mut open = with_provider();
    open.profiles.clear();
    open.usage[0].provider.as_mut().unwrap().forfeited = 3;
    open.usage[0].has_ended = false;
    assert_eq!(
        provider_line(&RunView::first(open)).unwrap(),
        "provider us-short-code: unknown cost (at least 6,000 parts), at least 60/s, 3 forfeited"
    );
}

#[test]
fn usage_that_is_read_later_changes_the_bill() {
    let mut open = with_provider();
    open.usage[0].has_ended = false;
    let view = RunView::first(open);
    assert!(!view.provider_bill().unwrap().is_final());
    assert!(view.with_usage(with_provider()).provider_bill().unwrap().is_final());
}

#[test]
fn the_last_parts_are_awaited_for_twenty_seconds_after_the_last_outcome_and_of_senders_that_have_just_ended()
{
    // Its last outcome is at 100.9 s.
    let awaited = |now_ms: u64, change: fn(&mut RunReading)| {
        let mut run = with_provider();
        run.at_ms = now_ms;
        change(&mut run);
        awaits_parts(&RunView::first(run), now_ms)
    };
    let alive = |run: &mut RunReading| {
        (run.heartbeats[0].ended_at, run.heartbeats[0].seen_at, run.usage[0].has_ended) =
            (None, run.at_ms, false);
    };
    assert!(awaited(102_000, alive) && awaited(120_800, alive));
    assert!(!awaited(120_900, alive), "a sender that goes on, or a call hours later");
    let without_provider = |run: &mut RunReading| {
        (run.heartbeats[0].ended_at, run.heartbeats[0].seen_at) = (None, run.at_ms);
        (run.heartbeats[0].provider, run.usage[0].provider) = (None, None);
    };
    assert!(!awaited(102_000, without_provider));
    let just_ended = |run: &mut RunReading| {
        (run.heartbeats[0].ended_at, run.usage[0].has_ended) = (Some(run.at_ms - 1_000), false);
    };
    assert!(awaited(102_000, just_ended) && awaited(200_000, just_ended), "it is about to report");
    assert!(!awaited(102_000, |run| run.heartbeats[0].ended_at = Some(run.at_ms - 1_000)), "it has reported");
    let killed =
        |run: &mut RunReading| (run.heartbeats[0].ended_at, run.heartbeats[0].seen_at) = (None, 80_000);
    assert!(!awaited(102_000, killed));
}
