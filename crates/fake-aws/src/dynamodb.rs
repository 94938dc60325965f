//! The calls of DynamoDB.

mod read;
mod statements;
mod write;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::TableKind;
use crate::expression::{Parameters, Update};
use crate::item::{AttributeValue, Item};
use crate::partiql::Statement;
use crate::response::{Response, ServiceError};
use crate::table::Table;

/// Maximum number of parsed statements in the cache. The programs send two.
const CACHED_STATEMENTS: usize = 64;

/// The tables of the stack.
#[derive(Debug)]
pub(crate) struct Tables {
    /// The messages table and the metrics table, as in [`TableKind`].
    by_kind: [Table; 2],
    /// Parsed statements by their text.
    statements: HashMap<String, Arc<Statement>>,
    /// The items of `PutItem` calls, where they are to be recorded.
    pub(crate) recorded_puts: Option<Vec<Value>>,
}

/// Carries out a call.
pub(crate) fn call(tables: &mut Tables, operation: &str, body: &[u8]) -> Response {
    let (operation, response) = match operation {
        "BatchExecuteStatement" => ("BatchExecuteStatement", statements::batch(tables, body)),
        "GetItem" => ("GetItem", read::get(tables, body)),
        "BatchGetItem" => ("BatchGetItem", read::batch_get(tables, body)),
        "Query" => ("Query", read::query(tables, body)),
        "PutItem" => ("PutItem", write::put(tables, body)),
        "UpdateItem" => ("UpdateItem", write::update(tables, body)),
        _ => (
            "unknown",
            Err(ServiceError::new("com.amazon.coral.service", "UnknownOperationException", operation)),
        ),
    };
    response.unwrap_or_else(|error| Response::error(operation, &error))
}

impl Tables {
    pub(crate) fn new(messages: String, metrics: String) -> Self {
        Self {
            by_kind: [Table::single(messages, "id"), Table::sorted(metrics, "run", "part")],
            statements: HashMap::new(),
            recorded_puts: None,
        }
    }

    pub(crate) fn get(&self, kind: TableKind) -> &Table {
        &self.by_kind[kind as usize]
    }

    pub(crate) fn get_mut(&mut self, kind: TableKind) -> &mut Table {
        &mut self.by_kind[kind as usize]
    }

    fn kind(&self, name: &str) -> Result<TableKind, ServiceError> {
        let kinds = [TableKind::Messages, TableKind::Metrics];
        kinds.into_iter().find(|kind| self.get(*kind).name == name).ok_or_else(|| {
            let why = format!("Requested resource not found: this stack has no table '{name}'");
            ServiceError::dynamodb("ResourceNotFoundException", why)
        })
    }

    fn table(&self, name: &str) -> Result<&Table, ServiceError> {
        self.kind(name).map(|kind| self.get(kind))
    }

    fn table_mut(&mut self, name: &str) -> Result<&mut Table, ServiceError> {
        self.kind(name).map(|kind| self.get_mut(kind))
    }

    fn statement(&mut self, text: &str) -> Result<Arc<Statement>, String> {
        if let Some(cached) = self.statements.get(text) {
            return Ok(Arc::clone(cached));
        }
        let statement = Arc::new(Statement::parse(text)?);
        if self.statements.len() >= CACHED_STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(text.to_owned(), Arc::clone(&statement));
        Ok(statement)
    }
}

/// Whether a response includes the consumed capacity. A missing value, here and below, is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum ReturnCapacity {
    None,
    Total,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConsumedCapacity<'t> {
    table_name: &'t str,
    capacity_units: f64,
}

fn consumed(wanted: Option<ReturnCapacity>, table_name: &str, units: f64) -> Option<ConsumedCapacity<'_>> {
    (wanted == Some(ReturnCapacity::Total)).then_some(ConsumedCapacity { table_name, capacity_units: units })
}

type Names = BTreeMap<String, String>;

/// Builds the item after an update. `key` is added where there was no item before.
fn updated_item(
    before: Option<&Item>,
    key: &[(Cow<str>, AttributeValue)],
    update: &Update,
    parameters: &Parameters,
) -> Result<Item, String> {
    let mut attributes = update.apply(before, parameters)?;
    if before.is_none() {
        attributes.splice(0..0, key.iter().cloned());
    }
    Item::of(attributes.iter().map(|(name, value)| (&**name, value)))
}
