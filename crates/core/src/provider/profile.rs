//! Provider profiles: the limits, prices, carriers and failures of a simulated SMS provider.

use serde::{Deserialize, Serialize};

use super::code::FailureCode;
use crate::delivery::DistributionKind;

/// A provider profile. A part that is absent neither limits, charges nor rejects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// Message parts a second, above 0 to 1,000,000.
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

    /// Returns the price of a part to a carrier, in dollars: the provider's and the carrier's fee.
    pub fn dollars_per_part(&self, carrier: &str) -> f64 {
        let fee = self.carrier(carrier).and_then(|carrier| carrier.fee_per_part);
        self.price.per_part.unwrap_or(0.0) + fee.unwrap_or(0.0)
    }

    /// Parses a profile; the error names the line.
    #[cfg(feature = "profiles")]
    pub fn from_toml(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.to_string())
    }
}
