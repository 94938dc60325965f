//! Errors of calls to AWS, and which of them a retry can resolve.

use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_types::error::metadata::ErrorMetadata;
use aws_smithy_types::retry::ErrorKind;
use stentor_core::escape::{first_paragraph, one_line};
use stentor_core::run::RunId;
use thiserror::Error;

use crate::credentials::CredentialSource;

/// Why a call to AWS failed permanently.
#[derive(Debug, Error)]
pub enum Error {
    /// The credential chain found nothing, or its source failed.
    #[error("no AWS credentials {}: {why}", origin_or(.origin.as_deref(), "found"))]
    NoCredentials {
        /// The endpoint URL, or `AWS`.
        endpoint: String,
        /// The source that failed; `None` where none is configured.
        origin: Option<Box<CredentialSource>>,
        /// Where the chain has searched, or why it failed.
        why: String,
    },
    /// AWS rejected the credentials.
    #[error("AWS rejected the credentials {}: {why}", origin_or(.origin.as_deref(), "of the request"))]
    BadCredentials {
        /// Where they come from.
        origin: Option<Box<CredentialSource>>,
        /// AWS's reason.
        why: String,
    },
    /// No region is configured.
    #[error("no AWS region configured")]
    NoRegion {
        /// The endpoint URL, or `AWS`.
        endpoint: String,
    },
    /// The proxy of the environment did not connect to AWS.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The endpoint never answered in this session.
    #[error("{endpoint} does not answer ({why})")]
    Unreachable {
        /// The endpoint URL, or `AWS in <region>`.
        endpoint: String,
        /// The region of the session.
        region: String,
        /// The error of the connection.
        why: String,
    },
    /// A table or queue of the stack does not exist.
    #[error("stack '{stack}' is not deployed in {region} (no {resource} at {endpoint})")]
    NotDeployed {
        /// The stack's name.
        stack: String,
        /// The region that was searched.
        region: String,
        /// The missing table or queue.
        resource: String,
        /// The endpoint URL, or `AWS in <region>`.
        endpoint: String,
    },
    /// The stack has no such run.
    #[error("no run {run} in this stack")]
    NoSuchRun {
        /// The requested run.
        run: RunId,
    },
    /// AWS rejected the request.
    #[error("{call} was rejected: {code}: {message}")]
    Rejected {
        /// The call and its purpose.
        call: &'static str,
        /// AWS's error code.
        code: String,
        /// AWS's explanation.
        message: String,
    },
    /// Other senders of the stack use other limits or daily caps under the name of the sender's provider profile.
    #[error("provider profile '{name}' is in use with other limits or daily caps: {difference}")]
    ProviderConflict {
        /// Name of the profile.
        name: String,
        /// What differs between the stored profile and that of this sender.
        difference: String,
    },
    /// An outage lasted longer than the retry budget.
    #[error("{call} has failed for {seconds} s at {endpoint} ({why}); completed work is kept")]
    RetriesExhausted {
        /// The call.
        call: &'static str,
        /// The endpoint URL, or `AWS in <region>`.
        endpoint: String,
        /// The source of the credentials, where these cannot be renewed.
        origin: Option<Box<CredentialSource>>,
        /// The error of the last attempt.
        why: String,
        /// How long the call was retried, seconds.
        seconds: u64,
    },
    /// An item or attribute has an unexpected form.
    #[error("cannot read {what}: {why}")]
    InvalidData {
        /// The item or attribute.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// Returns whether the table or queue does not exist, or a policy denied the call.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::NotDeployed { .. }) || self.is_access_denied()
    }

    /// Returns whether a policy denied the call. The message of such an error names user, action and resource.
    pub fn is_access_denied(&self) -> bool {
        matches!(self, Self::Rejected { code, .. } if ACCESS_DENIED.contains(&code.as_str()))
    }
}

/// What the proxy of the environment did with a call.
#[derive(Debug, Clone, Error)]
#[error("the proxy {url} (from {variable}) {why}")]
pub struct ProxyError {
    /// The proxy, without credentials.
    pub url: String,
    /// The variable that names it.
    pub variable: &'static str,
    /// What it did, such as `refused the connection to HOST:443`.
    pub why: String,
}

fn origin_or<'a>(origin: Option<&'a CredentialSource>, words: &'a str) -> String {
    origin.map_or_else(|| words.to_owned(), |origin| format!("from {origin}"))
}

/// Why one attempt at a call brought no answer.
#[derive(Debug)]
pub(crate) enum AttemptError {
    /// The service throttled the call, which was not carried out.
    Throttled(String),
    /// The service failed; the call may have been carried out.
    ServerError(String),
    /// The credentials have expired, and may be renewed.
    Expired(String),
    /// There are no valid credentials at the moment; the call was not made.
    NoCredentials(String),
    /// No answer came; the call may have been carried out.
    NoResponse(String),
    /// The connection was made and lost before the answer; the call may have been carried out.
    ConnectionLost(String),
    /// No answer came through the proxy; the call may have been carried out.
    Proxy(ProxyError),
    /// The table or queue does not exist.
    NotFound,
    /// The condition of a write failed.
    ConditionFailed,
    /// A retry would not help.
    Permanent(Error),
}

impl AttemptError {
    /// Whether the service may have carried out the call.
    pub(crate) fn may_be_carried_out(&self) -> bool {
        matches!(self, Self::ServerError(_) | Self::NoResponse(_) | Self::ConnectionLost(_) | Self::Proxy(_))
    }
}

/// Codes of throttled calls that are not among the SDK's; SQS answers `OverLimit` where too many messages are in flight.
const THROTTLES: [&str; 4] =
    ["OverLimit", "AWS.SimpleQueueService.OverLimit", "KMS.ThrottlingException", "KmsThrottled"];

/// Codes of expired credentials, which may be renewed.
const EXPIRED: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired"];

/// Codes of credentials that AWS rejects.
const BAD_CREDENTIALS: [&str; 7] = [
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Codes of calls that a policy denies: of DynamoDB and SQS, of a statement in a batch, and of the key of a queue.
const ACCESS_DENIED: [&str; 4] =
    ["AccessDenied", "AccessDeniedException", "KMS.AccessDeniedException", "KmsAccessDenied"];

/// Codes of transient failures of the service that are not among the SDK's.
const TRANSIENT: [&str; 6] = [
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "ReplicatedWriteConflictException",
    "ServiceUnavailable",
    "TransactionConflictException",
];

/// Codes of a table or queue that does not exist.
const NOT_FOUND: [&str; 3] =
    ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "ResourceNotFoundException"];

/// Classifies the code of a failed call, or of a failed entry of a batch.
pub(crate) fn classify_code(call: &'static str, code: &str, message: &str) -> AttemptError {
    let code = without_namespace(code);
    let message = first_paragraph(message);
    let text = || one_line(&format!("{code}: {message}"));
    match code {
        "ConditionalCheckFailedException" => AttemptError::ConditionFailed,
        _ if is_throttle(code) => AttemptError::Throttled(text()),
        _ if is_server_error(code) => AttemptError::ServerError(text()),
        _ if EXPIRED.contains(&code) => AttemptError::Expired(text()),
        _ if BAD_CREDENTIALS.contains(&code) => {
            AttemptError::Permanent(Error::BadCredentials { origin: None, why: text() })
        }
        _ if NOT_FOUND.contains(&code) => AttemptError::NotFound,
        _ => AttemptError::Permanent(Error::Rejected {
            call,
            code: one_line(code),
            message: one_line(message),
        }),
    }
}

/// Returns whether another attempt may succeed after an error with this code: the service was busy, or failed.
pub fn is_transient(code: &str) -> bool {
    is_throttle(without_namespace(code)) || is_server_error(without_namespace(code))
}

/// Some answers carry a namespace before the code.
fn without_namespace(code: &str) -> &str {
    code.rsplit('#').next().unwrap_or(code)
}

fn is_throttle(code: &str) -> bool {
    THROTTLING_ERRORS.contains(&code) || THROTTLES.contains(&code)
}

fn is_server_error(code: &str) -> bool {
    TRANSIENT_ERRORS.contains(&code) || TRANSIENT.contains(&code)
}

/// Classifies an error of the SDK.
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
            code: "the request could not be built".to_owned(),
            message: root_cause(error),
        }),
        _ if find_cause::<CredentialsError>(error).is_some() => {
            AttemptError::NoCredentials(root_cause(error))
        }
        _ => match find_cause::<ProxyError>(error) {
            Some(error) => AttemptError::Proxy(error.clone()),
            None if is_connection_lost(error) => AttemptError::ConnectionLost(root_cause(error)),
            None => AttemptError::NoResponse(root_cause(error)),
        },
    }
}

/// Whether a connection was lost, other than one that was refused or whose host is unknown.
fn is_connection_lost<E, R>(error: &SdkError<E, R>) -> bool
where
    SdkError<E, R>: std::error::Error + 'static,
{
    const LOST: [io::ErrorKind; 4] = [
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::UnexpectedEof,
    ];
    // A connection that is closed before the answer is complete is hyper's error, which the SDK calls transient.
    let is_cut_off = matches!(error, SdkError::DispatchFailure(failure) if failure.as_other() == Some(ErrorKind::TransientError));
    is_cut_off || find_cause::<io::Error>(error).is_some_and(|error| LOST.contains(&error.kind()))
}

/// Finds an error of one type in the chain of an error.
pub fn find_cause<'a, T: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a T> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

/// Returns the root of an error's chain in one line; the outer links only say that a request failed.
pub fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = cause.to_string();
    one_line(&if text.is_empty() { DisplayErrorContext(error).to_string() } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_classified() {
        let of = |code| classify_code("Call", code, "words");
        assert!(matches!(of("RequestThrottled"), AttemptError::Throttled(_)));
        assert!(matches!(of("KMS.ThrottlingException"), AttemptError::Throttled(_)));
        assert!(matches!(
            of("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
            AttemptError::Throttled(_)
        ));
        assert!(matches!(of("InternalServerError"), AttemptError::ServerError(_)));
        assert!(matches!(of("ExpiredTokenException"), AttemptError::Expired(_)));
        assert!(matches!(of("QueueDoesNotExist"), AttemptError::NotFound));
        assert!(matches!(of("ConditionalCheckFailedException"), AttemptError::ConditionFailed));
        assert!(matches!(of("InvalidClientTokenId"), AttemptError::Permanent(Error::BadCredentials { .. })));
        assert!(matches!(of("NotYetInvented"), AttemptError::Permanent(Error::Rejected { .. })));
    }

    #[test]
    fn denied_calls_are_distinguished_and_explained_completely() {
        let user = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Rehearsals_0123456789abcdef/ann@example.com";
        let queue = format!("arn:aws:sqs:ap-southeast-1:123456789012:{}-queue", "s".repeat(64));
        let why = format!(
            "User: {user} is not authorized to perform: sqs:changemessagevisibility on resource: {queue} because no \
             identity-based policy allows the sqs:changemessagevisibility action"
        );
        for code in ["com.amazon.coral.service#AccessDeniedException", "AccessDenied", "KmsAccessDenied"] {
            let AttemptError::Permanent(error) = classify_code("Call", code, &why) else { panic!("{code}") };
            assert!(error.is_access_denied() && error.is_unavailable(), "{error}");
            assert!(error.to_string().ends_with(&why), "{error}");
        }
        let AttemptError::Permanent(other) = classify_code("Call", "ValidationException", &why) else {
            panic!()
        };
        assert!(!other.is_access_denied() && !other.is_unavailable());
    }

    #[test]
    fn control_characters_of_a_service_are_escaped() {
        let hostile = "the value \u{1b}[2J\r\u{9b}\nis bad";
        for code in ["Throttling", "InternalError", "ExpiredToken", "InvalidClientTokenId", "Odd\u{1b}Code"] {
            let text = format!("{:?}", classify_code("Call", code, hostile));
            assert!(text.contains("the value"), "{text}");
            let quoted = match classify_code("Call", code, hostile) {
                AttemptError::Throttled(why)
                | AttemptError::ServerError(why)
                | AttemptError::Expired(why) => why,
                AttemptError::Permanent(error) => error.to_string(),
                other => panic!("{other:?}"),
            };
            assert!(quoted.lines().all(|line| !line.contains(char::is_control)), "{quoted:?}");
        }
    }

    #[test]
    fn a_signature_mismatch_reveals_no_token() {
        let message = "The request signature we calculated does not match the signature you provided.\n\n\
            The Canonical String for this request should have been\n'POST\n/\n\nx-amz-security-token:TOKEN'";
        for code in ["InvalidSignatureException", "SignatureDoesNotMatch", "Unheard-of"] {
            let AttemptError::Permanent(error) = classify_code("Call", code, message) else {
                panic!("{code}")
            };
            let text = error.to_string();
            assert!(text.contains("does not match") && !text.contains("TOKEN"), "{text}");
        }
    }
}
