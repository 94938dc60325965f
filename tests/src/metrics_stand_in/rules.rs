//! What the function asks of DynamoDB, just in the forms in which it asks, with DynamoDB's rules for them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::MetricsStandIn;
use crate::http::Request;

/// An item, in DynamoDB's JSON.
pub type Item = Map<String, Value>;

/// By run and part.
pub(super) type Items = HashMap<(String, String), Item>;

/// A call that was understood.
#[derive(Debug)]
pub(super) struct Call {
    access_key: String,
    key: (String, String),
    what: What,
}

#[derive(Debug)]
enum What {
    Get,
    Put { item: Item, condition: Option<Condition> },
}

/// The conditions that the function sends.
#[derive(Debug)]
enum Condition {
    NotExists { attribute: String },
    Equals { attribute: String, value: Value },
}

/// What DynamoDB says.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Answer {
    fn ok(body: &Value) -> Self {
        Self { status: 200, body: body.to_string() }
    }

    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message});
        Self { status, body: body.to_string() }
    }

    pub(super) fn throttled() -> Self {
        Self::error(
            400,
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded. Consider increasing \
             your provisioning level with the UpdateTable API.",
        )
    }

    pub(super) fn failed(status: u16) -> Self {
        match status {
            503 => Self { status, body: "<html><body>Service Unavailable</body></html>".to_owned() },
            _ => Self::error(
                status,
                "InternalServerError",
                "The request processing has failed because of an \
             unknown error, exception or failure.",
            ),
        }
    }

    pub(super) fn refused() -> Self {
        let mut refused = Self::error(400, "AccessDeniedException", "User is not authorized to perform it");
        refused.body = refused.body.replace("com.amazonaws.dynamodb.v20120810#", "com.amazon.coral.service#");
        refused
    }
}

impl Call {
    /// Reads a request; the error says what in it is not understood, or that DynamoDB would not take it.
    pub(super) fn of(request: &Request) -> Result<Self, String> {
        let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
        let authorization = header("authorization");
        let access_key = authorization.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next());
        let input: Value = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
        if input["TableName"] != MetricsStandIn::NAME {
            return Err(format!("there is no such table: {input}"));
        }
        let (key, what) = match header("x-amz-target") {
            "DynamoDB_20120810.GetItem" => get(&input)?,
            "DynamoDB_20120810.PutItem" => put(&input)?,
            other => return Err(format!("{other} is not among the operations used here: {input}")),
        };
        Ok(Self { access_key: access_key.unwrap_or_default().to_owned(), key, what })
    }

    /// The access key that signed it.
    pub(super) fn access_key(&self) -> &str {
        &self.access_key
    }

    /// Does what it asks for.
    pub(super) fn carry_out(&self, items: &mut Items, written: &mut Vec<Item>) -> Answer {
        let standing = items.get(&self.key);
        match &self.what {
            What::Get => Answer::ok(&standing.map_or_else(|| json!({}), |item| json!({"Item": item}))),
            What::Put { condition: Some(condition), .. } if !condition.holds(standing) => {
                Answer::error(400, "ConditionalCheckFailedException", "The conditional request failed")
            }
            What::Put { item, .. } => {
                items.insert(self.key.clone(), item.clone());
                written.push(item.clone());
                Answer::ok(&json!({}))
            }
        }
    }
}

impl Condition {
    fn holds(&self, standing: Option<&Item>) -> bool {
        match self {
            Self::NotExists { attribute } => standing.is_none_or(|item| !item.contains_key(attribute)),
            Self::Equals { attribute, value } => {
                standing.is_some_and(|item| item.get(attribute) == Some(value))
            }
        }
    }
}

fn get(input: &Value) -> Result<((String, String), What), String> {
    only(input, &["TableName", "Key", "ConsistentRead"])?;
    if input["ConsistentRead"] != true {
        return Err(format!("a read that may be stale: {input}"));
    }
    Ok((key(&input["Key"])?, What::Get))
}

fn put(input: &Value) -> Result<((String, String), What), String> {
    let condition = condition(input)?;
    let item = input["Item"].as_object().ok_or_else(|| format!("no item: {input}"))?;
    Ok((key(&input["Item"])?, What::Put { item: item.clone(), condition }))
}

fn condition(input: &Value) -> Result<Option<Condition>, String> {
    let (names, values) = (&input["ExpressionAttributeNames"], &input["ExpressionAttributeValues"]);
    let base = ["TableName", "Item", "ConditionExpression"];
    match input["ConditionExpression"].as_str() {
        None => only(input, &base).map(|()| None),
        Some("attribute_not_exists(#run)") if *names == json!({"#run": "run"}) => {
            only(input, &[&base[..], &["ExpressionAttributeNames"]].concat())?;
            Ok(Some(Condition::NotExists { attribute: "run".to_owned() }))
        }
        Some("checkpoint = :before") if values.as_object().is_some_and(|values| values.len() == 1) => {
            only(input, &[&base[..], &["ExpressionAttributeValues"]].concat())?;
            let value = values[":before"].clone();
            Ok(Some(Condition::Equals { attribute: "checkpoint".to_owned(), value }))
        }
        Some(_) => Err(format!("a condition that is not among those used here: {input}")),
    }
}

/// A parameter that is not known here could change what the call means.
fn only(input: &Value, known: &[&str]) -> Result<(), String> {
    let mut names = input.as_object().into_iter().flat_map(Map::keys);
    // It asks for a word more in the answer, which need not come.
    let changes_nothing = |name: &str| name == "ReturnConsumedCapacity";
    match names.find(|name| !known.contains(&name.as_str()) && !changes_nothing(name)) {
        None => Ok(()),
        Some(name) => Err(format!("{name} is not among the parameters used here: {input}")),
    }
}

fn key(item: &Value) -> Result<(String, String), String> {
    let part = |name: &str| item[name]["S"].as_str().map(str::to_owned);
    part("run").zip(part("part")).ok_or_else(|| format!("no key of the table: {item}"))
}
