//! `BatchExecuteStatement`: each statement succeeds or fails by itself.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use serde::Deserialize;

use super::{ReturnCapacity, ReturnOnFailure, Tables};
use stentor_aws::clock::now_ms;

use crate::sink::answer::{Answer, Refusal, or_default, read};
use crate::sink::counts::Lags;
use crate::sink::item::{Item, Value};
use crate::sink::partiql::{Deed, Source, Statement};
use crate::sink::table::{Key, Table, write_units};

/// The most statements of a batch.
const MOST: usize = 25;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Batch<'a> {
    #[serde(borrow)]
    statements: Vec<Request<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    return_consumed_capacity: ReturnCapacity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow)]
    statement: Cow<'a, str>,
    #[serde(borrow, default)]
    parameters: Vec<Value<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    return_values_on_condition_check_failure: ReturnOnFailure,
}

/// Why a single statement was not carried out.
struct Failure {
    code: &'static str,
    message: Cow<'static, str>,
    item: Option<Item>,
    units: f64,
}

impl Failure {
    fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: "ValidationError", message: message.into(), item: None, units: 0.0 }
    }
}

pub(super) fn batch(tables: &mut Tables, body: &[u8]) -> Result<Answer, Refusal> {
    let batch: Batch = read(body)?;
    if batch.statements.is_empty() || batch.statements.len() > MOST {
        return Err(Refusal::validation(format!("a batch has 1 to {MOST} statements")));
    }
    let parsed: Vec<_> =
        batch.statements.iter().map(|request| tables.statement(&request.statement)).collect();
    check_keys(tables, &batch, &parsed)?;
    let inserts = |statement: &Arc<Statement>| matches!(statement.deed, Deed::Insert(_));
    let operation = if parsed.iter().flatten().any(inserts) {
        "BatchExecuteStatement (INSERT)"
    } else {
        "BatchExecuteStatement (UPDATE)"
    };
    let mut body = Vec::with_capacity(64 + 40 * parsed.len());
    body.extend_from_slice(b"{\"Responses\":[");
    let (mut units, mut refused) = ([0.0; 2], 0);
    for (place, (request, statement)) in batch.statements.iter().zip(&parsed).enumerate() {
        if place > 0 {
            body.push(b',');
        }
        let done = statement.clone().map_err(Failure::validation).and_then(|statement| {
            let which = table_place(tables, &statement.table);
            let table = tables.table_mut(&statement.table).map_err(|_| Failure {
                code: "ResourceNotFound",
                message: "Requested resource not found".into(),
                item: None,
                units: 0.0,
            })?;
            let done = execute(table, &statement, request);
            units[which] += done.as_ref().map_or_else(|failure| failure.units, |units| *units);
            done.map(|_| which)
        });
        match done {
            Ok(which) => {
                body.extend_from_slice(b"{\"TableName\":\"");
                body.extend_from_slice([&tables.messages, &tables.metrics][which].name.as_bytes());
                body.extend_from_slice(b"\"}");
            }
            Err(failure) => {
                refused += 1;
                write_failure(&mut body, &failure);
            }
        }
    }
    body.push(b']');
    if batch.return_consumed_capacity != ReturnCapacity::None {
        let names = [&tables.messages.name, &tables.metrics.name];
        let told: Vec<_> = names
            .into_iter()
            .zip(units)
            .filter(|(_, units)| *units > 0.0)
            .filter_map(|(name, units)| batch.return_consumed_capacity.told(name, units))
            .collect();
        body.extend_from_slice(b",\"ConsumedCapacity\":");
        serde_json::to_writer(&mut body, &told).expect("memory can be written");
    }
    body.push(b'}');
    let mut answer = Answer::ok(operation, batch.statements.len(), body);
    answer.refused = refused;
    answer.write_units = units.iter().sum();
    answer.lags = lags(&batch, &parsed);
    Ok(answer)
}

/// How long ago the deliveries ended that these statements conclude.
fn lags(batch: &Batch, parsed: &[Result<Arc<Statement>, String>]) -> Lags {
    let (now, mut lags) = (now_ms(), Lags::default());
    for (request, statement) in batch.statements.iter().zip(parsed) {
        let Ok(Deed::Update(sets, _)) = statement.as_ref().map(|statement| &statement.deed) else { continue };
        let at = sets.iter().find(|(name, _)| name == "concluded_at");
        let Some((_, Source::Parameter(place))) = at else { continue };
        let Some(Value::N(digits)) = request.parameters.get(*place) else { continue };
        if let Ok(at) = digits.parse::<u64>() {
            let lag = now.saturating_sub(at);
            lags.add(Lags { count: 1, sum_ms: lag, longest_ms: lag });
        }
    }
    lags
}

/// A batch that names a key twice is refused as a whole.
fn check_keys(
    tables: &Tables,
    batch: &Batch,
    parsed: &[Result<Arc<Statement>, String>],
) -> Result<(), Refusal> {
    let mut seen = HashSet::with_capacity(parsed.len());
    for (request, statement) in batch.statements.iter().zip(parsed) {
        let Ok(statement) = statement else { continue };
        let Ok(table) = tables.table(&statement.table) else { continue };
        let Ok(key) = key_of(table, statement, &request.parameters) else { continue };
        if !seen.insert((table_place(tables, &statement.table), key)) {
            return Err(Refusal::validation("Provided list of item keys contains duplicates"));
        }
    }
    Ok(())
}

fn table_place(tables: &Tables, name: &str) -> usize {
    usize::from(tables.metrics.name == name)
}

fn write_failure(body: &mut Vec<u8>, failure: &Failure) {
    body.extend_from_slice(b"{\"Error\":{\"Code\":\"");
    body.extend_from_slice(failure.code.as_bytes());
    body.extend_from_slice(b"\",\"Message\":");
    serde_json::to_writer(&mut *body, &failure.message).expect("memory can be written");
    if let Some(item) = &failure.item {
        body.extend_from_slice(b",\"Item\":");
        serde_json::to_writer(&mut *body, item).expect("memory can be written");
    }
    body.extend_from_slice(b"}}");
}

fn execute(table: &mut Table, statement: &Statement, request: &Request) -> Result<f64, Failure> {
    if statement.parameters != request.parameters.len() {
        return Err(Failure::validation("Number of parameters in request and statement don't match."));
    }
    let key = key_of(table, statement, &request.parameters).map_err(Failure::validation)?;
    match &statement.deed {
        Deed::Insert(attributes) => insert(table, &key, attributes, request),
        Deed::Update(sets, conditions) => update(table, &key, sets, conditions, request),
    }
}

fn insert(
    table: &mut Table,
    key: &Key,
    attributes: &[(String, Source)],
    request: &Request,
) -> Result<f64, Failure> {
    if let Some(there) = table.get(key) {
        return Err(Failure {
            code: "DuplicateItem",
            message: "Duplicate primary key exists in table".into(),
            item: None,
            units: write_units(Some(there), None),
        });
    }
    let texts = texts(attributes);
    let given = attributes
        .iter()
        .zip(&texts)
        .map(|((name, source), text)| (name.as_str(), value(source, text.as_ref(), &request.parameters)));
    let item = Item::of(given).map_err(Failure::validation)?;
    let units = write_units(None, Some(&item));
    table.put(key, item).map_err(Failure::validation)?;
    Ok(units)
}

fn update(
    table: &mut Table,
    key: &Key,
    sets: &[(String, Source)],
    conditions: &[(String, Source)],
    request: &Request,
) -> Result<f64, Failure> {
    if sets.iter().any(|(name, _)| table.is_key(name)) {
        return Err(Failure::validation("Cannot update a key attribute"));
    }
    let before = table.get(key);
    let condition_texts = texts(conditions);
    let holds = before.is_some_and(|item| {
        conditions.iter().zip(&condition_texts).all(|((name, source), text)| {
            let wanted = value(source, text.as_ref(), &request.parameters);
            item.get(name).is_some_and(|is| is.equals(wanted))
        })
    });
    let Some(before) = before.filter(|_| holds) else {
        let wanted = request.return_values_on_condition_check_failure == ReturnOnFailure::AllOld;
        return Err(Failure {
            code: "ConditionalCheckFailed",
            message: "The conditional request failed".into(),
            item: before.filter(|_| wanted).cloned(),
            units: write_units(before, None),
        });
    };
    let set_texts = texts(sets);
    let new = |name: &str| {
        let place = sets.iter().position(|(own, _)| own == name)?;
        Some(value(&sets[place].1, set_texts[place].as_ref(), &request.parameters))
    };
    let mut attributes: Vec<(&str, Value)> = before.attributes().collect();
    for (name, old) in &mut attributes {
        if let Some(new) = new(name) {
            *old = new.clone();
        }
    }
    for (name, _) in sets {
        if !attributes.iter().any(|(own, _)| own == name)
            && let Some(new) = new(name)
        {
            attributes.push((name, new.clone()));
        }
    }
    let after =
        Item::of(attributes.iter().map(|(name, value)| (*name, value))).map_err(Failure::validation)?;
    let units = write_units(Some(before), Some(&after));
    table.put(key, after).map_err(Failure::validation)?;
    Ok(units)
}

/// The texts that stand in the statement itself, as values.
fn texts(sources: &[(String, Source)]) -> Vec<Option<Value<'_>>> {
    let texts = sources.iter().map(|(_, source)| match source {
        Source::Text(text) => Some(Value::S(Cow::Borrowed(text.as_str()))),
        Source::Parameter(_) => None,
    });
    texts.collect()
}

fn value<'v, 'a>(source: &Source, text: Option<&'v Value<'a>>, parameters: &'v [Value<'a>]) -> &'v Value<'a> {
    static NOTHING: Value<'static> = Value::Null(true);
    match source {
        // The numbers of parameters were compared before.
        Source::Parameter(place) => parameters.get(*place).unwrap_or(&NOTHING),
        Source::Text(_) => text.unwrap_or(&NOTHING),
    }
}

/// The key that a statement names.
fn key_of<'v>(table: &Table, statement: &'v Statement, parameters: &'v [Value]) -> Result<Key<'v>, String> {
    let (Deed::Insert(attributes) | Deed::Update(_, attributes)) = &statement.deed;
    let part =
        |name: &str| {
            let source = attributes.iter().find(|(own, _)| own == name).map(|(_, source)| source);
            match source.ok_or_else(|| format!("the key '{name}' is missing"))? {
                Source::Text(text) => Ok(Cow::Borrowed(text.as_str())),
                Source::Parameter(place) => match parameters.get(*place) {
                    Some(Value::S(text)) => Ok(Cow::Borrowed(&**text)),
                    _ => Err(format!("the key '{name}' is a text")),
                },
            }
            .and_then(|text| {
                if text.is_empty() { Err(format!("the key '{name}' is empty")) } else { Ok(text) }
            })
        };
    Ok(Key { hash: part(table.hash)?, range: table.range.map_or(Ok(Cow::Borrowed("")), part)? })
}
