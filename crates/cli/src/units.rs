//! Parsers of values with a unit or a range.

use std::ops::RangeInclusive;

/// Parses a number within a range; an error asks for `wanted`, such as `seconds from 0 to 60`.
pub fn number_within(text: &str, range: RangeInclusive<f64>, wanted: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        // Adding zero turns "-0" into 0.
        Ok(number) if range.contains(&number) => Ok(number + 0.0),
        _ => Err(format!("give {wanted}")),
    }
}

/// Accepts an absolute HTTP or HTTPS URL, unchanged.
pub(crate) fn parse_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.trim_matches('/').is_empty() && !rest.contains(char::is_whitespace) => {
            Ok(text.to_owned())
        }
        _ => Err("give an address such as http://127.0.0.1:4566".to_owned()),
    }
}
