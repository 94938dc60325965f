//! Provider profiles: the value of `--provider`, and `sender providers`.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::sync::Arc;

use serde::Serialize;
use stentor_cli::columns::{self, Align::Left, Align::Right};
use stentor_cli::{format, print_line};
use stentor_core::provider::builtin::{self, BUILT_IN, BuiltIn};
use stentor_core::provider::profile::{OTHER_CARRIER, ProviderProfile};

/// A file is read up to this size, bytes.
const MAX_FILE: u64 = 65_536;

/// The messages of the estimate.
const MESSAGES: f64 = 1e6;

/// Parses the value of `--provider`: the name of a built-in profile, or a file.
pub(crate) fn parse_provider(value: &str) -> Result<Arc<ProviderProfile>, String> {
    if let Some(built_in) = builtin::find(value) {
        return Ok(Arc::new(built_in.profile()));
    }
    let text = read(value)?;
    ProviderProfile::from_toml(&text).map(Arc::new).map_err(|error| error.to_string())
}

fn read(path: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    match file {
        Ok(_) if bytes.len() as u64 > MAX_FILE => Err("the file has more than 64 KiB".to_owned()),
        Ok(_) => String::from_utf8(bytes).map_err(|error| format!("the file is not UTF-8: {error}")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let names = BUILT_IN.map(|built_in| built_in.name).join(", ");
            Err(format!("neither a file nor a built-in profile ({names})"))
        }
        Err(error) => Err(format!("cannot read the file: {error}")),
    }
}

/// Prints a built-in profile, or a row for each.
pub(crate) fn print(name: Option<&BuiltIn>, as_json: bool) -> anyhow::Result<()> {
    let lines = match (name, as_json) {
        (Some(built_in), false) => built_in.toml.trim_end().to_owned(),
        (Some(built_in), true) => format::json_line(&built_in.profile()),
        (None, false) => table(&rows()),
        (None, true) => rows().iter().map(format::json_line).collect::<Vec<_>>().join("\n"),
    };
    print_line(&lines)?;
    Ok(())
}

/// A profile of the list. It serialises to a line of `--json`.
#[derive(Debug, Serialize)]
struct ProviderRow {
    name: String,
    parts_per_second: Option<f64>,
    min_dollars_per_part: Option<f64>,
    max_dollars_per_part: Option<f64>,
    daily_caps: Vec<DailyCap>,
    million_seconds: Option<f64>,
    source: Option<String>,
    as_of: Option<String>,
}

#[derive(Debug, Serialize)]
struct DailyCap {
    carrier: String,
    parts: u64,
    utc_offset: Option<String>,
}

fn rows() -> Vec<ProviderRow> {
    BUILT_IN.iter().map(|built_in| ProviderRow::from(built_in.profile())).collect()
}

impl From<ProviderProfile> for ProviderRow {
    fn from(profile: ProviderProfile) -> Self {
        let names = profile.carriers.iter().map(|carrier| carrier.name.as_str());
        let others = Some(OTHER_CARRIER).filter(|_| profile.leaves_other_carriers());
        let prices = || names.clone().chain(others).map(|name| profile.dollars_per_part(name));
        let has_prices = profile.price.per_part.is_some();
        let caps = profile.carriers.iter().filter_map(|carrier| {
            let (carrier, parts) = (carrier, carrier.daily_parts?);
            Some(DailyCap { carrier: carrier.name.clone(), parts, utc_offset: carrier.utc_offset.clone() })
        });
        Self {
            parts_per_second: profile.limits.parts_per_second,
            min_dollars_per_part: has_prices.then(|| prices().fold(f64::INFINITY, f64::min)),
            max_dollars_per_part: has_prices.then(|| prices().fold(0.0, f64::max)),
            daily_caps: caps.collect(),
            million_seconds: profile.limits.parts_per_second.map(|rate| MESSAGES / rate),
            name: profile.name,
            source: profile.source,
            as_of: profile.as_of,
        }
    }
}

/// Formats the rows as aligned columns with a header.
fn table(rows: &[ProviderRow]) -> String {
    let header = ["NAME", "PARTS/S", "$ PER PART", "DAILY CAP", "A MILLION"].map(str::to_owned);
    let cells: Vec<[String; 5]> =
        std::iter::once(header).chain(rows.iter().map(ProviderRow::cells)).collect();
    columns::lines(&cells, [Left, Right, Left, Left, Right])
}

impl ProviderRow {
    fn cells(&self) -> [String; 5] {
        let or_dash = |text: Option<String>| text.unwrap_or("-".to_owned());
        let price = self.min_dollars_per_part.zip(self.max_dollars_per_part);
        let price = price.map(
            |(min, max)| {
                if min < max { format!("{min:.4} to {max:.4}") } else { format!("{min:.4}") }
            },
        );
        let caps =
            self.daily_caps.iter().map(|cap| format!("{} {}", cap.carrier, format::thousands(cap.parts)));
        let caps = caps.collect::<Vec<_>>().join(", ");
        [
            self.name.clone(),
            or_dash(self.parts_per_second.map(|rate| rate.to_string())),
            or_dash(price),
            or_dash(Some(caps).filter(|caps| !caps.is_empty())),
            or_dash(self.million_seconds.map(format::duration)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_limit_price_cap_and_time_of_each_profile() {
        let table = table(&rows());
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 1 + BUILT_IN.len());
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{table}");
        assert_eq!(
            lines[0],
            "NAME               PARTS/S  $ PER PART        DAILY CAP              A MILLION"
        );
        assert_eq!(
            lines[1],
            "us-short-code          100  0.0118 to 0.0128  -                     2 h 47 min"
        );
        assert_eq!(
            lines[3],
            "us-10dlc-high           75  0.0118 to 0.0128  T-Mobile 200,000      3 h 42 min"
        );
        assert_eq!(
            lines[8],
            "intl-long-code          10  -                 -                    27 h 47 min"
        );
    }

    #[test]
    fn json_has_unknown_prices_as_null() {
        let row = |name: &str| serde_json::to_value(rows().into_iter().find(|row| row.name == name)).unwrap();
        let known = row("us-10dlc-unvetted");
        assert_eq!(known["daily_caps"][0]["carrier"], "T-Mobile");
        assert_eq!(
            (&known["daily_caps"][0]["parts"], &known["million_seconds"]),
            (&2_000.into(), &5e6.into())
        );
        assert!(known["min_dollars_per_part"].as_f64() < known["max_dollars_per_part"].as_f64());
        assert!(row("ca-long-code")["min_dollars_per_part"].is_null());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_described() {
        let folder = std::env::temp_dir();
        let error = parse_provider(folder.to_str().unwrap()).unwrap_err();
        assert!(error.starts_with("cannot read the file: "), "{error}");
        let error = parse_provider("us-shortcode").unwrap_err();
        assert!(error.starts_with("neither a file nor a built-in profile (us-short-code, "), "{error}");
        assert_eq!(parse_provider("/dev/zero").unwrap_err(), "the file has more than 64 KiB");
    }
}
