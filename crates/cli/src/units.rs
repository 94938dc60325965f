//! Parsers of numbers with a range and units: counts, durations and fractions.
//!
//! All share one notation: the decimal mark is a dot, and thousands may be separated by underscores or commas. A text that
//! can be read in two ways (`1.000`: 1 or 1,000; `1,5`: 1.5 or 15) is rejected, and the error names both values. A dot before
//! exactly three digits is accepted if only the decimal value is in range, as in `-f 1.000`.

use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

use crate::format::{quantity, thousands};

/// A unit: its name, and the multiplier and the divisor that convert to the base unit.
type Unit = (&'static str, f64, f64);

const TIMES: [Unit; 5] =
    [("", 1.0, 1.0), ("ms", 1.0, 1_000.0), ("s", 1.0, 1.0), ("m", 60.0, 1.0), ("h", 3_600.0, 1.0)];
const FRACTIONS: [Unit; 2] = [("", 1.0, 1.0), ("%", 1.0, 100.0)];
const NUMBERS: [Unit; 3] = [("", 1.0, 1.0), ("k", 1e3, 1.0), ("M", 1e6, 1.0)];

/// The units of counts, and the zeros that each appends.
const COUNTS: [(&str, usize); 3] = [("", 0), ("k", 3), ("M", 6)];

/// Counts in every form, for the errors of flags that accept them.
const EXAMPLES: [(u64, &str); 4] = [(1_000, "1000"), (1_000, "1,000"), (10_000, "10k"), (1_000_000, "1M")];

/// The accepted forms of each kind of number, for the help.
pub(crate) const FORMS: [(&str, &str); 3] = [
    ("0.5, 500ms, 1.5s, 2m, 1h", "times; without a unit, seconds"),
    ("1000, 1_000, 1,000, 10k, 1M", "numbers"),
    ("0.1, 10%", "rates and shares"),
];

/// Returns a flag's parser of whole numbers.
pub fn count_parser<N: TryFrom<u64> + 'static>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static {
    let (start, end) = (thousands(*range.start()), *range.end());
    let end = if end == u64::MAX { "up".to_owned() } else { format!("to {}", thousands(end)) };
    let examples: Vec<&str> =
        EXAMPLES.iter().filter(|(count, _)| range.contains(count)).map(|(_, text)| *text).collect();
    let such_as = if examples.is_empty() { "" } else { ", such as " };
    let expected = format!("expected a whole number from {start} {end}{such_as}{}", examples.join(", "));
    move |text: &str| {
        let (number, unit) = split_unit(text);
        let value = |number: &str| {
            let count = to_count(number, unit).filter(|count| range.contains(count))?;
            N::try_from(count).ok()
        };
        resolve(number, unit, value, &expected)
    }
}

/// Returns a flag's parser of durations, to seconds.
pub fn seconds_parser(
    range: RangeInclusive<f64>,
) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    let [start, end] = bounds(&range);
    let expected =
        format!("expected a time from {start} to {end} seconds, such as 0.5, 500ms, 1.5s, 2m or 1h");
    move |text: &str| parse_seconds(text, &range, &expected)
}

/// Returns a flag's parser of rates and shares, to fractions.
pub fn fraction_parser(
    range: RangeInclusive<f64>,
) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    let [start, end] = bounds(&range);
    let [least, most] = bounds(&(100.0 * range.start()..=100.0 * range.end()));
    let expected = format!("expected a rate from {start} to {end}, or {least}% to {most}%");
    move |text: &str| parse_fraction(text, &range, &expected)
}

/// Parses a duration, to seconds. The error is `expected`, or lists both values of an ambiguous text.
pub fn parse_seconds(text: &str, range: &RangeInclusive<f64>, expected: &str) -> Result<f64, String> {
    parse_scaled(text, &TIMES, range, expected)
}

/// Parses a fraction or a percentage, to a fraction; errors as of [`parse_seconds`].
pub fn parse_fraction(text: &str, range: &RangeInclusive<f64>, expected: &str) -> Result<f64, String> {
    parse_scaled(text, &FRACTIONS, range, expected)
}

/// Parses a number that need not be whole; errors as of [`parse_seconds`].
pub fn parse_number(text: &str, range: &RangeInclusive<f64>, expected: &str) -> Result<f64, String> {
    parse_scaled(text, &NUMBERS, range, expected)
}

fn bounds(range: &RangeInclusive<f64>) -> [String; 2] {
    [range.start(), range.end()].map(|bound| if *bound < 1.0 { bound.to_string() } else { quantity(*bound) })
}

fn parse_scaled(
    text: &str,
    units: &[Unit],
    range: &RangeInclusive<f64>,
    expected: &str,
) -> Result<f64, String> {
    let (number, unit) = split_unit(text);
    let value = |number: &str| {
        let (_, times, per) = units.iter().find(|(name, ..)| *name == unit)?;
        // Adding zero turns "-0" into 0.
        let value = number.parse::<f64>().ok()? * times / per + 0.0;
        range.contains(&value).then_some(value)
    };
    resolve(number, unit, value, expected)
}

/// Splits a number from its unit, which is empty for a plain number.
fn split_unit(text: &str) -> (&str, &str) {
    let number = text.trim_end_matches(|c: char| c.is_alphabetic() || c == '%');
    (number.trim_end(), &text[number.len()..])
}

/// The exact value of a count. Decimals need a unit that makes it whole, as in `1.5k`.
fn to_count(number: &str, unit: &str) -> Option<u64> {
    let (_, zeros) = *COUNTS.iter().find(|(name, _)| *name == unit)?;
    let (whole, decimals) = match number.split_once('.') {
        Some((whole, decimals)) if zeros > 0 => (whole, decimals.trim_end_matches('0')),
        Some(_) => return None,
        None => (number, ""),
    };
    let is_whole = is_digits(whole.strip_prefix('+').unwrap_or(whole)) && decimals.len() <= zeros;
    is_whole.then(|| format!("{whole}{decimals:0<zeros$}"))?.parse().ok()
}

/// A number without separators.
#[derive(Debug)]
enum Notation {
    Clear(String),
    /// Its only mark is a decimal mark in some languages, and separates thousands in others.
    Ambiguous {
        decimal: String,
        grouped: String,
    },
}

impl Notation {
    /// A text with a misplaced separator stays as it is, and does not parse.
    fn of(number: &str) -> Self {
        let (whole, decimals) = number.split_once('.').map_or((number, None), |(w, d)| (w, Some(d)));
        let without = |separator| {
            let whole = whole.replace(separator, "");
            Self::Clear(decimals.map_or(whole.clone(), |decimals| format!("{whole}.{decimals}")))
        };
        let is_group = |digits: &str| digits.len() == 3 && is_digits(digits);
        let starts_groups = |digits: &str| digits.len() <= 3 && is_digits(digits) && !digits.starts_with('0');
        match (whole.split_once(','), decimals) {
            (Some((first, rest)), _) if starts_groups(first) && rest.split(',').all(is_group) => without(','),
            (Some((first, rest)), None) if is_digits(first) && is_digits(rest) => {
                Self::Ambiguous { decimal: format!("{first}.{rest}"), grouped: format!("{first}{rest}") }
            }
            (None, Some(decimals)) if starts_groups(whole) && is_group(decimals) => {
                Self::Ambiguous { decimal: number.to_owned(), grouped: format!("{whole}{decimals}") }
            }
            _ if whole.contains('_') && whole.split('_').all(is_digits) => without('_'),
            _ => Self::Clear(number.to_owned()),
        }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the value of a number, where `value` returns `None` for what is invalid or out of range.
fn resolve<T>(
    number: &str,
    unit: &str,
    value: impl Fn(&str) -> Option<T>,
    expected: &str,
) -> Result<T, String> {
    let (decimal, grouped) = match Notation::of(number) {
        Notation::Clear(number) => return value(&number).ok_or_else(|| expected.to_owned()),
        Notation::Ambiguous { decimal, grouped } => (decimal, grouped),
    };
    match (value(&decimal), value(&grouped)) {
        (Some(value), None) if number.contains('.') => return Ok(value),
        (None, None) if number.contains('.') => return Err(expected.to_owned()),
        _ => {}
    }
    let (Ok(decimal), Ok(grouped)) = (decimal.parse::<f64>(), grouped.parse::<u64>()) else {
        return Err(expected.to_owned());
    };
    let separated = thousands(grouped);
    Err(format!(
        "{number}{unit} could be {decimal}{unit} or {separated}{unit}: write {decimal}{unit} or {grouped}{unit}"
    ))
}

/// Accepts an HTTP or HTTPS URL of a host without a path, unchanged.
pub(crate) fn parse_url(text: &str) -> Result<String, String> {
    let expected = || Err("give a URL such as http://127.0.0.1:4566".to_owned());
    let Some((scheme @ ("http" | "https"), rest)) = text.split_once("://") else { return expected() };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    // The colons of an IPv6 address are in brackets.
    let bracketed = host.strip_prefix('[').and_then(|host| host.split_once(']'));
    let (is_host, port) = if let Some((address, port)) = bracketed {
        (address.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
        let is_letter = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        (!name.is_empty() && name.chars().all(is_letter), port)
    };
    let is_port = |port: &str| port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if !is_host || !(port.is_empty() || is_port(port)) {
        expected()
    } else if path.is_empty() {
        Ok(text.to_owned())
    } else {
        Err(format!("give it without a path: {scheme}://{host}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> Result<u32, String> {
        count_parser(1..=1_000_000_000)(text)
    }

    fn seconds(text: &str) -> Result<f64, String> {
        seconds_parser(0.0..=36_000.0)(text)
    }

    fn rate(text: &str) -> Result<f64, String> {
        fraction_parser(0.0..=1.0)(text)
    }

    #[test]
    fn counts_are_exact_with_separators_and_units() {
        for (text, number) in [
            ("1", 1),
            ("+5", 5),
            ("0100", 100),
            ("1_000", 1_000),
            ("1,000", 1_000),
            ("12,345,678", 12_345_678),
            ("10k", 10_000),
            ("1 k", 1_000),
            ("1,000k", 1_000_000),
            ("1.5k", 1_500),
            ("0.25M", 250_000),
            ("1.2345M", 1_234_500),
            ("1000M", 1_000_000_000),
        ] {
            assert_eq!(count(text), Ok(number), "{text}");
        }
        assert_eq!(count_parser::<u64>(0..=u64::MAX)("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn a_count_that_is_not_whole_or_out_of_range_is_refused_with_the_accepted_forms() {
        let expected = "expected a whole number from 1 to 1,000,000,000, such as 1000, 1,000, 10k, 1M";
        let texts = "0 -1 -1k 1.0 1.5 1.2345k k +k 1K 1m 1G 1e3 nan inf 1__0 _1 1_ 1,0,0 1,00,000 ,1 1, 1,,000 2000M \
                     99999999999999999999 1.000.000 0x10 \u{661}";
        for text in texts.split(' ').chain([""]) {
            assert_eq!(count(text).unwrap_err(), expected, "{text}");
        }
        assert_eq!(count_parser::<u32>(1..=9)("10").unwrap_err(), "expected a whole number from 1 to 9");
        let unlimited = count_parser::<u64>(1..=u64::MAX)("0").unwrap_err();
        assert_eq!(unlimited, "expected a whole number from 1 up, such as 1000, 1,000, 10k, 1M");
    }

    #[test]
    fn times_have_units_and_are_seconds_without() {
        for (text, value) in [
            ("0.5", 0.5),
            (".5", 0.5),
            ("-0", 0.0),
            ("1e-3", 0.001),
            ("500ms", 0.5),
            ("1.5s", 1.5),
            ("1.5 s", 1.5),
            ("2m", 120.0),
            ("1h", 3_600.0),
            ("0.125", 0.125),
            ("12.0625", 12.062_5),
            ("1_000", 1_000.0),
            ("1,000ms", 1.0),
            ("1,000.500", 1_000.5),
            ("36000", 36_000.0),
        ] {
            assert_eq!(seconds(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn a_time_out_of_range_or_in_another_unit_is_refused_with_the_accepted_forms() {
        let expected = "expected a time from 0 to 36,000 seconds, such as 0.5, 500ms, 1.5s, 2m or 1h";
        let texts = "5x -1 -5s nan NaN inf infinity 1e999 36001 11h 99999999999999999999h s ms 1M 1% 5S 1m30s 1.5.5 0x1 \
                     1e 1,000.5,0";
        for text in texts.split(' ').chain(["", "1 0"]) {
            assert_eq!(seconds(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn rates_are_fractions_or_percentages() {
        for (text, fraction) in [
            ("0.1", 0.1),
            ("10%", 0.1),
            ("57%", 0.57),
            ("12.5 %", 0.125),
            ("0", 0.0),
            ("-0", 0.0),
            ("100%", 1.0),
            ("1", 1.0),
            ("1.000", 1.0),
            ("1e-3", 0.001),
        ] {
            assert_eq!(rate(text), Ok(fraction), "{text}");
        }
        for text in ["", "%", "1.5", "110%", "nan", "-0.1", "-10%", "inf", "ten", "10%%", "20", "1.500", "1s"]
        {
            assert_eq!(rate(text).unwrap_err(), "expected a rate from 0 to 1, or 0% to 100%", "{text}");
        }
        let share = fraction_parser(0.0..=10.0);
        assert_eq!((share("1.000"), share("25%")), (Ok(1.0), Ok(0.25)));
        assert_eq!(share("11").unwrap_err(), "expected a rate from 0 to 10, or 0% to 1,000%");
    }

    #[test]
    fn an_ambiguous_number_is_refused_with_both_readings() {
        for (error, readings) in [
            (count("1.000").unwrap_err(), "1.000 could be 1 or 1,000: write 1 or 1000"),
            (count("1.500").unwrap_err(), "1.500 could be 1.5 or 1,500: write 1.5 or 1500"),
            (count("1.000k").unwrap_err(), "1.000k could be 1k or 1,000k: write 1k or 1000k"),
            (count("1,5").unwrap_err(), "1,5 could be 1.5 or 15: write 1.5 or 15"),
            (seconds("1.000").unwrap_err(), "1.000 could be 1 or 1,000: write 1 or 1000"),
            (seconds("1.500s").unwrap_err(), "1.500s could be 1.5s or 1,500s: write 1.5s or 1500s"),
            (seconds("1,5").unwrap_err(), "1,5 could be 1.5 or 15: write 1.5 or 15"),
            (seconds("0,500").unwrap_err(), "0,500 could be 0.5 or 500: write 0.5 or 500"),
            (rate("0,1").unwrap_err(), "0,1 could be 0.1 or 1: write 0.1 or 1"),
            (rate("12,5%").unwrap_err(), "12,5% could be 12.5% or 125%: write 12.5% or 125%"),
        ] {
            assert_eq!(error, readings);
        }
    }

    #[test]
    fn other_numbers_need_not_be_whole() {
        let number = |text: &str| parse_number(text, &(0.0..=f64::MAX), "expected a number");
        for (text, value) in
            [("0.5", 0.5), ("100", 100.0), ("1.5k", 1_500.0), ("2M", 2e6), ("1,000", 1_000.0)]
        {
            assert_eq!(number(text), Ok(value), "{text}");
        }
        for text in ["-1", "inf", "nan", "1e999", "10s", "10%"] {
            assert_eq!(number(text).unwrap_err(), "expected a number", "{text}");
        }
    }
}
