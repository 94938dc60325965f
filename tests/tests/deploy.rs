//! `infra/setup.sh` on AWS: stacks in every state, permissions, options. A stub replaces the `aws` command, since no
//! emulator has these states.

use stentor_tests::{ProcessOutput, Setup, sampled};

/// AWS as `setup.sh` meets it.
struct Aws {
    setup: Setup,
}

impl Aws {
    /// Returns an account in which the stack has these states, separated by blanks: first those before any change of
    /// it, then those after the first change, and so on.
    fn with_states(phases: &[&str]) -> Self {
        let setup = Setup::default();
        setup.stand_in("aws", include_str!("deploy/aws.sh"));
        // Time passes only in `sleep`.
        setup.stand_in("sleep", "#!/bin/sh\necho \"$1\" >>\"$STAND_IN/pauses\"\n");
        let date = "#!/bin/sh\nawk '{ all += $1 } END { print 1000 + all }' \"$STAND_IN/pauses\"\n";
        setup.stand_in("date", date);
        setup.write("pauses", "");
        setup.with_small_function();
        for (number, states) in phases.iter().enumerate() {
            setup.write(&format!("phase.{number}"), &format!("{}\n", states.replace(' ', "\n")));
        }
        Self { setup }
    }

    fn with(self, file: &str, content: &str) -> Self {
        self.setup.write(file, &format!("{content}\n"));
        self
    }

    fn run(&self, line: &str) -> ProcessOutput {
        self.setup.run(&format!("{line} --region eu-central-1")).run()
    }

    /// Returns the calls, without the reads of the stack.
    fn calls(&self) -> Vec<String> {
        let calls = self.setup.read_if_present("calls");
        calls.lines().filter(|call| !call.contains("describe-stack")).map(str::to_owned).collect()
    }

    /// Returns the commands that changed the stack.
    fn changes(&self) -> Vec<String> {
        let calls = self.calls().into_iter();
        let changes = calls.filter_map(|call| call.strip_prefix("cloudformation ").map(str::to_owned));
        changes.map(|call| call.split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    /// Asserts that only reads were called.
    #[track_caller]
    fn was_only_read(&self) {
        let changing = |call: &String| {
            let operation = call.split(' ').nth(1).unwrap_or_default();
            !["get", "head", "list", "describe", "query"].iter().any(|read| operation.starts_with(read))
        };
        let calls: Vec<String> = self.calls().into_iter().filter(changing).collect();
        assert!(calls.is_empty(), "{calls:?}");
    }
}

#[test]
fn deploy_continues_over_a_stack_in_any_state() {
    let (create, update, delete) = ("create-stack", "update-stack", "delete-stack");
    let (created, updated) = ("CREATE_IN_PROGRESS CREATE_COMPLETE", "UPDATE_IN_PROGRESS UPDATE_COMPLETE");
    let gone = "DELETE_IN_PROGRESS DELETE_COMPLETE NONE";
    let lost = "nothing in it can be lost";
    for (phases, changes, words) in sampled([
        (&["NONE", created] as &[&str], &[create] as &[&str], "creating"),
        (&["CREATE_COMPLETE", updated], &[update], "updating"),
        (&["UPDATE_COMPLETE", updated], &[update], "updating"),
        (&["UPDATE_ROLLBACK_COMPLETE", updated], &[update], "updating"),
        (&["IMPORT_COMPLETE", updated], &[update], "updating"),
        (&["CREATE_IN_PROGRESS CREATE_IN_PROGRESS CREATE_COMPLETE", updated], &[update], "is being changed"),
        (
            &["UPDATE_COMPLETE_CLEANUP_IN_PROGRESS UPDATE_ROLLBACK_IN_PROGRESS UPDATE_COMPLETE", updated],
            &[update],
            "is being changed",
        ),
        (&["DELETE_IN_PROGRESS DELETE_IN_PROGRESS NONE", created], &[create], "is being changed"),
        (&["REVIEW_IN_PROGRESS", gone, created], &[delete, create], lost),
        (&["ROLLBACK_IN_PROGRESS ROLLBACK_COMPLETE", gone, created], &[delete, create], lost),
        (&["ROLLBACK_COMPLETE", gone, created], &[delete, create], lost),
        (&["ROLLBACK_FAILED", gone, created], &[delete, create], lost),
        (&["CREATE_FAILED", gone, created], &[delete, create], lost),
        (
            &["UPDATE_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS UPDATE_ROLLBACK_COMPLETE", updated],
            &["rollback-stack", update],
            "rolling its last update back",
        ),
        (
            &["UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS UPDATE_ROLLBACK_COMPLETE", updated],
            &["continue-update-rollback", update],
            "rolling its last update back",
        ),
    ]) {
        let aws = Aws::with_states(phases);
        let deployed = aws.run("deploy --stack drill").exits(0);
        assert_eq!(aws.changes(), changes, "{phases:?} {}", deployed.stderr);
        assert!(deployed.stderr.contains(words), "{phases:?} {}", deployed.stderr);
        assert!(deployed.stderr.contains("40 of 40 probe messages"), "{}", deployed.stderr);
    }
}

#[test]
fn a_state_that_deploy_cannot_repair_names_the_command_that_helps() {
    for (phases, words) in [
        (&["DELETE_FAILED"] as &[&str], "infra/setup.sh destroy --stack drill --region eu-central-1"),
        (&["UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED"], "--resources-to-skip"),
        (&["ROLLBACK_COMPLETE", "DELETE_IN_PROGRESS DELETE_FAILED"], "Queue is in use"),
        (&["IMPORT_ROLLBACK_FAILED"], "aws cloudformation describe-stack-events --stack-name drill"),
        (&["NONE", "CREATE_IN_PROGRESS ROLLBACK_COMPLETE"], "Queue is in use"),
        (&["CREATE_COMPLETE", "UPDATE_IN_PROGRESS UPDATE_ROLLBACK_COMPLETE"], "Queue is in use"),
    ] {
        let aws = Aws::with_states(phases).with("events", "Queue\tQueue is in use");
        let refused = aws.run("deploy --stack drill").exits(1);
        assert!(refused.stderr.contains(words), "{phases:?} {}", refused.stderr);
        assert!(refused.stderr.contains("account 123456789012, region eu-central-1"), "{}", refused.stderr);
    }
}

#[test]
fn names_of_deleted_queues_and_buckets_are_waited_for() {
    let aws = Aws::with_states(&[
        "NONE",
        "CREATE_IN_PROGRESS ROLLBACK_IN_PROGRESS ROLLBACK_COMPLETE",
        "DELETE_IN_PROGRESS DELETE_COMPLETE NONE",
        "CREATE_IN_PROGRESS CREATE_COMPLETE",
    ])
    .with("no-bucket", "")
    .with("aborted", "2")
    .with("events", "Queue\tYou must wait 60 seconds after deleting a queue before you can create another");
    let deployed = aws.run("deploy --stack drill").exits(0);
    assert_eq!(aws.changes(), ["create-stack", "delete-stack", "create-stack"]);
    let files = aws.setup.read("files");
    assert!(!files.contains("UsePreviousValue"), "a new stack has no previous values: {files}");
    assert_eq!(aws.calls().iter().filter(|call| call.starts_with("s3api create-bucket")).count(), 3);
    let pauses: u32 = aws.setup.read("pauses").lines().map(|pause| pause.parse::<u32>().unwrap_or(0)).sum();
    assert!(pauses >= 100, "70 s for the queues, 30 s for the bucket: {pauses}");
    for words in ["SQS refuses the names of queues", "trying again in 10 s", "S3 has not released the name"] {
        assert!(deployed.stderr.contains(words), "{}", deployed.stderr);
    }
}

#[test]
fn a_stack_that_something_else_made_is_left_alone() {
    for command in ["deploy", "destroy --yes", "status"] {
        for state in ["CREATE_COMPLETE", "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"] {
            let aws = Aws::with_states(&[state]).with("about", "A shop");
            let refused = aws.run(&format!("{command} --stack drill")).exits(1);
            assert!(refused.stderr.contains("was not made by Stentor: A shop"), "{}", refused.stderr);
            aws.was_only_read();
        }
    }
}

#[test]
fn each_missing_permission_is_named() {
    let updated = ["CREATE_COMPLETE", "UPDATE_COMPLETE"];
    let gone = ["CREATE_COMPLETE", "DELETE_COMPLETE NONE"];
    let old = |aws: Aws| aws.with("objects", "aggregator-old.zip");
    for (line, phases) in [("deploy --stack drill", &updated), ("destroy --stack drill --yes", &gone)] {
        let allowed = old(Aws::with_states(phases));
        allowed.run(line).exits(0);
        let calls = allowed.setup.read("calls");
        let operation = |call: &str| call.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let operations: std::collections::BTreeSet<String> = calls.lines().map(operation).collect();
        assert!(operations.len() > 8, "{operations:?}");
        for denied in sampled(operations) {
            // These are replaced by another call, or only made for a message.
            if ["configure get", "s3api head-object", "s3api get-public-access-block"].contains(&&*denied) {
                continue;
            }
            let aws = old(Aws::with_states(phases)).with("denied", &denied);
            let refused = aws.run(line);
            let action = match denied.as_str() {
                "s3api head-bucket" => "s3:ListBucket".to_owned(),
                "s3 rm" => "s3:DeleteObject".to_owned(),
                "s3api list-objects-v2" if line.starts_with("destroy") => "objects: unknown".to_owned(),
                _ => {
                    let (service, name) = denied.split_once(' ').expect("two words");
                    let words = name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
                    format!("{}:{}", service.replace("s3api", "s3"), words.collect::<String>())
                }
            };
            assert!(refused.stderr.contains(&action), "{denied}: {}", refused.stderr);
        }
    }
}

#[test]
fn deploy_reports_why_nothing_is_counted() {
    let states = ["CREATE_COMPLETE", "UPDATE_COMPLETE"];
    let disabled = Aws::with_states(&states).with("counted", "0").with("mapping", "Disabled, none");
    let refused = disabled.run("deploy --stack drill").exits(1);
    let enable = "aws lambda update-event-source-mapping --uuid the-mapping --enabled --region eu-central-1";
    assert!(refused.stderr.contains(enable), "{}", refused.stderr);

    let late = Aws::with_states(&states).with("counted", "12").with("mapping", "Enabled, PROBLEM: failed");
    let refused = late.run("deploy --stack drill").exits(1);
    for words in [
        "counted 12 of 40 probe messages after 15 s; mapping: Enabled, PROBLEM: failed",
        "has counted 12 of 40 probe messages in 10 min",
        "aws logs tail /aws/lambda/drill-aggregator",
        "drill-stream-dlq",
    ] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    // Nothing waits for them, so the messages stay until the next deploy, or until they expire.
    assert!(!late.setup.read("files").contains(r#"{"Delete""#));

    let removed = Aws::with_states(&states).with("counted", "0").with("removed", "6");
    let deployed = removed.run("deploy --stack drill").exits(0);
    assert!(deployed.stderr.contains("another deploy of this stack"), "{}", deployed.stderr);

    let unasked = Aws::with_states(&states).with("counted", "0");
    unasked.run("deploy --stack drill --no-wait").exits(0);
    assert!(!unasked.calls().iter().any(|call| call.contains("transact-write-items")));
}

#[test]
fn destroy_lists_what_goes_and_what_stays() {
    let aws = Aws::with_states(&["UPDATE_COMPLETE", "DELETE_IN_PROGRESS DELETE_COMPLETE NONE"])
        .with("role", "arn:aws:iam::123456789012:role/deployer");
    let asked = aws.run("destroy --stack drill").exits(1);
    for words in
        ["SQS::Queue  drill-queue", "DynamoDB::Table  drill-messages", "drill-code-123456789012-eu-central-1"]
    {
        assert!(asked.stderr.contains(words), "{}", asked.stderr);
    }
    aws.was_only_read();
    let destroyed = aws.run("destroy --stack drill --yes").exits(0);
    assert_eq!(aws.changes(), ["delete-stack"]);
    assert!(
        destroyed.stderr.contains("kept: the role arn:aws:iam::123456789012:role/deployer"),
        "{}",
        destroyed.stderr
    );
}

#[test]
fn status_names_drift() {
    let healthy = Aws::with_states(&["CREATE_COMPLETE"]).run("status --stack drill").exits(0);
    assert!(
        healthy.stdout.contains("drill-queue") && healthy.stdout.contains("3 messages"),
        "{}",
        healthy.stdout
    );
    for (file, content, words) in [
        ("gone", "drill-queue", "Queue drill-queue was deleted outside of CloudFormation"),
        (
            "mapping",
            "Disabled, last result: none",
            "aws lambda update-event-source-mapping --uuid the-mapping --enabled",
        ),
        ("mapping", "Enabled, last result: PROBLEM: Function call failed", "the aggregator fails"),
        ("alarm", "ALARM", "alarm drill-errors is in state ALARM"),
        ("discarded", "2", "batches of the stream were discarded"),
        ("denied", "dynamodb describe-table", "dynamodb:DescribeTable"),
    ] {
        let aws = Aws::with_states(&["CREATE_COMPLETE"]).with(file, content);
        let status = aws.run("status --stack drill").exits(1);
        assert!(status.stderr.contains(words), "{}", status.stderr);
        aws.was_only_read();
    }
    let none = Aws::with_states(&["NONE"]).run("status --stack drill").exits(1);
    assert!(none.stderr.contains("account 123456789012, region eu-central-1"), "{}", none.stderr);
    let half = Aws::with_states(&["UPDATE_ROLLBACK_FAILED"]).run("status --stack drill").exits(1);
    assert!(half.stderr.contains("infra/setup.sh deploy --stack drill"), "{}", half.stderr);
}

#[test]
fn options_of_deploy_reach_the_stack() {
    let aws = Aws::with_states(&["CREATE_COMPLETE", "UPDATE_COMPLETE"])
        .with("objects", "aggregator-old.zip\taggregator-older.zip\tnotes.txt");
    let role = "arn:aws:iam::123456789012:role/deployer";
    aws.run(&format!("deploy --stack drill --tags owner=bea --tags cost=a/b=c --role-arn {role}")).exits(0);
    let calls = aws.calls();
    let update = calls.iter().find(|call| call.contains("update-stack")).expect("it was updated");
    assert!(update.contains(&format!("--role-arn {role}")), "{update}");
    let files = aws.setup.read("files");
    for tag in
        [r#""Key": "owner", "Value": "bea""#, r#""Key": "team", "Value": "alerts""#, r#""Value": "a/b=c""#]
    {
        assert!(files.contains(tag), "{tag} in {files}");
    }
    assert!(!files.contains(r#""Value": "ann""#), "{files}");
    assert!(files.contains(r#""ParameterKey": "BatchingWindow", "UsePreviousValue": true"#), "{files}");
    assert!(files.contains(r#""batching_window": {"N": "7"}"#), "{files}");
    // The stack's packages that are no longer used, and no other objects.
    let removed = calls.iter().filter(|call| call.starts_with("s3api delete-object"));
    let removed: Vec<&str> = removed.filter_map(|call| call.split(' ').next_back()).collect();
    assert_eq!(removed, ["aggregator-old.zip", "aggregator-older.zip"]);
    assert!(!calls.iter().any(|call| call.contains("put-public-access-block")), "{calls:?}");

    let open = Aws::with_states(&["CREATE_COMPLETE", "UPDATE_COMPLETE"]).with("closed", "False");
    open.run("deploy --stack drill").exits(0);
    assert!(open.calls().iter().any(|call| call.contains("put-public-access-block")));
}

#[test]
fn warm_throughput_can_only_be_raised() {
    for (before, takes, wanted, lowest) in [
        ("40000", "40000", "--warm-throughput 8000", "40000"),
        ("40000", "40000", "--parameter WarmWriteUnits=0", "40000"),
        ("0", "12000", "--warm-throughput 8000", "12000"),
    ] {
        let aws = Aws::with_states(&["CREATE_COMPLETE"]).with("warm", before).with("takes", takes);
        let refused = aws.run(&format!("deploy --stack drill {wanted}")).exits(1);
        assert!(
            refused.stderr.contains(lowest) && refused.stderr.contains("cannot be lowered"),
            "{}",
            refused.stderr
        );
        aws.was_only_read();
    }
    let aws = Aws::with_states(&["CREATE_COMPLETE", "UPDATE_COMPLETE"]).with("warm", "0");
    let raised = aws.run("deploy --stack drill --warm-throughput 40000").exits(0);
    assert!(raised.stderr.contains("about $23.40"), "{}", raised.stderr);
    assert!(aws.setup.read("files").contains(r#""WarmWriteUnits", "ParameterValue": "40000""#));
}

#[test]
fn invalid_options_of_deploy_are_usage_errors_before_aws_is_called() {
    let key = "arn:aws:kms:us-east-1:123456789012:key/1-2";
    let aws = Aws::with_states(&["NONE"]);
    for (options, word) in [
        ("--parameter BatchingWindow=301", "a whole number from 0 to 300"),
        ("--parameter BatchingWindow=-1", "a whole number from 0 to 300"),
        ("--parameter FunctionMemory=64", "from 128 to 10240"),
        ("--parameter LogRetentionDays=2", "the values are 1 3 5 7"),
        ("--parameter PointInTimeRecovery=yes", "the values are true false"),
        ("--parameter WarmWriteUnits=100", "from 4000 to 999999"),
        ("--warm-throughput many", "--warm-throughput"),
        ("--tags team", "KEY=VALUE"),
        ("--tags aws:team=a", "aws:"),
        ("--role-arn deployer", "arn:aws:iam::ACCOUNT:role/NAME"),
        ("--permissions-boundary x", "arn:aws:iam::ACCOUNT:policy/NAME"),
        ("--kms-key alias/x", "arn:aws:kms:REGION:ACCOUNT:key/ID"),
        (&format!("--kms-key {key}"), "the key is in us-east-1, the stack in eu-central-1"),
        ("--alarm-email ops", "ops@example.com"),
        ("--alarm-email ops@example.com --no-alarms", "exclude each other"),
    ] {
        let refused = aws.run(&format!("deploy --stack drill {options}")).exits(2);
        let name = options.split(' ').next().unwrap_or_default();
        assert!(refused.stderr.contains(word) && refused.stderr.contains(name), "{}", refused.stderr);
    }
    assert_eq!(aws.calls(), Vec::<String>::new());
}

#[test]
fn destroy_asks_first() {
    let aws = Aws::with_states(&["CREATE_COMPLETE"]);
    let asked = aws.run("destroy --stack drill").exits(1).stderr;
    assert!(asked.contains("[y/N]") && asked.contains("nothing was deleted"), "{asked}");
    aws.was_only_read();
}

#[test]
fn an_unknown_parameter_is_refused_with_those_that_there_are() {
    let aws = Aws::with_states(&["CREATE_COMPLETE"]);
    let refused = aws.run("deploy --stack drill --parameter Colour=red").exits(2).stderr;
    assert!(refused.contains("Colour") && refused.contains("VisibilityTimeout"), "{refused}");
    aws.was_only_read();
}
