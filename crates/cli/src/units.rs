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

/// Accepts an HTTP or HTTPS URL of a host without a path, unchanged.
pub(crate) fn parse_url(text: &str) -> Result<String, String> {
    let expected = || Err("give a URL such as http://127.0.0.1:4566".to_owned());
    let Some((scheme @ ("http" | "https"), rest)) = text.split_once("://") else { return expected() };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_host = !host.is_empty()
        && !host.starts_with(':')
        && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:[]".contains(c));
    // The colons of an IPv6 address are in brackets.
    let port = host.rsplit(']').next().and_then(|rest| rest.rsplit_once(':')).map(|(_, port)| port);
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    if !is_host || !is_port {
        expected()
    } else if path.is_empty() {
        Ok(text.to_owned())
    } else {
        Err(format!("give it without a path: {scheme}://{host}"))
    }
}
