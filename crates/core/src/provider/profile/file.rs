//! Profiles as TOML. Errors name line and key.

use thiserror::Error;
use toml::de::{DeTable, DeValue};

use super::ProviderProfile;
use super::rules::{self, Key};
use crate::escape::excerpt;
use crate::provider::builtin;

/// Maximum length of an error description, characters: it can quote the file.
const MAX_ERROR: usize = 400;

/// A text that is not a provider profile.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{}{why}", place(*line, key.as_deref()))]
pub struct InvalidProfileFile {
    /// Line, from 1.
    line: Option<usize>,
    /// Path of the value, such as `limits.parts_per_second`.
    key: Option<String>,
    why: String,
}

fn place(line: Option<usize>, key: Option<&str>) -> String {
    match (line, key) {
        (Some(line), Some(key)) => format!("line {line}, `{key}`: "),
        (Some(line), None) => format!("line {line}: "),
        (None, Some(key)) => format!("`{key}`: "),
        (None, None) => String::new(),
    }
}

impl ProviderProfile {
    /// Parses a profile. The name of a built-in one is reserved for its limits, since senders that use the same name share
    /// the limit.
    pub fn from_toml(text: &str) -> Result<Self, InvalidProfileFile> {
        let profile = parse(text)?;
        let built_in = builtin::find(&profile.name).map(builtin::BuiltIn::profile);
        if built_in.is_some_and(|built_in| built_in.shared_limits() != profile.shared_limits()) {
            let key = Key { table: "", index: None, field: "name" };
            let why =
                format!("the built-in profile '{}' has other limits: choose another name", profile.name);
            return Err(located(text, key.error(why)));
        }
        Ok(profile)
    }
}

/// Parses a profile, also one with the name of a built-in one.
pub(in crate::provider) fn parse(text: &str) -> Result<ProviderProfile, InvalidProfileFile> {
    let deserializer = toml::Deserializer::parse(text).map_err(|error| of_toml(text, &error))?;
    // The derived function, which does not check values: their errors get a line here.
    let profile = ProviderProfile::deserialize(deserializer).map_err(|error| of_toml(text, &error))?;
    rules::check(&profile).map_err(|invalid| located(text, invalid))?;
    Ok(profile)
}

/// Describes an error of the syntax, or of the name or type of a value.
fn of_toml(text: &str, error: &toml::de::Error) -> InvalidProfileFile {
    let at = error.span().map(|span| span.start);
    let document = DeTable::parse(text).ok();
    let key = document.zip(at).and_then(|(document, at)| key_of_value(document.get_ref(), at));
    // serde names Rust types; TOML has other names for them.
    let why = error.message().replace("expected f64", "expected a number");
    let why = why.replace("expected u64", "expected a whole number from 0");
    InvalidProfileFile { line: at.map(|at| line_at(text, at)), key, why: excerpt(&why, MAX_ERROR) }
}

/// Adds the line of the value, or else of its table.
fn located(text: &str, invalid: rules::InvalidProfile) -> InvalidProfileFile {
    let document = DeTable::parse(text).ok();
    let at = document.and_then(|document| start_of(document.get_ref(), invalid.key));
    InvalidProfileFile {
        line: at.map(|at| line_at(text, at)),
        key: Some(invalid.key.to_string()),
        why: invalid.why,
    }
}

fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Returns where a value starts; where its table does if it is absent.
fn start_of(document: &DeTable<'_>, key: Key) -> Option<usize> {
    if key.table.is_empty() {
        return document.get(key.field).map(|value| value.span().start);
    }
    let mut table = document.get(key.table)?;
    if let Some(index) = key.index {
        table = table.get_ref().get(index)?;
    }
    let value = table.get_ref().get(key.field);
    Some(value.unwrap_or(table).span().start)
}

/// Returns the path of the value, neither table nor list, that is at this place of the text.
fn key_of_value(table: &DeTable<'_>, at: usize) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let rest = path_within(value.get_ref(), &value.span(), at)?;
        Some(format!("{}{rest}", key.get_ref()))
    })
}

/// Returns the path within a value; empty for the value itself.
fn path_within(value: &DeValue<'_>, span: &std::ops::Range<usize>, at: usize) -> Option<String> {
    match value {
        DeValue::Table(table) => key_of_value(table, at).map(|path| format!(".{path}")),
        DeValue::Array(values) => values.iter().enumerate().find_map(|(index, value)| {
            Some(format!("[{index}]{}", path_within(value.get_ref(), &value.span(), at)?))
        }),
        _ => span.contains(&at).then(String::new),
    }
}

#[cfg(test)]
mod tests;
