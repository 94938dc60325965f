//! Credentials from every provider of the SDK, slow ones, and ones that expire during a run.

use std::collections::BTreeSet;

use stentor_tests::build::ProgramPaths;
use stentor_tests::{CannedAws, CannedService, Emulator, Process, ProcessOutput, Program, Stack, wait_until};

use crate::profiles::{Home, KEYS, ROLE};

/// The file names are hashes of the name of the session (aws-config, `sso::cache` and `login::cache`).
const SSO_TOKEN: &str = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
const SSO_TOKEN_OF_URL: &str = ".aws/sso/cache/f7c9b39d0b4c7a7d82c79307585f77e1c5e74378.json";
const LOGIN_TOKEN: &str =
    ".aws/login/cache/143b1fc18f5ca9bb89e81d9a77fe53029e237039039ccab734b6fb08284f7780.json";

pub(crate) const SSO: &str = "sso_session = corp\nsso_account_id = 123456789012\nsso_role_name = r\n\
    [sso-session corp]\nsso_start_url = https://corp.example/start\nsso_region = us-east-1\n";
const SSO_OF_URL: &str = "sso_account_id = 123456789012\nsso_role_name = r\n\
    sso_start_url = https://corp.example/start\nsso_region = us-east-1\n";
pub(crate) const LOGIN: &str = "login_session = arn:aws:iam::123456789012:user/ann\n";

pub(crate) const PAST: &str = "2026-01-01T00:00:00Z";
pub(crate) const FUTURE: &str = "2099-01-01T00:00:00Z";

/// A home folder whose profile `a` has these settings, with a web identity token.
pub(crate) fn home(settings: &str) -> Home {
    let home = Home::with(&format!("[profile a]\n{settings}"), &format!("[base]\n{KEYS}"));
    home.write("token", "a.web.token");
    home
}

/// Writes a token of `aws sso login`.
pub(crate) fn write_sso_token(home: &Home, expires: &str) {
    let token = format!(
        r#"{{"accessToken": "t", "expiresAt": "{expires}", "refreshToken": "r", "clientId": "c",
        "clientSecret": "s", "registrationExpiresAt": "{FUTURE}", "region": "us-east-1"}}"#
    );
    home.write(SSO_TOKEN, &token);
    home.write(SSO_TOKEN_OF_URL, &format!(r#"{{"accessToken": "t", "expiresAt": "{expires}"}}"#));
}

/// Writes a token of `aws login`, with the key of aws-config's tests.
pub(crate) fn write_login_token(home: &Home, expires: &str) {
    let token = format!(
        r#"{{"accessToken": {{"accessKeyId": "ASIACACHED", "secretAccessKey": "s", "sessionToken": "t",
        "accountId": "123456789012", "expiresAt": "{expires}"}}, "tokenType": "aws_sigv4", "refreshToken": "r",
        "clientId": "arn:aws:signin:::devtools/same-device", "dpopKey": "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIFDZHUzOG1Pzq+6F0mjMlOSp1syN9LRPBuHMoCFXTcXhoAoGCCqGSM49\nAwEHoUQDQgAE9qhj+KtcdHj1kVgwxWWWw++tqoh7H7UHs7oXh8jBbgF47rrYGC+t\ndjiIaHK3dBvvdE7MGj5HsepzLm3Kj91bqA==\n-----END EC PRIVATE KEY-----\n"}}"#
    );
    home.write(LOGIN_TOKEN, &token);
}

/// Returns the monitor, which lists the runs of a stack with the profile `a`.
pub(crate) fn monitor(aws: &CannedAws, home: &Home, stack: &str) -> Program {
    let line = format!("runs --json --profile a --stack {stack}");
    aws.before(home.program(&ProgramPaths::get().monitor, &line))
}

/// Writes a script for `credential_process`, and returns the setting.
fn process(home: &Home, script: &str) -> String {
    home.write("get", script);
    format!("sh {}", home.path("get"))
}

const PRINT_KEYS: &str =
    r#"echo '{"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "secret"}'"#;

/// How many requests services get.
type Requests<'a> = &'a [(CannedService, usize)];

#[track_caller]
fn assert_used(aws: &CannedAws, ended: ProcessOutput, key: &str, calls: Requests) {
    let ended = ended.exits(0);
    assert_eq!(ended.stderr.matches("WARN").count(), 0, "{}", ended.stderr);
    assert_eq!(aws.access_keys(), [key], "{}", ended.stderr);
    for (service, count) in calls {
        assert_eq!(aws.requests(*service).len(), *count, "{service:?}: {:?}", aws.requests(*service));
    }
}

#[test]
fn every_provider_of_a_profile_gives_credentials_with_one_request() {
    use CannedService::{IdentityCenter, Metadata, SignIn, Sts, Tokens};
    let stack = Stack::deploy();
    let web_identity = format!("{ROLE}web_identity_token_file = TOKEN\n");
    let role_of_instance = format!("{ROLE}credential_source = Ec2InstanceMetadata\n");
    let role_of_sso = format!("{ROLE}source_profile = b\n[profile b]\n{SSO}");
    let cases: [(&str, &str, &str, Requests); 11] = [
        (KEYS, FUTURE, "AKIA", &[]),
        (&format!("{ROLE}source_profile = base\n"), FUTURE, "ASIASTS1", &[(Sts, 1)]),
        (&role_of_instance, FUTURE, "ASIASTS2", &[(Metadata, 3), (Sts, 1)]),
        (
            "credential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"AKIAPROCESS\", \"SecretAccessKey\": \"s\"}'\n",
            FUTURE,
            "AKIAPROCESS",
            &[],
        ),
        (SSO, FUTURE, "ASIASSO1", &[(Tokens, 0), (IdentityCenter, 1)]),
        (SSO, PAST, "ASIASSO1", &[(Tokens, 1), (IdentityCenter, 1)]),
        (SSO_OF_URL, FUTURE, "ASIASSO1", &[(IdentityCenter, 1)]),
        (&role_of_sso, FUTURE, "ASIASTS2", &[(IdentityCenter, 1), (Sts, 1)]),
        (LOGIN, FUTURE, "ASIACACHED", &[(SignIn, 0)]),
        (LOGIN, PAST, "ASIALOGIN1", &[(SignIn, 1)]),
        (&web_identity, FUTURE, "ASIASTS1", &[(Sts, 1)]),
    ];
    for (settings, expires, key, calls) in cases {
        let (aws, home) = (CannedAws::start(), home(settings));
        home.write("config", &format!("[profile a]\n{}", settings.replace("TOKEN", &home.path("token"))));
        write_sso_token(&home, expires);
        write_login_token(&home, expires);
        let ended = monitor(&aws, &home, stack.name()).env("AWS_EC2_METADATA_DISABLED", "false").run();
        assert_used(&aws, ended, key, calls);
    }
}

#[test]
fn the_environment_a_container_and_an_instance_give_credentials() {
    use CannedService::{Container, Metadata, Sts};
    let stack = Stack::deploy();
    for (provider, key, calls) in [
        ("environment", "AKIAENVIRONMENT", vec![(Sts, 0), (Metadata, 0)]),
        ("web identity", "ASIASTS1", vec![(Sts, 1), (Metadata, 0)]),
        ("container", "ASIACONTAINER1", vec![(Container, 1), (Metadata, 0)]),
        ("instance", "ASIAINSTANCE1", vec![(Metadata, 3)]),
    ] {
        let (aws, home) = (CannedAws::start(), home(""));
        let line = format!("runs --json --stack {}", stack.name());
        let program = aws.before(home.program(&ProgramPaths::get().monitor, &line));
        let program = match provider {
            "environment" => {
                program.env("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT").env("AWS_SECRET_ACCESS_KEY", "secret")
            }
            "web identity" => program
                .env("AWS_WEB_IDENTITY_TOKEN_FILE", &home.path("token"))
                .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/rehearser"),
            "container" => {
                program.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/container", aws.url()))
            }
            _ => program.env("AWS_EC2_METADATA_DISABLED", "false"),
        };
        assert_used(&aws, program.run(), key, &calls);
    }
}

#[test]
fn slow_credentials_are_waited_for_and_named_once() {
    let (stack, aws) = (Stack::deploy(), CannedAws::start());
    let home = home("");
    let command = process(&home, &format!("echo >>{}; sleep 8; {PRINT_KEYS}", home.path("loads")));
    home.write("config", &format!("[profile a]\ncredential_process = {command}\n"));
    let line = |flags: &str| format!("runs --json --profile a --stack {} {flags}", stack.name());
    let start = |flags| aws.before(home.program(&ProgramPaths::get().monitor, &line(flags))).start();
    let (normal, quiet) = (start(""), start("-q"));
    let (normal, quiet) = (normal.finish().exits(0), quiet.finish().exits(0));
    let words = "waiting for credentials from profile 'a' (credential_process sh)";
    assert_eq!(normal.stderr.matches(words).count(), 1, "{}", normal.stderr);
    assert_eq!(quiet.stderr, "");
    let loads = std::fs::read_to_string(home.path("loads")).unwrap();
    assert_eq!(loads.lines().count(), 2, "one load for each program");
}

#[test]
fn a_signal_ends_the_wait_for_credentials() {
    let home = home("credential_process = sleep 60\n");
    let aws = CannedAws::without_stack();
    for program in crate::bad_input::programs() {
        let waiting = aws.before(home.program(program, "--profile a")).with_default_signals().start();
        wait_until("it waits", || waiting.stderr_so_far().contains("waiting for credentials"));
        waiting.signal("INT");
        waiting.finish().exits(130);
    }
}

/// Starts a producer that needs about twelve seconds.
fn produce(aws: &CannedAws, home: &Home, stack: &Stack, flags: &str) -> Program {
    let line = format!("-m 120 --rate 10 --stack {} {flags}", stack.name());
    aws.before(home.program(&ProgramPaths::get().producer, &line))
}

#[test]
fn credentials_that_expire_during_a_run_are_renewed_in_time() {
    let (stack, home) = (Stack::deploy(), home(&format!("{ROLE}source_profile = base\n")));
    let role = CannedAws::start();
    role.expire_after(std::time::Duration::from_secs(6));
    let keys = r#"{\"Version\": 1, \"AccessKeyId\": \"AKIA$(date +%s%N)\", \"SecretAccessKey\": \"secret\", \
        \"SessionToken\": \"t\", \"Expiration\": \"$(date -u -d '+6 seconds' +%FT%TZ)\"}"#;
    let of_process = Home::with("", "");
    let command = process(&of_process, &format!("echo \"{}\"", keys.replace("\\\n", "")));
    of_process.write("config", &format!("[profile a]\ncredential_process = {command}\n"));
    let process = CannedAws::start();
    let programs = [
        produce(&role, &home, &stack, "--profile a").start(),
        produce(&process, &of_process, &stack, "--profile a").start(),
    ];
    for ended in programs.map(Process::finish) {
        let ended = ended.exits(0);
        assert_eq!(ended.stderr.matches("WARN").count(), 0, "{}", ended.stderr);
    }
    for aws in [role, process] {
        let keys = aws.access_keys();
        assert!((3..=12).contains(&keys.len()), "{keys:?}");
        assert_eq!(aws.expired_calls(), 0);
    }
}

#[test]
fn credentials_that_cannot_be_renewed_are_reported_and_awaited() {
    let (stack, aws, home) = (Stack::deploy(), CannedAws::start(), home(""));
    aws.expire_after(std::time::Duration::from_secs(6));
    let url = format!("{}/container", aws.url());
    let producer = produce(&aws, &home, &stack, "").env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url).start();
    wait_until("it has credentials", || !aws.access_keys().is_empty());
    aws.respond(CannedService::Container, 403, "", 1_000);
    let words = "credentials from the container (AWS_CONTAINER_CREDENTIALS_FULL_URI) cannot be renewed";
    // By the renewal, and by the calls that wait for it once the credentials have expired.
    wait_until("it is reported", || producer.stderr_so_far().matches(words).count() >= 2);
    aws.recover(CannedService::Container);
    let ended = producer.finish().exits(0);
    let output = format!("{}{}", ended.stdout, ended.stderr);
    assert!(output.contains("120 messages enqueued"), "{output}");
    assert!(ended.stderr.contains("retrying for up to 10 minutes"), "{}", ended.stderr);
    assert_eq!(aws.expired_calls(), 0);
}

#[test]
fn the_local_emulator_needs_no_sign_in() {
    let stack = Stack::deploy();
    let local = Program::new(
        &ProgramPaths::get().monitor,
        &format!("runs --local --profile nope --stack {}", stack.name()),
    );
    let local = local.env("STENTOR_PORT", &Emulator::shared().port().to_string());
    local.env("AWS_USE_FIPS_ENDPOINT", "true").env("AWS_USE_DUALSTACK_ENDPOINT", "true").run().exits(0);
}

/// Returns the hosts of SQS, DynamoDB and STS, and that of DynamoDB for a known account.
fn hosts_of(fips: bool, dual_stack: bool) -> [String; 4] {
    let fips_suffix = if fips { "-fips" } else { "" };
    let domain = if dual_stack { "us-east-1.api.aws" } else { "us-east-1.amazonaws.com" };
    let [sqs, dynamodb, sts] =
        ["sqs", "dynamodb", "sts"].map(|service| format!("{service}{fips_suffix}.{domain}"));
    // No account has an endpoint that is validated for FIPS.
    let of_account = if fips { dynamodb.clone() } else { format!("123456789012.ddb.{domain}") };
    [sqs, dynamodb, sts, of_account]
}

#[test]
fn every_service_is_called_at_its_fips_or_dual_stack_host() {
    let stack = Stack::deploy();
    let role = format!("{ROLE}source_profile = base\n");
    let line = format!("runs --profile a --stack {}", stack.name());
    for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
        let given = [
            (fips, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
            (dual_stack, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
        ];
        let given = given.iter().filter(|(is_given, ..)| *is_given);
        let settings = given.clone().map(|(.., setting)| format!("{setting} = true\n"));
        let settings = settings.collect::<Vec<_>>().concat();
        let variables: Vec<&str> = given.map(|(_, variable, _)| *variable).collect();
        let [sqs, dynamodb, sts, of_account] = hosts_of(fips, dual_stack);
        for (profile, variables, expected) in [
            (KEYS.to_owned(), variables.as_slice(), vec![&sqs, &dynamodb]),
            (format!("{KEYS}{settings}"), &[], vec![&sqs, &dynamodb]),
            (role.clone(), &variables, vec![&sqs, &sts, &of_account]),
        ] {
            let (aws, home) = (CannedAws::start(), home(&profile));
            let hosts = [&sqs, &dynamodb, &sts, &of_account].map(String::as_str);
            let program = aws.at_hosts(home.program(&ProgramPaths::get().monitor, &line), &hosts);
            let program = variables.iter().fold(program, |program, name| program.env(name, "true"));
            program.run().exits(0);
            let called: BTreeSet<String> = aws.requests(CannedService::Proxy).into_iter().collect();
            let expected = expected.into_iter().map(|host| format!("CONNECT {host}:443 HTTP/1.1 ")).collect();
            assert_eq!(called, expected, "{profile} {variables:?}");
        }
    }
}
