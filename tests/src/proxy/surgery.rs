//! Batches that are carried out in part: what is kept from the service, and what is told of it.

use serde_json::{Value, json};

use super::fault::{Call, Fault};

/// A batch whose chosen entries fail.
#[derive(Debug)]
pub(super) struct Surgery {
    fault: Fault,
    /// Whether each entry of the request is struck.
    struck: Vec<bool>,
}

impl Surgery {
    /// Strikes about half of the call's entries, one at least. `None` where it has none.
    pub(super) fn new(fault: Fault, call: &Call, mut toss: impl FnMut() -> bool) -> Option<Self> {
        let entries = entries(call)?;
        let mut struck: Vec<bool> = (0..entries.len()).map(|_| toss()).collect();
        *struck.first_mut()? |= !struck.contains(&true);
        Some(Self { fault, struck })
    }

    /// What the service gets to see; `None` where nothing is left of it.
    pub(super) fn request(&self, call: &Call) -> Option<Value> {
        if matches!(self.fault, Fault::EntryAnswerLost | Fault::StatementAnswerLost | Fault::ItemNotReturned)
        {
            return Some(call.input.clone());
        }
        let left: Vec<Value> = self.sorted(entries(call)?, false);
        if left.is_empty() {
            return None;
        }
        let mut input = call.input.clone();
        *entries_mut(&mut input)? = left;
        Some(input)
    }

    /// What the program gets to hear, where the service has said `told` of what it saw.
    pub(super) fn answer(&self, call: &Call, told: Value) -> Value {
        match call.operation.as_str() {
            "BatchExecuteStatement" => self.statements(told),
            "BatchGetItem" => self.unprocessed(call, told),
            _ => self.queue_entries(call, told),
        }
    }

    fn statements(&self, mut told: Value) -> Value {
        let mut responses = told["Responses"].as_array().cloned().unwrap_or_default().into_iter();
        let error = |code: &str| json!({"Error": {"Code": code, "Message": "struck by the proxy"}});
        let mixed = self.struck.iter().map(|struck| match self.fault {
            Fault::ItemNotReturned => {
                let mut response = responses.next().unwrap_or_default();
                if let Some(failed) = response["Error"].as_object_mut() {
                    failed.remove("Item");
                } else if let Some(response) = response.as_object_mut() {
                    response.remove("Error");
                }
                response
            }
            Fault::StatementAnswerLost => {
                let response = responses.next().unwrap_or_default();
                if *struck { error("InternalServerError") } else { response }
            }
            _ if !struck => responses.next().unwrap_or_default(),
            Fault::StatementThrottled => error("ThrottlingError"),
            Fault::StatementThroughputExceeded => error("ProvisionedThroughputExceeded"),
            Fault::StatementLimitExceeded => error("RequestLimitExceeded"),
            Fault::StatementConflict => error("TransactionConflict"),
            _ => error("InternalServerError"),
        });
        told["Responses"] = mixed.collect();
        told
    }

    fn unprocessed(&self, call: &Call, mut told: Value) -> Value {
        let keys: Vec<Value> = entries(call).map(|keys| self.sorted(keys, true)).unwrap_or_default();
        let mut unprocessed = call.input["RequestItems"].clone();
        if let Some(table) = unprocessed.as_object_mut().and_then(|tables| tables.values_mut().next()) {
            table["Keys"] = keys.into();
        }
        if told["Responses"].is_null() {
            told["Responses"] = json!({});
        }
        told["UnprocessedKeys"] = unprocessed;
        told
    }

    fn queue_entries(&self, call: &Call, mut told: Value) -> Value {
        let struck = entries(call).map(|entries| self.sorted(entries, true)).unwrap_or_default();
        let ids: Vec<Value> = struck.into_iter().map(|entry| entry["Id"].clone()).collect();
        let (code, senders_fault) = match self.fault {
            Fault::EntryThrottled => ("RequestThrottled", true),
            Fault::StaleReceipt => ("ReceiptHandleIsInvalid", true),
            _ => ("InternalError", false),
        };
        let mut successful = told["Successful"].as_array().cloned().unwrap_or_default();
        successful.retain(|entry| !ids.contains(&entry["Id"]));
        let mut failed = told["Failed"].as_array().cloned().unwrap_or_default();
        failed.retain(|entry| !ids.contains(&entry["Id"]));
        failed.extend(ids.into_iter().map(
            |id| json!({"Id": id, "Code": code, "SenderFault": senders_fault, "Message": "struck by the proxy"}),
        ));
        told["Successful"] = successful.into();
        told["Failed"] = failed.into();
        told
    }

    /// The entries that are struck, or those that are not.
    fn sorted(&self, entries: &[Value], struck: bool) -> Vec<Value> {
        let chosen = entries.iter().zip(&self.struck).filter(|(_, is)| **is == struck);
        chosen.map(|(entry, _)| entry.clone()).collect()
    }
}

/// What a service answers to a batch of which nothing is left.
pub(super) fn nothing_done() -> Value {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::fault::Service;

    fn call(operation: &str, input: Value) -> Call {
        Call { service: Service::Sqs, operation: operation.to_owned(), input }
    }

    /// Strikes every second entry, beginning with the first.
    fn surgery(fault: Fault, call: &Call) -> Surgery {
        let mut struck = false;
        Surgery::new(fault, call, || {
            struck = !struck;
            struck
        })
        .unwrap()
    }

    #[test]
    fn struck_entries_of_a_queue_stay_with_the_proxy_and_are_told_as_failed() {
        let send = call("SendMessageBatch", json!({"Entries": [{"Id": "0"}, {"Id": "1"}, {"Id": "2"}]}));
        let surgery = surgery(Fault::EntryFailed, &send);
        assert_eq!(surgery.request(&send).unwrap()["Entries"], json!([{"Id": "1"}]));
        let answer = surgery.answer(&send, json!({"Successful": [{"Id": "1"}]}));
        assert_eq!(answer["Successful"], json!([{"Id": "1"}]));
        let failed: Vec<_> = answer["Failed"].as_array().unwrap().iter().map(|entry| &entry["Id"]).collect();
        assert_eq!(failed, ["0", "2"]);
    }

    #[test]
    fn statements_keep_their_places() {
        let batch = call("BatchExecuteStatement", json!({"Statements": ["a", "b", "c"]}));
        let surgery = surgery(Fault::StatementConflict, &batch);
        assert_eq!(surgery.request(&batch).unwrap()["Statements"], json!(["b"]));
        let answer = surgery.answer(&batch, json!({"Responses": [{"TableName": "t"}]}));
        assert_eq!(answer["Responses"][0]["Error"]["Code"], "TransactionConflict");
        assert_eq!(answer["Responses"][1], json!({"TableName": "t"}));
        assert_eq!(answer["Responses"][2]["Error"]["Code"], "TransactionConflict");
    }

    #[test]
    fn a_lost_answer_of_an_entry_is_lost_after_the_work() {
        let delete = call("DeleteMessageBatch", json!({"Entries": [{"Id": "0"}, {"Id": "1"}]}));
        let surgery = surgery(Fault::EntryAnswerLost, &delete);
        assert_eq!(surgery.request(&delete).unwrap(), delete.input);
        let answer = surgery.answer(&delete, json!({"Successful": [{"Id": "0"}, {"Id": "1"}]}));
        assert_eq!(answer["Successful"], json!([{"Id": "1"}]));
        assert_eq!(answer["Failed"][0]["Id"], "0");
    }

    #[test]
    fn unprocessed_keys_come_back_as_they_were_asked() {
        let read = call(
            "BatchGetItem",
            json!({"RequestItems": {"t": {"Keys": ["k0", "k1"], "ConsistentRead": true}}}),
        );
        let surgery = surgery(Fault::UnprocessedKeys, &read);
        assert_eq!(surgery.request(&read).unwrap()["RequestItems"]["t"]["Keys"], json!(["k1"]));
        let answer = surgery.answer(&read, json!({"Responses": {"t": []}}));
        assert_eq!(answer["UnprocessedKeys"]["t"], json!({"Keys": ["k0"], "ConsistentRead": true}));
    }

    #[test]
    fn a_single_entry_is_always_struck() {
        let send = call("SendMessageBatch", json!({"Entries": [{"Id": "0"}]}));
        let surgery = Surgery::new(Fault::EntryThrottled, &send, || false).unwrap();
        assert!(surgery.request(&send).is_none());
        assert_eq!(surgery.answer(&send, nothing_done())["Failed"][0]["Code"], "RequestThrottled");
    }
}
