use proptest::prelude::*;

use super::*;
use crate::provider::profile::OTHER_CARRIER;

const WHOLE: &str = r#"name = "test"
source = "a contract"
as_of = "2026-11"
[limits]
parts_per_second = 100
burst_parts = 50.5
ttl_seconds = 60
spend_dollars = 1.0
[delivery]
mean_seconds = 0.5
distribution = "lognormal"
spread = 0.3
[price]
per_part = 0.0083
[[carriers]]
name = "AT&T"
share = 0.6
fee_per_part = 0.0035
[[carriers]]
name = "T-Mobile"
share = 0.4
daily_parts = 2000
utc_offset = "-08:00"
[[failures]]
code = "CARRIER_UNREACHABLE"
share = 0.03
temporary = true
[[failures]]
code = "INVALID"
share = 0.01
"#;

fn error_of(text: &str) -> String {
    ProviderProfile::from_toml(text).unwrap_err().to_string()
}

/// The error of the whole profile with one line replaced, whose number is `line`.
fn error_with(line: usize, replacement: &str) -> String {
    let lines = WHOLE.lines().enumerate();
    let lines: Vec<&str> = lines.map(|(at, text)| if at + 1 == line { replacement } else { text }).collect();
    error_of(&lines.join("\n"))
}

#[test]
fn a_whole_profile_is_read_and_only_the_name_is_required() {
    let profile = ProviderProfile::from_toml(WHOLE).unwrap();
    assert_eq!(profile.carriers.len(), 2);
    assert_eq!(profile.failure_rate().map(crate::delivery::FailureRate::as_fraction), Some(0.04));
    let least = ProviderProfile::from_toml("name = \"x\"").unwrap();
    assert_eq!((least.limits, least.failures.len()), (super::super::Limits::default(), 0));
    let text = serde_json::to_string(&profile).unwrap();
    assert_eq!(serde_json::from_str::<ProviderProfile>(&text).unwrap(), profile);
}

#[test]
fn an_invalid_value_is_named_with_its_line_its_key_and_what_is_allowed() {
    const RATE: &str = "out of range, expected 0.001 to 1,000,000 parts per second";
    const SHARE: &str = "out of range, expected 0 to 1";
    const DOLLARS: &str = "out of range, expected 0 to 1,000 dollars";
    for (line, replacement, place, why) in [
        (
            1,
            r#"name = "US Short""#,
            "`name`",
            "'US Short' is invalid, expected 1 to 32 of a to z, 0 to 9 and -",
        ),
        (1, r#"name = """#, "`name`", "'' is invalid"),
        (2, r#"source = "a\u001bb""#, "`source`", "expected 1 to 400 printable characters"),
        (5, "parts_per_second = 0", "`limits.parts_per_second`", RATE),
        (5, "parts_per_second = -5", "`limits.parts_per_second`", RATE),
        (5, "parts_per_second = 1000000.5", "`limits.parts_per_second`", RATE),
        (5, "parts_per_second = nan", "`limits.parts_per_second`", RATE),
        (5, "parts_per_second = inf", "`limits.parts_per_second`", RATE),
        (5, r#"parts_per_second = "100""#, "`limits.parts_per_second`", "expected a number"),
        (6, "burst_parts = 0", "`limits.burst_parts`", "expected more than 0"),
        (7, "ttl_seconds = -1", "`limits.ttl_seconds`", "expected more than 0"),
        (
            7,
            "ttl_seconds = 0.005",
            "`limits.ttl_seconds`",
            "0.005 s is shorter than the 0.01 s that one part takes",
        ),
        (8, "spend_dollars = 0", "`limits.spend_dollars`", "expected more than 0"),
        (10, "mean_seconds = -1", "`delivery.mean_seconds`", "outside 0 to 36,000 seconds"),
        (
            11,
            r#"distribution = "flat""#,
            "`delivery.distribution`",
            "expected one of `normal`, `exponential`",
        ),
        (12, "spread = 11", "`delivery.spread`", "outside 0 to 10"),
        (14, "per_part = -0.01", "`price.per_part`", DOLLARS),
        (16, r#"name = """#, "`carriers[0].name`", "expected 1 to 32 printable characters"),
        (17, "share = 1.1", "`carriers[0].share`", SHARE),
        (17, "share = -0.1", "`carriers[0].share`", SHARE),
        (18, "fee_per_part = -1", "`carriers[0].fee_per_part`", DOLLARS),
        (20, r#"name = "AT&T""#, "`carriers[1].name`", "the carrier 'AT&T' is listed twice"),
        (21, "share = 0.5", "`carriers[1].share`", "add up to 1.1, expected at most 1"),
        (22, "daily_parts = -1", "`carriers[1].daily_parts`", "expected a whole number from 0"),
        (23, r#"utc_offset = "PST""#, "`carriers[1].utc_offset`", "from -14:00 to +14:00, such as -08:00"),
        (
            25,
            r#"code = "unreachable""#,
            "`failures[0].code`",
            "expected a failure code: 1 to 32 of A to Z, 0 to 9 and _",
        ),
        (26, "share = 2", "`failures[0].share`", SHARE),
        (27, r#"temporary = "yes""#, "`failures[0].temporary`", "expected a boolean"),
        (
            29,
            r#"code = "CARRIER_UNREACHABLE""#,
            "`failures[1].code`",
            "the code CARRIER_UNREACHABLE is listed twice",
        ),
        (30, "share = 0.98", "`failures[1].share`", "add up to 1.01"),
    ] {
        let error = error_with(line, replacement);
        assert!(error.starts_with(&format!("line {line}, {place}: ")) && error.contains(why), "{error}");
        assert!(!error.contains(|c: char| c.is_control()), "{error:?}");
    }
}

#[test]
fn invalid_toml_and_unknown_keys_are_named_with_their_line() {
    for (line, replacement, why) in [
        (1, "name = ", "line 1"),
        (4, "[limits", "line 4"),
        (
            5,
            "parts_per_minute = 5",
            "line 5: unknown field `parts_per_minute`, expected one of `parts_per_second`",
        ),
        (9, "[deliveries]", "line 9: unknown field `deliveries`, expected one of `name`"),
        (1, "", "missing field `name`"),
        (6, "parts_per_second = 2", "line 6"),
    ] {
        let error = error_with(line, replacement);
        assert!(error.contains(why) && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn a_list_that_is_too_long_is_refused() {
    let list = |length, entry: &str| {
        let entries: Vec<String> = (0..length).map(|place| entry.replace('?', &format!("{place}"))).collect();
        format!("name = \"x\"\n{}", entries.concat())
    };
    let text = list(17, "[[failures]]\ncode = \"C?\"\nshare = 0.01\n");
    assert_eq!(error_of(&text), "line 51, `failures[16].code`: more failure codes than 16");
    let text = text.replace("[[failures]]\ncode = \"C16\"\nshare = 0.01\n", "");
    assert_eq!(ProviderProfile::from_toml(&text).unwrap().failures.len(), 16);
    let carriers = list(65, "[[carriers]]\nname = \"C?\"\nshare = 0.01\n");
    assert!(error_of(&carriers).contains("more carriers than 64"));
}

#[test]
fn the_name_of_a_built_in_profile_is_reserved_for_its_limits() {
    let built_in = builtin::find("us-10dlc-high").unwrap().toml;
    let cheaper = built_in.replace("per_part = 0.0083", "per_part = 0.002");
    assert!(ProviderProfile::from_toml(&cheaper).is_ok());
    let renamed = built_in.replace("parts_per_second = 75", "parts_per_second = 200");
    let renamed = renamed.replace("name = \"us-10dlc-high\"", "name = \"mine\"");
    assert!(ProviderProfile::from_toml(&renamed).is_ok());
    for (old, new) in [
        ("parts_per_second = 75", "parts_per_second = 200"),
        ("daily_parts = 200000", "daily_parts = 5"),
        ("utc_offset = \"-08:00\"", "utc_offset = \"+00:00\""),
    ] {
        let changed = built_in.replace(old, new);
        assert_ne!(changed, built_in);
        let expected =
            "line 2, `name`: the built-in profile 'us-10dlc-high' has other limits: choose another name";
        assert_eq!(error_of(&changed), expected);
    }
}

#[test]
fn messages_beyond_the_shares_of_the_carriers_have_another_carrier() {
    let profile = ProviderProfile::from_toml("name = \"x\"").unwrap();
    let id = crate::message::MessageId::new(crate::run::RunId::from_parts(0, 0), 3).unwrap();
    assert_eq!(profile.draw_carrier(id, 1), OTHER_CARRIER);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}", line in 1..=30_usize) {
        let _ = ProviderProfile::from_toml(&text);
        let lines = WHOLE.lines().enumerate().map(|(at, whole)| if at + 1 == line { &*text } else { whole });
        let _ = ProviderProfile::from_toml(&lines.collect::<Vec<_>>().join("\n"));
    }
}
