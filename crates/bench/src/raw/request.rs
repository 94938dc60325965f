//! Requests as bytes, and what a batch's answer says of its parts.

use anyhow::Context;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Endpoint;

/// The calls that the raw loader makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    GetQueueUrl,
    SendMessageBatch,
    ReceiveMessage,
    DeleteMessageBatch,
    BatchExecuteStatement,
}

impl Call {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GetQueueUrl => "GetQueueUrl",
            Self::SendMessageBatch => "SendMessageBatch",
            Self::ReceiveMessage => "ReceiveMessage",
            Self::DeleteMessageBatch => "DeleteMessageBatch",
            Self::BatchExecuteStatement => "BatchExecuteStatement",
        }
    }

    /// The whole request, head and body.
    pub(super) fn request(self, endpoint: &Endpoint, body: &str) -> Vec<u8> {
        let (service, api) = match self {
            Self::BatchExecuteStatement => ("dynamodb", "DynamoDB_20120810"),
            _ => ("sqs", "AmazonSQS"),
        };
        // Emulators check no signature, but read the service's name out of it.
        format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nX-Amz-Target: {api}.{}\r\nContent-Type: application/x-amz-json-1.0\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, \
             SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
            endpoint.authority(),
            self.name(),
            body.len(),
        )
        .into_bytes()
    }
}

/// How many entries or statements of a batch were not carried out, though the call itself was.
pub(super) fn refused(call: Call, answer: &[u8]) -> anyhow::Result<usize> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Entries {
        #[serde(default)]
        failed: Vec<IgnoredAny>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Statements {
        responses: Vec<Statement>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Statement {
        error: Option<IgnoredAny>,
    }
    let read = || -> serde_json::Result<usize> {
        Ok(if call == Call::BatchExecuteStatement {
            let answer: Statements = serde_json::from_slice(answer)?;
            answer.responses.iter().filter(|response| response.error.is_some()).count()
        } else {
            let answer: Entries = serde_json::from_slice(answer)?;
            answer.failed.len()
        })
    };
    read().with_context(|| format!("{}: {}", call.name(), String::from_utf8_lossy(answer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_inside_the_200_is_seen() {
        let of = |call, answer: &str| refused(call, answer.as_bytes()).ok();
        let entries = Call::SendMessageBatch;
        assert_eq!(of(entries, r#"{"Successful":[{"Id":"0"}],"Failed":[{"Id":"1"}]}"#), Some(1));
        assert_eq!(of(entries, r#"{"Successful":[{"Id":"0"}],"Failed":[]}"#), Some(0));
        assert_eq!(of(entries, r#"{"Successful":[{"Id":"0"}]}"#), Some(0));
        let statements = Call::BatchExecuteStatement;
        assert_eq!(of(statements, r#"{"Responses":[{},{"Error":{"Code":"DuplicateItem"}}]}"#), Some(1));
        assert_eq!(of(statements, r#"{"Responses":[{"TableName":"t"}]}"#), Some(0));
        assert_eq!(of(statements, "{}"), None, "an answer to no statement is no answer");
    }
}
