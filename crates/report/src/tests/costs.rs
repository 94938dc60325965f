//! Cost and senders in a report: unknown values stay unknown.

use stentor_aws::metrics::Heartbeat;
use stentor_core::cost::{PriceOverride, Prices};
use stentor_core::usage::ProgramKind;

use super::{empty, finished, heartbeat, report, report_of, run, usage, view};
use crate::data::Report;
use stentor_run_view::bill::{LowerBound, is_final};
use stentor_run_view::reading::RunReading;
use stentor_run_view::senders::SenderState;
use stentor_run_view::status::RunPhase;
use stentor_run_view::view::RunView;

fn known(amount: f64) -> LowerBound<f64> {
    LowerBound { amount: Some(amount), at_least: false }
}

fn complete(reading: RunReading) -> Report {
    report(reading, RunPhase::Complete)
}

/// Dollars of the lines, in their order, in billionths.
fn billionths(report: &Report) -> Vec<Option<f64>> {
    report.bill.lines.iter().map(|line| line.dollars.amount.map(|dollars| (dollars * 1e9).round())).collect()
}

#[test]
fn a_bill_is_counted_parts_and_estimated_ones_by_their_prices() {
    let report = finished();
    // 800 requests, 6,000 and 1.5 units; two shards for 20.287 s, with 1.5 units a put.
    let expected = [320_000.0, 3_750_000.0, 188.0, 38_038.0, 8_115.0, 1_352.0].map(Some);
    assert_eq!(billionths(&report), expected);
    let sum: f64 = report.bill.lines.iter().map(|line| line.dollars.amount.unwrap()).sum();
    let (whole, million) = (report.bill.dollars, report.bill.dollars_per_million);
    assert!((whole.amount.unwrap() - sum).abs() < 1e-12 && !whole.at_least, "{whole:?}");
    assert!((million.amount.unwrap() - sum * 500.0).abs() < 1e-9 && !million.at_least, "{million:?}");
    assert!(report.bill.counted.missing.is_empty(), "{:?}", report.bill.counted.missing);
}

#[test]
fn an_overridden_price_applies_and_is_marked() {
    let own = [("write_units", 6.25), ("invocations", 0.0)];
    let own = Prices::with(&own.map(|(name, dollars)| PriceOverride::new(name, dollars).unwrap()));
    let dear = report_of(&view(run(2_000), RunPhase::Complete).with_prices(own));
    let expected = [320_000.0, 37_500_000.0, 188.0, 380_381.0, 0.0, 1_352.0].map(Some);
    assert_eq!(billionths(&dear), expected);
    let marked: Vec<bool> = dear.bill.prices.list.iter().map(|price| price.overridden).collect();
    assert_eq!(marked, [false, true, false, true, false]);
}

#[test]
fn missing_capacity_units_are_null_and_make_sums_lower_bounds() {
    let mut some = run(2_000);
    some.usage[0].usage.as_mut().unwrap().write_units = None;
    let some = complete(some);
    assert_eq!(some.bill.counted.write_units, LowerBound { amount: Some(4_000.0), at_least: true });
    assert_eq!(some.bill.counted.read_units, known(1.5));
    assert!(some.bill.dollars.at_least && some.bill.dollars_per_million.at_least);

    let mut none = run(2_000);
    for record in &mut none.usage {
        record.usage.as_mut().unwrap().write_units = None;
    }
    let none = complete(none);
    assert_eq!(none.bill.counted.write_units, LowerBound { amount: None, at_least: true });
    assert_eq!(billionths(&none)[1], None);
    assert!(none.bill.dollars.amount.is_some_and(|dollars| dollars < 0.001) && none.bill.dollars.at_least);
    assert!(
        none.bill.counted.missing[0].contains("did not include its capacity units"),
        "{:?}",
        none.bill.counted.missing
    );
}

#[test]
fn without_any_usage_record_there_is_no_sum() {
    let mut untold = run(2_000);
    untold.usage.clear();
    for report in [empty(), complete(untold)] {
        let nothing = LowerBound { amount: None, at_least: true };
        assert_eq!((report.bill.dollars, report.bill.dollars_per_million), (nothing, nothing));
    }
}

#[test]
fn each_incomplete_usage_record_is_reported() {
    let missing = |change: fn(&mut RunReading), words: &str| {
        let mut reading = run(2_000);
        change(&mut reading);
        let counted = complete(reading).bill.counted;
        assert!(counted.requests.at_least && counted.write_units.at_least, "{words}");
        assert!(counted.missing.iter().any(|why| why.starts_with(words)), "{:?}", counted.missing);
    };
    missing(|run| run.usage.truncate(2), "No producer has reported");
    missing(|run| run.usage[0].usage = None, "1 usage record cannot be read");
    missing(|run| drop(run.usage.remove(0)), "1 sender ended without reporting");
    missing(|run| run.usage[0].has_ended = false, "1 sender ended without reporting");
    missing(|run| run.usage[2].has_ended = false, "1 producer is running, or was killed");
    missing(
        |run| {
            run.heartbeats.remove(0);
            run.usage[0].has_ended = false;
        },
        "1 sender had not ended at the last report",
    );
    missing(
        |run| {
            run.heartbeats[0].ended_at = None;
            run.usage[0].has_ended = false;
        },
        "1 sender is silent",
    );
    missing(
        |run| {
            run.heartbeats
                .iter_mut()
                .for_each(|heartbeat| (heartbeat.ended_at, heartbeat.seen_at) = (None, run.at_ms));
            run.usage.iter_mut().for_each(|record| record.has_ended = false);
        },
        "2 senders are running",
    );
    let unfinished = report(run(1_000), RunPhase::Active).bill;
    assert_eq!(unfinished.counted.missing, ["The run goes on."]);
    assert_eq!(unfinished.dollars_per_million.amount, None, "there is no proportion yet");
}

#[test]
fn a_usage_record_without_a_program_may_be_the_producers() {
    let mut reading = run(2_000);
    reading.usage[2].program = None;
    let counted = complete(reading).bill.counted;
    assert!(counted.missing.is_empty() && counted.programs[2].program.is_none(), "{counted:?}");
}

#[test]
fn senders_of_the_run_reported_usage_or_worked_during_it() {
    let mut reading = run(2_000);
    let (begin, end) = (reading.record.created_at, reading.tally.last_concluded_at.unwrap());
    let ended = |heartbeat: Heartbeat| Heartbeat { ended_at: Some(heartbeat.seen_at), ..heartbeat };
    reading.heartbeats.extend([
        ended(heartbeat("a-before", begin - 9_000, begin - 1, 10)),
        ended(heartbeat("b-into-it", begin - 9_000, begin, 10)),
        ended(heartbeat("c-idle", begin, end, 0)),
        heartbeat("d-after", end + 1, reading.at_ms, 10),
        heartbeat("e-to-now", end, reading.at_ms, 10),
        heartbeat("f-killed", begin, end, 10),
        heartbeat("f-killed-idle", begin, end, 0),
        heartbeat("g-just-begun", end, reading.at_ms, 0),
    ]);
    reading.usage.push(usage("h-long-ago", Some(ProgramKind::Sender), 1));
    let report = complete(reading);
    let senders: Vec<_> = report.senders.iter().map(|s| (s.sender.as_str(), s.state, s.accounted)).collect();
    assert_eq!(
        senders,
        [
            ("b-into-it", Some(SenderState::Ended), false),
            ("e-to-now", Some(SenderState::Alive), false),
            ("f-killed", Some(SenderState::Lost), false),
            ("g-just-begun", Some(SenderState::Alive), false),
            ("h-long-ago", None, true),
            ("sender-1", Some(SenderState::Ended), true),
            ("sender-2", Some(SenderState::Ended), true),
        ]
    );
    assert_eq!(report.senders[4].duplicates, None);
    assert_eq!(report.faults.duplicates, LowerBound { amount: Some(0), at_least: true });
}

#[test]
fn a_report_waits_for_programs_that_will_still_report_and_no_others() {
    let awaited = |change: fn(&mut RunReading)| {
        let mut reading = run(2_000);
        change(&mut reading);
        !is_final(&RunView::first(reading.clone()), reading.at_ms)
    };
    assert!(!awaited(|_| {}));
    assert!(
        awaited(|run| (run.heartbeats[0].ended_at, run.heartbeats[0].seen_at) = (None, run.at_ms)),
        "alive"
    );
    assert!(
        awaited(|run| {
            run.usage[0].has_ended = false;
            run.heartbeats[0].ended_at = Some(run.at_ms - 1_000);
        }),
        "it is about to report"
    );
    assert!(!awaited(|run| run.heartbeats[0].ended_at = Some(run.at_ms - 1_000)), "it has reported");
    assert!(!awaited(|run| run.heartbeats[0].ended_at = None), "killed");
    assert!(!awaited(|run| run.usage.truncate(2)), "the producer has long ended");
    assert!(awaited(|run| {
        run.usage.truncate(2);
        run.record.finished_at = Some(run.at_ms - 1_000);
    }));
    assert!(awaited(|run| {
        run.usage[2].has_ended = false;
        run.record.finished_at = Some(run.at_ms - 1_000);
    }));
}

#[test]
fn a_report_waits_no_longer_once_a_sender_has_ended_and_reported() {
    let mut end = run(2_000);
    (end.heartbeats[0].ended_at, end.heartbeats[0].seen_at) = (None, end.at_ms);
    end.usage[0].has_ended = false;
    assert_eq!(end.usage[0].id, end.heartbeats[0].sender);
    let view = RunView::first(end.clone());
    let is_final_after = |seconds: u64, has_ended: bool, has_reported: bool| {
        let mut later = end.clone();
        later.at_ms += seconds * 1_000;
        let heartbeat = &mut later.heartbeats[0];
        heartbeat.seen_at = later.at_ms - 500;
        heartbeat.ended_at = has_ended.then_some(heartbeat.seen_at);
        later.usage[0].has_ended = has_reported;
        let now_ms = later.at_ms;
        is_final(&view.clone().with_usage(later), now_ms)
    };
    assert!(!is_final_after(11, false, false), "alive");
    assert!(!is_final_after(12, true, false), "about to report");
    assert!(is_final_after(12, true, true));
}
