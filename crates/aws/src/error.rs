//! What can go wrong on the way to AWS, and which of it passes.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_types::error::metadata::ErrorMetadata;
use thiserror::Error;

use stentor_core::escape::escape_control;
use stentor_core::run::RunId;

/// Why AWS could not be asked, or what it refused. The text says what to do about it.
#[derive(Debug, Error)]
pub enum Error {
    /// The credential chain found nothing.
    #[error("no AWS credentials ({why})\n{CREDENTIALS_HINT}")]
    NoCredentials {
        /// What the chain said.
        why: String,
    },
    /// There are credentials, and AWS does not take them.
    #[error("AWS does not accept the credentials ({why})\n{CREDENTIALS_HINT}")]
    BadCredentials {
        /// What AWS said.
        why: String,
    },
    /// No region is named anywhere.
    #[error("no AWS region: give --region, or set AWS_REGION, or a region in your profile")]
    NoRegion,
    /// Nothing was ever heard from the endpoint.
    #[error(
        "{endpoint} does not answer ({why})\nIs it running, and is the address right? For the local one: ./infra/setup.sh local"
    )]
    Unreachable {
        /// The address asked.
        endpoint: String,
        /// What the connection said.
        why: String,
    },
    /// A table or queue of the stack does not exist.
    #[error(
        "stack '{stack}' is not deployed in {region} (no {resource}, asked {endpoint})\nDeploy it: ./infra/setup.sh deploy --stack {stack} --region {region}, or locally: ./infra/setup.sh local --stack {stack}"
    )]
    NotDeployed {
        /// The stack asked for.
        stack: String,
        /// The region it was looked for in.
        region: String,
        /// What of it is missing.
        resource: String,
        /// The address asked.
        endpoint: String,
    },
    /// The stack has no run of that name.
    #[error(
        "there is no run {run} in this stack\nThe producer prints a run's id when it begins; check --stack too"
    )]
    NoSuchRun {
        /// The run asked for.
        run: RunId,
    },
    /// AWS understood, and said no.
    #[error("{call} was refused: {code}: {message}")]
    Rejected {
        /// The call and what it was for.
        call: &'static str,
        /// AWS's error code.
        code: String,
        /// AWS's explanation.
        message: String,
    },
    /// AWS answered once, and then no more for as long as a program waits.
    #[error("{call} has failed for {seconds} s at {endpoint} ({why}); what was done so far stands")]
    RetriesExhausted {
        /// The call.
        call: &'static str,
        /// The address asked.
        endpoint: String,
        /// What the last try said.
        why: String,
        /// How long it was tried, seconds.
        seconds: u64,
    },
    /// Something in a table cannot be read.
    #[error("{what} cannot be read: {why}")]
    InvalidData {
        /// The item.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

const CREDENTIALS_HINT: &str = "Sign in (aws configure, or aws sso login and --profile), set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --local";

/// Why one try at a call brought no answer.
#[derive(Debug)]
pub(crate) enum AttemptError {
    /// The service asked for budget.
    Throttled(String),
    /// The service failed; the call may have been carried out all the same.
    ServerError(String),
    /// The credentials are over, and may be renewed.
    Expired(String),
    /// No answer came; the call may have been carried out all the same.
    NoResponse(String),
    /// The resource does not exist.
    NotFound,
    /// A failed condition, with the item that failed it where the service sent it.
    ConditionFailed,
    /// Trying again would not help.
    Permanent(Error),
}

/// Codes by which the services ask for budget; SQS says `OverLimit` where too much is in flight.
const THROTTLES: [&str; 14] = [
    "OverLimit",
    "AWS.SimpleQueueService.OverLimit",
    "BandwidthLimitExceeded",
    "KmsThrottled",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Codes of credentials that are over, and may be renewed.
const EXPIRED: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired"];

/// Codes of credentials that AWS does not take.
const BAD_CREDENTIALS: [&str; 6] = [
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Codes of the service's own failures, which pass.
const PASSING: [&str; 8] = [
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "ReplicatedWriteConflictException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "TransactionConflictException",
];

/// Codes of a table or queue that does not exist.
const NOT_FOUND: [&str; 3] =
    ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "ResourceNotFoundException"];

/// What a failed entry of a batch, or a whole call, comes to by its code.
pub(crate) fn classify_code(call: &'static str, code: &str, message: &str) -> AttemptError {
    // Some answers carry a namespace before the code.
    let code = code.rsplit('#').next().unwrap_or(code);
    let message = first_paragraph(message);
    let told = || one_line(&format!("{code}: {message}"));
    match code {
        "ConditionalCheckFailedException" => AttemptError::ConditionFailed,
        _ if THROTTLES.contains(&code) => AttemptError::Throttled(told()),
        _ if PASSING.contains(&code) => AttemptError::ServerError(told()),
        _ if EXPIRED.contains(&code) => AttemptError::Expired(told()),
        _ if BAD_CREDENTIALS.contains(&code) => {
            AttemptError::Permanent(Error::BadCredentials { why: told() })
        }
        _ if NOT_FOUND.contains(&code) => AttemptError::NotFound,
        _ => AttemptError::Permanent(Error::Rejected {
            call,
            code: one_line(code),
            message: one_line(message),
        }),
    }
}

/// What an SDK error comes to.
pub(crate) fn attempt_error<E>(
    call: &'static str,
    error: &SdkError<E, aws_sdk_dynamodb::config::http::HttpResponse>,
) -> AttemptError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status();
            let meta: &ErrorMetadata = answer.err().meta();
            let (code, message) = (meta.code().unwrap_or("no code"), meta.message().unwrap_or("no message"));
            match classify_code(call, code, message) {
                AttemptError::Permanent(_)
                    if status.is_server_error() || matches!(status.as_u16(), 408 | 429) =>
                {
                    AttemptError::ServerError(one_line(&format!("HTTP {}: {code}", status.as_u16())))
                }
                attempt_error => attempt_error,
            }
        }
        SdkError::ConstructionFailure(_) => AttemptError::Permanent(Error::Rejected {
            call,
            code: "the request could not be made".to_owned(),
            message: root_cause(error),
        }),
        _ => AttemptError::NoResponse(root_cause(error)),
    }
}

/// The root of an error's chain: its outer links only say that something failed.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = cause.to_string();
    one_line(&if text.is_empty() { DisplayErrorContext(error).to_string() } else { text })
}

/// What a service says before the first empty line. After it, where a signature does not match, it tells the whole
/// request as it should have been signed, the session's token included.
fn first_paragraph(message: &str) -> &str {
    message.split("\n\n").next().unwrap_or_default()
}

/// Words of a service or a library, fit to stand in a sentence of ours.
pub(super) fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    escape_control(&line.chars().take(LONGEST).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        let of = |code| classify_code("Call", code, "words");
        assert!(matches!(of("RequestThrottled"), AttemptError::Throttled(_)));
        assert!(matches!(
            of("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
            AttemptError::Throttled(_)
        ));
        assert!(matches!(of("InternalServerError"), AttemptError::ServerError(_)));
        assert!(matches!(of("ExpiredTokenException"), AttemptError::Expired(_)));
        assert!(matches!(of("QueueDoesNotExist"), AttemptError::NotFound));
        assert!(matches!(of("ConditionalCheckFailedException"), AttemptError::ConditionFailed));
        assert!(matches!(of("InvalidClientTokenId"), AttemptError::Permanent(Error::BadCredentials { .. })));
        assert!(matches!(of("AccessDeniedException"), AttemptError::Permanent(Error::Rejected { .. })));
    }

    #[test]
    fn what_a_service_quotes_cannot_attack_a_terminal() {
        let hostile = "the value \u{1b}[2J\r\u{9b}\nis bad";
        for code in ["Throttling", "InternalError", "ExpiredToken", "InvalidClientTokenId", "Odd\u{1b}Code"] {
            let told = format!("{:?}", classify_code("Call", code, hostile));
            assert!(told.contains("the value"), "{told}");
            let words = match classify_code("Call", code, hostile) {
                AttemptError::Throttled(why)
                | AttemptError::ServerError(why)
                | AttemptError::Expired(why) => why,
                AttemptError::Permanent(error) => error.to_string(),
                other => panic!("{other:?}"),
            };
            assert!(words.lines().all(|line| !line.contains(char::is_control)), "{words:?}");
        }
    }

    #[test]
    fn a_signature_that_does_not_match_tells_no_token() {
        let message = "The request signature we calculated does not match the signature you provided.\n\n\
            The Canonical String for this request should have been\n'POST\n/\n\nx-amz-security-token:TOKEN'";
        for code in ["InvalidSignatureException", "SignatureDoesNotMatch", "Unheard-of"] {
            let AttemptError::Permanent(error) = classify_code("Call", code, message) else {
                panic!("{code}")
            };
            let told = error.to_string();
            assert!(told.contains("does not match") && !told.contains("TOKEN"), "{told}");
        }
    }
}
