//! Providers of credentials that fail, refuse or are busy, and clocks that are too far off for signatures.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use stentor_tests::build::ProgramPaths;
use stentor_tests::{CannedAws, CannedService, ProcessOutput, Program, Stack};

use crate::bad_input::assert_clear;
use crate::profiles::{Home, KEYS, ROLE};
use crate::sign_in::{FUTURE, LOGIN, PAST, SSO, home, monitor, write_login_token, write_sso_token};

fn sts_error(code: &str, message: &str) -> String {
    format!("<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>")
}

fn json_error(code: &str, message: &str) -> String {
    format!(r#"{{"__type": "{code}", "message": "{message}"}}"#)
}

/// A service, and the status and body of its responses.
type Refusal = (CannedService, u16, String);

/// The fields of a [`Failure`].
type SignInCase<'a> = (&'a str, Option<&'a str>, Option<Refusal>, &'a [&'a str], &'a str);

/// A failure of a provider of the profile `a`.
struct Failure<'a> {
    settings: &'a str,
    /// When the tokens of `aws sso login` and `aws login` expire; `None` without any.
    tokens: Option<&'a str>,
    /// The service that refuses the call, and how.
    refusal: Option<Refusal>,
    /// In the first line of the error.
    words: &'a [&'a str],
    command: &'a str,
}

impl Failure<'_> {
    #[track_caller]
    fn check(&self) {
        let (aws, home) = (CannedAws::without_stack(), home(self.settings));
        if let Some(expires) = self.tokens {
            write_sso_token(&home, expires);
            write_login_token(&home, expires);
        }
        if let Some((service, status, body)) = &self.refusal {
            aws.respond(*service, *status, body, 10);
        }
        let ended = monitor(&aws, &home, "stentor").run();
        assert_failure(&ended, self.words, self.command);
    }
}

#[track_caller]
fn assert_failure(ended: &ProcessOutput, words: &[&str], command: &str) {
    assert_clear(ended, 1, words);
    assert!(ended.stderr.contains(command), "no `{command}` in: {}", ended.stderr);
}

#[test]
fn a_failed_process_is_named_with_its_reason() {
    for (script, reason) in [
        ("echo hello", "could not parse response"),
        ("echo locked >&2; exit 3", "exit status: 3. Stderr: locked"),
        ("echo '{\"Version\": 1}'", "AccessKeyId"),
        ("/nonexistent/get", "exit status: 127"),
    ] {
        Failure {
            settings: &format!("credential_process = {script}\n"),
            tokens: None,
            refusal: None,
            words: &["profile 'a': its credential_process failed (", reason, "config line 2"],
            command: "aws configure get credential_process --profile a",
        }
        .check();
    }
}

#[test]
fn a_missing_or_refused_sign_in_is_named_with_the_command_for_it() {
    use CannedService::{IdentityCenter, SignIn, Tokens};
    let refused = |service, status, code: &str, message| Some((service, status, json_error(code, message)));
    let signed_out = "profile 'a': not signed in to IAM Identity Center";
    let logged_out = "profile 'a': not signed in with aws login";
    let unauthorized =
        refused(IdentityCenter, 401, "UnauthorizedException", "Session token not found or invalid");
    let cases: [SignInCase; 6] = [
        (SSO, None, None, &[signed_out], "aws sso login --profile a"),
        (
            SSO,
            Some(FUTURE),
            unauthorized.clone(),
            &[signed_out, "not found or invalid"],
            "aws sso login --profile a",
        ),
        (
            SSO,
            Some(FUTURE),
            refused(IdentityCenter, 403, "ForbiddenException", "No access"),
            &["profile 'a': IAM Identity Center refused its sso_role_name (", "No access"],
            "aws configure sso --profile a",
        ),
        (LOGIN, None, None, &[logged_out], "aws login --profile a"),
        (
            LOGIN,
            Some(PAST),
            Some((
                SignIn,
                400,
                r#"{"__type": "AccessDeniedException", "error": "TOKEN_EXPIRED", "message": "old"}"#
                    .to_owned(),
            )),
            &[logged_out],
            "aws login --profile a",
        ),
        (
            &format!("{ROLE}source_profile = b\n[profile b]\n{SSO}"),
            Some(FUTURE),
            unauthorized,
            &["profile 'a', source profile 'b': not signed in to IAM Identity Center"],
            "aws sso login --profile b",
        ),
    ];
    for (settings, tokens, refusal, words, command) in cases {
        Failure { settings, tokens, refusal, words, command }.check();
    }
    // The token is not renewed, and then refused.
    let (aws, home) = (CannedAws::without_stack(), home(SSO));
    write_sso_token(&home, PAST);
    aws.respond(Tokens, 400, &json_error("InvalidGrantException", "expired"), 1);
    aws.respond(IdentityCenter, 401, &json_error("UnauthorizedException", "Session token"), 1);
    assert_failure(&monitor(&aws, &home, "stentor").run(), &[signed_out], "aws sso login --profile a");
}

#[test]
fn a_role_that_is_refused_is_named_and_so_is_its_mfa_device() {
    const DENIED: &str = "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: sts:AssumeRole on \
        resource: arn:aws:iam::123456789012:role/rehearser";
    let refusal = |code| Some((CannedService::Sts, 403, sts_error(code, DENIED)));
    let role = format!("{ROLE}source_profile = base\n");
    Failure {
        settings: &role,
        tokens: None,
        refusal: refusal("AccessDenied"),
        words: &["profile 'a': its role arn:aws:iam::123456789012:role/rehearser was not assumed (AccessDenied: User"],
        command: "aws sts get-caller-identity --profile a",
    }
    .check();
    let mfa = format!("{role}mfa_serial = arn:aws:iam::123456789012:mfa/ann\n");
    Failure {
        settings: &mfa,
        tokens: None,
        refusal: refusal("AccessDenied"),
        words: &[
            "profile 'a': its role",
            "requires a code from the MFA device arn:aws:iam::123456789012:mfa/ann",
        ],
        command: "eval \"$(aws configure export-credentials --profile a --format env)\"",
    }
    .check();
    // The role of the source profile is the one that is refused.
    let through = format!("role_arn = arn:aws:iam::1:role/other\nsource_profile = b\n[profile b]\n{mfa}");
    Failure {
        settings: &through,
        tokens: None,
        refusal: refusal("AccessDenied"),
        words: &["profile 'a', source profile 'b': its role", "MFA device"],
        command: "export-credentials --profile a",
    }
    .check();
    let web = format!("{ROLE}web_identity_token_file = /nonexistent/token\n");
    Failure {
        settings: &web,
        tokens: None,
        refusal: None,
        words: &["profile 'a': its web_identity_token_file gave no credentials (No such file"],
        command: "Check that file",
    }
    .check();
}

#[test]
fn a_failed_source_without_a_profile_is_named() {
    let run = |aws: &CannedAws, home: &Home, set: &dyn Fn(Program) -> Program| {
        set(aws.before(home.program(&ProgramPaths::get().monitor, "runs"))).run()
    };
    let (aws, home) = (CannedAws::without_stack(), home(""));
    aws.respond(CannedService::Sts, 400, &sts_error("InvalidIdentityToken", "Incorrect token"), 1);
    let token = |program: Program| {
        program
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", &home.path("token"))
            .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/rehearser")
    };
    let words = ["no AWS credentials from the web identity of the environment", "Incorrect token"];
    assert_failure(&run(&aws, &home, &token), &words, "AWS_ROLE_ARN");
    aws.respond(CannedService::Container, 403, "", 1);
    let container = |program: Program| {
        program.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/container", aws.url()))
    };
    let words = ["no AWS credentials from the container (AWS_CONTAINER_CREDENTIALS_FULL_URI)", "403"];
    assert_failure(&run(&aws, &home, &container), &words, "task role");
}

#[test]
fn without_any_credentials_the_error_comes_within_five_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let url = format!("http://{}", silent.local_addr().expect("it is bound"));
    for region in ["", "us-east-1"] {
        let start = Instant::now();
        let flags = if region.is_empty() { String::new() } else { format!(" --region {region}") };
        let ended = Program::new(&ProgramPaths::get().monitor, &format!("runs{flags}"))
            .env("AWS_EC2_METADATA_DISABLED", "false")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)
            .run();
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert_failure(&ended, &["no AWS credentials found"], "Sign in");
    }
}

#[test]
fn rejected_credentials_are_named_with_their_source() {
    let (aws, home) = (CannedAws::without_stack(), home(KEYS));
    aws.respond(
        CannedService::Stack,
        403,
        &json_error("InvalidClientTokenId", "The security token is invalid"),
        1,
    );
    let words = ["AWS rejected the credentials from profile 'a' (access keys): InvalidClientTokenId"];
    assert_failure(&monitor(&aws, &home, "stentor").run(), &words, "aws configure --profile a");
    let expired =
        json_error("ExpiredTokenException", "The security token included in the request is expired");
    aws.respond(CannedService::Stack, 403, &expired, 1);
    write_sso_token(&home, FUTURE);
    home.write("config", &format!("[profile a]\n{SSO}"));
    let words =
        ["AWS rejected the credentials from profile 'a' (IAM Identity Center): ExpiredTokenException"];
    assert_failure(&monitor(&aws, &home, "stentor").run(), &words, "aws sso login --profile a");
}

#[test]
fn busy_services_are_called_again_from_the_first_call_on() {
    use CannedService::{IdentityCenter, Sts};
    let stack = Stack::deploy();
    let role = format!("{ROLE}source_profile = base\n");
    for (settings, service, status, body) in [
        (role.as_str(), Sts, 500, sts_error("InternalFailure", "failed")),
        (&role, Sts, 400, sts_error("Throttling", "Rate exceeded")),
        (SSO, IdentityCenter, 429, json_error("TooManyRequestsException", "busy")),
        (SSO, IdentityCenter, 503, String::new()),
        (KEYS, CannedService::Stack, 503, json_error("ServiceUnavailable", "down")),
        (KEYS, CannedService::Stack, 403, json_error("RequestThrottled", "busy")),
    ] {
        let (aws, home) = (CannedAws::start(), home(settings));
        write_sso_token(&home, FUTURE);
        aws.respond(service, status, &body, 2);
        monitor(&aws, &home, stack.name()).run().exits(0);
        assert!(aws.requests(service).len() >= 3, "{service:?}: {:?}", aws.requests(service));
    }
    let (aws, home) = (CannedAws::start(), home(&role));
    aws.respond(Sts, 500, &sts_error("InternalFailure", "failed"), 10);
    let ended = monitor(&aws, &home, stack.name()).run();
    assert_eq!(aws.requests(Sts).len(), 4);
    assert!(ended.stderr.contains("no AWS credentials from profile 'a' (role "), "{}", ended.stderr);
    assert!(ended.stderr.contains("InternalFailure"), "{}", ended.stderr);
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn a_clock_too_far_off_for_signatures_is_corrected_by_one_more_attempt() {
    let stack = Stack::deploy();
    let role = format!("{ROLE}source_profile = base\n");
    for code in ["RequestTimeTooSkewed", "InvalidSignatureException", "SignatureDoesNotMatch"] {
        for ahead in [-3_600, 3_600] {
            let (aws, home) = (CannedAws::start(), home(&role));
            aws.refuse_wrong_times_with(code);
            let ended = monitor(&aws, &home, stack.name()).with_clock_ahead(ahead).run().exits(0);
            let (signed_in, calls) = (aws.requests(CannedService::Sts), aws.requests(CannedService::Stack));
            // STS learns the time for itself, and then SQS, whose answers are those that correct the clock.
            assert_eq!(signed_in.len(), 2, "{code} {ahead}: {signed_in:?}");
            assert!(calls.len() <= 12, "{code} {ahead}: {} calls", calls.len());
            assert!(ended.stderr.contains("this machine's clock is"), "{}", ended.stderr);
        }
        // A server that always refuses is not called for ever.
        let (aws, home) = (CannedAws::start(), home(KEYS));
        aws.respond(CannedService::Stack, 403, &json_error(code, "Signature expired: canned"), 10);
        let ended = monitor(&aws, &home, stack.name()).with_clock_ahead(3_600).run();
        assert_eq!(aws.requests(CannedService::Stack).len(), 2, "{code}");
        assert!(ended.stderr.contains("Correct this machine's clock"), "{}", ended.stderr);
    }
}
