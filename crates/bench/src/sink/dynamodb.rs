//! `DynamoDB`'s calls on the stack's two tables.

mod read;
mod statements;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::answer::{Answer, Refusal};
use super::expression::Placeholders;
use super::item::Value;
use super::partiql::Statement;
use super::table::Table;

/// How many different statements are remembered: programs send two.
const REMEMBERED: usize = 64;

/// The tables.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) messages: Table,
    pub(super) metrics: Table,
    /// Statements that were understood before, by their texts.
    statements: HashMap<String, Arc<Statement>>,
}

/// Carries out a call; one that is not known is refused.
pub(super) fn call(tables: &mut Tables, operation: &str, body: &[u8]) -> Answer {
    let (operation, answer) = match operation {
        "BatchExecuteStatement" => ("BatchExecuteStatement", statements::batch(tables, body)),
        "GetItem" => ("GetItem", read::get(tables, body)),
        "BatchGetItem" => ("BatchGetItem", read::batch_get(tables, body)),
        "Query" => ("Query", read::query(tables, body)),
        "PutItem" => ("PutItem", write::put(tables, body)),
        "UpdateItem" => ("UpdateItem", write::update(tables, body)),
        _ => ("unknown", Err(Refusal::new("com.amazon.coral.service#UnknownOperationException", ""))),
    };
    answer.unwrap_or_else(|refusal| Answer::refusal(operation, &refusal))
}

impl Tables {
    pub(super) fn new(messages: String, metrics: String) -> Self {
        Self {
            messages: Table::single(messages, "id"),
            metrics: Table::sorted(metrics, "run", "part"),
            statements: HashMap::new(),
        }
    }

    fn table(&self, name: &str) -> Result<&Table, Refusal> {
        let mut tables = [&self.messages, &self.metrics].into_iter();
        tables.find(|table| table.name == name).ok_or_else(no_table)
    }

    fn table_mut(&mut self, name: &str) -> Result<&mut Table, Refusal> {
        let mut tables = [&mut self.messages, &mut self.metrics].into_iter();
        tables.find(|table| table.name == name).ok_or_else(no_table)
    }

    fn statement(&mut self, text: &str) -> Result<Arc<Statement>, String> {
        if let Some(known) = self.statements.get(text) {
            return Ok(Arc::clone(known));
        }
        let statement = Arc::new(Statement::parse(text)?);
        if self.statements.len() >= REMEMBERED {
            self.statements.clear();
        }
        self.statements.insert(text.to_owned(), Arc::clone(&statement));
        Ok(statement)
    }
}

fn no_table() -> Refusal {
    Refusal::new(
        "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
        "Requested resource not found: there is no such table in this stack",
    )
}

/// Whether an answer is to tell what it took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum ReturnCapacity {
    #[default]
    None,
    Total,
    /// There is no index: as the total.
    Indexes,
}

/// What a call took of a table.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Consumed<'t> {
    table_name: &'t str,
    capacity_units: f64,
}

impl ReturnCapacity {
    fn told(self, table: &str, units: f64) -> Option<Consumed<'_>> {
        (self != Self::None).then_some(Consumed { table_name: table, capacity_units: units })
    }
}

/// Whether the item that failed a condition comes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ReturnOnFailure {
    #[default]
    None,
    AllOld,
}

type Names = BTreeMap<String, String>;
type Values<'a> = BTreeMap<String, Value<'a>>;

fn placeholders<'p>(names: &'p Names, values: &'p Values<'p>) -> Placeholders<'p> {
    Placeholders { names, values }
}
