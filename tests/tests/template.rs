//! What the template's options create. Each stack of the other tests has the default alarms.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stentor_tests::Stack;

const EMAIL: (&str, &str) = ("AlarmEmail", "ann@example.com");

/// Returns CloudWatch's alarms of the stack.
fn alarms(stack: &Stack) -> Vec<Value> {
    let prefix = json!({"AlarmNamePrefix": format!("{}-", stack.name())});
    stack.aws().cloudwatch("DescribeAlarms", &prefix)["MetricAlarms"].as_array().expect("a list").clone()
}

/// Returns the names of CloudWatch's dashboards.
fn dashboards(stack: &Stack) -> Vec<Value> {
    let listed = stack.aws().cloudwatch("ListDashboards", &json!({}));
    listed["DashboardEntries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["DashboardName"].clone())
        .collect()
}

#[test]
fn each_alarm_watches_a_resource_of_its_stack_and_notifies_the_topic() {
    let stack = Stack::deploy_with(&[EMAIL]);
    let topic = stack.physical_id("AlarmTopic");
    let watched = alarms(&stack).into_iter().map(|alarm| {
        assert_eq!(alarm["AlarmActions"], json!([topic]), "{alarm}");
        assert_eq!(alarm["TreatMissingData"], "notBreaching", "{alarm}");
        let text = |value: &Value| value.as_str().expect("a text").replace(&format!("{}-", stack.name()), "");
        (text(&alarm["AlarmName"]), text(&alarm["MetricName"]), text(&alarm["Dimensions"][0]["Value"]))
    });
    let visible = "ApproximateNumberOfMessagesVisible";
    let expected = [
        ("dead-letters", visible, "dlq"),
        ("function-errors", "Errors", "aggregator"),
        ("function-throttles", "Throttles", "aggregator"),
        ("iterator-age", "IteratorAge", "aggregator"),
        ("oldest-message", "ApproximateAgeOfOldestMessage", "queue"),
        ("stream-dead-letters", visible, "stream-dlq"),
    ];
    let expected = expected.map(|(name, metric, of)| (name.to_owned(), metric.to_owned(), of.to_owned()));
    assert_eq!(watched.collect::<BTreeSet<_>>(), BTreeSet::from(expected));
}

#[test]
fn the_dashboard_shows_the_resources_of_its_stack() {
    let stack = Stack::deploy();
    let dashboard = stack.aws().cloudwatch("GetDashboard", &json!({"DashboardName": stack.name()}));
    let body: Value = serde_json::from_str(dashboard["DashboardBody"].as_str().expect("a text")).unwrap();
    assert_eq!(body["widgets"].as_array().unwrap().len(), 8, "{body}");
    for name in ["queue", "dlq", "stream-dlq", "messages", "metrics", "aggregator"] {
        assert!(body.to_string().contains(&format!("\"{}-{name}\"", stack.name())), "{name}: {body}");
    }
}

#[test]
fn without_alarms_there_is_neither_alarm_nor_dashboard() {
    let (with, without) = (Stack::deploy(), Stack::deploy_with(&[EMAIL, ("Alarms", "false")]));
    let has_dashboard = |stack: &Stack| dashboards(stack).iter().any(|name| name == stack.name());
    assert_eq!((alarms(&with).len(), has_dashboard(&with)), (6, true));
    assert_eq!((alarms(&without).len(), has_dashboard(&without)), (0, false));
}

#[test]
fn a_key_is_permitted_to_every_program_and_the_aggregator() {
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
