//! Batches that the service carries out in part: edits of the request and of the response.

use serde_json::{Value, json};

use super::fault::{Call, ProxyFault};

/// Makes chosen entries of a batch fail.
#[derive(Debug)]
pub(super) struct ResponseEdit {
    fault: ProxyFault,
    /// Whether each entry of the request fails.
    fails: Vec<bool>,
}

impl ResponseEdit {
    /// Chooses about half of the call's entries, at least one. Returns `None` if it has none.
    pub(super) fn new(fault: ProxyFault, call: &Call, mut draw: impl FnMut() -> bool) -> Option<Self> {
        let entries = entries(call)?;
        let mut fails: Vec<bool> = (0..entries.len()).map(|_| draw()).collect();
        *fails.first_mut()? |= !fails.contains(&true);
        Some(Self { fault, fails })
    }

    /// The request for the service; `None` if no entry is left.
    pub(super) fn request(&self, call: &Call) -> Option<Value> {
        if matches!(
            self.fault,
            ProxyFault::EntryAnswerLost | ProxyFault::StatementAnswerLost | ProxyFault::ItemNotReturned
        ) {
            return Some(call.input.clone());
        }
        let left: Vec<Value> = self.select(entries(call)?, false);
        if left.is_empty() {
            return None;
        }
        let mut input = call.input.clone();
        *entries_mut(&mut input)? = left;
        Some(input)
    }

    /// The response for the program, made from the service's.
    pub(super) fn response(&self, call: &Call, response: Value) -> Value {
        match call.operation.as_str() {
            "BatchExecuteStatement" => self.statements(response),
            "BatchGetItem" => self.unprocessed(call, response),
            _ => self.queue_entries(call, response),
        }
    }

    fn statements(&self, mut response: Value) -> Value {
        let mut responses = response["Responses"].as_array().cloned().unwrap_or_default().into_iter();
        let error = |code: &str| json!({"Error": {"Code": code, "Message": "injected by the proxy"}});
        let mixed = self.fails.iter().map(|fails| match self.fault {
            ProxyFault::ItemNotReturned => {
                let mut response = responses.next().unwrap_or_default();
                if let Some(failed) = response["Error"].as_object_mut() {
                    failed.remove("Item");
                } else if let Some(response) = response.as_object_mut() {
                    response.remove("Error");
                }
                response
            }
            ProxyFault::StatementAnswerLost => {
                let response = responses.next().unwrap_or_default();
                if *fails { error("InternalServerError") } else { response }
            }
            _ if !fails => responses.next().unwrap_or_default(),
            ProxyFault::StatementThrottled => error("ThrottlingError"),
            ProxyFault::StatementThroughputExceeded => error("ProvisionedThroughputExceeded"),
            ProxyFault::StatementLimitExceeded => error("RequestLimitExceeded"),
            ProxyFault::StatementConflict => error("TransactionConflict"),
            _ => error("InternalServerError"),
        });
        response["Responses"] = mixed.collect();
        response
    }

    fn unprocessed(&self, call: &Call, mut response: Value) -> Value {
        let keys: Vec<Value> = entries(call).map(|keys| self.select(keys, true)).unwrap_or_default();
        let mut unprocessed = call.input["RequestItems"].clone();
        if let Some(table) = unprocessed.as_object_mut().and_then(|tables| tables.values_mut().next()) {
            table["Keys"] = keys.into();
        }
        if response["Responses"].is_null() {
            response["Responses"] = json!({});
        }
        response["UnprocessedKeys"] = unprocessed;
        response
    }

    fn queue_entries(&self, call: &Call, mut response: Value) -> Value {
        let fails = entries(call).map(|entries| self.select(entries, true)).unwrap_or_default();
        let ids: Vec<Value> = fails.into_iter().map(|entry| entry["Id"].clone()).collect();
        let (code, senders_fault) = match self.fault {
            ProxyFault::EntryThrottled => ("RequestThrottled", true),
            ProxyFault::StaleReceipt => ("ReceiptHandleIsInvalid", true),
            _ => ("InternalError", false),
        };
        let mut successful = response["Successful"].as_array().cloned().unwrap_or_default();
        successful.retain(|entry| !ids.contains(&entry["Id"]));
        let mut failed = response["Failed"].as_array().cloned().unwrap_or_default();
        failed.retain(|entry| !ids.contains(&entry["Id"]));
        failed.extend(ids.into_iter().map(
            |id| json!({"Id": id, "Code": code, "SenderFault": senders_fault, "Message": "injected by the proxy"}),
        ));
        response["Successful"] = successful.into();
        response["Failed"] = failed.into();
        response
    }

    /// The entries that fail, or those that do not.
    fn select(&self, entries: &[Value], fails: bool) -> Vec<Value> {
        let chosen = entries.iter().zip(&self.fails).filter(|(_, is)| **is == fails);
        chosen.map(|(entry, _)| entry.clone()).collect()
    }
}

/// The response to a batch of which no entry is left.
pub(super) fn empty_response() -> Value {
    json!({})
}

fn entries(call: &Call) -> Option<&Vec<Value>> {
    let input = &call.input;
    match call.operation.as_str() {
        "BatchExecuteStatement" => &input["Statements"],
        "BatchGetItem" => &input["RequestItems"].as_object()?.values().next()?["Keys"],
        _ => &input["Entries"],
    }
    .as_array()
}

fn entries_mut(input: &mut Value) -> Option<&mut Vec<Value>> {
    if !input["RequestItems"].is_null() {
        return input["RequestItems"].as_object_mut()?.values_mut().next()?["Keys"].as_array_mut();
    }
    let name = if input["Statements"].is_null() { "Entries" } else { "Statements" };
    input[name].as_array_mut()
}

/// Changes the approximate counts of a queue.
pub(super) fn miscount(response: &mut Value, wrong: impl Fn(u64) -> u64) {
    for (name, count) in response["Attributes"].as_object_mut().into_iter().flatten() {
        if let Some(right) = count.as_str().and_then(|text| text.parse().ok())
            && name.starts_with("ApproximateNumberOf")
        {
            *count = wrong(right).to_string().into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::fault::Service;

    fn call(operation: &str, input: Value) -> Call {
        Call { service: Service::Sqs, operation: operation.to_owned(), input }
    }

    /// Makes every second entry fail, from the first on.
    fn edit(fault: ProxyFault, call: &Call) -> ResponseEdit {
        let mut fails = false;
        ResponseEdit::new(fault, call, || {
            fails = !fails;
            fails
        })
        .unwrap()
    }

    #[test]
    fn failed_entries_of_a_queue_are_not_forwarded() {
        let send = call("SendMessageBatch", json!({"Entries": [{"Id": "0"}, {"Id": "1"}, {"Id": "2"}]}));
        let edit = edit(ProxyFault::EntryFailed, &send);
        assert_eq!(edit.request(&send).unwrap()["Entries"], json!([{"Id": "1"}]));
        let response = edit.response(&send, json!({"Successful": [{"Id": "1"}]}));
        assert_eq!(response["Successful"], json!([{"Id": "1"}]));
        let failed: Vec<_> =
            response["Failed"].as_array().unwrap().iter().map(|entry| &entry["Id"]).collect();
        assert_eq!(failed, ["0", "2"]);
    }

    #[test]
    fn statements_keep_their_positions() {
        let batch = call("BatchExecuteStatement", json!({"Statements": ["a", "b", "c"]}));
        let edit = edit(ProxyFault::StatementConflict, &batch);
        assert_eq!(edit.request(&batch).unwrap()["Statements"], json!(["b"]));
        let response = edit.response(&batch, json!({"Responses": [{"TableName": "t"}]}));
        assert_eq!(response["Responses"][0]["Error"]["Code"], "TransactionConflict");
        assert_eq!(response["Responses"][1], json!({"TableName": "t"}));
        assert_eq!(response["Responses"][2]["Error"]["Code"], "TransactionConflict");
    }

    #[test]
    fn a_lost_response_of_an_entry_is_lost_after_its_execution() {
        let delete = call("DeleteMessageBatch", json!({"Entries": [{"Id": "0"}, {"Id": "1"}]}));
        let edit = edit(ProxyFault::EntryAnswerLost, &delete);
        assert_eq!(edit.request(&delete).unwrap(), delete.input);
        let response = edit.response(&delete, json!({"Successful": [{"Id": "0"}, {"Id": "1"}]}));
        assert_eq!(response["Successful"], json!([{"Id": "1"}]));
        assert_eq!(response["Failed"][0]["Id"], "0");
    }

    #[test]
    fn unprocessed_keys_are_returned_as_requested() {
        let read = call(
            "BatchGetItem",
            json!({"RequestItems": {"t": {"Keys": ["k0", "k1"], "ConsistentRead": true}}}),
        );
        let edit = edit(ProxyFault::UnprocessedKeys, &read);
        assert_eq!(edit.request(&read).unwrap()["RequestItems"]["t"]["Keys"], json!(["k1"]));
        let response = edit.response(&read, json!({"Responses": {"t": []}}));
        assert_eq!(response["UnprocessedKeys"]["t"], json!({"Keys": ["k0"], "ConsistentRead": true}));
    }

    #[test]
    fn a_single_entry_always_fails() {
        let send = call("SendMessageBatch", json!({"Entries": [{"Id": "0"}]}));
        let edit = ResponseEdit::new(ProxyFault::EntryThrottled, &send, || false).unwrap();
        assert!(edit.request(&send).is_none());
        assert_eq!(edit.response(&send, empty_response())["Failed"][0]["Code"], "RequestThrottled");
    }
}
