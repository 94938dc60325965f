//! The fake responds to the calls of the programs, made with the AWS SDK.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stentor_aws::messages::{InsertResult, OutcomeUpdate, UpdateResult};
use stentor_aws::metrics::{CreateRunResult, Heartbeat};
use stentor_aws::tally_store::PutResult;
use stentor_aws::{MessagesTable, MetricsTable, Queue, Session};
use stentor_core::delivery::Status;
use stentor_core::message::{Message, QueueMessage};
use stentor_core::run::{BodyLength, Plan, RunId};
use stentor_fake_aws::{FakeAws, Fault};
use stentor_tally::{ShardTally, Tally};
use tokio_util::sync::CancellationToken;

/// The stack of the fakes.
const STACK: &str = "bench";

const MINUTE: Duration = Duration::from_secs(60);

fn fake() -> FakeAws {
    FakeAws::start(STACK, Duration::ZERO).unwrap()
}

fn plan(total: u32) -> Plan {
    let run = RunId::from_parts(1_700_000_000_000, 7);
    Plan::new(run, 42, total, BodyLength { max: 100, exact: false }).unwrap()
}

fn session(fake: &FakeAws) -> Arc<Session> {
    let (stack, shutdown) = (STACK.parse().unwrap(), CancellationToken::new());
    Arc::new(Session::for_emulator(fake.port(), None, stack, shutdown).unwrap())
}

fn conclusion(message: &Message, attempt: &str) -> OutcomeUpdate {
    OutcomeUpdate {
        id: message.id,
        reason: None,
        carrier: None,
        concluded_at: 1_700_000_001_000,
        delivery_ms: Some(5),
        sender: "s".to_owned(),
        attempt: attempt.to_owned(),
    }
}

#[tokio::test]
async fn messages_are_stored_queued_and_concluded_once() {
    let fake = fake();
    let session = session(&fake);
    let (table, queue) = (MessagesTable::new(&session), Queue::open(&session).await.unwrap());
    let plan = plan(10);
    let messages: Vec<Message> = plan.ids(0..10).map(|id| plan.message(id)).collect();
    assert_eq!(table.insert_pending(&messages[..5], 1).await.unwrap(), [InsertResult::Inserted; 5]);
    let again = table.insert_pending(&messages, 1).await.unwrap();
    assert_eq!(again[..5], [InsertResult::AlreadyExists; 5]);
    assert_eq!(again[5..], [InsertResult::Inserted; 5]);
    let envelopes = messages.iter().cloned();
    let envelopes = envelopes.map(|message| QueueMessage { message, possibly_repeated: false });
    queue.send(&envelopes.collect::<Vec<_>>()).await.unwrap();

    let received = queue.receive(10, Duration::ZERO, MINUTE).await.unwrap();
    assert_eq!(received.len(), 10);
    assert!(received.iter().all(|message| message.receive_count == 1));
    assert_eq!(QueueMessage::from_json(&received[3].body).unwrap().message, messages[3]);

    let first: Vec<_> = messages.iter().map(|message| conclusion(message, "a")).collect();
    assert_eq!(table.record_outcomes(&first[..5]).await.unwrap(), [UpdateResult::Recorded; 5]);
    let mut second = vec![conclusion(&messages[0], "b")];
    second.extend_from_slice(&first[4..6]);
    let stranger = self::plan(11);
    second.push(conclusion(&stranger.message(stranger.ids(10..11).next().unwrap()), "b"));
    assert_eq!(
        table.record_outcomes(&second).await.unwrap(),
        [UpdateResult::Duplicate, UpdateResult::Recorded, UpdateResult::Recorded, UpdateResult::NotFound]
    );
    let standings = table.get_messages(&[messages[0].id, messages[9].id, second[3].id]).await.unwrap();
    assert_eq!(standings[0].unwrap().status, Some(Status::Sent));
    assert_eq!(standings[1].unwrap().status, Some(Status::Pending));
    assert_eq!(standings[2], None);

    let mut receipts: Vec<_> = received.into_iter().map(|message| message.receipt).collect();
    queue.change_visibility(vec![(receipts.pop().unwrap(), Duration::ZERO)]).await.unwrap();
    queue.delete(receipts.clone()).await.unwrap();
    queue.delete(receipts).await.unwrap();
    let (backlog, visibility) = queue.attributes().await.unwrap();
    assert_eq!((backlog.visible, backlog.in_flight, visibility), (1, 0, MINUTE));
    let back = queue.receive(10, Duration::ZERO, MINUTE).await.unwrap();
    assert_eq!((back.len(), back[0].receive_count), (1, 2));

    let stats = fake.stats();
    assert_eq!(stats.of("BatchExecuteStatement (INSERT)").entries, 15);
    assert_eq!(stats.of("BatchExecuteStatement (INSERT)").failed, 5);
    assert_eq!(stats.of("DeleteMessageBatch").requests, 2);
    // 15 creates, 5 + 4 outcomes and attempts at one.
    assert!((stats.write_units - 24.0).abs() < 0.01, "{}", stats.write_units);
}

#[tokio::test]
async fn runs_tallies_and_heartbeats_are_stored() {
    let fake = fake();
    let table = MetricsTable::new(&session(&fake));
    let plan = plan(10);
    let run = plan.run();
    assert_eq!(table.run(run).await.unwrap(), None);
    assert_eq!(table.create_run(&plan, 5).await.unwrap(), CreateRunResult::Created);
    assert_eq!(table.create_run(&plan, 6).await.unwrap(), CreateRunResult::AlreadyExists);
    let greater = RunId::from_parts(u64::from(u32::MAX), 1);
    table.set_latest(greater, 4).await.unwrap();
    table.set_latest(run, 5).await.unwrap();
    table.set_latest(greater, 4).await.unwrap();
    assert_eq!(table.latest().await.unwrap(), Some(run), "the time decides, and it never moves back");
    table.advance_watermark(run, 7).await.unwrap();
    table.advance_watermark(run, 3).await.unwrap();
    assert_eq!(table.run(run).await.unwrap().unwrap().enqueued, 7);
    table.mark_finished(&plan, 9).await.unwrap();
    table.mark_finished(&plan, 11).await.unwrap();
    assert_eq!(table.run(run).await.unwrap().unwrap().finished_at, Some(9));

    let nothing = table.shard_tally(run, "0").await.unwrap();
    let after = |checkpoint: &str, sent| ShardTally {
        checkpoint: Some(checkpoint.parse().unwrap()),
        tally: Tally { sent, ..Tally::default() },
    };
    assert_eq!(table.put_shard_tally(run, "0", &nothing, &after("5", 3)).await.unwrap(), PutResult::Stored);
    assert_eq!(table.put_shard_tally(run, "0", &nothing, &after("6", 4)).await.unwrap(), PutResult::Conflict);
    let read = table.shard_tally(run, "0").await.unwrap();
    assert_eq!(table.put_shard_tally(run, "0", &read, &after("7", 5)).await.unwrap(), PutResult::Stored);
    assert_eq!(table.run_items(run).await.unwrap().tally.sent, 5);

    let beat = Heartbeat {
        sender: "s".into(),
        started_at: 1,
        seen_at: 2,
        wait: 0.5,
        failure_rate: 0.1,
        concurrency: 1,
        sent: 3,
        failed: 4,
        ..Heartbeat::default()
    };
    table.put_heartbeat(&beat).await.unwrap();
    assert_eq!(table.list_heartbeats().await.unwrap(), [beat]);
}

#[tokio::test]
async fn a_long_poll_ends_with_a_new_message_and_with_an_expired_visibility_timeout() {
    let fake = fake();
    let session = session(&fake);
    let queue = Queue::open(&session).await.unwrap();
    let message = || {
        let plan = plan(1);
        let message = plan.message(plan.ids(0..1).next().unwrap());
        QueueMessage { message, possibly_repeated: false }
    };
    let start = Instant::now();
    let (received, ()) = tokio::join!(
        async { queue.receive(10, Duration::from_secs(5), Duration::from_secs(1)).await.unwrap() },
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            queue.send(&[message()]).await.unwrap();
        }
    );
    assert_eq!(received.len(), 1);
    let back = queue.receive(10, Duration::from_secs(5), MINUTE).await.unwrap();
    assert_eq!((back.len(), back[0].receive_count), (1, 2));
    assert!((1.0..5.0).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
}

#[tokio::test]
async fn latency_delays_calls_independently() {
    let fake = FakeAws::start(STACK, Duration::from_millis(250)).unwrap();
    let session = session(&fake);
    let queue = Queue::open(&session).await.unwrap();
    let start = Instant::now();
    // One after the other they would take five seconds.
    futures::future::try_join_all((0..20).map(|_| queue.attributes())).await.unwrap();
    assert!((0.25..5.0).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
}

/// Sends a call without the SDK, and returns the status and the body; `None` where the connection is closed.
fn try_send(fake: &FakeAws, target: &str, input: &Value) -> Option<(u16, String)> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let request = agent.post(fake.endpoint()).header("X-Amz-Target", target);
    let mut answer = request.send(input.to_string()).ok()?;
    Some((answer.status().as_u16(), answer.body_mut().read_to_string().unwrap()))
}

fn send(fake: &FakeAws, target: &str, input: &Value) -> (u16, Value) {
    let (status, body) = try_send(fake, target, input).unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

#[test]
fn unsupported_calls_are_rejected_without_effect() {
    let fake = fake();
    let messages = format!("{STACK}-messages");
    let dynamodb =
        |operation: &str, input: Value| send(&fake, &format!("DynamoDB_20120810.{operation}"), &input);
    let item = json!({"id": {"S": "1"}, "status": {"S": "PENDING"}});
    let key = json!({"id": {"S": "1"}});
    for (operation, input) in [
        ("PutItem", json!({"TableName": messages, "Item": item, "Expected": {}})),
        ("PutItem", json!({"TableName": messages, "Item": item, "ConditionExpression": "size(id) = :x"})),
        ("PutItem", json!({"TableName": messages, "Item": {"status": {"S": "PENDING"}}})),
        ("PutItem", json!({"TableName": messages, "Item": {"id": {"S": "1"}, "n": {"N": "x"}}})),
        ("UpdateItem", json!({"TableName": messages, "Key": key, "UpdateExpression": "SET a.b = :x"})),
        ("BatchExecuteStatement", json!({"Statements": []})),
        ("DeleteItem", json!({"TableName": messages, "Key": key})),
        ("GetItem", json!({"TableName": "other-messages", "Key": key})),
    ] {
        let (status, answer) = dynamodb(operation, input.clone());
        assert_eq!(status, 400, "{operation} {input}: {answer}");
    }
    assert_eq!(fake.statuses().len(), 0);
    let (status, answer) = dynamodb(
        "BatchExecuteStatement",
        json!({"Statements": [{"Statement": format!("DELETE FROM \"{messages}\" WHERE id='1'")}]}),
    );
    assert_eq!((status, &answer["Responses"][0]["Error"]["Code"]), (200, &json!("ValidationError")));
    assert_eq!(send(&fake, "AmazonSQS.GetQueueUrl", &json!({"QueueName": "other-queue"})).0, 400);
}

#[test]
fn consumed_capacity_is_reported() {
    let fake = fake();
    let metrics = format!("{STACK}-metrics");
    let dynamodb = |operation: &str, input: Value| {
        let (status, answer) = send(&fake, &format!("DynamoDB_20120810.{operation}"), &input);
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let key = json!({"run": {"S": "r"}, "part": {"S": "p"}});
    let mut item = key.clone();
    item["text"] = json!({"S": "x".repeat(2_000)});
    let put = json!({"TableName": metrics, "Item": item, "ReturnConsumedCapacity": "TOTAL"});
    assert_eq!(
        dynamodb("PutItem", put)["ConsumedCapacity"],
        json!({"TableName": metrics, "CapacityUnits": 2.0})
    );
    let smaller = json!({"TableName": metrics, "Item": key, "ReturnConsumedCapacity": "TOTAL"});
    assert_eq!(
        dynamodb("PutItem", smaller)["ConsumedCapacity"]["CapacityUnits"],
        2.0,
        "the larger of the two"
    );
    let get = json!({"TableName": metrics, "Key": key, "ReturnConsumedCapacity": "TOTAL"});
    assert_eq!(dynamodb("GetItem", get)["ConsumedCapacity"]["CapacityUnits"], 0.5);
    let query = json!({
        "TableName": metrics, "KeyConditionExpression": "#r = :r", "ConsistentRead": true,
        "ExpressionAttributeNames": {"#r": "run"}, "ExpressionAttributeValues": {":r": {"S": "r"}},
        "ReturnConsumedCapacity": "TOTAL",
    });
    let page = dynamodb("Query", query);
    assert_eq!((&page["Count"], &page["ConsumedCapacity"]["CapacityUnits"]), (&json!(1), &json!(1.0)));
    let statements = json!({
        "Statements": [{
            "Statement": format!("INSERT INTO \"{STACK}-messages\" VALUE {{'id': ?}}"),
            "Parameters": [{"S": "1"}],
        }],
        "ReturnConsumedCapacity": "TOTAL",
    });
    let expected = json!([{"TableName": format!("{STACK}-messages"), "CapacityUnits": 1.0}]);
    assert_eq!(dynamodb("BatchExecuteStatement", statements)["ConsumedCapacity"], expected);
}

#[test]
fn throttling_rejects_every_call_with_the_error_of_its_service() {
    let fake = fake();
    fake.set_throttles(true);
    let name = json!({"QueueName": format!("{STACK}-queue")});
    let (status, answer) = send(&fake, "AmazonSQS.GetQueueUrl", &name);
    assert_eq!((status, &answer["__type"]), (403, &json!("com.amazonaws.sqs#RequestThrottled")));
    let (status, answer) = send(&fake, "DynamoDB_20120810.GetItem", &json!({}));
    assert_eq!(status, 400);
    assert!(answer["__type"].as_str().unwrap().ends_with("#ProvisionedThroughputExceededException"));
    fake.set_throttles(false);
    assert_eq!(send(&fake, "AmazonSQS.GetQueueUrl", &name).0, 200);
    assert_eq!(fake.stats().of("throttled").requests, 2);
}

#[test]
fn faults_affect_the_next_calls_in_order() {
    let fake = fake();
    let key = json!({"run": {"S": "r"}, "part": {"S": "p"}});
    let table = format!("{STACK}-metrics");
    let (put, get) = (json!({"TableName": table, "Item": key}), json!({"TableName": table, "Key": key}));
    let dynamodb = |operation: &str, input: &Value| {
        try_send(&fake, &format!("DynamoDB_20120810.{operation}"), input).map(|(status, _)| status)
    };
    fake.record_puts();
    fake.inject(&[Fault::Throttled, Fault::Failed(503), Fault::LostBefore, Fault::Late(2), Fault::Refused]);
    let statuses: Vec<_> = (0..5).map(|_| dynamodb("PutItem", &put)).collect();
    assert_eq!(statuses, [Some(400), Some(503), None, None, Some(400)]);
    assert_eq!((fake.metrics_item("r", "p"), fake.take_recorded_puts()), (None, Vec::new()));
    assert_eq!(dynamodb("GetItem", &get), Some(200), "the late call comes with the second call after it");
    assert_eq!(
        (fake.metrics_item("r", "p"), fake.take_recorded_puts()),
        (Some(key.clone()), vec![key.clone()])
    );
    fake.inject(&[Fault::LostAfter, Fault::Late(9)]);
    assert_eq!((dynamodb("PutItem", &put), dynamodb("PutItem", &put)), (None, None));
    assert_eq!(fake.take_recorded_puts().len(), 1);
    fake.recover();
    assert_eq!(fake.take_recorded_puts().len(), 1);
    assert!(fake.violations().is_empty());
    fake.set_call_check(|operation, _| if operation == "GetItem" { Ok(()) } else { Err("no".to_owned()) });
    assert_eq!((dynamodb("PutItem", &put), dynamodb("GetItem", &get)), (Some(400), Some(200)));
    assert_eq!(fake.violations().len(), 1);
}

#[test]
fn a_kill_fault_ends_the_caller_that_signed_the_call() {
    let fake = fake();
    let kills = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&kills);
    fake.register_caller("KEY", move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    });
    fake.inject(&[Fault::KillBefore, Fault::KillAfter, Fault::KillBefore]);
    let item = json!({"run": {"S": "r"}, "part": {"S": "p"}});
    let put = json!({"TableName": format!("{STACK}-metrics"), "Item": item}).to_string();
    let call = |access_key: &str| {
        let credential = format!("AWS4-HMAC-SHA256 Credential={access_key}/20260101/us-east-1/dynamodb");
        let agent = ureq::Agent::new_with_defaults();
        let request = agent.post(fake.endpoint()).header("Authorization", credential);
        request.header("X-Amz-Target", "DynamoDB_20120810.PutItem").send(&put).is_ok()
    };
    assert!(!call("KEY"));
    assert_eq!(fake.metrics_item("r", "p"), None);
    assert!(!call("KEY") && !call("ANOTHER"));
    assert_eq!(fake.metrics_item("r", "p"), Some(item));
    assert_eq!(kills.load(std::sync::atomic::Ordering::SeqCst), 2);
}
