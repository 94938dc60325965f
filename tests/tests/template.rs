//! What the template's options create. Each stack of the other tests has the default alarms.

use std::collections::BTreeSet;

use serde_json::Value;
use stentor_tests::{Backend, Stack};

const EMAIL: (&str, &str) = ("AlarmEmail", "ann@example.com");

/// Calls CloudWatch, and returns the response.
fn cloudwatch(stack: &Stack, action: &str, parameter: (&str, &str)) -> (u16, String) {
    stack.aws().form_call("monitoring", &[("Action", action), ("Version", "2010-08-01"), parameter])
}

/// Returns the texts of all elements of that name in a response.
fn texts(xml: &str, element: &str) -> Vec<String> {
    let tag = format!("<{element}>");
    let parts = xml.split(&tag).skip(1).map(|rest| rest.split('<').next().unwrap());
    parts.map(str::to_owned).collect()
}

/// Returns CloudWatch's alarms of the stack, in XML.
fn alarms(stack: &Stack) -> String {
    let (status, text) =
        cloudwatch(stack, "DescribeAlarms", ("AlarmNamePrefix", &format!("{}-", stack.name())));
    assert_eq!(status, 200, "{text}");
    text
}

#[test]
fn each_alarm_watches_a_resource_of_its_stack_and_notifies_the_topic() {
    let stack = Stack::deploy_with(&[EMAIL]);
    let alarms = alarms(&stack);
    let named = |names: &[&str]| names.iter().map(|name| format!("{}-{name}", stack.name())).collect();
    let names: BTreeSet<String> = texts(&alarms, "AlarmName").into_iter().collect();
    let expected: BTreeSet<String> = named(&[
        "dead-letters",
        "function-errors",
        "function-throttles",
        "iterator-age",
        "oldest-message",
        "stream-dead-letters",
    ]);
    assert_eq!(names, expected);
    let watched: BTreeSet<String> = texts(&alarms, "Value").into_iter().collect();
    assert_eq!(watched, named(&["aggregator", "dlq", "queue", "stream-dlq"]));
    let topic = stack.physical_id("AlarmTopic");
    assert_eq!(alarms.matches(&format!("<member>{topic}</member>")).count(), expected.len(), "{alarms}");
}

#[test]
fn the_dashboard_shows_the_resources_of_its_stack() {
    if Backend::of_these_tests() == Backend::LocalStack {
        return; // It creates no dashboards.
    }
    let stack = Stack::deploy();
    let (status, text) = cloudwatch(&stack, "GetDashboard", ("DashboardName", stack.name()));
    assert_eq!(status, 200, "{text}");
    let body = texts(&text, "DashboardBody").concat().replace("&quot;", "\"");
    let body: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert_eq!(body["widgets"].as_array().unwrap().len(), 8, "{body}");
    for name in ["queue", "dlq", "stream-dlq", "messages", "metrics", "aggregator"] {
        assert!(body.to_string().contains(&format!("\"{}-{name}\"", stack.name())), "{name}: {body}");
    }
}

#[test]
fn without_alarms_there_is_neither_alarm_nor_dashboard() {
    let stack = Stack::deploy_with(&[EMAIL, ("Alarms", "false")]);
    assert_eq!(texts(&alarms(&stack), "AlarmName"), [""; 0]);
    let (status, text) = cloudwatch(&stack, "GetDashboard", ("DashboardName", stack.name()));
    assert_ne!(status, 200, "{text}");
}

#[test]
fn a_key_is_permitted_to_every_program_and_the_aggregator() {
    if Backend::of_these_tests() == Backend::LocalStack {
        return; // It looks the key up.
    }
    const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000";
    let (default, encrypted) = (Stack::deploy(), Stack::deploy_with(&[("KmsKey", KEY)]));
    let of_key = |stack: &Stack| -> Vec<BTreeSet<String>> {
        let policies = ["ProducerPolicy", "SenderPolicy", "AuditPolicy", "MonitorPolicy"];
        let policies = policies.map(|policy| stack.managed_policy(policy)).into_iter();
        let all = policies.chain([stack.aggregator_role()]);
        let of_key = all.map(|policy| policy.into_iter().filter(|permission| permission.resource == KEY));
        of_key.map(|permissions| permissions.map(|permission| permission.action).collect()).collect()
    };
    let set =
        |actions: &[&str]| -> BTreeSet<String> { actions.iter().map(|&action| action.to_owned()).collect() };
    let reads = set(&["kms:Decrypt", "kms:DescribeKey"]);
    let writes = set(&["kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]);
    let writes: BTreeSet<String> = reads.union(&writes).cloned().collect();
    assert_eq!(of_key(&default), vec![BTreeSet::new(); 5]);
    assert_eq!(of_key(&encrypted), [&writes, &writes, &writes, &reads, &writes].map(Clone::clone));
}
