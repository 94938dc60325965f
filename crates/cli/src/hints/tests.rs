use super::*;

fn with_hint(error: &Error) -> String {
    super::with_hint(error, Policy::Sender)
}

fn describe(error: &anyhow::Error) -> String {
    super::describe(error, Policy::Sender)
}

#[test]
fn preparing_a_table_is_suggested_on_aws_only() {
    let connection = ConnectionFlags::default();
    let hint = prepare_table(&connection, "AWS in eu-west-1").unwrap();
    let command = "./infra/setup.sh deploy --stack stentor --warm-throughput 40000";
    assert!(hint.contains(command) && hint.contains("about $23;"), "{hint}");
    assert_eq!(prepare_table(&connection, "http://127.0.0.1:4566"), None);
}

#[test]
fn a_hint_follows_the_error_on_a_line_of_its_own() {
    let error = Error::NotDeployed {
        stack: "drill".into(),
        region: "eu-west-1".into(),
        resource: "drill-queue".into(),
        endpoint: "AWS in eu-west-1".into(),
    };
    let lines = with_hint(&error);
    let (first, hint) = lines.split_once('\n').unwrap();
    assert_eq!(first, error.to_string());
    assert!(
        hint.starts_with("Deploy it: ./infra/setup.sh deploy --stack drill --region eu-west-1"),
        "{hint}"
    );
    assert_eq!(describe(&error.into()), lines);
}

#[test]
fn a_denied_call_names_the_policy_of_the_program() {
    let denied = |message: &str, policy| {
        let (code, message) = ("AccessDeniedException".to_owned(), message.to_owned());
        super::with_hint(&Error::Rejected { call: "PutItem", code, message }, policy)
    };
    let allowed_nowhere = "User: ann is not authorized to perform: dynamodb:PutItem on resource: t because no \
        identity-based policy allows the dynamodb:PutItem action";
    for (policy, output) in [(Policy::Monitor, "MonitorPolicyArn"), (Policy::Audit, "AuditPolicyArn")] {
        let text = denied(allowed_nowhere, policy);
        assert!(text.contains("dynamodb:PutItem") && text.contains(&format!("output {output} to")), "{text}");
    }
    let missing = denied("User: ann is not authorized to perform: dynamodb:PutItem", Policy::Producer);
    assert!(missing.contains("Attach the policy of the stack's output ProducerPolicyArn"), "{missing}");
    for reason in [
        "with an explicit deny in an identity-based policy",
        "because no permissions boundary allows the dynamodb:PutItem action in a permissions policy",
        "because no service control policy allows the dynamodb:PutItem action",
    ] {
        let text = denied(
            &format!("User: ann is not authorized to perform: dynamodb:PutItem {reason}"),
            Policy::Audit,
        );
        assert!(text.contains("change the policy that AWS names"), "{text}");
    }
}

#[test]
fn a_queue_that_is_not_found_may_be_denied() {
    let at = |resource: &str, endpoint: &str| {
        let (stack, region) = ("drill".to_owned(), "eu-west-1".to_owned());
        with_hint(&Error::NotDeployed { stack, region, resource: resource.into(), endpoint: endpoint.into() })
    };
    let queue = at("drill-queue", "AWS in eu-west-1");
    assert!(queue.contains("sqs:GetQueueUrl") && queue.contains("SenderPolicyArn"), "{queue}");
    assert!(
        !at("drill-messages", "AWS in eu-west-1").contains("Policy"),
        "a table that is not found does not exist"
    );
    assert!(!at("drill-queue", "http://127.0.0.1:4566").contains("Policy"), "an emulator denies no call");
}

#[test]
fn only_errors_at_this_machine_advise_to_start_the_emulator() {
    let at = |endpoint: &str| -> [Error; 5] {
        let (endpoint, region, why) = (endpoint.to_owned(), "eu-west-1".to_owned(), "refused".to_owned());
        let (stack, resource) = ("drill".to_owned(), "drill-queue".to_owned());
        [
            Error::NoCredentials { endpoint: endpoint.clone(), origin: None, why: why.clone() },
            Error::NoRegion { endpoint: endpoint.clone() },
            Error::Unreachable { endpoint: endpoint.clone(), region: region.clone(), why: why.clone() },
            Error::NotDeployed { stack, region, resource, endpoint: endpoint.clone() },
            Error::RetriesExhausted { call: "SendMessageBatch", endpoint, origin: None, why, seconds: 600 },
        ]
    };
    for endpoint in ["http://127.0.0.1:4566", "https://localhost:4566/"] {
        for error in at(endpoint) {
            assert!(with_hint(&error).contains("./infra/setup.sh local"), "{}", with_hint(&error));
        }
    }
    for endpoint in ["AWS", "AWS in eu-west-1", "http://10.0.0.1:4566"] {
        for error in at(endpoint) {
            assert!(!with_hint(&error).contains("setup.sh local"), "{}", with_hint(&error));
        }
    }
    let [.., local, _] = at("http://127.0.0.1:5000/");
    assert!(with_hint(&local).ends_with("setup.sh local --stack drill --port 5000"));
}

#[test]
fn credentials_that_a_local_server_rejects_are_not_to_be_replaced() {
    let why = "InvalidClientTokenId: no such key".to_owned();
    let text = with_hint(&Error::BadCredentials { origin: None, why });
    assert!(text.contains("check the port") && !text.contains("Sign in"), "{text}");
}

#[test]
fn an_unknown_region_is_mentioned() {
    let at = |region: &str| {
        with_hint(&Error::Unreachable {
            endpoint: format!("AWS in {region}"),
            region: region.to_owned(),
            why: "failed to lookup address information".to_owned(),
        })
    };
    assert!(at("eu-west-9").contains("eu-west-9 is not a known region"), "{}", at("eu-west-9"));
    assert!(!at("eu-west-1").contains("known region"), "{}", at("eu-west-1"));
}

#[test]
fn an_error_of_another_kind_is_formatted_alone() {
    assert_eq!(describe(&anyhow::anyhow!("disk full")), "disk full");
}
