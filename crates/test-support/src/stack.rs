//! A separate deployed stack for a test.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::build::{ProgramPaths, checkout};
use crate::emulator::{CODE_BUCKET, CODE_KEY};
use crate::{Aws, Emulator, Program, wait_until};

/// A stack in the emulator, created from `infra/template.yaml`. Dropping it deletes the stack.
#[derive(Debug)]
pub struct Stack {
    name: String,
    emulator: &'static Emulator,
}

/// A stack and the loopback port of its endpoint.
#[derive(Debug, Clone, Copy)]
pub struct StackEndpoint<'a> {
    stack: &'a Stack,
    port: u16,
}

impl StackEndpoint<'_> {
    /// Returns the producer with these arguments, for this endpoint.
    pub fn producer(&self, line: &str) -> Program {
        self.program(&ProgramPaths::get().producer, line)
    }

    /// Returns a sender with these arguments, for this endpoint.
    pub fn sender(&self, line: &str) -> Program {
        self.program(&ProgramPaths::get().sender, line)
    }

    /// Returns the monitor with these arguments, for this endpoint.
    pub fn monitor(&self, line: &str) -> Program {
        self.program(&ProgramPaths::get().monitor, line)
    }

    fn program(&self, path: &std::path::Path, line: &str) -> Program {
        Program::new(path, line)
            .env("STENTOR_STACK", &self.stack.name)
            .env("STENTOR_LOCAL", "1")
            .env("STENTOR_PORT", &self.port.to_string())
    }
}

/// Counts of a run's items in the messages table.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct MessageCount {
    /// Items that are PENDING.
    pub pending: u64,
    /// Items that are SENT.
    pub sent: u64,
    /// Items that are FAILED.
    pub failed: u64,
    /// Sum of `delivery_ms`.
    pub delivery_ms: u64,
}

impl MessageCount {
    /// Counts these items.
    #[track_caller]
    pub fn of(items: &[Value]) -> Self {
        let mut count = Self::default();
        for item in items {
            match item["status"]["S"].as_str() {
                Some("PENDING") => count.pending += 1,
                Some("SENT") => count.sent += 1,
                Some("FAILED") => count.failed += 1,
                other => panic!("a status of {other:?}"),
            }
            let delivery_ms = item["delivery_ms"]["N"].as_str().and_then(|text| text.parse::<u64>().ok());
            count.delivery_ms += delivery_ms.unwrap_or(0);
        }
        count
    }

    /// Returns the number of all items.
    pub fn total(&self) -> u64 {
        self.pending + self.sent + self.failed
    }

    /// Returns the mean of `delivery_ms`, in seconds.
    pub fn average_seconds(&self) -> f64 {
        self.delivery_ms as f64 / 1_000.0 / (self.sent + self.failed) as f64
    }
}

impl Stack {
    /// Deploys a stack.
    pub fn deploy() -> Self {
        Self::deploy_with(&[])
    }

    /// Deploys a stack with these template parameters.
    pub fn deploy_with(parameters: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let emulator = Emulator::shared();
        let template =
            std::fs::read_to_string(checkout().join("infra/template.yaml")).expect("the template is there");
        let mut form = vec![
            ("Action".to_owned(), "CreateStack".to_owned()),
            ("Version".to_owned(), "2010-05-15".to_owned()),
            ("StackName".to_owned(), name.clone()),
            ("TemplateBody".to_owned(), template),
            ("Capabilities.member.1".to_owned(), "CAPABILITY_IAM".to_owned()),
        ];
        let fixed = [
            ("CodeBucket", CODE_BUCKET),
            ("CodeKey", CODE_KEY),
            ("Architecture", if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }),
            ("SingleShard", "true"),
        ];
        for (place, (key, value)) in fixed.iter().chain(parameters).enumerate() {
            let member = format!("Parameters.member.{}", place + 1);
            form.push((format!("{member}.ParameterKey"), (*key).to_owned()));
            form.push((format!("{member}.ParameterValue"), (*value).to_owned()));
        }
        let form: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (status, text) = emulator.aws().form_call("cloudformation", &form);
        assert_eq!(status, 200, "CreateStack: {text}");
        let stack = Self { name, emulator };
        wait_until("the stack is deployed", || stack.is_deployed());
        stack
    }

    fn is_deployed(&self) -> bool {
        let describe =
            [("Action", "DescribeStacks"), ("Version", "2010-05-15"), ("StackName", self.name.as_str())];
        let (_, text) = self.emulator.aws().form_call("cloudformation", &describe);
        assert!(!text.contains("ROLLBACK") && !text.contains("FAILED"), "{text}");
        text.contains("<StackStatus>CREATE_COMPLETE</StackStatus>")
    }

    /// Returns the stack's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns a client for direct calls to the services.
    pub fn aws(&self) -> &Aws {
        self.emulator.aws()
    }

    /// Returns the producer with these arguments, for this stack.
    pub fn producer(&self, line: &str) -> Program {
        self.at_port(self.emulator.port()).producer(line)
    }

    /// Returns a sender with these arguments, for this stack.
    pub fn sender(&self, line: &str) -> Program {
        self.at_port(self.emulator.port()).sender(line)
    }

    /// Returns the monitor with these arguments, for this stack.
    pub fn monitor(&self, line: &str) -> Program {
        self.at_port(self.emulator.port()).monitor(line)
    }

    /// Returns the stack at another port, such as a proxy's.
    pub fn at_port(&self, port: u16) -> StackEndpoint<'_> {
        StackEndpoint { stack: self, port }
    }

    /// Enqueues messages, and returns the run.
    #[track_caller]
    pub fn produce(&self, line: &str) -> String {
        let produced = self.producer(&format!("{line} --json")).run().exits(0);
        produced.json()["run"].as_str().expect("a run id").to_owned()
    }

    /// Returns the monitor's current snapshot of a run.
    #[track_caller]
    pub fn snapshot(&self, run: &str) -> Value {
        self.monitor(&format!("--once --json --run {run}")).run().exits(0).json()
    }

    /// Waits until the monitor shows the run as complete, and returns that snapshot.
    #[track_caller]
    pub fn completed(&self, run: &str) -> Value {
        let mut snapshot = Value::Null;
        wait_until("the run is complete", || {
            snapshot = self.snapshot(run);
            snapshot["complete"] == true
        });
        snapshot
    }

    /// Waits until a run is complete and its stream is fully counted, and asserts that the monitor's counts
    /// equal those of the table.
    #[track_caller]
    pub fn counted_once(&self, run: &str) -> MessageCount {
        self.completed(run);
        // Wait for all records, so that one that is counted twice changes the counts.
        self.drain_stream();
        let snapshot = self.snapshot(run);
        let count = self.count(run);
        let shown = (snapshot["sent"].as_u64(), snapshot["failed"].as_u64());
        assert_eq!(shown, (Some(count.sent), Some(count.failed)), "{snapshot}");
        count
    }

    /// Returns the items of a run in the messages table.
    #[track_caller]
    pub fn items(&self, run: &str) -> Vec<Value> {
        let mut items = self.aws().scan(&format!("{}-messages", self.name));
        items.retain(|item| item["run"]["S"] == run);
        items
    }

    /// Counts the items of a run in the messages table.
    #[track_caller]
    pub fn count(&self, run: &str) -> MessageCount {
        MessageCount::of(&self.items(run))
    }

    /// Sums the tallies of a run in the metrics table: sent and failed.
    #[track_caller]
    pub fn tallied(&self, run: &str) -> (u64, u64) {
        let parts = self.aws().scan(&format!("{}-metrics", self.name));
        let of_run = parts.iter().filter(|part| part["run"]["S"] == run);
        let number = |part: &Value, name: &str| {
            part["tally"]["M"][name]["N"].as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
        };
        of_run.fold((0, 0), |sum, part| (sum.0 + number(part, "sent"), sum.1 + number(part, "failed")))
    }

    /// Returns the IDs of the messages in the dead-letter queue.
    pub fn dead_letters(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        loop {
            let asked =
                json!({"QueueUrl": self.url("dlq"), "MaxNumberOfMessages": 10, "VisibilityTimeout": 600});
            let received = self.aws().sqs("ReceiveMessage", &asked);
            let messages = received["Messages"].as_array().cloned().unwrap_or_default();
            if messages.is_empty() {
                return ids;
            }
            ids.extend(messages.iter().filter_map(|message| {
                let body: Value = serde_json::from_str(message["Body"].as_str()?).ok()?;
                Some(body["id"].as_str()?.to_owned())
            }));
        }
    }

    /// Waits until all current records of the stream are counted. It runs another message and waits for that
    /// one, since the single shard is counted in order.
    #[track_caller]
    pub fn drain_stream(&self) {
        let last = self.produce("-m 1");
        self.sender("-w 0 -f 0 --idle-timeout 1").run().exits(0);
        self.completed(&last);
    }

    /// Writes an outcome for every message of the run, as another sender would.
    #[track_caller]
    pub fn conclude_all(&self, run: &str) {
        for mut item in self.items(run) {
            item["status"]["S"] = "SENT".into();
            item["attempt"] = json!({"S": "somebody else's"});
            self.aws()
                .dynamodb("PutItem", &json!({"TableName": format!("{}-messages", self.name), "Item": item}));
        }
    }

    /// Puts an item into the stack's `messages` or `metrics` table.
    #[track_caller]
    pub fn put(&self, table: &str, item: &Value) {
        let table = format!("{}-{table}", self.name);
        self.aws().dynamodb("PutItem", &json!({"TableName": table, "Item": item}));
    }

    /// Puts a sender's heartbeat, as if written at `seen_at`, ms since the epoch.
    #[track_caller]
    pub fn put_beat(&self, sender: &str, seen_at: u64) {
        let number = |number: u64| json!({"N": number.to_string()});
        let beat = json!({
            "run": {"S": "senders"}, "part": {"S": sender}, "sender": {"S": sender},
            "started_at": number(seen_at), "seen_at": number(seen_at), "wait": {"N": "0.5"},
            "failure_rate": {"N": "0.1"}, "concurrency": number(1), "sent": number(1), "failed": number(0),
            "duplicates": number(0), "released": number(0),
        });
        self.put("metrics", &beat);
    }

    /// Sends a message with this body to the queue.
    #[track_caller]
    pub fn put_on_queue(&self, body: &str) {
        self.aws().sqs("SendMessage", &json!({"QueueUrl": self.url("queue"), "MessageBody": body}));
    }

    /// Changes the queue's visibility timeout, in seconds, also to one that the template does not allow.
    #[track_caller]
    pub fn set_visibility_timeout(&self, seconds: u32) {
        let attributes = json!({"VisibilityTimeout": seconds.to_string()});
        self.aws()
            .sqs("SetQueueAttributes", &json!({"QueueUrl": self.url("queue"), "Attributes": attributes}));
    }

    /// Purges the queue.
    #[track_caller]
    pub fn purge_queue(&self) {
        self.aws().sqs("PurgeQueue", &json!({"QueueUrl": self.url("queue")}));
    }

    /// Returns how many messages of the stack's `queue` or `dlq` are visible, and how many are in flight.
    #[track_caller]
    pub fn backlog(&self, queue: &str) -> (u64, u64) {
        let wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let answer = self
            .aws()
            .sqs("GetQueueAttributes", &json!({"QueueUrl": self.url(queue), "AttributeNames": wanted}));
        let number =
            |name: &str| answer["Attributes"][name].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
        (number(wanted[0]), number(wanted[1]))
    }

    /// Enables or disables the function's event source mapping, and waits for the change.
    #[track_caller]
    pub fn enable_mapping(&self, enabled: bool) {
        let (aws, function) = (self.aws(), self.function_name());
        let listed = aws.lambda(
            "GET",
            &format!("2015-03-31/event-source-mappings/?FunctionName={function}"),
            &Value::Null,
        );
        let id = listed["EventSourceMappings"][0]["UUID"].as_str().expect("the function has a mapping");
        let path = format!("2015-03-31/event-source-mappings/{id}");
        aws.lambda("PUT", &path, &json!({"FunctionName": function, "Enabled": enabled}));
        let wanted = if enabled { "Enabled" } else { "Disabled" };
        wait_until(wanted, || aws.lambda("GET", &path, &Value::Null)["State"] == wanted);
    }

    /// Sets the function's metrics table, and waits for the change.
    #[track_caller]
    pub fn configure_function(&self, metrics_table: &str) {
        let path = format!("2015-03-31/functions/{}/configuration", self.function_name());
        let variables = json!({"STENTOR_METRICS_TABLE": metrics_table, "STENTOR_SINGLE_SHARD": "true"});
        self.aws().lambda("PUT", &path, &json!({"Environment": {"Variables": variables}}));
        wait_until("the function is updated", || {
            let status = &self.aws().lambda("GET", &path, &Value::Null)["LastUpdateStatus"];
            status.is_null() || status == "Successful"
        });
    }

    /// Returns the function's whole log.
    pub fn function_log(&self) -> String {
        let group = format!("/aws/lambda/{}", self.function_name());
        self.aws().logs("FilterLogEvents", &json!({"logGroupName": group})).to_string()
    }

    /// Sends SIGKILL to the function's process, and returns whether one was running.
    pub fn kill_function(&self) -> bool {
        let own = [
            format!("STENTOR_METRICS_TABLE={}-metrics", self.name),
            format!("AWS_ENDPOINT_URL={}", self.emulator.url()),
        ];
        let is_own = |process: &str| {
            let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
            let variables: Vec<_> = environment.split(|byte| *byte == 0).collect();
            own.iter().all(|variable| variables.contains(&variable.as_bytes()))
        };
        let all = std::fs::read_dir("/proc").expect("this is Linux").flatten();
        let mut running =
            all.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| is_own(name));
        running.next().is_some_and(|process| {
            let process = process.parse().ok().and_then(Pid::from_raw);
            process.is_some_and(|process| kill_process(process, Signal::KILL).is_ok())
        })
    }

    fn function_name(&self) -> String {
        format!("{}-aggregator", self.name)
    }

    /// Returns the URL of the stack's `queue`, `dlq` or `stream-dlq`.
    #[track_caller]
    pub fn url(&self, queue: &str) -> String {
        let answer = self.aws().sqs("GetQueueUrl", &json!({"QueueName": format!("{}-{queue}", self.name)}));
        answer["QueueUrl"].as_str().expect("a url").to_owned()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let delete =
            [("Action", "DeleteStack"), ("Version", "2010-05-15"), ("StackName", self.name.as_str())];
        // Errors do not matter, since the emulator exits with the tests.
        let _ = self.emulator.aws().try_form_call("cloudformation", &delete);
    }
}
