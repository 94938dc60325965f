//! Provider profiles: the limits, prices, carriers and failures of a simulated SMS provider.

#[cfg(feature = "profiles")]
mod file;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::allowance::utc_offset_seconds;
use super::code::FailureCode;
use crate::delivery::{DistributionKind, FailureRate};
use crate::message::MessageId;
use crate::rng::{self, RngStream};

#[cfg(feature = "profiles")]
pub use file::InvalidProfileFile;
#[cfg(feature = "profiles")]
pub(super) use file::parse;
pub use rules::{InvalidProfile, MAX_TTL};

/// A provider profile. A part that is absent neither limits, charges nor rejects. Deserialising one checks its values,
/// so a profile from a file or a table is valid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct ProviderProfile {
    /// Name of the profile, and of the rate limit that all senders with the profile share: `[a-z0-9-]{1,32}`.
    pub name: String,
    /// Where the numbers come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The month of the source, such as `2026-11`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// What the provider accepts.
    #[serde(default)]
    pub limits: Limits,
    /// How long a delivery takes.
    #[serde(default)]
    pub delivery: DeliverySettings,
    /// The provider's price.
    #[serde(default)]
    pub price: Price,
    /// The carriers; empty for a single one without a name, fee or cap.
    #[serde(default)]
    pub carriers: Vec<Carrier>,
    /// The causes of failures.
    #[serde(default)]
    pub failures: Vec<FailureShare>,
}

/// The limits of a provider, for all senders of the stack together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Message parts a second, 0.001 to 1,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts_per_second: Option<f64>,
    /// Parts that may start at once after a pause; by default those of a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst_parts: Option<f64>,
    /// The age in seconds from which a message is no longer delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<f64>,
    /// Dollars in a calendar month, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend_dollars: Option<f64>,
}

/// What all senders with one profile name share: the limits, and the daily caps of the carriers.
#[derive(Debug, PartialEq)]
pub struct SharedLimits<'a> {
    limits: &'a Limits,
    /// Parts a day, and the offset from UTC in seconds, by carrier.
    caps: BTreeMap<&'a str, (u64, i64)>,
}

impl SharedLimits<'_> {
    /// Lists the values in which the stored limits and those of a sender differ, by the keys of a profile.
    pub fn difference(stored: &Self, own: &Self) -> String {
        let (stored, own) = (stored.values(), own.values());
        let keys: BTreeSet<&String> = stored.keys().chain(own.keys()).collect();
        let differing = keys.into_iter().filter(|key| stored.get(*key) != own.get(*key));
        let value =
            |values: &BTreeMap<_, _>, key| values.get(key).cloned().unwrap_or_else(|| "none".to_owned());
        let described = differing
            .map(|key| format!("{key}: stored {}, this sender {}", value(&stored, key), value(&own, key)));
        described.collect::<Vec<_>>().join("; ")
    }

    fn values(&self) -> BTreeMap<String, String> {
        let Limits { parts_per_second, burst_parts, ttl_seconds, spend_dollars } = self.limits;
        let limits = [
            ("parts_per_second", parts_per_second),
            ("burst_parts", burst_parts),
            ("ttl_seconds", ttl_seconds),
            ("spend_dollars", spend_dollars),
        ];
        let limits =
            limits.into_iter().filter_map(|(key, value)| Some((key.to_owned(), (*value)?.to_string())));
        let caps = self.caps.iter().map(|(carrier, (parts, utc_offset))| {
            let (sign, minutes) = (if *utc_offset < 0 { '-' } else { '+' }, utc_offset.abs() / 60);
            let offset = format!(" (utc_offset {sign}{:02}:{:02})", minutes / 60, minutes % 60);
            let cap = format!("{parts}{}", if minutes == 0 { "" } else { &offset });
            (format!("daily_parts of '{carrier}'"), cap)
        });
        limits.chain(caps).collect()
    }
}

/// The delivery times of a provider. They replace a sender's defaults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverySettings {
    /// Mean delivery time, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_seconds: Option<f64>,
    /// Distribution of the delivery time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<DistributionKind>,
    /// Standard deviation as a share of the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
}

/// The price of a provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Dollars a part, without the carrier's fee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_part: Option<f64>,
}

/// A carrier: its share of the messages, its fee and its daily cap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carrier {
    /// Name of the carrier.
    pub name: String,
    /// Share of the messages, 0 to 1.
    pub share: f64,
    /// Dollars a part, in addition to the provider's price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_per_part: Option<f64>,
    /// Parts a day, over all senders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_parts: Option<u64>,
    /// Time zone of the day, such as `-08:00`; by default UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_offset: Option<String>,
}

impl Carrier {
    /// Returns the offset of its day from UTC, seconds.
    pub(super) fn utc_offset_seconds(&self) -> i64 {
        // A profile is valid, so the default stands for an absent offset only.
        self.utc_offset.as_deref().and_then(utc_offset_seconds).unwrap_or(0)
    }
}

/// A cause of failures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureShare {
    /// Its code.
    pub code: FailureCode,
    /// Share of the deliveries that fail for this reason, 0 to 1.
    pub share: f64,
    /// Whether another attempt may succeed.
    #[serde(default)]
    pub temporary: bool,
}

/// The carrier of all messages that the shares of a profile's carriers leave, and where it has none.
pub const OTHER_CARRIER: &str = "OTHER";

impl ProviderProfile {
    /// Returns the carrier of this name.
    pub fn carrier(&self, name: &str) -> Option<&Carrier> {
        self.carriers.iter().find(|carrier| carrier.name == name)
    }

    /// Returns what all senders with the name of the profile share.
    pub fn shared_limits(&self) -> SharedLimits<'_> {
        let caps = self.carriers.iter().filter_map(|carrier| {
            Some((carrier.name.as_str(), (carrier.daily_parts?, carrier.utc_offset_seconds())))
        });
        SharedLimits { limits: &self.limits, caps: caps.collect() }
    }

    /// Draws the carrier of a message of a run with this seed. The same arguments always give the same carrier.
    pub fn draw_carrier(&self, id: MessageId, run_seed: u64) -> &str {
        let mut rng = rng::for_message(RngStream::Carrier, run_seed, id.index(), 0);
        let shares = self.carriers.iter().map(|carrier| carrier.share);
        let drawn = pick(shares, rng.random()).and_then(|place| self.carriers.get(place));
        drawn.map_or(OTHER_CARRIER, |carrier| &carrier.name)
    }

    /// Whether the shares of the carriers leave messages to [`OTHER_CARRIER`].
    pub fn leaves_other_carriers(&self) -> bool {
        self.carriers.iter().map(|carrier| carrier.share).sum::<f64>() < 1.0 - rules::ROUNDING
    }

    /// Returns the price of a part to a carrier, in dollars: the provider's and the carrier's fee.
    pub fn dollars_per_part(&self, carrier: &str) -> f64 {
        let fee = self.carrier(carrier).and_then(|carrier| carrier.fee_per_part);
        self.price.per_part.unwrap_or(0.0) + fee.unwrap_or(0.0)
    }

    /// Returns the share of deliveries that fail; `None` if the profile has no failures.
    pub fn failure_rate(&self) -> Option<FailureRate> {
        let total: f64 = self.failures.iter().map(|failure| failure.share).sum();
        (!self.failures.is_empty()).then(|| FailureRate::new(total.clamp(0.0, 1.0)))?
    }
}

/// Returns the place of the share in which a point from 0 to the sum of the shares lies; `None` beyond the sum.
pub(crate) fn pick(shares: impl Iterator<Item = f64>, point: f64) -> Option<usize> {
    let mut end = 0.0;
    shares.enumerate().find_map(|(place, share)| {
        end += share;
        (point < end).then_some(place)
    })
}

impl Serialize for ProviderProfile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for ProviderProfile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let profile = Self::deserialize(deserializer)?;
        rules::check(&profile).map_err(D::Error::custom)?;
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RunId;
    use proptest::prelude::*;

    fn profile(shares: &[f64]) -> ProviderProfile {
        let carriers: Vec<_> = shares
            .iter()
            .enumerate()
            .map(|(place, share)| serde_json::json!({"name": format!("carrier {place}"), "share": share}))
            .collect();
        serde_json::from_value(serde_json::json!({"name": "test", "carriers": carriers})).unwrap()
    }

    fn id(index: u32) -> MessageId {
        MessageId::new(RunId::from_parts(0, 0), index).unwrap()
    }

    #[test]
    fn only_the_limits_and_caps_that_differ_are_listed() {
        let with = |limits, cap: serde_json::Value| -> ProviderProfile {
            let mut carrier = serde_json::json!({"name": "A", "share": 0.5});
            carrier.as_object_mut().unwrap().extend(cap.as_object().unwrap().clone());
            let profile = serde_json::json!({"name": "test", "limits": limits, "carriers": [carrier]});
            serde_json::from_value(profile).unwrap()
        };
        let fifty = || serde_json::json!({"parts_per_second": 50});
        let capped = |cap| with(fifty(), cap);
        let difference = |stored: &ProviderProfile, own: &ProviderProfile| {
            SharedLimits::difference(&stored.shared_limits(), &own.shared_limits())
        };
        let utc = capped(serde_json::json!({"daily_parts": 7}));
        for (own, expected) in [
            (capped(serde_json::json!({"daily_parts": 5})), "daily_parts of 'A': stored 7, this sender 5"),
            (capped(serde_json::json!({})), "daily_parts of 'A': stored 7, this sender none"),
            (
                capped(serde_json::json!({"daily_parts": 7, "utc_offset": "-08:30"})),
                "daily_parts of 'A': stored 7, this sender 7 (utc_offset -08:30)",
            ),
            (
                with(serde_json::json!({"ttl_seconds": 9.5}), serde_json::json!({"daily_parts": 7})),
                "parts_per_second: stored 50, this sender none; ttl_seconds: stored none, this sender 9.5",
            ),
        ] {
            assert_ne!(utc.shared_limits(), own.shared_limits());
            assert_eq!(difference(&utc, &own), expected);
        }
        let same = capped(serde_json::json!({"daily_parts": 7, "utc_offset": "-00:00"}));
        assert_eq!(utc.shared_limits(), same.shared_limits());
        assert_eq!(difference(&utc, &same), "");
    }

    /// Rehearsals with the same seed must be comparable across versions.
    #[test]
    fn carriers_of_a_seed_never_change() {
        let profile = profile(&[0.4, 0.3, 0.2]);
        let drawn: Vec<&str> = (0..6).map(|index| profile.draw_carrier(id(index), 7)).collect();
        assert_eq!(drawn, ["carrier 2", "carrier 0", "carrier 1", "carrier 1", "carrier 1", "carrier 2"]);
        assert_ne!(drawn, (0..6).map(|index| profile.draw_carrier(id(index), 8)).collect::<Vec<_>>());
    }

    #[test]
    fn an_invalid_profile_is_not_deserialised() {
        let invalid = serde_json::json!({"name": "test", "carriers": [{"name": "A", "share": 1.5}]});
        let error = serde_json::from_value::<ProviderProfile>(invalid).unwrap_err().to_string();
        assert_eq!(error, "`carriers[0].share`: 1.5 is out of range, expected 0 to 1");
    }

    #[test]
    fn a_part_costs_the_price_and_the_fee_of_its_carrier() {
        let profile: ProviderProfile = serde_json::from_value(serde_json::json!({
            "name": "test",
            "price": {"per_part": 0.01},
            "carriers": [{"name": "A", "share": 0.5, "fee_per_part": 0.005}],
        }))
        .unwrap();
        assert!((profile.dollars_per_part("A") - 0.015).abs() < 1e-12);
        assert!((profile.dollars_per_part(OTHER_CARRIER) - 0.01).abs() < 1e-12);
        assert!(profile.leaves_other_carriers());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn carriers_have_their_shares(weights in prop::collection::vec(0.0..1.0_f64, 1..6), rest in 0.0..1.0_f64, seed: u64) {
            const MESSAGES: u32 = 20_000;
            let total: f64 = weights.iter().sum::<f64>() + rest + 1e-9;
            let shares: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
            let profile = profile(&shares);
            let mut counts = std::collections::BTreeMap::<&str, f64>::new();
            for index in 0..MESSAGES {
                *counts.entry(profile.draw_carrier(id(index), seed)).or_default() += 1.0;
            }
            let others = 1.0 - shares.iter().sum::<f64>();
            let names = profile.carriers.iter().map(|carrier| carrier.name.as_str());
            for (name, share) in names.zip(shares.iter().copied()).chain([(OTHER_CARRIER, others)]) {
                let expected = f64::from(MESSAGES) * share;
                // Five standard deviations, and one message for shares close to 0.
                let margin = 5.0 * (expected * (1.0 - share)).max(0.0).sqrt() + 1.0;
                let count = counts.get(name).copied().unwrap_or(0.0);
                prop_assert!((count - expected).abs() <= margin, "{name}: {count} instead of {expected}");
            }
        }
    }
}
