//! Refuses calls as AWS does if no policy allows them.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::json;
use stentor_test_support::Permission;

use super::fault::{Call, Service};
use super::{Proxy, Reply, lock};

/// Region and account of the emulators.
const PLACE: &str = "us-east-1:000000000000";

/// The permissions of the caller, and the calls that were made.
#[derive(Debug, Default)]
pub(super) struct Permits {
    /// `None` permits every call.
    permitted: Mutex<Option<BTreeSet<Permission>>>,
    needed: Mutex<BTreeSet<Permission>>,
}

impl Proxy {
    /// Refuses all further calls without one of these permissions.
    pub fn permit_only(&self, permitted: BTreeSet<Permission>) {
        *lock(&self.shared.permits.permitted) = Some(permitted);
    }

    /// Returns the permissions that the calls so far needed, refused calls included.
    pub fn needed(&self) -> BTreeSet<Permission> {
        lock(&self.shared.permits.needed).clone()
    }
}

impl Permits {
    /// Returns the response to a call that is not permitted.
    pub(super) fn refusal(&self, call: &Call) -> Option<Reply> {
        let needed = permission(call);
        lock(&self.needed).insert(needed.clone());
        let is_permitted = lock(&self.permitted).as_ref().is_none_or(|permitted| permitted.contains(&needed));
        (!is_permitted).then(|| denial(call, &needed))
    }
}

/// Returns the permission that a call needs. Batches need the action of the single call; PartiQL has separate
/// ones (Amazon SQS Developer Guide, "Amazon SQS API permissions"; Amazon DynamoDB Developer Guide, "IAM
/// policies with PartiQL").
fn permission(call: &Call) -> Permission {
    let verb = call.statement().and_then(|text| text.split(' ').next());
    let name = call.resource().unwrap_or_default();
    let (action, resource) = match (call.service, call.operation.as_str(), verb) {
        (Service::Sqs, batch, _) => (
            format!("sqs:{}", batch.strip_suffix("Batch").unwrap_or(batch)),
            format!("arn:aws:sqs:{PLACE}:{name}"),
        ),
        (Service::DynamoDb, single, verb) => {
            let action = match verb {
                Some("INSERT") => "PartiQLInsert",
                Some("UPDATE") => "PartiQLUpdate",
                Some(other) => panic!("a statement that begins with {other}"),
                None => single,
            };
            (format!("dynamodb:{action}"), format!("arn:aws:dynamodb:{PLACE}:table/{name}"))
        }
    };
    Permission { action, resource }
}

/// SQS names actions in lower case, and does not distinguish a queue that may not be found from one that does not
/// exist. DynamoDB denies each statement of a batch (`BatchStatementErrorCodeEnum`).
fn denial(call: &Call, Permission { action, resource }: &Permission) -> Reply {
    let why = |action: &str| {
        format!(
            "User: arn:aws:iam::000000000000:user/rehearser is not authorized to perform: {action} on resource: \
             {resource} because no identity-based policy allows the {action} action"
        )
    };
    let code = "com.amazon.coral.service#AccessDeniedException";
    let (status, body) = match (call.service, call.input["Statements"].as_array()) {
        (Service::Sqs, _) if call.operation == "GetQueueUrl" => {
            let why = "The specified queue does not exist or you do not have access to it.";
            (400, json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": why}))
        }
        (Service::Sqs, _) => (403, json!({"__type": code, "message": why(&action.to_lowercase())})),
        (Service::DynamoDb, None) => (400, json!({"__type": code, "Message": why(action)})),
        (Service::DynamoDb, Some(statements)) => {
            let denied = json!({"Error": {"Code": "AccessDenied", "Message": why(action)}});
            (200, json!({"Responses": vec![denied; statements.len()]}))
        }
    };
    Reply::Respond(status, body.to_string())
}
