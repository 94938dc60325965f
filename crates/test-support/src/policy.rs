//! The IAM policies that the emulator has created from the template.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::Stack;

/// An IAM action on a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// The action, such as `dynamodb:GetItem`.
    pub action: String,
    /// The ARN of the resource.
    pub resource: String,
}

impl Stack {
    /// Returns the permissions of a managed policy, by its logical name in the template.
    #[track_caller]
    pub fn managed_policy(&self, logical_id: &str) -> BTreeSet<Permission> {
        let arn = self.physical_id(logical_id);
        let answer = self.iam("GetPolicyVersion", &[("PolicyArn", &arn), ("VersionId", "v1")]);
        permissions(element(&answer, "Document"))
    }

    /// Returns the permissions of the aggregator's role.
    #[track_caller]
    pub fn aggregator_role(&self) -> BTreeSet<Permission> {
        let role = self.physical_id("AggregatorRole");
        let answer = self.iam("GetRolePolicy", &[("RoleName", &role), ("PolicyName", "aggregator")]);
        permissions(element(&answer, "PolicyDocument"))
    }

    /// Returns the name or ARN of a resource, by its logical name in the template.
    #[track_caller]
    pub fn physical_id(&self, logical_id: &str) -> String {
        let describe = [
            ("Action", "DescribeStackResource"),
            ("Version", "2010-05-15"),
            ("StackName", self.name()),
            ("LogicalResourceId", logical_id),
        ];
        let (status, answer) = self.aws().form_call("cloudformation", &describe);
        assert_eq!(status, 200, "{logical_id}: {answer}");
        element(&answer, "PhysicalResourceId").to_owned()
    }

    #[track_caller]
    fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let form = [&[("Action", action), ("Version", "2010-05-08")], parameters].concat();
        let (status, answer) = self.aws().form_call("iam", &form);
        assert_eq!(status, 200, "{action}: {answer}");
        answer
    }
}

/// Returns the text of the first element of that name.
#[track_caller]
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let text = xml.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once("</"));
    text.unwrap_or_else(|| panic!("no {name} in {xml}")).0
}

/// Returns the permissions of a policy document, which IAM returns percent-encoded.
#[track_caller]
fn permissions(document: &str) -> BTreeSet<Permission> {
    let document = percent_decode_str(document).decode_utf8().expect("it is UTF-8");
    let document: Value = serde_json::from_str(&document).expect("it is JSON");
    let texts = |value: &Value| -> Vec<String> {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        values.iter().map(|value| value.as_str().expect("a text").to_owned()).collect()
    };
    let mut permissions = BTreeSet::new();
    for statement in document["Statement"].as_array().expect("it has statements") {
        assert_eq!(statement["Effect"], "Allow", "{statement}");
        for action in texts(&statement["Action"]) {
            permissions.extend(
                texts(&statement["Resource"])
                    .into_iter()
                    .map(|resource| Permission { action: action.clone(), resource }),
            );
        }
    }
    permissions
}
