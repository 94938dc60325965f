//! `BatchExecuteStatement`: each statement succeeds or fails by itself.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{ConsumedCapacity, ReturnCapacity, Tables, consumed, updated_item};
use crate::TableKind;
use crate::expression::{Condition, Parameters, Update};
use crate::item::{AttributeValue, Item};
use crate::partiql::{Operation, Statement};
use crate::response::{Response, ServiceError, THROTTLED_TABLE, read};
use crate::stats::OutcomeLag;
use crate::table::{Key, Table, write_units};

/// Code of a throttled statement (Amazon DynamoDB API Reference, "`BatchStatementError`").
const THROTTLING: &str = "ThrottlingError";

/// Maximum statements of a batch.
const MAX_STATEMENTS: usize = 25;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct BatchExecuteStatementInput<'a> {
    #[serde(borrow)]
    statements: Vec<StatementInput<'a>>,
    return_consumed_capacity: Option<ReturnCapacity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct StatementInput<'a> {
    #[serde(borrow)]
    statement: Cow<'a, str>,
    #[serde(borrow, default)]
    parameters: Vec<AttributeValue<'a>>,
    return_values_on_condition_check_failure: Option<ReturnOnFailure>,
}

/// Whether an error response includes the item that failed the condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ReturnOnFailure {
    None,
    AllOld,
}

/// A statement with its parameters.
struct BoundStatement<'b> {
    statement: Result<Arc<Statement>, String>,
    parameters: Vec<&'b AttributeValue<'b>>,
    on_failure: Option<ReturnOnFailure>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchExecuteStatementOutput<'t> {
    responses: Vec<StatementOutput<'t>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    consumed_capacity: Vec<ConsumedCapacity<'t>>,
}

#[derive(Serialize)]
enum StatementOutput<'t> {
    TableName(&'t str),
    Error(StatementError),
}

/// Why a single statement failed.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatementError {
    code: &'static str,
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Item>,
    #[serde(skip)]
    write_units: f64,
}

impl StatementError {
    fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), item: None, write_units: 0.0 }
    }

    fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("ValidationError", message)
    }

    fn throttled() -> Self {
        Self::new(THROTTLING, THROTTLED_TABLE)
    }
}

pub(super) fn batch(tables: &mut Tables, body: &[u8]) -> Result<Response, ServiceError> {
    let input: BatchExecuteStatementInput = read(body)?;
    if input.statements.is_empty() || input.statements.len() > MAX_STATEMENTS {
        return Err(ServiceError::validation(format!("a batch has 1 to {MAX_STATEMENTS} statements")));
    }
    let batch: Vec<_> = input
        .statements
        .iter()
        .map(|input| BoundStatement {
            statement: tables.statement(&input.statement),
            parameters: input.parameters.iter().collect(),
            on_failure: input.return_values_on_condition_check_failure,
        })
        .collect();
    check_keys(tables, &batch)?;
    let mut units = [0.0; 2];
    let results: Vec<_> = batch.iter().map(|bound| execute(tables, bound, &mut units)).collect();
    let failed = results.iter().filter(|result| result.is_err()).count() as u64;
    let is_throttled =
        |result: &&Result<_, StatementError>| matches!(result, Err(error) if error.code == THROTTLING);
    let throttled = results.iter().filter(is_throttled).count();
    if throttled == batch.len() {
        return Ok(Response {
            entries: throttled as u64,
            throttled: throttled as u64,
            ..Response::error(operation_name(&batch), &ServiceError::throttled_table())
        });
    }
    let outputs = results.into_iter().map(|result| match result {
        Ok(table) => StatementOutput::TableName(&tables.get(table).name),
        Err(error) => StatementOutput::Error(error),
    });
    let wanted = input.return_consumed_capacity;
    let used =
        [TableKind::Messages, TableKind::Metrics].into_iter().zip(units).filter(|(_, units)| *units > 0.0);
    let capacities = used.filter_map(|(kind, units)| consumed(wanted, &tables.get(kind).name, units));
    let output =
        BatchExecuteStatementOutput { responses: outputs.collect(), consumed_capacity: capacities.collect() };
    Ok(Response {
        failed,
        throttled: throttled as u64,
        write_units: units.iter().sum(),
        outcome_lag: outcome_lag(&batch),
        ..Response::json(operation_name(&batch), batch.len(), &output)
    })
}

fn operation_name(batch: &[BoundStatement]) -> &'static str {
    let mut statements = batch.iter().filter_map(|bound| bound.statement.as_ref().ok());
    if statements.any(|statement| matches!(statement.operation, Operation::Insert(_))) {
        "BatchExecuteStatement (INSERT)"
    } else {
        "BatchExecuteStatement (UPDATE)"
    }
}

/// Sums the lags of the outcomes in a batch: from `concluded_at` until now.
fn outcome_lag(batch: &[BoundStatement]) -> OutcomeLag {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let mut lag = OutcomeLag::default();
    for bound in batch {
        let Ok(Operation::Update(update, _)) = bound.statement.as_ref().map(|statement| &statement.operation)
        else {
            continue;
        };
        let operand = update.assigned_to("concluded_at");
        let value = operand.and_then(|operand| operand.parameter(&bound.parameters));
        let Some(AttributeValue::N(digits)) = value else { continue };
        if let Ok(at) = digits.parse::<u128>() {
            let ms = u64::try_from(now.saturating_sub(at)).unwrap_or(u64::MAX);
            lag.add(OutcomeLag { count: 1, sum_ms: ms, max_ms: ms });
        }
    }
    lag
}

/// Rejects a batch with two statements of the same key.
fn check_keys(tables: &Tables, batch: &[BoundStatement]) -> Result<(), ServiceError> {
    let mut keys = HashSet::with_capacity(batch.len());
    for bound in batch {
        let Ok(statement) = &bound.statement else { continue };
        let Ok(table) = tables.table(&statement.table) else { continue };
        let Ok(key) = key_of(table, statement, &bound.parameters) else { continue };
        if !keys.insert((&table.name, key)) {
            return Err(ServiceError::validation("Provided list of item keys contains duplicates"));
        }
    }
    Ok(())
}

/// Executes a statement, adds its write units to those of its table, and returns the table.
fn execute(
    tables: &mut Tables,
    bound: &BoundStatement,
    units: &mut [f64; 2],
) -> Result<TableKind, StatementError> {
    let statement = bound.statement.as_ref().map_err(|error| StatementError::validation(error.clone()))?;
    let kind = tables
        .kind(&statement.table)
        .map_err(|_| StatementError::new("ResourceNotFound", "Requested resource not found"))?;
    if statement.parameters != bound.parameters.len() {
        return Err(StatementError::validation("Number of parameters in request and statement don't match."));
    }
    let table = tables.get_mut(kind);
    let key = key_of(table, statement, &bound.parameters).map_err(StatementError::validation)?;
    let result = match &statement.operation {
        Operation::Insert(attributes) => insert(table, &key, attributes, &bound.parameters),
        Operation::Update(update, condition) => self::update(table, &key, update, condition, bound),
    };
    units[kind as usize] += result.as_ref().map_or_else(|error| error.write_units, |units| *units);
    result.map(|_| kind)
}

fn insert(
    table: &mut Table,
    key: &Key,
    attributes: &Update,
    parameters: &Parameters,
) -> Result<f64, StatementError> {
    if let Some(existing) = table.get(key) {
        let write_units = write_units(Some(existing), None);
        if !table.consume(key, write_units) {
            return Err(StatementError::throttled());
        }
        let error = StatementError::new("DuplicateItem", "Duplicate primary key exists in table");
        return Err(StatementError { write_units, ..error });
    }
    let item = updated_item(None, &[], attributes, parameters).map_err(StatementError::validation)?;
    let units = write_units(None, Some(&item));
    if !table.consume(key, units) {
        return Err(StatementError::throttled());
    }
    table.put(key, item).map_err(StatementError::validation)?;
    Ok(units)
}

fn update(
    table: &mut Table,
    key: &Key,
    update: &Update,
    condition: &Condition,
    bound: &BoundStatement,
) -> Result<f64, StatementError> {
    if update.names().any(|name| table.is_key(name)) {
        return Err(StatementError::validation("Cannot update a key attribute"));
    }
    let before = table.get(key);
    if before.is_none() || !condition.holds(before, &bound.parameters) {
        let is_returned = bound.on_failure == Some(ReturnOnFailure::AllOld);
        let (item, write_units) = (before.filter(|_| is_returned).cloned(), write_units(before, None));
        if !table.consume(key, write_units) {
            return Err(StatementError::throttled());
        }
        return Err(StatementError {
            item,
            write_units,
            ..StatementError::new("ConditionalCheckFailed", "The conditional request failed")
        });
    }
    let after = updated_item(before, &[], update, &bound.parameters).map_err(StatementError::validation)?;
    let units = write_units(before, Some(&after));
    if !table.consume(key, units) {
        return Err(StatementError::throttled());
    }
    table.put(key, after).map_err(StatementError::validation)?;
    Ok(units)
}

/// Reads the key from a statement.
fn key_of<'v>(table: &Table, statement: &Statement, parameters: &Parameters<'v>) -> Result<Key<'v>, String> {
    table.key(|name| statement.key_operand(name)?.parameter(parameters))
}
