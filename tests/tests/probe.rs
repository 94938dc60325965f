//! What `infra/setup.sh deploy` writes into a stack: its settings, and the messages that it waits for.

use std::time::Duration;

use serde_json::{Value, json};
use stentor_tests::build::ProgramPaths;
use stentor_tests::{Emulator, Program, Setup, wait_at_most, wait_until};

/// Returns the items of a table of the stack `probed` on the emulator.
fn items_of(table: &str) -> Vec<Value> {
    let request = json!({"TableName": format!("probed-{table}"), "ConsistentRead": true});
    let items = Emulator::shared().aws().dynamodb("Scan", &request)["Items"].clone();
    items.as_array().cloned().unwrap_or_default()
}

fn enable_mapping(enabled: bool) {
    let aws = Emulator::shared().aws();
    let listed = "2015-03-31/event-source-mappings/?FunctionName=probed-aggregator";
    let id = aws.lambda("GET", listed, &Value::Null)["EventSourceMappings"][0]["UUID"].clone();
    let path = format!("2015-03-31/event-source-mappings/{}", id.as_str().expect("there is a mapping"));
    aws.lambda("PUT", &path, &json!({"FunctionName": "probed-aggregator", "Enabled": enabled}));
    let wanted = if enabled { "Enabled" } else { "Disabled" };
    wait_until(wanted, || aws.lambda("GET", &path, &Value::Null)["State"] == wanted);
}

#[test]
fn the_probe_of_a_killed_deploy_does_not_disturb_the_next() {
    let setup = Setup::default();
    let on_emulator = |line: &str| setup.run(line).toward(&Emulator::shared().url());
    on_emulator("deploy --stack probed --no-wait --no-alarms --parameter VisibilityTimeout=45")
        .run()
        .exits(0);
    let settings = items_of("metrics");
    assert_eq!(settings.len(), 1, "{settings:?}");
    let expected = [("batching_window", "1"), ("function_memory", "256"), ("visibility_timeout", "45")];
    for (name, value) in expected {
        assert_eq!(settings[0][name]["N"], value, "{settings:?}");
    }
    let version = Program::new(&ProgramPaths::get().producer, "--version").run().exits(0).stdout;
    assert_eq!(
        format!("producer {}", settings[0]["version"]["S"].as_str().unwrap_or_default()),
        version.trim()
    );

    enable_mapping(false);
    let mut killed = on_emulator("deploy --stack probed").start();
    wait_at_most(Duration::from_secs(60), "the probe has its outcomes", || {
        let sent = items_of("messages").iter().filter(|item| item["status"]["S"] == "SENT").count();
        assert!(killed.is_running(), "deploy has ended");
        sent == 40
    });
    killed.kill();
    enable_mapping(true);
    let deployed = on_emulator("deploy --stack probed").run().exits(0);
    assert!(deployed.stderr.contains("40 of 40 probe messages"), "{}", deployed.stderr);
    let left: Vec<String> = items_of("metrics").iter().map(|item| item["run"]["S"].to_string()).collect();
    assert_eq!((left.len(), items_of("messages").len()), (2, 0), "{left:?}");
    assert!(left.iter().all(|run| run.contains("deployment")), "{left:?}");
    let runs =
        Program::new(&ProgramPaths::get().monitor, "--stack probed runs").toward(&Emulator::shared().url());
    assert!(!runs.run().stdout.contains("0000000000"), "a probe is listed");

    let status = on_emulator("status --stack probed").run().exits(0);
    assert!(status.stdout.contains("Enabled, last result: "), "{}", status.stdout);
    let aws = Emulator::shared().aws();
    let queue = aws.sqs("GetQueueUrl", &json!({"QueueName": "probed-queue"}))["QueueUrl"].clone();
    aws.sqs("DeleteQueue", &json!({"QueueUrl": queue}));
    let drifted = on_emulator("status --stack probed").run().exits(1);
    assert!(drifted.stderr.contains("Queue probed-queue was deleted"), "{}", drifted.stderr);
    on_emulator("destroy --stack probed --yes").run().exits(0);
}
