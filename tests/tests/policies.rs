//! The template's managed policies allow exactly the calls of each program.

use std::collections::BTreeSet;

use stentor_tests::build::checkout;
use stentor_tests::proxy::{FaultPlan, ProxyFault, Service};
use stentor_tests::{Proxy, Stack, StackEndpoint, wait_until};

/// Returns the IAM action that a call needs. Batches need the action of the single call; PartiQL has separate
/// ones (Amazon SQS Developer Guide, "Amazon SQS API permissions"; Amazon DynamoDB Developer Guide, "IAM
/// policies with PartiQL").
fn action(service: Service, operation: &str) -> String {
    match (service, operation) {
        (Service::Sqs, batch) => format!("sqs:{}", batch.strip_suffix("Batch").unwrap_or(batch)),
        (Service::DynamoDb, "BatchExecuteStatement/INSERT") => "dynamodb:PartiQLInsert".to_owned(),
        (Service::DynamoDb, "BatchExecuteStatement/UPDATE") => "dynamodb:PartiQLUpdate".to_owned(),
        (Service::DynamoDb, single) => format!("dynamodb:{single}"),
    }
}

/// Returns the actions of a managed policy, each with the logical name of the resource it is allowed on.
fn allowed(policy: &str) -> BTreeSet<(String, String)> {
    let template = std::fs::read_to_string(checkout().join("infra/template.yaml")).expect("it is there");
    let section = template.split(&format!("\n  {policy}:\n")).nth(1).expect("the template has the policy");
    let section = section.split("\n\n").next().expect("it ends with a blank line");
    let mut allowed = BTreeSet::new();
    for statement in section.split("- Sid: ").skip(1) {
        let names = |text: &str, mark: &str| -> BTreeSet<String> {
            let words =
                text.split(|letter: char| !letter.is_alphanumeric() && letter != ':' && letter != '.');
            words.filter(|word| word.contains(mark)).map(str::to_owned).collect()
        };
        let (actions, resources) = statement.split_once("Resource:").expect("a statement has a resource");
        for action in names(actions, ":").into_iter().filter(|word| !word.ends_with(':')) {
            for resource in names(resources, ".Arn") {
                allowed.insert((action.clone(), resource.trim_end_matches(".Arn").to_owned()));
            }
        }
    }
    allowed
}

/// Runs a program through a separate proxy, and returns its calls and their resources.
fn called(stack: &Stack, use_it: impl Fn(&StackEndpoint<'_>, &Proxy)) -> BTreeSet<(String, String)> {
    let proxy = Proxy::start(3);
    use_it(&stack.at_port(proxy.port()), &proxy);
    let resource = |name: &str| match name.rsplit('-').next() {
        Some("queue") => "Queue",
        Some("dlq") if name.ends_with("-stream-dlq") => "StreamDeadLetterQueue",
        Some("dlq") => "DeadLetterQueue",
        Some("messages") => "MessagesTable",
        Some("metrics") => "MetricsTable",
        other => panic!("a resource of {other:?}"),
    };
    let calls = proxy.calls().into_iter();
    calls.map(|(service, call, name)| (action(service, &call), resource(&name).to_owned())).collect()
}

#[test]
fn the_producer_policy_allows_exactly_its_calls() {
    let stack = Stack::deploy();
    let called = called(&stack, |way, proxy| {
        let run = way.producer("-m 60 --json").run().exits(0).json()["run"].as_str().unwrap().to_owned();
        let mut killed = way.producer("-m 500 --rate 100 --run 01JDD0QYJ8000000000000000A").start();
        wait_until("the watermark has advanced", || {
            let calls = proxy.calls();
            calls.iter().any(|(_, call, _)| call == "UpdateItem")
                && stack.items("01JDD0QYJ8000000000000000A").len() > 50
        });
        killed.kill();
        way.producer("resume 01JDD0QYJ8000000000000000A").run().exits(0);
        way.producer(&format!("requeue {run}")).run().exits(0);
    });
    assert_eq!(called, allowed("ProducerPolicy"));
}

#[test]
fn the_sender_policy_allows_exactly_its_calls() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 30");
    stack.producer(&format!("requeue {run}")).run().exits(0);
    let called = called(&stack, |way, proxy| {
        // The sender reads the item of a failed condition if the response lacks it.
        proxy.inject(FaultPlan::only(ProxyFault::ItemNotReturned, 1.0));
        let first = way.sender("-w 2 --distribution constant -f 0 -c 2 --forever").start();
        wait_until("two messages are in flight", || stack.backlog("queue").1 >= 2);
        // Another sender records the outcomes of these messages.
        stack.conclude_all(&run);
        wait_until("it has read an item", || proxy.calls().iter().any(|(_, call, _)| call == "BatchGetItem"));
        first.signal("TERM");
        first.finish().exits(143);
        proxy.inject(FaultPlan::none());
        stack.produce("-m 10");
        way.sender("-w 0 -f 0 -c 3").run().exits(0);
    });
    assert_eq!(called, allowed("SenderPolicy"));
}

#[test]
fn the_monitor_policy_allows_exactly_its_calls() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 20");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    stack.completed(&run);
    let called = called(&stack, |way, _| {
        way.monitor("-t 0.2").run().exits(0);
        way.monitor("audit").run().exits(0);
        way.monitor("repair").run().exits(0);
        way.monitor("--once --json").run().exits(0);
        let mut view = way.monitor("--follow").start_on_terminal(80, 24);
        view.shows("COMPLETE");
        view.press("r");
        view.shows("> the latest run");
        view.press("qq");
        view.finish();
    });
    assert_eq!(called, allowed("MonitorPolicy"));
}
