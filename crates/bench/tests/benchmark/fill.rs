//! A run that was put into the fake equals one by a producer.

use std::time::Duration;

use stentor_aws::messages::{OutcomeUpdate, UpdateResult};
use stentor_aws::{MessagesTable, MetricsTable, Queue, Session};
use stentor_bench::fill::put_run;
use stentor_bench::programs::STACK;
use stentor_core::message::QueueMessage;
use stentor_core::run::{BodyLength, Plan, RunId};
use stentor_fake_aws::FakeAws;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_filled_run_has_its_record_messages_and_queue() {
    let fake = FakeAws::start(STACK, Duration::ZERO).unwrap();
    let run = RunId::from_parts(1_700_000_000_000, 7);
    let plan = Plan::new(run, 42, 25, BodyLength { max: 100, exact: false }).unwrap();
    put_run(&fake, &plan).unwrap();
    let (stack, shutdown) = (STACK.parse().unwrap(), CancellationToken::new());
    let session = std::sync::Arc::new(Session::for_emulator(fake.port(), None, stack, shutdown).unwrap());
    let record = MetricsTable::new(&session).run(run).await.unwrap().unwrap();
    assert_eq!((record.plan, record.enqueued), (plan.clone(), 25));
    let queue = Queue::open(&session).await.unwrap();
    let received = queue.receive(10, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
    let message = QueueMessage::from_json(&received[0].body).unwrap().message;
    assert_eq!(message, plan.message(message.id));
    let conclusion = OutcomeUpdate {
        id: message.id,
        reason: None,
        carrier: None,
        concluded_at: 1_700_000_001_000,
        delivery_ms: Some(5),
        sender: "s".to_owned(),
        attempt: "a".to_owned(),
    };
    let verdicts = MessagesTable::new(&session).record_outcomes(&[conclusion]).await.unwrap();
    assert_eq!(verdicts, [UpdateResult::Recorded]);
    assert_eq!(
        fake.statuses().into_iter().collect::<Vec<_>>(),
        [("PENDING".to_owned(), 24), ("SENT".to_owned(), 1)]
    );
}
