//! What a report says of cost and of senders: nothing is made up.

use stentor_aws::metrics::Heartbeat;
use stentor_core::cost::Prices;
use stentor_core::usage::ProgramKind;

use super::{account, beat, empty, finished, report, report_at, run};
use crate::data::Report;
use stentor_run_view::bill::{AtLeast, is_awaited};
use stentor_run_view::follow::Standing;
use stentor_run_view::senders::Life;
use stentor_run_view::snapshot::Reading;

fn known(amount: f64) -> AtLeast<f64> {
    AtLeast { amount: Some(amount), at_least: false }
}

fn complete(reading: Reading) -> Report {
    report(reading, Standing::Complete)
}

/// Dollars of the parts, in the order of the bill, to a billionth.
fn billionths(report: &Report) -> Vec<Option<f64>> {
    report.cost.parts.iter().map(|part| part.dollars.amount.map(|dollars| (dollars * 1e9).round())).collect()
}

#[test]
fn a_bill_is_counted_parts_and_estimated_ones_by_their_prices() {
    let report = finished();
    // 800 requests, 6,000 and 1.5 units; two shards for 20.287 s, with 1.5 units a put.
    let told = [320_000.0, 3_750_000.0, 188.0, 38_038.0, 8_115.0, 1_352.0].map(Some);
    assert_eq!(billionths(&report), told);
    let sum: f64 = report.cost.parts.iter().map(|part| part.dollars.amount.unwrap()).sum();
    let (whole, million) = (report.cost.dollars, report.cost.dollars_per_million);
    assert!((whole.amount.unwrap() - sum).abs() < 1e-12 && !whole.at_least, "{whole:?}");
    assert!((million.amount.unwrap() - sum * 500.0).abs() < 1e-9 && !million.at_least, "{million:?}");
    assert!(report.cost.counted.missing.is_empty(), "{:?}", report.cost.counted.missing);
}

#[test]
fn a_price_of_ones_own_is_reckoned_with_and_marked() {
    let own = Prices::with(&["write_units=6.25".parse().unwrap(), "invocations=0".parse().unwrap()]);
    let dear = report_at(run(2_000), Standing::Complete, &own);
    let told = [320_000.0, 37_500_000.0, 188.0, 380_381.0, 0.0, 1_352.0].map(Some);
    assert_eq!(billionths(&dear), told);
    let marked: Vec<bool> = dear.cost.prices.list.iter().map(|price| price.overridden).collect();
    assert_eq!(marked, [false, true, false, true, false]);
}

#[test]
fn units_that_a_service_did_not_tell_are_null_and_make_sums_at_least_so_much() {
    let mut some = run(2_000);
    some.accounts[0].usage.as_mut().unwrap().write_units = None;
    let some = complete(some);
    assert_eq!(some.cost.counted.write_units, AtLeast { amount: Some(4_000.0), at_least: true });
    assert_eq!(some.cost.counted.read_units, known(1.5));
    assert!(some.cost.dollars.at_least && some.cost.dollars_per_million.at_least);

    let mut none = run(2_000);
    for account in &mut none.accounts {
        account.usage.as_mut().unwrap().write_units = None;
    }
    let none = complete(none);
    assert_eq!(none.cost.counted.write_units, AtLeast { amount: None, at_least: true });
    assert_eq!(billionths(&none)[1], None);
    assert!(none.cost.dollars.amount.is_some_and(|dollars| dollars < 0.001) && none.cost.dollars.at_least);
    assert!(
        none.cost.counted.missing[0].contains("did not tell what units"),
        "{:?}",
        none.cost.counted.missing
    );
}

#[test]
fn where_no_program_has_told_anything_there_is_no_sum() {
    let mut untold = run(2_000);
    untold.accounts.clear();
    for report in [empty(), complete(untold)] {
        let nothing = AtLeast { amount: None, at_least: true };
        assert_eq!((report.cost.dollars, report.cost.dollars_per_million), (nothing, nothing));
    }
}

#[test]
fn each_program_that_may_have_spent_more_is_told_of() {
    let missing = |change: fn(&mut Reading), words: &str| {
        let mut reading = run(2_000);
        change(&mut reading);
        let counted = complete(reading).cost.counted;
        assert!(counted.requests.at_least && counted.write_units.at_least, "{words}");
        assert!(counted.missing.iter().any(|why| why.starts_with(words)), "{:?}", counted.missing);
    };
    missing(|run| run.accounts.truncate(2), "No producer has told");
    missing(|run| run.accounts[0].usage = None, "1 account cannot be read");
    missing(|run| drop(run.accounts.remove(0)), "1 sender ended and has not told");
    missing(|run| run.accounts[0].has_ended = false, "1 sender ended and has not told");
    missing(|run| run.accounts[2].has_ended = false, "1 producer goes on, or was killed");
    missing(
        |run| {
            run.beats.remove(0);
            run.accounts[0].has_ended = false;
        },
        "1 sender had not ended when it last told",
    );
    missing(
        |run| {
            run.beats[0].ended_at = None;
            run.accounts[0].has_ended = false;
        },
        "1 sender fell silent",
    );
    missing(
        |run| {
            run.beats.iter_mut().for_each(|beat| (beat.ended_at, beat.seen_at) = (None, run.at_ms));
            run.accounts.iter_mut().for_each(|account| account.has_ended = false);
        },
        "2 senders go on",
    );
    let unfinished = report(run(1_000), Standing::GoesOn).cost;
    assert_eq!(unfinished.counted.missing, ["The run goes on."]);
    assert_eq!(unfinished.dollars_per_million.amount, None, "there is no proportion yet");
}

#[test]
fn an_account_that_does_not_tell_its_program_may_be_the_producers() {
    let mut reading = run(2_000);
    reading.accounts[2].program = None;
    let counted = complete(reading).cost.counted;
    assert!(counted.missing.is_empty() && counted.programs[2].program.is_none(), "{counted:?}");
}

#[test]
fn senders_of_the_run_are_those_that_told_so_or_were_at_work_during_it() {
    let mut reading = run(2_000);
    let (begin, end) = (reading.record.created_at, reading.tally.last_concluded_at.unwrap());
    let ended = |beat: Heartbeat| Heartbeat { ended_at: Some(beat.seen_at), ..beat };
    reading.beats.extend([
        ended(beat("a-before", begin - 9_000, begin - 1, 10)),
        ended(beat("b-into-it", begin - 9_000, begin, 10)),
        ended(beat("c-idle", begin, end, 0)),
        beat("d-after", end + 1, reading.at_ms, 10),
        beat("e-to-now", end, reading.at_ms, 10),
        beat("f-killed", begin, end, 10),
        beat("f-killed-idle", begin, end, 0),
        beat("g-just-begun", end, reading.at_ms, 0),
    ]);
    reading.accounts.push(account("h-long-ago", Some(ProgramKind::Sender), 1));
    let report = complete(reading);
    let told: Vec<_> = report.senders.iter().map(|s| (s.sender.as_str(), s.state, s.accounted)).collect();
    assert_eq!(
        told,
        [
            ("b-into-it", Some(Life::Ended), false),
            ("e-to-now", Some(Life::Alive), false),
            ("f-killed", Some(Life::Silent), false),
            ("g-just-begun", Some(Life::Alive), false),
            ("h-long-ago", None, true),
            ("sender-1", Some(Life::Ended), true),
            ("sender-2", Some(Life::Ended), true),
        ]
    );
    assert_eq!(report.senders[4].duplicates, None);
    assert_eq!(report.faults.duplicates, AtLeast { amount: Some(0), at_least: true });
}

#[test]
fn a_report_waits_for_those_who_will_yet_tell_and_for_nobody_else() {
    let awaited = |change: fn(&mut Reading)| {
        let mut reading = run(2_000);
        change(&mut reading);
        is_awaited(&reading)
    };
    assert!(!awaited(|_| {}));
    assert!(awaited(|run| (run.beats[0].ended_at, run.beats[0].seen_at) = (None, run.at_ms)), "alive");
    assert!(awaited(|run| run.beats[0].ended_at = Some(run.at_ms - 1_000)), "it is about to tell");
    assert!(!awaited(|run| run.beats[0].ended_at = None), "killed");
    assert!(!awaited(|run| run.accounts.truncate(2)), "the producer has long ended");
    assert!(awaited(|run| {
        run.accounts.truncate(2);
        run.record.finished_at = Some(run.at_ms - 1_000);
    }));
    assert!(awaited(|run| {
        run.accounts[2].has_ended = false;
        run.record.finished_at = Some(run.at_ms - 1_000);
    }));
}
