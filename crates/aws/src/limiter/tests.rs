//! Programs write to an on-demand table at once, on a simulated clock: the real retries and limiters, without a network.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use aws_sdk_dynamodb::config::Region;
use aws_types::SdkConfig;
use futures::future::join_all;
use stentor_fake_aws::{OnDemandTable, PARTITION_UNITS};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::batch::{EntryFailure, EntryResults};
use crate::clock::Clock;
use crate::error::{AttemptError, Error};
use crate::retry::CLI_BUDGET;
use crate::session::Session;

const MEASURED: Duration = Duration::from_secs(60);

/// Statements in a batch.
const BATCH: usize = 25;

/// Time of a request.
const LATENCY: Duration = Duration::from_millis(12);

/// The table, and what it has accepted and throttled for each program since the measurement began.
#[derive(Debug)]
struct Service {
    table: OnDemandTable,
    is_throttling_all: bool,
    keys: u64,
    accepted: Vec<u64>,
    throttled: Vec<u64>,
    requests: u64,
}

#[derive(Debug)]
struct Results {
    /// Share of the table's units that were used.
    used: f64,
    /// Share of the statements that were throttled.
    throttled: f64,
    /// Requests per accepted statement; 1/25 without throttling.
    requests: f64,
    /// Lowest and highest share of a program, 1 for equal shares.
    shares: (f64, f64),
}

type SharedService = Rc<RefCell<Service>>;

fn service(programs: usize, partition_units: f64) -> SharedService {
    let counts = vec![0; programs];
    let table = OnDemandTable::new(partition_units);
    let service = Service {
        table,
        is_throttling_all: false,
        keys: 0,
        accepted: counts.clone(),
        throttled: counts,
        requests: 0,
    };
    Rc::new(RefCell::new(service))
}

impl Service {
    fn reset_counts(&mut self) {
        self.accepted.fill(0);
        self.throttled.fill(0);
        self.requests = 0;
    }
}

fn session() -> Session {
    let config = SdkConfig::builder().region(Region::from_static("eu-west-1")).build();
    let (stack, shutdown) = ("drill".parse().unwrap(), CancellationToken::new());
    Session::from_config(config, stack, CLI_BUDGET, shutdown, Clock::start()).unwrap()
}

/// Executes statements as a table does: each by itself, and the batch is throttled if all are.
async fn execute(
    service: &SharedService,
    program: usize,
    start: Instant,
    statements: &[u64],
) -> Result<EntryResults<()>, AttemptError> {
    sleep(LATENCY).await;
    let service = &mut *service.borrow_mut();
    service.requests += 1;
    let now = start.elapsed();
    let is_up = !service.is_throttling_all;
    let mut write = |key: &u64| is_up && service.table.try_write(now, &key.to_string(), 1.0);
    let results: EntryResults<()> =
        statements.iter().map(|key| if write(key) { Ok(()) } else { Err(EntryFailure::Throttled) }).collect();
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    service.accepted[program] += accepted as u64;
    service.throttled[program] += (results.len() - accepted) as u64;
    if accepted == 0 { Err(AttemptError::Throttled("busy".to_owned())) } else { Ok(results) }
}

/// Writes batches, one after the other.
async fn write(
    service: &SharedService,
    program: usize,
    start: Instant,
    session: &Session,
) -> Result<(), Error> {
    loop {
        let keys = {
            let mut service = service.borrow_mut();
            service.keys += BATCH as u64;
            (service.keys - BATCH as u64..service.keys).collect()
        };
        let send = async |open: &[u64], _| execute(service, program, start, open).await;
        session.call_batch("Call", "table", Some(session.write_limiter()), keys, send).await?;
    }
}

/// A program with that many requests at a time, from `from` on.
async fn program(service: &SharedService, number: usize, start: Instant, from: Duration, requests: usize) {
    sleep(from).await;
    let session = session();
    let writers = (0..requests).map(|_| write(service, number, start, &session));
    let failed = join_all(writers).await;
    panic!("no writer ends: {failed:?}");
}

/// Programs on a table, and when they are measured.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    programs: usize,
    /// Requests at a time of a program.
    requests: usize,
    partition_units: f64,
    /// Time between the starts of two programs.
    apart: Duration,
    /// Not measured: the programs learn the rate, and the table has units of the second before.
    learning: Duration,
}

const SCENARIO: Scenario = Scenario {
    programs: 1,
    requests: 64,
    partition_units: PARTITION_UNITS,
    apart: Duration::ZERO,
    learning: Duration::from_secs(5),
};

async fn simulate(scenario: Scenario) -> Results {
    let Scenario { programs, requests, partition_units, apart, learning } = scenario;
    let service = service(programs, partition_units);
    let start = Instant::now();
    let all = (0..programs).map(|number| {
        let from = apart * u32::try_from(number).unwrap();
        program(&service, number, start, from, requests)
    });
    let mut all = join_all(all);
    assert!(timeout(learning, &mut all).await.is_err());
    service.borrow_mut().reset_counts();
    assert!(timeout(MEASURED, &mut all).await.is_err());
    let service = service.borrow();
    let (accepted, throttled): (u64, u64) = (service.accepted.iter().sum(), service.throttled.iter().sum());
    let share =
        |accepted: &u64| *accepted as f64 * programs as f64 / service.accepted.iter().sum::<u64>() as f64;
    let shares = service.accepted.iter().map(share);
    Results {
        used: accepted as f64 / (service.table.units_per_second() * MEASURED.as_secs_f64()),
        throttled: throttled as f64 / (accepted + throttled) as f64,
        requests: service.requests as f64 / accepted as f64,
        shares: (shares.clone().fold(f64::MAX, f64::min), shares.fold(0.0, f64::max)),
    }
}

fn assert_good(results: &Results) {
    assert!(results.used >= 0.95 && results.throttled <= 0.05, "{results:?}");
    // Throttled statements are sent again, most of them alone.
    assert!(results.requests < 1.5 / BATCH as f64, "{results:?}");
}

#[tokio::test(start_paused = true)]
async fn one_four_and_sixteen_programs_use_a_table_and_few_statements_are_throttled() {
    for programs in [1, 4, 16] {
        for requests in [4, 64] {
            let results = simulate(Scenario { programs, requests, ..SCENARIO }).await;
            println!("{programs} programs with {requests} requests: {results:?}");
            assert_good(&results);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_small_table_is_used_too() {
    // The calls of the start back off for longer than on a large table.
    let learning = Duration::from_secs(15);
    for partition_units in [25.0, 100.0] {
        let results = simulate(Scenario { partition_units, learning, ..SCENARIO }).await;
        println!("{partition_units} units a partition: {results:?}");
        assert!(results.used >= 0.95 && results.throttled <= 0.1, "{results:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn programs_that_start_later_get_a_share() {
    let (apart, learning) = (Duration::from_secs(3), Duration::from_secs(60));
    let results = simulate(Scenario { programs: 8, apart, learning, ..SCENARIO }).await;
    println!("{results:?}");
    assert_good(&results);
    assert!(results.shares.0 > 0.1, "a program gets almost nothing: {results:?}");
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_is_throttled_for_long_is_no_error_while_the_table_accepts_others() {
    let (session, start) = (session(), Instant::now());
    let accepted = async |_: &[()], _| Ok(vec![Ok(())]);
    let others = async {
        loop {
            sleep(Duration::from_secs(1)).await;
            session
                .call_batch("Call", "table", Some(session.write_limiter()), vec![()], accepted)
                .await
                .unwrap();
        }
    };
    let throttled = async |_: &[()], _| {
        let is_over = start.elapsed() > 2 * CLI_BUDGET.outage;
        Ok(vec![if is_over { Ok(()) } else { Err(EntryFailure::Throttled) }])
    };
    let unlucky = session.call_batch("Call", "table", Some(session.write_limiter()), vec![()], throttled);
    tokio::select! {
        result = unlucky => assert!(result.is_ok(), "{result:?}"),
        () = others => {}
    }
    let result =
        session.call_batch("Call", "table", Some(session.write_limiter()), vec![()], async |_, _| {
            Err::<EntryResults<()>, _>(AttemptError::Throttled("busy".to_owned()))
        });
    assert!(matches!(result.await, Err(Error::RetriesExhausted { .. })), "it accepts nothing");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_throttles_everything_for_a_while_is_used_again_within_seconds() {
    let service = service(1, PARTITION_UNITS);
    let start = Instant::now();
    let mut program = Box::pin(program(&service, 0, start, Duration::ZERO, 64));
    assert!(timeout(Duration::from_secs(20), &mut program).await.is_err());
    service.borrow_mut().is_throttling_all = true;
    let throttled = service.borrow().throttled[0];
    assert!(timeout(Duration::from_secs(60), &mut program).await.is_err());
    let throttled = service.borrow().throttled[0] - throttled;
    assert!(
        throttled < 64 * BATCH as u64 * 25,
        "{throttled} statements in a minute: the calls do not back off"
    );
    service.borrow_mut().is_throttling_all = false;
    assert!(timeout(Duration::from_secs(10), &mut program).await.is_err());
    let accepted = service.borrow().accepted[0];
    assert!(timeout(Duration::from_secs(20), &mut program).await.is_err());
    let used = (service.borrow().accepted[0] - accepted) as f64 / (20.0 * 4_000.0);
    assert!(used > 0.95, "{used}");
}
