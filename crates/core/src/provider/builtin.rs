//! The built-in provider profiles.

use super::profile::ProviderProfile;

/// A provider profile that is part of the program.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// Name of the profile.
    pub name: &'static str,
    /// The profile as TOML, with the sources of its numbers.
    pub toml: &'static str,
}

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        [$(BuiltIn { name: $name, toml: include_str!(concat!("profiles/", $name, ".toml")) }),+]
    };
}

/// The built-in profiles.
pub const BUILT_IN: [BuiltIn; 8] = built_in![
    "us-short-code",
    "us-toll-free",
    "us-10dlc-high",
    "us-10dlc-medium",
    "us-10dlc-low",
    "us-10dlc-unvetted",
    "ca-long-code",
    "intl-long-code",
];

/// Returns the built-in profile of this name.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|built_in| built_in.name == name)
}

impl BuiltIn {
    /// Parses the profile.
    pub fn profile(&self) -> ProviderProfile {
        super::profile::parse(self.toml).expect("the tests parse every built-in profile")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_valid_and_has_a_source_and_a_limit() {
        for built_in in BUILT_IN {
            let profile = ProviderProfile::from_toml(built_in.toml).unwrap();
            assert_eq!(profile.name, built_in.name);
            assert!(profile.source.is_some() && profile.as_of.is_some(), "{profile:?}");
            assert!(profile.limits.parts_per_second.is_some(), "{profile:?}");
            assert!(profile.carriers.is_empty() || !profile.leaves_other_carriers(), "{profile:?}");
            assert_eq!(find(built_in.name).unwrap().profile(), profile);
        }
        assert!(find("us").is_none());
    }

    /// AWS End User Messaging SMS User Guide, "What are the Message Parts per Second (MPS) limits"; T-Mobile's caps.
    #[test]
    fn the_limits_are_those_of_the_sources() {
        let limits = |name| find(name).unwrap().profile().limits.parts_per_second.unwrap();
        let cap = |name| find(name).unwrap().profile().carrier("T-Mobile").and_then(|t| t.daily_parts);
        for (name, rate, daily_parts) in [
            ("us-short-code", 100.0, None),
            ("us-toll-free", 3.0, None),
            ("us-10dlc-high", 75.0, Some(200_000)),
            ("us-10dlc-medium", 40.0, Some(40_000)),
            ("us-10dlc-low", 4.0, Some(10_000)),
            ("us-10dlc-unvetted", 0.2, Some(2_000)),
            ("ca-long-code", 1.0, None),
            ("intl-long-code", 10.0, None),
        ] {
            assert!((limits(name) - rate).abs() < f64::EPSILON, "{name}");
            assert_eq!(cap(name), daily_parts, "{name}");
        }
    }
}
