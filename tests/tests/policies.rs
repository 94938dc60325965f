//! The template's policies allow exactly the calls of the programs and of the aggregator, behind a proxy that refuses
//! all others; and the error of a denied call names the action and the policy.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stentor_tests::proxy::{FaultPlan, ProxyFault};
use stentor_tests::{Function, Permission, ProfileFile, Proxy, Stack, StackEndpoint, sampled, wait_until};

const RUN: &str = "01JDD0QYJ8000000000000000A";

/// Permissions for calls that a program makes only in a state that these tests do not produce: the look-ups of a run
/// whose counts lag, and the queue of discarded batches.
const RARE: [(&str, &str, &str); 5] = [
    ("MonitorPolicy", "dynamodb:BatchGetItem", "-messages"),
    ("MonitorPolicy", "sqs:GetQueueUrl", "-stream-dlq"),
    ("MonitorPolicy", "sqs:GetQueueAttributes", "-stream-dlq"),
    ("AuditPolicy", "sqs:GetQueueUrl", "-stream-dlq"),
    ("AuditPolicy", "sqs:GetQueueAttributes", "-stream-dlq"),
];

/// Returns the permissions of a policy without the rare ones.
fn regular(stack: &Stack, policy: &str) -> BTreeSet<Permission> {
    let mut permissions = stack.managed_policy(policy);
    permissions.retain(|Permission { action, resource }| {
        !RARE.iter().any(|(of, rare, end)| *of == policy && rare == action && resource.ends_with(end))
    });
    permissions
}

/// A provider profile with a daily cap, which senders count in the metrics table.
fn capped_profile() -> ProfileFile {
    ProfileFile::new(
        "name = \"capped\"\n[limits]\nparts_per_second = 100.0\n[[carriers]]\nname = \"A\"\nshare = 1.0\ndaily_parts = 1000\n",
    )
}

/// Uses the programs behind a proxy that refuses what `policy` does not allow, and asserts that every permission was
/// needed.
#[track_caller]
fn assert_exact(stack: &Stack, policy: &str, use_it: impl Fn(&StackEndpoint<'_>, &Proxy)) {
    let proxy = Proxy::start(3);
    let permitted = stack.managed_policy(policy);
    proxy.permit_only(permitted.clone());
    use_it(&stack.at_port(proxy.port()), &proxy);
    let needed = proxy.needed();
    let refused: Vec<_> = needed.difference(&permitted).collect();
    assert!(refused.is_empty(), "{policy} lacks {refused:?}");
    let unused: Vec<_> = regular(stack, policy).difference(&needed).cloned().collect();
    assert!(unused.is_empty(), "{policy} has permissions without use: {unused:?}");
}

/// Whether the programs have made a call with this action.
fn has_called(proxy: &Proxy, action: &str) -> bool {
    proxy.needed().iter().any(|permission| permission.action == action)
}

#[test]
fn the_producer_policy_allows_exactly_its_calls() {
    let stack = Stack::deploy();
    assert_exact(&stack, "ProducerPolicy", |way, proxy| {
        let produced = way.producer("-m 60 --json").run().exits(0).json();
        let mut killed = way.producer(&format!("-m 500 --rate 100 --run {RUN}")).start();
        wait_until("the watermark has advanced", || {
            has_called(proxy, "dynamodb:UpdateItem") && stack.items(RUN).len() > 50
        });
        killed.kill();
        way.producer(&format!("resume {RUN}")).run().exits(0);
        way.producer(&format!("requeue {}", produced["run"].as_str().unwrap())).run().exits(0);
    });
}

#[test]
fn the_sender_policy_allows_exactly_its_calls() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 30");
    stack.producer(&format!("requeue {run}")).run().exits(0);
    let profile = capped_profile();
    assert_exact(&stack, "SenderPolicy", |way, proxy| {
        // The sender reads the item of a failed condition if the response lacks it.
        proxy.inject(FaultPlan::only(ProxyFault::ItemNotReturned, 1.0));
        let first = way.sender("-w 2 --distribution constant -f 0 -c 2 --forever").start();
        wait_until("two messages are in flight", || stack.backlog("queue").1 >= 2);
        // Another sender records the outcomes of these messages.
        stack.conclude_all(&run);
        wait_until("it has read an item", || has_called(proxy, "dynamodb:BatchGetItem"));
        first.signal("TERM");
        first.finish().exits(143);
        proxy.inject(FaultPlan::none());
        stack.produce("-m 10");
        way.sender(&format!("-w 0 -f 0 -c 3 {}", profile.flag())).run().exits(0);
    });
}

#[test]
fn the_monitor_policy_allows_exactly_its_calls() {
    let stack = Stack::deploy();
    let folder = tempfile::tempdir().unwrap();
    let runs = [(); 2].map(|()| stack.produce("-m 20"));
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    for run in &runs {
        stack.completed(run);
    }
    assert_exact(&stack, "MonitorPolicy", |way, _| {
        way.monitor("-t 0.2").run().exits(0);
        way.monitor("--once --json").run().exits(0);
        way.monitor("runs").run().exits(0);
        way.monitor(&format!("compare {} {}", runs[0], runs[1])).run().exits(0);
        way.monitor(&format!("report {}", folder.path().join("report.html").display())).run().exits(0);
        way.monitor("serve 0 -t 0.2 --until-complete").run().exits(0);
        let mut view = way.monitor("--follow").start_on_terminal(80, 24);
        view.shows("COMPLETE");
        view.press("r");
        view.shows("> the latest run");
        view.press("qq");
        view.finish();
    });
}

#[test]
fn the_audit_policy_allows_exactly_the_calls_of_audit_and_repair() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 20");
    stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
    stack.completed(&run);
    assert_exact(&stack, "AuditPolicy", |way, _| {
        way.monitor("audit").run().exits(0);
        way.monitor("repair").run().exits(0);
        way.monitor(&format!("audit --run {run}")).run().exits(0);
    });
}

/// Returns an event with a message of the run that was sent.
fn event(index: usize) -> Value {
    let image = json!({
        "id": {"S": format!("{RUN}#{index:09}")}, "status": {"S": "SENT"}, "created_at": {"N": "1700000000000"},
        "concluded_at": {"N": "1700000001000"}, "delivery_ms": {"N": "1"},
    });
    let change = json!({"SequenceNumber": format!("100{index}"), "OldImage": {"status": {"S": "PENDING"}}, "NewImage": image});
    json!({"Records": [{"eventName": "MODIFY", "dynamodb": change}], "shardId": "shard-1", "state": {}})
}

/// Starts the function behind the proxy.
fn function_at(stack: &Stack, proxy: &Proxy) -> Function {
    let endpoint = format!("http://127.0.0.1:{}", proxy.port());
    Function::start_at(&endpoint, &format!("{}-metrics", stack.name()), "test")
}

#[test]
fn the_aggregator_role_allows_the_calls_of_the_function_and_of_its_mapping() {
    let stack = Stack::deploy();
    let role = stack.aggregator_role();
    let proxy = Proxy::start(3);
    proxy.permit_only(role.clone());
    function_at(&stack, &proxy).invoke(&event(1)).unwrap();
    let needed = proxy.needed();
    assert!(needed.is_subset(&role), "{needed:?}");
    // Lambda makes the other calls: those of the managed policy AWSLambdaDynamoDBExecutionRole and of the destination for
    // discarded batches (AWS Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB").
    let of_lambda: Vec<_> = role.difference(&needed).map(|permission| permission.action.as_str()).collect();
    let expected = [
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sqs:SendMessage",
    ];
    assert_eq!(of_lambda, expected);
}

#[test]
fn a_function_without_a_permission_fails_with_the_action() {
    let stack = Stack::deploy();
    for action in ["dynamodb:GetItem", "dynamodb:PutItem"] {
        let proxy = Proxy::start(3);
        let mut role = stack.aggregator_role();
        role.retain(|permission| permission.action != action);
        proxy.permit_only(role);
        let error = function_at(&stack, &proxy).invoke(&event(1)).unwrap_err();
        assert!(error.to_string().contains(action), "{action}: {error}");
    }
}

/// Runs the calls without one permission of the policy, each in turn, and asserts that the error of one of them names
/// the action and the stack's output. Without a queue that the caller may not find: to a program on an emulator, the stack
/// is not deployed.
fn assert_denials_are_explained(policy: &str, prepare: fn(&Stack), calls: &[&str]) {
    let program = |way: &StackEndpoint<'_>, call: &str| match policy {
        "ProducerPolicy" => way.producer(call),
        "SenderPolicy" => way.sender(call),
        _ => way.monitor(call),
    };
    let denials = |stack: &Stack| -> Vec<Permission> {
        let permissions = regular(stack, policy).into_iter();
        permissions.filter(|permission| permission.action != "sqs:GetQueueUrl").collect()
    };
    let count = denials(&Stack::deploy()).len();
    assert!(count > 0, "{policy} has permissions");
    std::thread::scope(|scope| {
        for number in sampled(0..count) {
            scope.spawn(move || {
                let stack = Stack::deploy();
                let denied = denials(&stack).swap_remove(number);
                stack.produce(&format!("-m 20 --run {RUN}"));
                stack.produce("-m 20");
                prepare(&stack);
                let proxy = Proxy::start(3);
                let mut permitted = stack.managed_policy(policy);
                permitted.remove(&denied);
                proxy.permit_only(permitted);
                let way = stack.at_port(proxy.port());
                let outputs: Vec<_> = calls.iter().map(|call| program(&way, call).run().stderr).collect();
                let names = [denied.action.to_lowercase(), format!("{policy}Arn")];
                let is_named =
                    |text: &String| text.to_lowercase().contains(&names[0]) && text.contains(&names[1]);
                assert!(outputs.iter().any(is_named), "{denied:?}: {outputs:#?}");
            });
        }
    });
}

#[test]
fn a_producer_without_a_permission_names_action_and_policy() {
    let calls = ["-m 30", &format!("resume {RUN}"), &format!("requeue {RUN}")];
    assert_denials_are_explained("ProducerPolicy", |_| {}, &calls);
}

#[test]
fn a_sender_without_a_permission_names_action_and_policy() {
    // Its failed deliveries are released, received again and looked up before the next attempt.
    let profile = capped_profile();
    let call = format!("-w 0 -f 1 --max-attempts 2 -c 20 {}", profile.flag());
    assert_denials_are_explained("SenderPolicy", |_| {}, &[&call]);
}

#[test]
fn a_monitor_without_a_permission_names_action_and_policy() {
    let calls = ["--once", "runs"];
    assert_denials_are_explained("MonitorPolicy", |_| {}, &calls);
}

#[test]
fn an_audit_without_a_permission_names_action_and_policy() {
    // Only a run whose messages all have an outcome is repaired.
    let deliver = |stack: &Stack| drop(stack.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0));
    let calls = ["audit", "repair"];
    assert_denials_are_explained("AuditPolicy", deliver, &calls);
}
