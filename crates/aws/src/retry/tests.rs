use super::*;
use crate::batch::EntryFailure;
use crate::clock::Clock;
use aws_sdk_dynamodb::config::Region;
use aws_types::SdkConfig;
use std::cell::{Cell, RefCell};
use tokio_util::sync::CancellationToken;

fn session() -> Session {
    let config = SdkConfig::builder().region(Region::from_static("eu-west-1")).build();
    let stack = "drill".parse().unwrap();
    Session::from_config(config, stack, CLI_BUDGET, CancellationToken::new(), Clock::start()).unwrap()
}

fn down<A>() -> Result<A, AttemptError> {
    Err(AttemptError::NoResponse("connection refused".to_owned()))
}

#[tokio::test(start_paused = true)]
async fn failed_entries_are_repeated_and_marked() {
    let asked = RefCell::new(Vec::new());
    let send = async |open: &[u32], repeated: PriorAttempt| {
        asked.borrow_mut().push((open.to_vec(), repeated.0));
        // Answers one entry an attempt.
        Ok((0..open.len())
            .map(|place| if place == 0 { Ok(open[0] * 10) } else { Err(EntryFailure::Failed) })
            .collect())
    };
    assert_eq!(session().call_batch("Call", "table", None, vec![1, 2, 3], send).await.unwrap(), [10, 20, 30]);
    assert_eq!(asked.into_inner(), [(vec![1, 2, 3], false), (vec![2, 3], true), (vec![3], true)]);
}

#[tokio::test(start_paused = true)]
async fn throttled_entries_are_repeated_but_not_marked() {
    let marks = RefCell::new(Vec::new());
    let send = async |open: &[u32], repeated: PriorAttempt| {
        marks.borrow_mut().push(repeated.0);
        Ok((0..open.len())
            .map(|place| if place == 0 { Ok(()) } else { Err(EntryFailure::Throttled) })
            .collect())
    };
    session().call_batch("Call", "queue", None, vec![1, 2], send).await.unwrap();
    assert_eq!(marks.into_inner(), [false, false]);
}

#[tokio::test(start_paused = true)]
async fn only_a_lost_answer_may_have_been_carried_out() {
    let session = session();
    for (attempt_error, marked) in
        [(AttemptError::Throttled as fn(String) -> AttemptError, false), (AttemptError::ServerError, true)]
    {
        let tries = RefCell::new(Vec::new());
        let send = async |_: &[()], repeated: PriorAttempt| {
            tries.borrow_mut().push(repeated.0);
            if tries.borrow().len() == 1 { Err(attempt_error("busy".to_owned())) } else { Ok(vec![Ok(())]) }
        };
        session.call_batch("Call", "table", None, vec![()], send).await.unwrap();
        assert_eq!(tries.into_inner(), [false, marked]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_first_answer_is_an_error_within_five_seconds() {
    let start = Instant::now();
    let silent = async || std::future::pending().await;
    let silent = session().call::<()>("Call", "table", silent).await;
    assert!(matches!(silent, Err(Error::Unreachable { .. })));
    assert!(start.elapsed() < Duration::from_secs(5));
    let refused = session().call::<()>("Call", "table", async || down()).await;
    assert!(matches!(refused, Err(Error::Unreachable { .. })));
    let expired = async || Err(AttemptError::Expired("the token expired".to_owned()));
    let expired = session().call::<()>("Call", "table", expired).await;
    assert!(matches!(expired, Err(Error::BadCredentials { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_lost_before_the_first_answer_is_made_again_for_seconds() {
    let lost = |()| Err(AttemptError::ConnectionLost("connection reset".to_owned()));
    let tries = Cell::new(0);
    let once = async || {
        tries.set(tries.get() + 1);
        if tries.get() == 1 { lost(()) } else { Ok(()) }
    };
    session().call("Call", "table", once).await.unwrap();
    let start = Instant::now();
    let always = session().call::<()>("Call", "table", async || lost(())).await;
    assert!(matches!(always, Err(Error::Unreachable { .. })), "{always:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_outage_after_the_first_answer_is_retried_for_ten_minutes() {
    let session = session();
    session.call("Call", "table", async || Ok(())).await.unwrap();
    let start = Instant::now();
    let back = async || if start.elapsed() < Duration::from_secs(590) { down() } else { Ok(()) };
    session.call("Call", "table", back).await.unwrap();
    let result = session.call::<()>("Call", "table", async || down()).await;
    assert!(matches!(result, Err(Error::RetriesExhausted { seconds: 600..=610, .. })), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn retries_end_within_seconds_of_a_shutdown() {
    let session = session();
    session.call("Call", "table", async || Ok(())).await.unwrap();
    let shutdown = session.shutdown.clone();
    let start = Instant::now();
    let stop = async {
        sleep(Duration::from_secs(30)).await;
        shutdown.cancel();
    };
    let (result, ()) = tokio::join!(session.call::<()>("Call", "table", async || down()), stop);
    assert!(matches!(result, Err(Error::RetriesExhausted { .. })), "{result:?}");
    assert!(start.elapsed() < Duration::from_secs(36), "{:?}", start.elapsed());
    // A call that starts to fail after the shutdown has the whole budget of the shutdown.
    let start = Instant::now();
    let back = async || if start.elapsed() < Duration::from_secs(2) { down() } else { Ok(()) };
    session.call("Call", "table", back).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_backs_off() {
    let tries = Cell::new(0);
    let start = Instant::now();
    let busy = async || {
        tries.set(tries.get() + 1);
        if start.elapsed() < Duration::from_secs(60) {
            Err(AttemptError::Throttled("busy".to_owned()))
        } else {
            Ok(())
        }
    };
    session().call("Call", "table", busy).await.unwrap();
    assert!(tries.get() < 40, "{} tries in a minute", tries.get());
}

#[tokio::test(start_paused = true)]
async fn one_outage_is_reported_once() {
    let session = session();
    assert!(session.should_warn());
    assert!(!session.should_warn());
    sleep(WARN_INTERVAL).await;
    assert!(session.should_warn());
}
