//! `BatchExecuteStatement`: each statement succeeds or fails by itself.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::{ReturnCapacity, ReturnOnFailure, Tables, updated_item};
use crate::TableKind;
use crate::expression::{Condition, Operand, Parameters, Update};
use crate::item::{AttributeValue, Item};
use crate::partiql::{Operation, Statement};
use crate::response::{Response, ServiceError, or_default, read};
use crate::stats::OutcomeLag;
use crate::table::{Key, Table, write_units};

/// Maximum statements of a batch.
const MAX_STATEMENTS: usize = 25;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct BatchExecuteStatementInput<'a> {
    #[serde(borrow)]
    statements: Vec<StatementInput<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    return_consumed_capacity: ReturnCapacity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct StatementInput<'a> {
    #[serde(borrow)]
    statement: Cow<'a, str>,
    #[serde(borrow, default)]
    parameters: Vec<AttributeValue<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    return_values_on_condition_check_failure: ReturnOnFailure,
}

/// A statement with its parameters.
struct BoundStatement<'b> {
    statement: Result<Arc<Statement>, String>,
    parameters: Vec<&'b AttributeValue<'b>>,
    on_failure: ReturnOnFailure,
}

/// Why a single statement failed.
struct StatementError {
    code: &'static str,
    message: Cow<'static, str>,
    item: Option<Item>,
    write_units: f64,
}

impl StatementError {
    fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), item: None, write_units: 0.0 }
    }

    fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("ValidationError", message)
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
    let mut body = Vec::with_capacity(64 + 40 * batch.len());
    body.extend_from_slice(b"{\"Responses\":[");
    let (mut units, mut failed) = ([0.0; 2], 0);
    for (position, bound) in batch.iter().enumerate() {
        if position > 0 {
            body.push(b',');
        }
        match execute(tables, bound, &mut units) {
            Ok(table) => {
                body.extend_from_slice(b"{\"TableName\":\"");
                body.extend_from_slice(tables.get(table).name.as_bytes());
                body.extend_from_slice(b"\"}");
            }
            Err(error) => {
                failed += 1;
                write_error(&mut body, &error);
            }
        }
    }
    body.push(b']');
    if input.return_consumed_capacity != ReturnCapacity::None {
        let kinds = [TableKind::Messages, TableKind::Metrics].into_iter().zip(units);
        let capacities: Vec<_> = kinds
            .filter(|(_, units)| *units > 0.0)
            .filter_map(|(kind, units)| input.return_consumed_capacity.report(&tables.get(kind).name, units))
            .collect();
        body.extend_from_slice(b",\"ConsumedCapacity\":");
        serde_json::to_writer(&mut body, &capacities).expect("memory can be written");
    }
    body.push(b'}');
    let mut response = Response::ok(operation_name(&batch), batch.len(), body);
    response.failed = failed;
    response.write_units = units.iter().sum();
    response.outcome_lag = outcome_lag(&batch);
    Ok(response)
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
        let Some(Operand::Parameter(position)) = update.assigned_to("concluded_at") else { continue };
        let Some(AttributeValue::N(digits)) = bound.parameters.get(*position) else { continue };
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

fn write_error(body: &mut Vec<u8>, error: &StatementError) {
    body.extend_from_slice(b"{\"Error\":{\"Code\":\"");
    body.extend_from_slice(error.code.as_bytes());
    body.extend_from_slice(b"\",\"Message\":");
    serde_json::to_writer(&mut *body, &error.message).expect("memory can be written");
    if let Some(item) = &error.item {
        body.extend_from_slice(b",\"Item\":");
        serde_json::to_writer(&mut *body, item).expect("memory can be written");
    }
    body.extend_from_slice(b"}}");
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
        let error = StatementError::new("DuplicateItem", "Duplicate primary key exists in table");
        return Err(StatementError { write_units, ..error });
    }
    let item = updated_item(None, &[], attributes, parameters).map_err(StatementError::validation)?;
    let units = write_units(None, Some(&item));
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
        let is_returned = bound.on_failure == ReturnOnFailure::AllOld;
        return Err(StatementError {
            item: before.filter(|_| is_returned).cloned(),
            write_units: write_units(before, None),
            ..StatementError::new("ConditionalCheckFailed", "The conditional request failed")
        });
    }
    let after = updated_item(before, &[], update, &bound.parameters).map_err(StatementError::validation)?;
    let units = write_units(before, Some(&after));
    table.put(key, after).map_err(StatementError::validation)?;
    Ok(units)
}

/// Reads the key from a statement.
fn key_of<'v>(
    table: &Table,
    statement: &'v Statement,
    parameters: &'v Parameters<'v>,
) -> Result<Key<'v>, String> {
    let part = |name: &str| {
        let operand = statement.key_operand(name).ok_or_else(|| format!("the key '{name}' is missing"))?;
        let text = operand.text(parameters).filter(|text| !text.is_empty());
        text.map(Cow::Borrowed).ok_or_else(|| format!("the key '{name}' must be a string that is not empty"))
    };
    Ok(Key { hash: part(table.hash)?, range: table.range.map_or(Ok(Cow::Borrowed("")), part)? })
}
