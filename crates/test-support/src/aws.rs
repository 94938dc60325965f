//! Direct calls to the emulator's services over plain HTTP, without the SDK or any code of the programs.

use serde_json::{Value, json};

/// The emulator's services.
#[derive(Debug, Clone)]
pub struct Aws {
    endpoint: String,
    agent: ureq::Agent,
}

impl Aws {
    pub(crate) fn at(endpoint: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        Self { endpoint: endpoint.to_owned(), agent: config.into() }
    }

    /// Calls DynamoDB.
    #[track_caller]
    pub fn dynamodb(&self, operation: &str, input: &Value) -> Value {
        self.json_call("dynamodb", "1.0", &format!("DynamoDB_20120810.{operation}"), input)
    }

    /// Calls SQS.
    #[track_caller]
    pub fn sqs(&self, operation: &str, input: &Value) -> Value {
        self.json_call("sqs", "1.0", &format!("AmazonSQS.{operation}"), input)
    }

    /// Calls CloudWatch Logs.
    #[track_caller]
    pub fn logs(&self, operation: &str, input: &Value) -> Value {
        self.json_call("logs", "1.1", &format!("Logs_20140328.{operation}"), input)
    }

    /// Calls CloudWatch.
    #[track_caller]
    pub fn cloudwatch(&self, operation: &str, input: &Value) -> Value {
        self.json_call("monitoring", "1.0", &format!("GraniteServiceVersion20100801.{operation}"), input)
    }

    /// Calls Lambda, whose operations are paths and methods; an input of null is no body.
    #[track_caller]
    pub fn lambda(&self, method: &str, path: &str, input: &Value) -> Value {
        let url = format!("{}/{path}", self.endpoint);
        let answer = match method {
            "GET" => self.agent.get(&url).header("Authorization", credential("lambda")).call(),
            "PUT" => {
                self.agent.put(&url).header("Authorization", credential("lambda")).send(input.to_string())
            }
            other => panic!("{other} is not among the methods used here"),
        };
        let (status, text) = read(answer);
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).expect("Lambda answers in JSON")
    }

    /// Returns every item of a table.
    #[track_caller]
    pub fn scan(&self, table: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut from = Value::Null;
        loop {
            let mut input = json!({"TableName": table, "ConsistentRead": true});
            if !from.is_null() {
                input["ExclusiveStartKey"] = from;
            }
            let mut page = self.dynamodb("Scan", &input);
            items.append(page["Items"].as_array_mut().expect("a scan has items"));
            from = page["LastEvaluatedKey"].take();
            if from.is_null() {
                return items;
            }
        }
    }

    #[track_caller]
    fn json_call(&self, service: &str, version: &str, target: &str, input: &Value) -> Value {
        let ask = || {
            let request = self.agent.post(&self.endpoint).header("Authorization", credential(service));
            let request = request.header("Content-Type", format!("application/x-amz-json-{version}"));
            read(request.header("X-Amz-Target", target).send(input.to_string()))
        };
        let (mut status, mut text) = ask();
        // LocalStack's connection to its DynamoDB breaks occasionally.
        for _ in 0..3 {
            if status >= 500 {
                (status, text) = ask();
            }
        }
        assert_eq!(status, 200, "{target} {input}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Calls a service with the older query protocol: form parameters and an XML response.
    #[track_caller]
    pub fn form_call(&self, service: &str, parameters: &[(&str, &str)]) -> (u16, String) {
        self.try_form_call(service, parameters).expect("the emulator answers")
    }

    /// Does the same as [`Self::form_call`], for an emulator that may have ended.
    pub(crate) fn try_form_call(
        &self,
        service: &str,
        parameters: &[(&str, &str)],
    ) -> Result<(u16, String), ureq::Error> {
        let request = self.agent.post(&self.endpoint).header("Authorization", credential(service));
        let mut answer = request.send_form(parameters.iter().copied())?;
        let text = answer.body_mut().with_config().limit(u64::MAX).read_to_string()?;
        Ok((answer.status().as_u16(), text))
    }

    /// Puts a file into a bucket.
    pub(crate) fn put_object(&self, bucket: &str, key: &str, content: &[u8]) {
        for path in [bucket.to_owned(), format!("{bucket}/{key}")] {
            let content = if path == bucket { &[] } else { content };
            let url = format!("{}/{path}", self.endpoint);
            let request = self.agent.put(&url).header("Authorization", credential("s3"));
            let (status, text) = read(request.send(content));
            assert!(status == 200 || path == bucket, "putting {path}: {status} {text}");
        }
    }
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, String) {
    let mut answer = answer.expect("the emulator answers");
    let text = answer.body_mut().with_config().limit(u64::MAX).read_to_string().expect("the answer is text");
    (answer.status().as_u16(), text)
}

/// Emulators do not check the signature, but read the service's name from it.
fn credential(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}
