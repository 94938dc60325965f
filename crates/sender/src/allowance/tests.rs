use std::cell::Cell;

use stentor_core::provider::allowance::Counted;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::*;

const NOON: u64 = 1_796_040_000_000;
const MIDNIGHT: u64 = 1_796_083_200_000;
const CAP: &str = "us#A#2026-11-30";
const SPEND: &str = "us#spend#2026-11";

/// The counters of the table in memory, on a test clock.
#[derive(Debug, Default)]
struct TestTable {
    now_ms: Cell<u64>,
    used: RefCell<BTreeMap<String, Counted>>,
    requests: Cell<u64>,
    /// Requests wait while the table is paused.
    is_paused: Cell<bool>,
    resumed: Notify,
    is_damaged: Cell<bool>,
    checks: Cell<u64>,
    /// Another sender has replaced the profile.
    is_replaced: Cell<bool>,
}

impl TestTable {
    fn used(&self, key: &str) -> u64 {
        self.used.borrow().get(key).map_or(0, |counted| counted.used)
    }

    fn resume(&self) {
        self.is_paused.set(false);
        self.resumed.notify_waiters();
    }
}

impl CounterTable for TestTable {
    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    async fn reserve(&self, request: &Reservation) -> Result<ReserveResult, Error> {
        self.requests.set(self.requests.get() + 1);
        while self.is_paused.get() {
            self.resumed.notified().await;
        }
        if self.is_damaged.get() {
            return Err(Error::InvalidData { what: request.counter.key.clone(), why: String::new() });
        }
        let mut used = self.used.borrow_mut();
        let counted = used.entry(request.counter.key.clone()).or_insert(Counted { used: 0, blocks: 0 });
        if counted.used + request.units > request.counter.limit {
            return Ok(ReserveResult::Refused(Some(*counted)));
        }
        counted.used += request.units;
        counted.blocks += 1;
        Ok(ReserveResult::Reserved(*counted))
    }

    async fn return_unused(&self, unused: &Reservation) -> Result<(), Error> {
        self.used.borrow_mut().get_mut(&unused.counter.key).unwrap().used -= unused.units;
        Ok(())
    }

    async fn check_profile(&self, own: &ProviderProfile) -> Result<(), Error> {
        self.checks.set(self.checks.get() + 1);
        let conflict = || Error::ProviderConflict { name: own.name.clone(), difference: String::new() };
        if self.is_replaced.get() { Err(conflict()) } else { Ok(()) }
    }
}

fn profile(limits: &str) -> Arc<ProviderProfile> {
    let text = format!("name = \"us\"\n{limits}");
    Arc::new(ProviderProfile::from_toml(&text).unwrap())
}

fn capped(parts: u64) -> Arc<ProviderProfile> {
    profile(&format!("[[carriers]]\nname = \"A\"\nshare = 1.0\ndaily_parts = {parts}"))
}

/// 100 micro-dollars a part.
fn limited(dollars: f64, carriers: &str) -> Arc<ProviderProfile> {
    profile(&format!("[limits]\nspend_dollars = {dollars}\n[price]\nper_part = 0.0001\n{carriers}"))
}

/// Runs a test with the allowances of a profile at noon.
fn run(profile: &Arc<ProviderProfile>, test: impl AsyncFnOnce(&Rc<TestTable>, &Rc<Allowances<TestTable>>)) {
    let table = Rc::new(TestTable::default());
    table.now_ms.set(NOON);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let allowances = Rc::new(Allowances::new(profile, &table).unwrap());
    LocalSet::new().block_on(&runtime, test(&table, &allowances));
}

/// Takes and uses the parts of one message of carrier A, or returns the code.
async fn deliver(allowances: &Allowances<TestTable>, parts: u32) -> Result<(), FailureCode> {
    allowances.take("A", parts).await.unwrap().map(TakenUnits::spend)
}

#[test]
fn a_profile_without_caps_has_no_allowances() {
    let table = Rc::new(TestTable::default());
    let carriers = "[[carriers]]\nname = \"A\"\nshare = 1.0";
    assert!(Allowances::new(&profile(carriers), &table).is_none());
}

#[test]
fn exactly_the_cap_is_used_and_the_rest_is_refused_without_requests() {
    run(&capped(500), async |table, allowances| {
        let mut sent = 0;
        while deliver(allowances, 1).await == Ok(()) {
            sent += 1;
        }
        assert_eq!((sent, table.used(CAP)), (500, 500));
        let requests = table.requests.get();
        for _ in 0..1_000 {
            assert_eq!(deliver(allowances, 1).await, Err(FailureCode::CARRIER_DAILY_CAP));
        }
        assert_eq!(table.requests.get(), requests);
        // A carrier without a cap is not limited.
        assert!(allowances.take("B", 1).await.unwrap().is_ok());
    });
}

#[test]
fn a_refusal_checks_the_stored_profile_at_most_once_a_minute() {
    run(&capped(10), async |table, allowances| {
        deliver(allowances, 10).await.unwrap();
        assert_eq!(table.checks.get(), 0);
        for (seconds, checks) in [(0, 1), (1, 1), (59, 1), (60, 2), (119, 2)] {
            table.now_ms.set(NOON + seconds * 1_000);
            assert_eq!(deliver(allowances, 1).await, Err(FailureCode::CARRIER_DAILY_CAP));
            assert_eq!(table.checks.get(), checks, "after {seconds} s");
        }
        table.is_replaced.set(true);
        table.now_ms.set(NOON + 120_000);
        assert!(matches!(allowances.take("A", 1).await, Err(Error::ProviderConflict { .. })));
    });
}

#[test]
fn unused_units_are_returned_at_the_end() {
    run(&capped(100_000), async |table, allowances| {
        for _ in 0..300 {
            deliver(allowances, 1).await.unwrap();
        }
        let not_delivered = allowances.take("A", 7).await.unwrap().unwrap();
        assert!(table.used(CAP) > 307);
        drop(not_delivered);
        allowances.close().await;
        assert_eq!(table.used(CAP), 300);
    });
}

#[test]
fn the_cap_comes_before_the_spend_limit_and_is_returned_when_that_refuses() {
    let carriers = "[[carriers]]\nname = \"A\"\nshare = 1.0\ndaily_parts = 2";
    run(&limited(0.000_35, carriers), async |table, allowances| {
        assert_eq!(deliver(allowances, 3).await, Err(FailureCode::CARRIER_DAILY_CAP));
        assert_eq!(deliver(allowances, 2).await, Ok(()));
        assert_eq!(deliver(allowances, 2).await, Err(FailureCode::CARRIER_DAILY_CAP));
        assert_eq!((table.used(CAP), table.used(SPEND)), (2, 200));
        // Another carrier has no cap, and 150 micro-dollars are left.
        let code = allowances.take("B", 2).await.unwrap().err();
        assert_eq!(code, Some(FailureCode::SPEND_LIMIT));
        allowances.take("B", 1).await.unwrap().unwrap().spend();
        allowances.close().await;
        assert_eq!((table.used(CAP), table.used(SPEND)), (2, 300));
    });
    let carriers = "[[carriers]]\nname = \"A\"\nshare = 1.0\ndaily_parts = 20";
    run(&limited(0.000_35, carriers), async |table, allowances| {
        assert_eq!(deliver(allowances, 4).await, Err(FailureCode::SPEND_LIMIT));
        allowances.close().await;
        assert_eq!((table.used(CAP), table.used(SPEND)), (0, 0));
    });
}

#[test]
fn a_message_without_a_price_needs_no_spend_limit() {
    let free = profile("[limits]\nspend_dollars = 0.01");
    run(&free, async |table, allowances| {
        assert_eq!(deliver(allowances, 9).await, Ok(()));
        assert_eq!(table.requests.get(), 0);
    });
}

#[test]
fn after_midnight_the_new_cap_applies_and_the_old_block_is_returned() {
    run(&capped(1_000), async |table, allowances| {
        for _ in 0..200 {
            deliver(allowances, 1).await.unwrap();
        }
        let late = allowances.take("A", 1).await.unwrap().unwrap();
        assert!(table.used(CAP) > 201);
        table.now_ms.set(MIDNIGHT);
        deliver(allowances, 1).await.unwrap();
        drop(late);
        allowances.close().await;
        assert_eq!((table.used(CAP), table.used("us#A#2026-12-01")), (200, 1));
    });
}

#[test]
fn a_cap_that_was_reached_is_free_again_after_midnight() {
    run(&capped(1), async |table, allowances| {
        deliver(allowances, 1).await.unwrap();
        table.now_ms.set(MIDNIGHT - 1);
        assert_eq!(deliver(allowances, 1).await, Err(FailureCode::CARRIER_DAILY_CAP));
        table.now_ms.set(MIDNIGHT);
        assert_eq!(deliver(allowances, 1).await, Ok(()));
    });
}

#[test]
fn a_message_dropped_during_a_request_loses_nothing() {
    run(&capped(100), async |table, allowances| {
        table.is_paused.set(true);
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let allowances = Rc::clone(allowances);
                tokio::task::spawn_local(async move { deliver(&allowances, 3).await })
            })
            .collect();
        while table.requests.get() == 0 {
            tokio::task::yield_now().await;
        }
        for task in waiting {
            task.abort();
            assert!(task.await.is_err());
        }
        table.resume();
        allowances.close().await;
        // One request was made for all of them, and its block is returned.
        assert_eq!((table.requests.get(), table.used(CAP)), (1, 0));
    });
}

#[test]
fn messages_that_wait_share_the_blocks() {
    run(&capped(10_000), async |table, allowances| {
        let waiting: Vec<_> = (0..1_000)
            .map(|_| {
                let allowances = Rc::clone(allowances);
                tokio::task::spawn_local(async move { deliver(&allowances, 1).await })
            })
            .collect();
        for task in waiting {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
        assert!(table.requests.get() < 25, "{}", table.requests.get());
        allowances.close().await;
        assert_eq!(table.used(CAP), 1_000);
    });
}

#[test]
fn a_damaged_counter_ends_the_sender() {
    run(&capped(10), async |table, allowances| {
        table.is_damaged.set(true);
        let error = allowances.take("A", 1).await.unwrap_err();
        assert!(error.to_string().contains(CAP), "{error}");
        // The next message does not wait for the failed request.
        assert!(allowances.take("A", 1).await.is_err());
    });
}
